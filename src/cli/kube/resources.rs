//! Objects that a command line names: `pods`, `pod web`, `pod/web deployment/api`, `pods,cm`.

use super::choice::Choice;
use crate::cli::error::CommandError;
use crate::engine::{Engine, EngineError};
use crate::generate::object::{Object, Resource};

/// Objects of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub resource: Resource,
    /// All of the kind when empty.
    pub names: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    #[error("there is no resource type `{0}`")]
    Unknown(String),
    #[error("`{0}` is no `TYPE/NAME`, as the words beside it are")]
    Mixed(String),
}

/// Reads the words behind the command.
pub fn parse(words: &[String]) -> Result<Vec<Wanted>, CommandError> {
    let Some((first, names)) = words.split_first() else { return Ok(Vec::new()) };
    if !first.contains('/') {
        if let Some(word) = names.iter().find(|name| name.contains('/')) {
            return Err(CommandError::invalid(ResourceError::Mixed(word.clone())));
        }
        let mut wanted: Vec<Wanted> = Vec::new();
        for word in first.split(',') {
            for resource in resources(word)? {
                if wanted.iter().all(|known| known.resource != resource) {
                    wanted.push(Wanted { resource, names: names.to_vec() });
                }
            }
        }
        return Ok(wanted);
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    for word in words {
        let Some((kind, name)) = word.split_once('/') else {
            return Err(CommandError::invalid(ResourceError::Mixed(word.clone())));
        };
        let resource = resource(kind)?;
        match wanted.iter_mut().find(|wanted| wanted.resource == resource) {
            Some(known) => known.names.push(name.to_owned()),
            None => wanted.push(Wanted { resource, names: vec![name.to_owned()] }),
        }
    }
    Ok(wanted)
}

/// `all` stands for several.
fn resources(word: &str) -> Result<Vec<Resource>, CommandError> {
    if word.eq_ignore_ascii_case("all") { Ok(Resource::RUNNING.to_vec()) } else { Ok(vec![resource(word)?]) }
}

fn resource(word: &str) -> Result<Resource, CommandError> {
    Resource::parse(word).ok_or_else(|| {
        let known = format!("types: {}, all", Resource::plurals());
        CommandError::invalid(ResourceError::Unknown(word.to_owned())).hint(known)
    })
}

/// The objects, those that are named in the order of their names, and an error for each name that there is none of.
pub fn find(
    engine: &mut Engine,
    wanted: &Wanted,
    choice: &Choice,
) -> Result<(Vec<Object>, Vec<EngineError>), EngineError> {
    let mut all = engine.kube_objects(wanted.resource)?;
    all.retain(|object| choice.matches(object));
    if wanted.names.is_empty() {
        return Ok((all, Vec::new()));
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in &wanted.names {
        match all.iter().find(|object| object.name == *name) {
            Some(object) => found.push(object.clone()),
            None => {
                missing.push(EngineError::NotFound { what: wanted.resource.what(), name: name.clone() });
            }
        }
    }
    Ok((found, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Vec<(Resource, String)>, String> {
        let words: Vec<_> = words.iter().map(|w| (*w).to_owned()).collect();
        let wanted = parse(&words).map_err(|error| format!("{error:?}"))?;
        Ok(wanted.into_iter().map(|w| (w.resource, w.names.join(" "))).collect())
    }

    #[test]
    fn types_and_names_are_read_as_kubectl_does() {
        let pod = |names: &str| (Resource::Pod, names.to_owned());
        assert_eq!(parsed(&["pods"]).unwrap(), [pod("")]);
        assert_eq!(parsed(&["po", "a", "b"]).unwrap(), [pod("a b")]);
        assert_eq!(parsed(&["pod/a", "pods/b"]).unwrap(), [pod("a b")]);
        assert_eq!(parsed(&["pod/a", "deploy/b"]).unwrap(), [pod("a"), (Resource::Deployment, "b".into())]);
        assert_eq!(parsed(&["Pods,cm"]).unwrap(), [pod(""), (Resource::ConfigMap, String::new())]);
        assert_eq!(parsed(&["all,pods"]).unwrap(), [pod(""), (Resource::Deployment, String::new())]);
        for wrong in [&["services"][..], &["pod/a", "b"], &["pod", "pod/a"]] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
