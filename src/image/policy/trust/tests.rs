//! The file changed, and the table.

use super::*;
use crate::image::policy::WhenMissing;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("podkin-trust-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_scope_is_changed_and_the_rest_kept() {
    let scratch = Scratch::new("set");
    let path = scratch.0.join("policy.json");
    let before = json!({
        "transports": {
            "docker-daemon": { "": [{ "type": "insecureAcceptAnything" }] },
            "atomic": { "a.b/c": [{ "type": "reject" }] },
        },
        "default": [{ "type": "reject" }],
    });
    std::fs::write(&path, before.to_string()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = scratch.0.join("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    set(&link, "quay.io/x", &Trust::SignedBy(vec!["/a".into(), "/b".into()])).unwrap();
    set(&link, "a.b/c", &Trust::SigstoreSigned(vec!["/c".into()])).unwrap();
    let mut expected = before;
    let by = |key: &str| json!({ "type": "signedBy", "keyType": "GPGKeys", "keyPath": key });
    expected["transports"]["docker"] = json!({ "quay.io/x": [by("/a"), by("/b")] });
    expected["transports"]["atomic"]["a.b/c"] = json!([{ "type": "sigstoreSigned", "keyPath": "/c" }]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, indented(&expected) + "\n", "order of keys included");
    assert!(text.starts_with("{\n    \"transports\": {\n        \"docker-daemon\""), "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(link.is_symlink());
    set(&path, "default", &Trust::Accept).unwrap();
    let policy = Policy::read(&[path], WhenMissing::Fail).unwrap();
    assert_eq!(policy.default, [Requirement::AcceptAnything]);
}

#[test]
fn without_a_file_one_is_made() {
    let scratch = Scratch::new("new");
    let path = scratch.0.join("containers/policy.json");
    set(&path, "quay.io", &Trust::Reject).unwrap();
    let policy = Policy::read(std::slice::from_ref(&path), WhenMissing::Fail).unwrap();
    assert_eq!(policy.default, [Requirement::AcceptAnything]);
    assert_eq!(policy.transports["docker"]["quay.io"], [Requirement::Reject]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn nothing_is_written_over_a_file_that_is_no_policy() {
    let scratch = Scratch::new("broken");
    let path = scratch.0.join("policy.json");
    for text in ["{}", "x", r#"{"default": [{"type": "reject"}], "x": 1}"#] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(set(&path, "quay.io", &Trust::Reject), Err(TrustError::Document { .. })), "{text}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    assert!(matches!(set(&path, "quay.io", &Trust::SignedBy(vec![])), Err(TrustError::NoKey("signedBy"))));
}

#[test]
fn scopes_that_no_image_has_are_refused() {
    let digest = format!("quay.io/a@sha256:{}", "0f".repeat(32));
    let good = ["docker.io", "docker.io/library/busybox", "quay.io/a:1", "localhost:5000", "*.example.com", &digest];
    for scope in good {
        assert!(check_scope(scope).is_ok(), "{scope}: {:?}", check_scope(scope));
    }
    for scope in ["", "UP/x", "quay.io/", "*.", "*.a/b", "a b", "*"] {
        assert!(matches!(check_scope(scope), Err(TrustError::Scope(_))), "{scope}: {:?}", check_scope(scope));
    }
    let short = [("busybox", "docker.io/library/busybox"), ("a/b:1", "docker.io/a/b:1")];
    for (scope, full) in short {
        let error = check_scope(scope).unwrap_err();
        assert_eq!(error.hint(), Some(format!("write `{full}`")), "{scope}");
    }
}

#[test]
fn rows_are_podmans() {
    let scratch = Scratch::new("rows");
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signatures/skopeo.gpg");
    let text = json!({
        "default": [{ "type": "reject" }],
        "transports": {
            "docker": {
                "quay.io/x": [{ "type": "signedBy", "keyType": "GPGKeys", "keyPath": key }, { "type": "reject" }],
                "quay.io/y": [{ "type": "sigstoreSigned", "keyPath": "/absent" }],
                "quay.io/z": [{ "type": "signedBy", "keyType": "GPGKeys", "keyPath": "/absent" }],
            },
            "docker-daemon": { "": [{ "type": "insecureAcceptAnything" }] },
        },
    });
    let policy = document::parse(text.to_string().as_bytes()).unwrap();
    std::fs::write(scratch.0.join("a.yaml"), "docker:\n  quay.io/x:\n    lookaside: https://look\n").unwrap();
    let lookaside = Lookaside::read(std::slice::from_ref(&scratch.0), None).unwrap();
    let gpg = Gpg { scratch: scratch.0.clone(), ..Gpg::default() };
    let (rows, failures) = rows(&policy, &lookaside, &gpg);
    let row = |transport: &str, name: &str, store: &str, kind: &str, keys: &str| TrustRow {
        transport: transport.into(),
        name: name.into(),
        repo_name: name.into(),
        store: store.into(),
        kind: kind.into(),
        keys: keys.into(),
    };
    assert_eq!(
        rows,
        [
            TrustRow { repo_name: "default".into(), ..row("all", "* (default)", "", "reject", "") },
            row("repository", "quay.io/x", "https://look", "signed", "test@example.com"),
            row("repository", "quay.io/x", "https://look", "reject", ""),
            row("repository", "quay.io/y", "", "sigstoreSigned", "N/A"),
            row("repository", "quay.io/z", "", "signed", ""),
            row("docker-daemon", "", "", "accept", ""),
        ]
    );
    assert!(matches!(failures[..], [KeyOwnerError::Key(_)]), "{failures:?}");
    let json = serde_json::to_value(&rows[5]).unwrap();
    assert_eq!(json, json!({ "transport": "docker-daemon", "type": "accept" }));
}

#[test]
fn mail_addresses_are_taken_out_of_user_ids() {
    assert_eq!(mail_address("A B (c) <a@b>"), "a@b");
    assert_eq!(mail_address("a@b"), "a@b");
    assert_eq!(mail_address("x\u{1b}[31m"), "x[31m");
}
