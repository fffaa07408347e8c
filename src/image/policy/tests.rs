//! Requirements against real signatures: made by gpg and openssl here, and one that skopeo 1.9.3 made (`tests/signatures`).

use super::payload::{Payload, PayloadKind};
use super::*;
use crate::image::digest::Digest;
use crate::image::reference::Reference;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

const IMAGE: &str = "quay.io/podkin/signed:1";
const MANIFEST: &[u8] = include_bytes!("../../../tests/signatures/manifest.json");

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

fn signed_by(keys: &[&Path]) -> Value {
    json!([{ "type": "signedBy", "keyType": "GPGKeys", "keyPaths": keys }])
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

fn assert_refused(policy: &Policy, signature: &[u8], expected: &str) {
    let given = Given { simple: vec![signature.to_vec()], ..Given::default() };
    let why = refusal(policy, &given).unwrap_or_else(|| panic!("accepted, but wanted: {expected}"));
    assert!(why.contains(expected), "{why}");
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
    let empty = policy(&scratch, signed_by(&[&scratch.write("empty.gpg", "")]));
    assert_eq!(refusal(&empty, &given).unwrap(), "the keys cannot be used");
    let gpg = Gpg { program: "podkin-has-no-gpg".into(), ..scratch.gpg() };
    let error = gpg.import(&[b"key".to_vec()]).unwrap_err();
    assert!(matches!(error, OpenPgpError::NoProgram(_)), "{error:?}");
    assert!(error.to_string().contains("`gnupg`"), "{error}");
}

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
        assert_eq!(refusal(&policy, &given).unwrap(), "the keys cannot be used", "{}", key.display());
    }
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
