//! Passwords for registries from a Secret (Kubernetes, "Secret types": `kubernetes.io/dockerconfigjson`, `kubernetes.io/dockercfg`).

use super::credentials::{Login, decode, normal, normal_key};
use crate::image::reference::Reference;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Keys of the two types of Secrets that hold credentials.
const CONFIG: &str = ".dockerconfigjson";
const LEGACY: &str = ".dockercfg";

/// The logins of one Secret.
#[derive(Clone, Default)]
pub struct PullSecret {
    auths: Map<String, Value>,
}

impl std::fmt::Debug for PullSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PullSecret").finish_non_exhaustive()
    }
}

/// A Secret that holds no credentials; what is in it is shown nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PullSecretError {
    #[error("it has neither `.dockerconfigjson` nor `.dockercfg`")]
    Kind,
    #[error("its `{0}` is no JSON with logins")]
    Syntax(&'static str),
}

impl PullSecret {
    /// From the data of a Secret, decoded.
    pub fn parse(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, PullSecretError> {
        if let Some(text) = data.get(CONFIG) {
            let file: Map<String, Value> = serde_json::from_slice(text).map_err(|_| PullSecretError::Syntax(CONFIG))?;
            let auths = file.get("auths").and_then(Value::as_object).cloned();
            return Ok(Self { auths: auths.ok_or(PullSecretError::Syntax(CONFIG))? });
        }
        let legacy = data.get(LEGACY).ok_or(PullSecretError::Kind)?;
        let auths = serde_json::from_slice(legacy).map_err(|_| PullSecretError::Syntax(LEGACY))?;
        Ok(Self { auths })
    }

    /// What it has for an image, the most specific entry first; an entry that cannot be read is as good as none.
    pub fn find(&self, reference: &Reference) -> Option<Login> {
        let name = format!("{}/{}", normal(&reference.registry), reference.repository);
        let keys = std::iter::successors(Some(name.as_str()), |key| Some(key.rsplit_once('/')?.0));
        keys.filter_map(|key| self.auths.iter().find(|(stored, _)| normal_key(stored) == key))
            .find_map(|(_, entry)| decode_entry(entry))
    }
}

/// An entry with `auth`, or with `username` and `password` beside each other, as `kubectl create secret` writes it.
fn decode_entry(entry: &Value) -> Option<Login> {
    if let Ok(Some(login)) = decode(entry) {
        return Some(login);
    }
    let field = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Login { user: field("username")?, secret: field("password")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(key: &str, text: &str) -> Result<PullSecret, PullSecretError> {
        PullSecret::parse(&BTreeMap::from([(key.to_owned(), text.as_bytes().to_vec())]))
    }

    #[test]
    fn both_types_are_read_and_the_nearest_entry_counts() {
        let text = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnB3"},
            "quay.io": {"username": "all", "password": "a"},
            "quay.io/team": {"username": "team", "password": "b"}
        }}"#;
        let found = |name: &str| secret(CONFIG, text).unwrap().find(&Reference::parse(name).unwrap()).map(|l| l.user);
        assert_eq!(found("nginx").as_deref(), Some("hub"));
        assert_eq!(found("quay.io/team/x:1").as_deref(), Some("team"));
        assert_eq!(found("quay.io/teams/x:1").as_deref(), Some("all"));
        assert_eq!(found("ghcr.io/x"), None);
        let legacy = secret(LEGACY, r#"{"quay.io": {"username": "u", "password": "p"}}"#).unwrap();
        assert_eq!(legacy.find(&Reference::parse("quay.io/x").unwrap()).map(|l| l.secret).as_deref(), Some("p"));
    }

    #[test]
    fn what_holds_no_logins_says_so_and_nothing_else() {
        assert_eq!(secret("password", "x").unwrap_err(), PullSecretError::Kind);
        assert_eq!(secret(CONFIG, "{}").unwrap_err(), PullSecretError::Syntax(CONFIG));
        assert_eq!(
            secret(CONFIG, "hunter2").unwrap_err().to_string(),
            "its `.dockerconfigjson` is no JSON with logins"
        );
        let shown = format!("{:?}", secret(CONFIG, r#"{"auths": {"a.b": {"auth": "aHViOnB3"}}}"#).unwrap());
        assert!(!shown.contains("aHVi"), "{shown}");
    }
}
