//! cosign's signatures, made by openssl here.

use super::super::payload::{Payload, PayloadKind};
use super::super::*;
use super::{Given, MANIFEST, Scratch, Unreachable, payload, policy, refusal};
use crate::image::digest::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

/// A key made by openssl, and what it signs.
struct Openssl<'a> {
    scratch: &'a Scratch,
    key: PathBuf,
    raw: bool,
}

impl<'a> Openssl<'a> {
    fn new(scratch: &'a Scratch, name: &str, options: &[&str]) -> Self {
        let key = scratch.0.join(format!("{name}.key"));
        let made = Self { scratch, key, raw: options.contains(&"ed25519") };
        made.run(&[&["genpkey", "-out", made.key.to_str().unwrap()], options].concat());
        made
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output();
        let output = output.expect("this test needs `openssl` (package `openssl`)");
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn public_key(&self) -> PathBuf {
        let path = self.key.with_extension("pub");
        self.run(&["pkey", "-in", self.key.to_str().unwrap(), "-pubout", "-out", path.to_str().unwrap()]);
        path
    }

    fn sign(&self, payload: Vec<u8>) -> SigstoreSignature {
        let path = self.scratch.write("payload", &payload);
        let (path, key) = (path.to_str().unwrap(), self.key.to_str().unwrap());
        let signature = match self.raw {
            true => self.run(&["pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", path]),
            false => self.run(&["dgst", "-sha256", "-sign", key, path]),
        };
        SigstoreSignature { payload, signature: BASE64.encode(signature) }
    }
}

fn sigstore_by(keys: &[&Path]) -> Value {
    json!([{ "type": "sigstoreSigned", "keyPaths": keys }])
}

#[test]
fn sigstore_signatures_of_each_kind_of_key() {
    let scratch = Scratch::new("sigstore");
    let kinds: [(&str, &[&str]); 4] = [
        ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        ("ed25519", &["-algorithm", "ed25519"]),
        ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ];
    let keys: Vec<_> = kinds.iter().map(|(name, options)| Openssl::new(&scratch, name, options)).collect();
    let good = payload(PayloadKind::Sigstore);
    for (key, (name, _)) in keys.iter().zip(kinds) {
        let policy = policy(&scratch, sigstore_by(&[&key.public_key()]));
        for (other, (other_name, _)) in keys.iter().zip(kinds) {
            let given = Given { sigstore: vec![other.sign(good.clone())], ..Given::default() };
            assert_eq!(refusal(&policy, &given).is_none(), name == other_name, "{name} {other_name}");
        }
        let mut changed = key.sign(good.clone());
        changed.payload[5] ^= 1;
        let why = refusal(&policy, &Given { sigstore: vec![changed], ..Given::default() }).unwrap();
        assert!(why.contains("made with another key"), "{why}");
    }
    let any = policy(&scratch, sigstore_by(&[&keys[0].public_key(), &keys[2].public_key()]));
    assert_eq!(refusal(&any, &Given { sigstore: vec![keys[2].sign(good)], ..Given::default() }), None);
}

#[test]
fn sigstore_refusals() {
    let scratch = Scratch::new("sigstore-refusals");
    let key = Openssl::new(&scratch, "p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let usual = policy(&scratch, sigstore_by(&[&key.public_key()]));
    let why = |policy: &Policy, signature: SigstoreSignature| {
        refusal(policy, &Given { sigstore: vec![signature], ..Given::default() })
    };
    let signed = |identity: &str, digest: Digest, kind| {
        key.sign(Payload { identity: identity.into(), digest }.to_json(kind, "test", 1))
    };
    let digest = Digest::of(MANIFEST);
    let repository = "quay.io/podkin/signed";
    let as_cosign_does = signed(repository, digest.clone(), PayloadKind::Sigstore);
    assert!(why(&usual, as_cosign_does.clone()).unwrap().contains("for the image"), "it has no tag");
    let mut requirement = sigstore_by(&[&key.public_key()]);
    requirement[0]["signedIdentity"] = json!({ "type": "matchRepository" });
    let by_repository = policy(&scratch, requirement);
    assert_eq!(why(&by_repository, as_cosign_does.clone()), None);
    let other = signed(repository, Digest::of(b"other"), PayloadKind::Sigstore);
    assert!(why(&by_repository, other).unwrap().contains("for the manifest"));
    let simple = signed(repository, digest, PayloadKind::Simple);
    assert!(why(&by_repository, simple).unwrap().contains("atomic container signature"));
    let malformed = SigstoreSignature { signature: "?".into(), ..as_cosign_does.clone() };
    assert!(why(&by_repository, malformed).unwrap().contains("not base64"));
    let empty = SigstoreSignature { signature: String::new(), ..as_cosign_does };
    assert!(why(&by_repository, empty).is_some());
    assert_eq!(refusal(&by_repository, &NoSignatures).unwrap(), "it has no signature");
    assert!(refusal(&by_repository, &Unreachable).unwrap().contains("look.example"));

    let curve = Openssl::new(&scratch, "p521", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"]);
    let given = Given { sigstore: vec![key.sign(payload(PayloadKind::Sigstore))], ..Given::default() };
    for key in [curve.public_key(), scratch.write("no.pub", "no key"), key.key.clone()] {
        let policy = policy(&scratch, sigstore_by(&[&key]));
        assert_eq!(refusal(&policy, &given).unwrap(), format!("the key `{}` cannot be used", key.display()));
    }
}
