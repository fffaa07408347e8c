//! OpenPGP: keys and signatures that gpg makes here, and a signature that skopeo 1.9.3 made.

use super::super::payload::{Payload, PayloadKind};
use super::super::*;
use super::{Given, IMAGE, MANIFEST, Scratch, Unreachable, payload, policy, refusal};
use crate::image::digest::Digest;
use crate::image::reference::Reference;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Somebody with a key of their own.
struct Signer<'a> {
    scratch: &'a Scratch,
    home: PathBuf,
    name: String,
}

impl<'a> Signer<'a> {
    /// `options` come before the command that makes the key; `expires` is gpg's.
    fn new(scratch: &'a Scratch, name: &str, options: &[&str], expires: &str) -> Self {
        use std::os::unix::fs::DirBuilderExt;
        let home = scratch.0.join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&home).unwrap();
        let signer = Self { scratch, home, name: format!("{name}@example.com") };
        let make = ["--passphrase", "", "--quick-generate-key", &signer.name, "ed25519", "sign", expires];
        signer.run(&[options, &make].concat());
        signer
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(&self.home).args(["--batch", "--yes", "--quiet"]).args(arguments);
        let output = gpg.output().expect("this test needs `gpg` (package `gnupg`)");
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn public_key(&self) -> PathBuf {
        self.scratch.write(&format!("{}.gpg", self.name), self.run(&["--export", &self.name]))
    }

    fn sign(&self, payload: &[u8], options: &[&str]) -> Vec<u8> {
        let path = self.scratch.write("payload", payload);
        let sign = ["--local-user", &self.name, "--output", "-", "--sign", path.to_str().unwrap()];
        self.run(&[options, &sign].concat())
    }
}

impl Drop for Signer<'_> {
    fn drop(&mut self) {
        // The agent of this home; that none runs is fine.
        let _ = Command::new("gpgconf").arg("--homedir").arg(&self.home).args(["--kill", "all"]).status();
    }
}

fn signed_by(keys: &[&Path]) -> Value {
    json!([{ "type": "signedBy", "keyType": "GPGKeys", "keyPaths": keys }])
}

fn assert_refused(policy: &Policy, signature: &[u8], expected: &str) {
    let given = Given { simple: vec![signature.to_vec()], ..Given::default() };
    let why = refusal(policy, &given).unwrap_or_else(|| panic!("accepted, but wanted: {expected}"));
    assert!(why.contains(expected), "{why}");
}

#[test]
fn a_signature_of_skopeo_is_accepted() {
    let scratch = Scratch::new("skopeo");
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signatures");
    let policy = policy(&scratch, signed_by(&[&files.join("skopeo.gpg")]));
    let signature = std::fs::read(files.join("skopeo.sig")).unwrap();
    assert_eq!(refusal(&policy, &Given { simple: vec![signature.clone()], ..Given::default() }), None);
    let mut changed = signature;
    changed[100] ^= 1;
    assert!(refusal(&policy, &Given { simple: vec![changed], ..Given::default() }).is_some());
}

#[test]
fn simple_signatures_are_accepted_from_trusted_keys_only() {
    let scratch = Scratch::new("simple");
    let alice = Signer::new(&scratch, "alice", &[], "never");
    let bob = Signer::new(&scratch, "bob", &[], "never");
    let (alices, bobs) = (alice.public_key(), bob.public_key());
    let by_alice = policy(&scratch, signed_by(&[&alices]));
    let good = payload(PayloadKind::Simple);
    let (signed, foreign) = (alice.sign(&good, &[]), bob.sign(&good, &[]));
    let given = |simple: &[&Vec<u8>]| Given { simple: simple.iter().map(|&s| s.clone()).collect(), ..Given::default() };
    assert_eq!(refusal(&by_alice, &given(&[&signed])), None);
    assert_eq!(refusal(&by_alice, &given(&[&foreign, &signed])), None, "one good one is enough");
    assert_refused(&by_alice, &foreign, "not among those trusted");
    let either = policy(&scratch, signed_by(&[&alices, &bobs]));
    assert_eq!(refusal(&either, &given(&[&foreign])), None);
    let both = json!([signed_by(&[&alices])[0], signed_by(&[&bobs])[0]]);
    let both = policy(&scratch, both);
    assert!(refusal(&both, &given(&[&signed])).is_some());
    assert_eq!(refusal(&both, &given(&[&signed, &foreign])), None);
    let data = json!([{ "type": "signedBy", "keyType": "GPGKeys", "keyData": BASE64.encode(std::fs::read(&alices).unwrap()) }]);
    assert_eq!(refusal(&policy(&scratch, data), &given(&[&signed])), None);

    assert_eq!(refusal(&by_alice, &NoSignatures).unwrap(), "it has no signature");
    assert!(refusal(&by_alice, &Unreachable).unwrap().contains("look.example"));
    assert_refused(&by_alice, b"", "no binary OpenPGP message");
    assert_refused(&by_alice, &good, "no binary OpenPGP message");
    assert_refused(&by_alice, &alice.sign(&good, &["--armor"]), "no binary OpenPGP message");
    assert_refused(&by_alice, b"\x90\x0dgarbage", "not signed");
    let path = scratch.write("payload", &good);
    let stored = alice.run(&["--compress-algo", "none", "--output", "-", "--store", path.to_str().unwrap()]);
    assert_refused(&by_alice, &stored, "not signed");
    let detached = alice.run(&["--output", "-", "--detach-sign", path.to_str().unwrap()]);
    assert!(refusal(&by_alice, &given(&[&detached])).is_some(), "a detached signature carries nothing");
    let plain = alice.sign(&good, &["--compress-algo", "none"]);
    assert_eq!(refusal(&by_alice, &given(&[&plain])), None);
    let mut changed = plain.clone();
    let at = changed.windows(8).position(|bytes| bytes == b"critical").expect("it is not compressed");
    changed[at] ^= 1;
    assert_refused(&by_alice, &changed, "what is signed was changed");
    let both = [plain.clone(), plain.clone()].concat();
    assert!(refusal(&by_alice, &given(&[&both])).is_some(), "two messages");
    let both = [stored, plain].concat();
    assert!(refusal(&by_alice, &given(&[&both])).is_some(), "something that is not signed before it");
}

#[test]
fn a_good_signature_over_something_else_is_refused() {
    let scratch = Scratch::new("else");
    let alice = Signer::new(&scratch, "alice", &[], "never");
    let policy = policy(&scratch, signed_by(&[&alice.public_key()]));
    let signed = |payload: Payload, kind| alice.sign(&payload.to_json(kind, "test", 1), &[]);
    let digest = Digest::of(MANIFEST);
    let other = Payload { identity: IMAGE.into(), digest: Digest::of(b"other") };
    assert_refused(&policy, &signed(other, PayloadKind::Simple), "it is for the manifest sha256:");
    let other = Payload { identity: "quay.io/podkin/signed:2".into(), digest: digest.clone() };
    assert_refused(&policy, &signed(other, PayloadKind::Simple), "it is for the image \"quay.io/podkin/signed:2\"");
    let other = Payload { identity: IMAGE.into(), digest };
    assert_refused(&policy, &signed(other, PayloadKind::Sigstore), "cosign container image signature");
    assert_refused(&policy, &alice.sign(b"hello", &[]), "no image signature");
}

#[test]
fn expired_and_revoked_keys_are_refused() {
    let scratch = Scratch::new("expired");
    let past = ["--faked-system-time", "20200101T000000"];
    let good = payload(PayloadKind::Simple);
    let expired = Signer::new(&scratch, "expired", &past, "1d");
    let by_expired = policy(&scratch, signed_by(&[&expired.public_key()]));
    assert_refused(&by_expired, &expired.sign(&good, &past), "has expired");
    let valid = Signer::new(&scratch, "valid", &past, "never");
    let by_valid = policy(&scratch, signed_by(&[&valid.public_key()]));
    let short = [&past[..], &["--default-sig-expire", "1d"]].concat();
    assert_refused(&by_valid, &valid.sign(&good, &short), "the signature has expired");
    let signature = valid.sign(&good, &[]);
    let revocation = std::fs::read_dir(valid.home.join("openpgp-revocs.d")).unwrap().next().unwrap().unwrap().path();
    // gpg keeps it from being used by mistake with a colon before the armor.
    let text = std::fs::read_to_string(revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
    valid.run(&["--import", scratch.write("revocation", text).to_str().unwrap()]);
    let by_revoked = policy(&scratch, signed_by(&[&valid.public_key()]));
    assert_refused(&by_revoked, &signature, "was revoked");
}

#[test]
fn keys_and_programs_that_are_not_there_are_named() {
    let scratch = Scratch::new("absent");
    let given = Given { simple: vec![b"\x90".to_vec()], sigstore: vec![] };
    let absent = policy(&scratch, signed_by(&[&scratch.0.join("absent.gpg")]));
    assert!(refusal(&absent, &given).unwrap().contains("absent.gpg"));
    let alice = Signer::new(&scratch, "alice", &[], "never");
    for (name, content) in [("empty.gpg", ""), ("text.gpg", "no key")] {
        let mixed = policy(&scratch, signed_by(&[&alice.public_key(), &scratch.write(name, content)]));
        let why = refusal(&mixed, &given).unwrap();
        assert!(why.contains(&format!("{name}`: it must hold OpenPGP public keys only")), "{why}");
    }
    let gpg = Gpg { program: "podkin-has-no-gpg".into(), ..scratch.gpg() };
    let error = gpg.import(&[Key { name: "key".into(), content: b"key".to_vec() }]).unwrap_err();
    assert!(matches!(error, OpenPgpError::NoProgram(_)), "{error:?}");
    assert!(error.to_string().contains("`gnupg`"), "{error}");
}

#[test]
fn what_is_signed_here_is_accepted_from_the_lookaside() {
    let scratch = Scratch::new("sign");
    let alice = Signer::new(&scratch, "alice", &[], "never");
    let policy = policy(&scratch, signed_by(&[&alice.public_key()]));
    let (reference, digest) = (Reference::parse(IMAGE).unwrap(), Digest::of(MANIFEST));
    let yaml = format!("default-docker:\n  lookaside: file://{}/signatures\n", scratch.0.display());
    scratch.write("a.yaml", yaml);
    let lookaside = Lookaside::read(std::slice::from_ref(&scratch.0), None).unwrap();
    let directory = lookaside.writing(&reference, &digest).unwrap().unwrap();
    let gpg = scratch.gpg();
    let sign =
        |name: &str| sign::sign(&gpg, Some(&alice.home), &alice.name, &Reference::parse(name).unwrap(), MANIFEST);
    sign::write(&directory, &sign("quay.io/podkin/other:1").unwrap()).unwrap();
    let found =
        || RegistrySignatures { lookaside: &lookaside, fetch: &Nothing, reference: &reference, digest: &digest };
    assert!(refusal(&policy, &found()).unwrap().contains("quay.io/podkin/other:1"));
    sign::write(&directory, &sign(IMAGE).unwrap()).unwrap();
    assert_eq!(refusal(&policy, &found()), None);
    let error = sign::sign(&gpg, Some(&alice.home), "nobody@example.com", &reference, MANIFEST).unwrap_err();
    assert!(
        matches!(&error, sign::SignError::OpenPgp { source: OpenPgpError::Sign(key), .. } if key == "nobody@example.com")
    );
}

/// A registry that must not be asked.
struct Nothing;

impl Fetch for Nothing {
    fn url(&self, url: &str, _: u64) -> Result<Option<Vec<u8>>, BoxError> {
        panic!("asked for {url}")
    }

    fn manifest(&self, reference: &Reference) -> Result<Option<Vec<u8>>, BoxError> {
        panic!("asked for {reference}")
    }

    fn blob(&self, reference: &Reference, _: &Digest, _: u64) -> Result<Vec<u8>, BoxError> {
        panic!("asked for a blob of {reference}")
    }
}
