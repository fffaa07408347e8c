//! policy.json as it is written (containers-policy.json(5)): every key must be known and stand once.

use super::identity::SignedIdentity;
use super::keys::Keys;
use super::scope::scope_problem;
use super::{Policy, Requirement};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

/// What JSON cannot say: two keys where one is wanted, a name that is no scope.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("{place}: {reason}")]
    Invalid { place: String, reason: String },
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Vec<FileRequirement>,
    #[serde(default)]
    transports: Unique<Unique<Vec<FileRequirement>>>,
}

#[derive(serde::Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum FileRequirement {
    InsecureAcceptAnything {},
    Reject {},
    SignedBy {
        key_type: String,
        key_path: Option<PathBuf>,
        key_paths: Option<Vec<PathBuf>>,
        key_data: Option<String>,
        #[serde(default)]
        signed_identity: SignedIdentity,
    },
    SigstoreSigned(Box<FileSigstore>),
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileSigstore {
    key_path: Option<PathBuf>,
    key_paths: Option<Vec<PathBuf>>,
    key_data: Option<String>,
    key_datas: Option<Vec<String>>,
    fulcio: Option<Value>,
    pki: Option<Value>,
    rekor_public_key_path: Option<Value>,
    rekor_public_key_paths: Option<Value>,
    rekor_public_key_data: Option<Value>,
    rekor_public_key_datas: Option<Value>,
    #[serde(default)]
    signed_identity: SignedIdentity,
}

/// Reads a policy from the text of its file.
pub(super) fn parse(text: &[u8]) -> Result<Policy, DocumentError> {
    let File { default, transports } = serde_json::from_slice(text)?;
    let mut policy = Policy::of(requirements(default, "default")?);
    for (transport, scopes) in transports.0 {
        let mut known = BTreeMap::new();
        for (name, list) in scopes.0 {
            let place = format!("transports.{transport}.{name:?}");
            if let Some(reason) = scope_problem(&transport, &name) {
                return Err(DocumentError::Invalid { place, reason });
            }
            known.insert(name, requirements(list, &place)?);
        }
        policy.transports.insert(transport, known);
    }
    Ok(policy)
}

fn requirements(list: Vec<FileRequirement>, place: &str) -> Result<Vec<Requirement>, DocumentError> {
    let invalid = |reason: String| DocumentError::Invalid { place: place.to_owned(), reason };
    if list.is_empty() {
        let reason = "an empty list of requirements accepts nothing and rejects nothing; write `reject` or `insecureAcceptAnything`";
        return Err(invalid(reason.to_owned()));
    }
    list.into_iter().map(|requirement| lower(requirement).map_err(&invalid)).collect()
}

fn lower(requirement: FileRequirement) -> Result<Requirement, String> {
    match requirement {
        FileRequirement::InsecureAcceptAnything {} => Ok(Requirement::AcceptAnything),
        FileRequirement::Reject {} => Ok(Requirement::Reject),
        FileRequirement::SignedBy { key_type, key_path, key_paths, key_data, signed_identity } => {
            let keys = Keys::one_of(key_path, key_paths, key_data, None)?.ok_or(NO_KEYS)?;
            let identity = checked(signed_identity)?;
            match key_type.as_str() {
                "GPGKeys" => Ok(Requirement::SignedBy { keys, identity }),
                "signedByGPGKeys" | "X509Certificates" | "signedByX509CAs" => {
                    Ok(Requirement::Unsupported { kind: "signedBy", option: format!("keyType {key_type}") })
                }
                _ => Err(format!("unknown `keyType` `{key_type}`")),
            }
        }
        FileRequirement::SigstoreSigned(sigstore) => lower_sigstore(*sigstore),
    }
}

fn lower_sigstore(requirement: FileSigstore) -> Result<Requirement, String> {
    let FileSigstore {
        key_path,
        key_paths,
        key_data,
        key_datas,
        fulcio,
        pki,
        rekor_public_key_path,
        rekor_public_key_paths,
        rekor_public_key_data,
        rekor_public_key_datas,
        signed_identity,
    } = requirement;
    let keys = Keys::one_of(key_path, key_paths, key_data, key_datas)?;
    let identity = checked(signed_identity)?;
    let options = [
        ("fulcio", fulcio),
        ("pki", pki),
        ("rekorPublicKeyPath", rekor_public_key_path),
        ("rekorPublicKeyPaths", rekor_public_key_paths),
        ("rekorPublicKeyData", rekor_public_key_data),
        ("rekorPublicKeyDatas", rekor_public_key_datas),
    ];
    // What they ask for beyond a key cannot be proven here, so an image under them is never accepted.
    if let Some((option, _)) = options.iter().find(|(_, value)| value.is_some()) {
        return Ok(Requirement::Unsupported { kind: "sigstoreSigned", option: (*option).to_owned() });
    }
    Ok(Requirement::SigstoreSigned { keys: keys.ok_or(NO_KEYS)?, identity })
}

const NO_KEYS: &str = "no key: write one of `keyPath`, `keyPaths`, `keyData`";

fn checked(identity: SignedIdentity) -> Result<SignedIdentity, String> {
    match identity.problem() {
        None => Ok(identity),
        Some(problem) => Err(problem.to_owned()),
    }
}

/// A JSON object whose keys are all different; serde would keep the last of two in silence.
pub(super) struct Unique<V>(pub BTreeMap<String, V>);

impl<V> Default for Unique<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor(PhantomData))
    }
}

struct UniqueVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for UniqueVisitor<V> {
    type Value = Unique<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique<V>, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if entries.contains_key(&key) {
                return Err(A::Error::custom(format_args!("`{key}` stands twice")));
            }
            let value = map.next_value()?;
            entries.insert(key, value);
        }
        Ok(Unique(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_with_everything_is_read() {
        let text = r#"{"default": [{"type": "reject"}], "transports": {
            "docker": {
                "quay.io/a": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k.gpg"}, {"type": "insecureAcceptAnything"}],
                "quay.io/b": [{"type": "sigstoreSigned", "keyDatas": ["YQ==", "Yg=="], "signedIdentity": {"type": "matchRepository"}}],
                "*.example.com": [{"type": "signedBy", "keyType": "GPGKeys", "keyPaths": ["/a", "/b"]}],
                "quay.io/f": [{"type": "sigstoreSigned", "fulcio": {"caPath": "/ca"}, "rekorPublicKeyPath": "/r"}],
                "": [{"type": "reject"}]
            },
            "docker-daemon": {"": [{"type": "insecureAcceptAnything"}]},
            "tarball": {"": [{"type": "insecureAcceptAnything"}]}
        }}"#;
        let policy = parse(text.as_bytes()).unwrap();
        assert_eq!(policy.default, [Requirement::Reject]);
        let docker = &policy.transports["docker"];
        let identity = SignedIdentity::default();
        let keys = Keys::Files(vec!["/k.gpg".into()]);
        assert_eq!(docker["quay.io/a"], [Requirement::SignedBy { keys, identity }, Requirement::AcceptAnything]);
        let keys = Keys::Data(vec![b"a".into(), b"b".into()]);
        let identity = SignedIdentity::MatchRepository {};
        assert_eq!(docker["quay.io/b"], [Requirement::SigstoreSigned { keys, identity }]);
        assert_eq!(docker["quay.io/f"], [Requirement::Unsupported { kind: "sigstoreSigned", option: "fulcio".into() }]);
        assert_eq!(policy.transports.len(), 3);
    }

    #[test]
    fn whatever_is_not_understood_is_refused() {
        let cases = [
            ("{}", "missing field `default`"),
            (r#"{"default": []}"#, "empty list"),
            (r#"{"default": [{"type": "reject"}], "x": 1}"#, "unknown field `x`"),
            (
                r#"{"default": [{"type": "reject"}], "default": [{"type": "insecureAcceptAnything"}]}"#,
                "duplicate field",
            ),
            (r#"{"default": [{"type": "accept"}]}"#, "unknown variant `accept`"),
            (r#"{"default": [{"type": "reject", "x": 1}]}"#, "unknown field `x`"),
            (r#"{"default": [{"type": "insecureAcceptAnything", "keyPath": "/k"}]}"#, "unknown field `keyPath`"),
            (r#"{"default": [{"type": "reject", "type": "insecureAcceptAnything"}]}"#, "duplicate field `type`"),
            (r#"{"default": [{"keyType": "GPGKeys"}]}"#, "missing field `type`"),
            (r#"{"default": [{"type": "signedBy", "keyPath": "/k"}]}"#, "missing field `keyType`"),
            (r#"{"default": [{"type": "signedBy", "keyType": "GPGKeys"}]}"#, "no key"),
            (r#"{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPaths": []}]}"#, "empty"),
            (
                r#"{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k", "keyData": "YQ=="}]}"#,
                "only one",
            ),
            (r#"{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyData": "?"}]}"#, "base64"),
            (r#"{"default": [{"type": "signedBy", "keyType": "PGP", "keyPath": "/k"}]}"#, "unknown `keyType`"),
            (
                r#"{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyDatas": ["YQ=="]}]}"#,
                "unknown field `keyDatas`",
            ),
            (r#"{"default": [{"type": "sigstoreSigned"}]}"#, "no key"),
            (
                r#"{"default": [{"type": "sigstoreSigned", "keyPath": "/k", "signedIdentity": {"type": "x"}}]}"#,
                "unknown variant `x`",
            ),
            (
                r#"{"default": [{"type": "sigstoreSigned", "keyPath": "/k", "signedIdentity": {"type": "exactReference", "dockerReference": "q.io/a"}}]}"#,
                "needs a tag",
            ),
            (r#"{"default": [{"type": "reject"}], "transports": {"dir": {"x": [{"type": "reject"}]}}}"#, "absolute"),
            (r#"{"default": [{"type": "reject"}], "transports": {"dir": {}, "dir": {}}}"#, "`dir` stands twice"),
            (
                r#"{"default": [{"type": "reject"}], "transports": {"docker": {"a": [{"type": "reject"}], "a": [{"type": "reject"}]}}}"#,
                "`a` stands twice",
            ),
            (r#"{"default": [{"type": "reject"}], "transports": {"docker": {"a": []}}}"#, "transports.docker.\"a\""),
            (r#"{"default": [{"type": "reject"}]} x"#, "trailing characters"),
        ];
        for (text, expected) in cases {
            let error = parse(text.as_bytes()).map(|_| ()).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
