//! `--change` of `import`: Dockerfile instructions that set the configuration.

use super::config::ContainerDefaults;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error(
        "`{0}` is no instruction that `--change` takes: use CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR"
    )]
    Instruction(String),
    #[error("`{0}` lacks its value")]
    NoValue(String),
    #[error("`{0}` is not `NAME=value`")]
    Assignment(String),
    #[error("`{0}` is not a list of strings")]
    List(String),
    #[error("`{0}` is not a port, as in `80/tcp`")]
    Port(String),
}

/// Applies `INSTRUCTION value` or `INSTRUCTION=value` (Dockerfile reference).
pub fn apply(config: &mut ContainerDefaults, change: &str) -> Result<(), ChangeError> {
    let change = change.trim();
    let (word, value) = change.split_once([' ', '\t', '=']).ok_or_else(|| ChangeError::NoValue(change.into()))?;
    let value = value.trim();
    match word.to_ascii_uppercase().as_str() {
        "CMD" => config.cmd = command(value)?,
        "ENTRYPOINT" => config.entrypoint = command(value)?,
        "ENV" => {
            let (name, value) = assignment(value)?;
            config.env.retain(|entry| entry.split('=').next() != Some(&name));
            config.env.push(format!("{name}={value}"));
        }
        "LABEL" => {
            let (name, value) = assignment(value)?;
            config.labels.insert(name, value);
        }
        "EXPOSE" => {
            for port in value.split_whitespace() {
                config.exposed_ports.insert(exposed(port)?, empty_object());
            }
        }
        "VOLUME" => {
            let paths = if value.starts_with('[') { list(value)? } else { words(value) };
            config.volumes.extend(paths.into_iter().map(|path| (path, empty_object())));
        }
        "USER" => config.user = value.to_owned(),
        "WORKDIR" => config.working_dir = value.to_owned(),
        "STOPSIGNAL" => config.stop_signal = Some(value.to_owned()),
        _ => return Err(ChangeError::Instruction(word.into())),
    }
    Ok(())
}

/// The exec form, a JSON list, or the shell form.
fn command(value: &str) -> Result<Vec<String>, ChangeError> {
    if value.starts_with('[') {
        return list(value);
    }
    Ok(vec!["/bin/sh".into(), "-c".into(), value.into()])
}

fn list(value: &str) -> Result<Vec<String>, ChangeError> {
    serde_json::from_str(value).map_err(|_| ChangeError::List(value.into()))
}

fn words(value: &str) -> Vec<String> {
    value.split_whitespace().map(str::to_owned).collect()
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

/// `name=value`, quoted or not, or the old `name value`.
fn assignment(value: &str) -> Result<(String, String), ChangeError> {
    let (name, value) =
        value.split_once('=').or_else(|| value.split_once(' ')).ok_or_else(|| ChangeError::Assignment(value.into()))?;
    let name = name.trim();
    let value = value.trim();
    let quoted = value.len() >= 2 && ["\"", "'"].iter().any(|q| value.starts_with(q) && value.ends_with(q));
    let value = if quoted { &value[1..value.len() - 1] } else { value };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(ChangeError::Assignment(name.into()));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn exposed(port: &str) -> Result<String, ChangeError> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let valid = number.parse::<u16>().is_ok_and(|n| n > 0) && matches!(protocol, "tcp" | "udp" | "sctp");
    if valid { Ok(format!("{number}/{protocol}")) } else { Err(ChangeError::Port(port.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_set_the_configuration() {
        let mut config = ContainerDefaults::default();
        let changes = [
            "CMD [\"/serve\", \"-v\"]",
            "entrypoint=/init x",
            "ENV A=1",
            "ENV A=\"2 3\"",
            "ENV B 4",
            "EXPOSE 80 53/udp",
            "VOLUME /data /more",
            "LABEL a.b='c d'",
            "USER 1000:1000",
            "WORKDIR /srv",
            "STOPSIGNAL SIGQUIT",
        ];
        for change in changes {
            apply(&mut config, change).unwrap();
        }
        assert_eq!(config.cmd, ["/serve", "-v"]);
        assert_eq!(config.entrypoint, ["/bin/sh", "-c", "/init x"]);
        assert_eq!(config.env, ["A=2 3", "B=4"]);
        assert!(config.exposed_ports.keys().eq(["53/udp", "80/tcp"]));
        assert!(config.volumes.keys().eq(["/data", "/more"]));
        assert_eq!(config.labels["a.b"], "c d");
        assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("1000:1000", "/srv"));
        assert_eq!(config.stop_signal.as_deref(), Some("SIGQUIT"));
    }

    #[test]
    fn wrong_instructions_are_refused() {
        for bad in ["RUN x", "CMD", "CMD [1]", "ENV x", "ENV =x", "EXPOSE 0", "EXPOSE 80/x", ""] {
            assert!(apply(&mut ContainerDefaults::default(), bad).is_err(), "{bad}");
        }
    }
}
