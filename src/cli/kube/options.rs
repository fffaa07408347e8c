//! Values of `kube play` options that have a grammar of their own.

use super::super::error::CommandError;
use crate::engine::NetworkRequest;
use crate::store::record::{LogConfig, LogDriver};

/// An option's value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("invalid value `{value}` for `{flag}`: {reason}")]
struct OptionError {
    flag: &'static str,
    value: String,
    reason: String,
}

fn refuse(flag: &'static str, value: &str, reason: impl Into<String>) -> CommandError {
    CommandError::invalid(OptionError { flag, value: value.to_owned(), reason: reason.into() })
}

/// Splits `key=value`.
pub fn key_value(flag: &'static str, text: &str) -> Result<(String, String), CommandError> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(refuse(flag, text, "it must be key=value")),
    }
}

/// `--network`: `host`, `none`, `bridge`, or a network's name, with `:ip=..,mac=..,alias=..,interface_name=..`.
pub fn network(text: &str) -> Result<NetworkRequest, CommandError> {
    const FLAG: &str = "--network";
    let (name, options) = text.split_once(':').unwrap_or((text, ""));
    match name {
        "host" => return Ok(NetworkRequest::Host),
        "none" => return Ok(NetworkRequest::None),
        "slirp4netns" | "pasta" => {
            return Err(refuse(FLAG, text, "pods join bridge networks; leave it out for the default one"));
        }
        "container" | "ns" | "pod" => return Err(refuse(FLAG, text, "a played pod always has a network of its own")),
        "" => return Err(refuse(FLAG, text, "it names no network")),
        _ => {}
    }
    let (mut ips, mut mac, mut aliases, mut interface) = (Vec::new(), None, Vec::new(), None);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (key, value) = key_value(FLAG, option)?;
        match key.as_str() {
            "ip" | "ip6" => {
                ips.push(value.parse().map_err(|_| refuse(FLAG, text, format!("`{value}` is not an address")))?)
            }
            "mac" => mac = Some(value),
            "alias" => aliases.push(value),
            "interface_name" => interface = Some(value),
            _ => {
                let known = "known are `alias`, `interface_name`, `ip`, `ip6`, `mac`";
                return Err(refuse(FLAG, text, format!("there is no option `{key}`, {known}")));
            }
        }
    }
    let name = if matches!(name, "bridge" | "private") { DEFAULT_NETWORK } else { name };
    Ok(NetworkRequest::Named { name: name.to_owned(), ips, mac, aliases, interface })
}

/// The network that pods join when nothing is said.
const DEFAULT_NETWORK: &str = "podkin";

/// `--log-driver` and `--log-opt`.
pub fn log(driver: Option<&str>, log_options: &[String]) -> Result<LogConfig, CommandError> {
    const FLAG: &str = "--log-opt";
    let mut config = LogConfig { driver: log_driver(driver.unwrap_or("k8s-file"))?, max_size: None, path: None };
    for option in log_options {
        let (key, value) = key_value(FLAG, option)?;
        match key.as_str() {
            "driver" => config.driver = log_driver(&value)?,
            "path" => config.path = Some(value),
            "max-size" => config.max_size = Some(size(&value).ok_or_else(|| refuse(FLAG, option, "it is not a size"))?),
            _ => {
                return Err(refuse(
                    FLAG,
                    option,
                    format!("there is no option `{key}`, known are `driver`, `max-size`, `path`"),
                ));
            }
        }
    }
    Ok(config)
}

fn log_driver(name: &str) -> Result<LogDriver, CommandError> {
    match name {
        "k8s-file" | "json-file" => Ok(LogDriver::K8sFile),
        "none" => Ok(LogDriver::None),
        "passthrough" => Ok(LogDriver::Passthrough),
        "journald" => Err(refuse("--log-driver", name, "logs go to files; use `k8s-file` and `podkin logs`")),
        _ => Err(refuse("--log-driver", name, "known are `json-file`, `k8s-file`, `none`, `passthrough`")),
    }
}

/// Bytes: `10mb`, `512k`, `1g` in powers of 1024 as podman reads them.
fn size(text: &str) -> Option<u64> {
    let lower = text.to_lowercase();
    let number = lower.trim_end_matches("ib").trim_end_matches('b');
    let (digits, unit) = number.split_at(number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len()));
    let factor: u64 = match unit {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_modes_or_names_with_options() {
        assert_eq!(network("host").unwrap(), NetworkRequest::Host);
        let named = NetworkRequest::Named {
            name: "web".into(),
            ips: vec!["10.0.0.7".parse().unwrap()],
            mac: None,
            aliases: vec!["a".into(), "b".into()],
            interface: None,
        };
        assert_eq!(network("web:ip=10.0.0.7,alias=a,alias=b").unwrap(), named);
        for wrong in ["", "pasta", "ns:/x", "web:ip=x", "web:speed=1", "web:ip"] {
            assert_eq!(network(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn log_options() {
        let config = log(Some("json-file"), &["max-size=10mb".into(), "path=/tmp/x".into()]).unwrap();
        assert_eq!((config.max_size, config.path.as_deref()), (Some(10 << 20), Some("/tmp/x")));
        assert_eq!(size("1k"), Some(1024));
        for wrong in ["b", "1x", "99999999999t", ""] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
        assert!(log(Some("journald"), &[]).is_err() && log(None, &["tag=x".into()]).is_err());
    }
}
