//! Files, scopes, and requirements against real signatures.

mod openpgp;
mod sigstore;

use super::payload::{Payload, PayloadKind};
use super::*;
use crate::image::digest::Digest;
use crate::image::reference::Reference;
use serde_json::{Value, json};
use std::path::Path;

const IMAGE: &str = "quay.io/podkin/signed:1";
const MANIFEST: &[u8] = include_bytes!("../../../../tests/signatures/manifest.json");

/// A directory that goes with the test, and with it what runs for a gpg home in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("podkin-policy-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn gpg(&self) -> Gpg {
        let scratch = self.0.join("homes");
        std::fs::create_dir_all(&scratch).unwrap();
        Gpg { program: "gpg".into(), scratch }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let homes = std::fs::read_dir(self.0.join("homes")).map_or(0, Iterator::count);
        if !std::thread::panicking() {
            assert_eq!(homes, 0, "a home of gpg was left");
        }
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Signatures that a test made.
#[derive(Default)]
struct Given {
    simple: Vec<Vec<u8>>,
    sigstore: Vec<SigstoreSignature>,
}

impl Signatures for Given {
    fn simple(&self) -> Result<Vec<Vec<u8>>, FetchError> {
        Ok(self.simple.clone())
    }

    fn sigstore(&self) -> Result<Vec<SigstoreSignature>, FetchError> {
        Ok(self.sigstore.clone())
    }
}

/// Signatures that cannot be had.
struct Unreachable;

impl Signatures for Unreachable {
    fn simple(&self) -> Result<Vec<Vec<u8>>, FetchError> {
        Err(FetchError { from: "https://look.example".into(), source: "connection refused".into() })
    }

    fn sigstore(&self) -> Result<Vec<SigstoreSignature>, FetchError> {
        self.simple().map(|_| Vec::new())
    }
}

fn policy(scratch: &Scratch, requirements: Value) -> Policy {
    let text = json!({ "default": requirements }).to_string();
    let path = scratch.write("policy.json", text);
    Policy::read(&[path], WhenMissing::Fail).unwrap().with_gpg(scratch.gpg())
}

/// `None` when the image is accepted, otherwise the words of the refusal.
fn refusal(policy: &Policy, signatures: &dyn Signatures) -> Option<String> {
    let reference = Reference::parse(IMAGE).unwrap();
    match policy.check(&Origin::Docker(&reference), MANIFEST, &Digest::of(MANIFEST), signatures) {
        Ok(()) => None,
        Err(PolicyError::Rejected(rejection)) => Some(rejection.why.to_string()),
        Err(other) => panic!("{other:?}"),
    }
}

fn payload(kind: PayloadKind) -> Vec<u8> {
    Payload { identity: IMAGE.into(), digest: Digest::of(MANIFEST) }.to_json(kind, "test", 1)
}

#[test]
fn files_are_looked_for_in_order() {
    let scratch = Scratch::new("order");
    let first = scratch.0.join("first.json");
    let second = scratch.write("second.json", r#"{"default": [{"type": "reject"}]}"#);
    let policy = Policy::read(&[first.clone(), second.clone()], WhenMissing::Fail).unwrap();
    assert_eq!(policy.file(), Some(&second));
    std::fs::write(&first, "{}").unwrap();
    let error = Policy::read(&[first.clone(), second], WhenMissing::Accept).unwrap_err();
    assert!(matches!(&error, PolicyError::Document { path, .. } if *path == first), "{error:?}");
    let absent = [scratch.0.join("absent.json")];
    let error = Policy::read(&absent, WhenMissing::Fail).unwrap_err();
    assert!(matches!(&error, PolicyError::Missing(paths) if *paths == absent), "{error:?}");
    assert!(error.hint().unwrap().contains("absent.json"));
    let policy = Policy::read(&absent, WhenMissing::Accept).unwrap();
    assert_eq!(refusal(&policy, &NoSignatures), None);
}

#[test]
fn the_most_specific_scope_decides() {
    let text = json!({
        "default": [{ "type": "reject" }],
        "transports": {
            "docker": {
                "quay.io/podkin": [{ "type": "insecureAcceptAnything" }],
                "quay.io/podkin/signed:2": [{ "type": "reject" }],
                "*.example.com": [{ "type": "insecureAcceptAnything" }],
            },
            "dir": { "/srv": [{ "type": "insecureAcceptAnything" }], "": [{ "type": "reject" }] },
        },
    });
    let policy = document::parse(text.to_string().as_bytes()).unwrap();
    let scope = |origin: Origin<'_>| {
        let (scope, requirements) = policy.requirements(&origin);
        (scope.to_string(), requirements == [Requirement::AcceptAnything])
    };
    let docker = |text: &str| scope(Origin::Docker(&Reference::parse(text).unwrap()));
    assert_eq!(docker("quay.io/podkin/signed:1"), ("transports.docker.quay.io/podkin".into(), true));
    assert_eq!(docker("quay.io/podkin/signed:2"), ("transports.docker.quay.io/podkin/signed:2".into(), false));
    assert_eq!(docker("quay.io/podkins/x"), ("default".into(), false));
    assert_eq!(docker("a.example.com:5000/x"), ("transports.docker.*.example.com".into(), true));
    assert_eq!(docker("example.com/x"), ("default".into(), false));
    assert_eq!(scope(Origin::Dir(Path::new("/srv/x"))), ("transports.dir./srv".into(), true));
    assert_eq!(scope(Origin::Dir(Path::new("/x"))), ("transports.dir.\"\"".into(), false));
    assert_eq!(scope(Origin::DockerArchive), ("default".into(), false));
}

#[test]
fn a_rejection_says_where_and_why() {
    let scratch = Scratch::new("rejection");
    let policy = policy(&scratch, json!([{ "type": "insecureAcceptAnything" }, { "type": "reject" }]));
    let reference = Reference::parse(IMAGE).unwrap();
    let digest = Digest::of(MANIFEST);
    let error = policy.check(&Origin::Docker(&reference), MANIFEST, &digest, &NoSignatures).unwrap_err();
    let file = policy.file().unwrap().display();
    assert_eq!(
        error.to_string(),
        format!("`{IMAGE}` is not accepted by the policy: `reject` at `default` of `{file}`")
    );
    let PolicyError::Rejected(rejection) = error else { panic!("{error:?}") };
    assert!(matches!(rejection.why, Refusal::Rejected));
    let error = policy.check(&Origin::Docker(&reference), b"{}", &digest, &NoSignatures).unwrap_err();
    assert!(matches!(&error, PolicyError::Rejected(r) if matches!(r.why, Refusal::WrongManifest(_))), "{error:?}");
}

#[test]
fn what_is_not_supported_rejects() {
    let scratch = Scratch::new("unsupported");
    for option in ["fulcio", "pki", "rekorPublicKeyPath", "rekorPublicKeyDatas"] {
        let requirement = json!([{ "type": "sigstoreSigned", "keyPath": "/k", option: "x" }]);
        let why = refusal(&policy(&scratch, requirement), &NoSignatures).unwrap();
        assert!(why.contains(&format!("`{option}` is not supported")), "{why}");
    }
    let requirement = json!([{ "type": "signedBy", "keyType": "X509Certificates", "keyPath": "/k" }]);
    assert!(refusal(&policy(&scratch, requirement), &NoSignatures).unwrap().contains("X509Certificates"));
}
