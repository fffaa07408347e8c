//! `image trust` and `image sign` by the command line: podman's output, and files where podman has them.

mod common;

use common::TestEnv;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The command with a home of its own, so that no file of the machine's user is read.
fn at_home(env: &TestEnv, arguments: &[&str]) -> Command {
    let mut command = env.command(arguments);
    command.env("HOME", env.base.join("home")).env("TMPDIR", &env.base);
    command
}

fn ok(env: &TestEnv, arguments: &[&str]) -> String {
    let ran = env.finish(at_home(env, arguments));
    assert!(ran.status.success(), "{arguments:?}: {}", ran.stderr);
    ran.stdout
}

fn fails(env: &TestEnv, code: i32, arguments: &[&str]) -> String {
    let ran = env.finish(at_home(env, arguments));
    assert_eq!(ran.code(), code, "{arguments:?}: {}", ran.stderr);
    ran.stderr
}

fn own_policy(env: &TestEnv) -> PathBuf {
    let path = env.base.join("home/.config/containers/policy.json");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

fn key() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signatures/skopeo.gpg")
}

#[test]
fn the_users_own_policy_is_changed_and_shown() {
    let env = TestEnv::new("trust");
    let policy = own_policy(&env);
    std::fs::write(&policy, r#"{"default": [{"type": "reject"}]}"#).unwrap();
    let registries = env.base.join("home/.config/containers/registries.d");
    std::fs::create_dir(&registries).unwrap();
    std::fs::write(registries.join("a.yaml"), "docker:\n  quay.io/x:\n    lookaside: https://look.example\n").unwrap();
    ok(&env, &["image", "trust", "set", "-t", "accept", "docker.io/library"]);
    ok(&env, &["image", "trust", "set", "-f", key().to_str().unwrap(), "quay.io/x"]);
    // As podman 4.3.1 prints it.
    let table = "\
TRANSPORT   NAME               TYPE        ID                STORE
all         default            reject                        
repository  docker.io/library  accept                        
repository  quay.io/x          signed      test@example.com  https://look.example
";
    assert_eq!(ok(&env, &["image", "trust", "show"]), table);
    let without_heading: String = table.lines().skip(1).map(|line| format!("{line}\n")).collect();
    assert_eq!(ok(&env, &["image", "trust", "show", "-n"]), without_heading);
    let json: serde_json::Value =
        serde_json::from_str(&ok(&env, &["image", "trust", "show", "-j", "quay.io/x"])).unwrap();
    let expected = serde_json::json!([{
        "transport": "repository", "name": "quay.io/x", "repo_name": "quay.io/x",
        "sigstore": "https://look.example", "type": "signed", "gpg_id": "test@example.com",
    }]);
    assert_eq!(json, expected);
    assert_eq!(ok(&env, &["image", "trust", "show", "--raw"]), std::fs::read_to_string(&policy).unwrap());
}

#[test]
fn what_cannot_be_set_leaves_the_policy_as_it_is() {
    let env = TestEnv::new("trust-refused");
    let policy = own_policy(&env);
    let text = r#"{"default": [{"type": "reject"}]}"#;
    std::fs::write(&policy, text).unwrap();
    let key = key();
    let cases: [(&[&str], &str); 6] = [
        (&["quay.io"], "at least one key file"),
        (&["-t", "sigstoreSigned", "quay.io"], "at least one key file"),
        (&["-t", "accept", "-f", key.to_str().unwrap(), "quay.io"], "takes no key files"),
        (&["-f", "absent.gpg", "quay.io"], "absent.gpg"),
        (&["-t", "reject", "busybox"], "write `docker.io/library/busybox`"),
        (&["-t", "trusted", "quay.io"], "possible values: accept, reject, signedBy, sigstoreSigned"),
    ];
    for (arguments, expected) in cases {
        let stderr = fails(&env, 2, &[&["image", "trust", "set"], arguments].concat());
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    assert_eq!(std::fs::read_to_string(&policy).unwrap(), text);
    std::fs::write(&policy, "{}").unwrap();
    let stderr = fails(&env, 125, &["image", "trust", "show"]);
    assert!(stderr.contains("is no policy") && stderr.contains("missing field `default`"), "{stderr}");
    let stderr = fails(&env, 125, &["image", "trust", "show", "--policypath", "absent.json"]);
    assert!(stderr.contains("absent.json") && stderr.contains("hint:"), "{stderr}");
}

/// A key in a home of gpg, and the agent that gpg starts for it, which ends with the test.
struct Key {
    home: PathBuf,
}

impl Key {
    fn new(env: &TestEnv) -> Self {
        use std::os::unix::fs::DirBuilderExt;
        let home = env.base.join("gnupg");
        std::fs::DirBuilder::new().mode(0o700).create(&home).unwrap();
        let key = Self { home };
        let make = ["--quick-generate-key", "me@example.com", "ed25519", "sign", "never"];
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(&key.home).args(["--batch", "--quiet", "--passphrase", ""]).args(make);
        let made = gpg.output().expect("this test needs `gpg` (package `gnupg`)");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        key
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // That no agent runs is fine.
        let _ = Command::new("gpgconf").arg("--homedir").arg(&self.home).args(["--kill", "all"]).status();
    }
}

#[test]
fn images_of_this_machine_are_signed() {
    let env = TestEnv::new("sign");
    let key = Key::new(&env);
    let archive = env.base.join("root.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&archive).unwrap());
    builder.append_dir(".", env.base.join("files")).unwrap();
    builder.into_inner().unwrap();
    ok(&env, &["import", archive.to_str().unwrap(), "quay.io/x/y:1"]);
    let digest = ok(&env, &["image", "inspect", "-f", "{{.Digest}}", "quay.io/x/y:1"]);
    let name = format!("x/y@{}", digest.trim().replace(':', "="));
    let sign_by = |who: &str, arguments: &[&str]| {
        let mut command = at_home(&env, &[&["image", "sign", "--sign-by", who], arguments].concat());
        command.env("GNUPGHOME", &key.home);
        env.finish(command)
    };
    let sign = |arguments: &[&str]| sign_by("me@example.com", arguments);
    let signatures = env.base.join("signatures");
    for expected in [1, 2] {
        let ran = sign(&["-d", signatures.to_str().unwrap(), "docker://quay.io/x/y:1"]);
        assert!(ran.status.success() && ran.stdout.is_empty(), "{}", ran.stderr);
        assert_eq!(std::fs::read_dir(signatures.join(&name)).unwrap().count(), expected);
    }
    let registries = env.base.join("home/.config/containers/registries.d");
    std::fs::create_dir_all(&registries).unwrap();
    let staging = env.base.join("staging");
    let yaml = format!("docker:\n  quay.io:\n    lookaside-staging: file://{}\n", staging.display());
    std::fs::write(registries.join("a.yaml"), yaml).unwrap();
    assert!(sign(&["quay.io/x/y:1"]).status.success());
    assert!(staging.join(name).join("signature-1").is_file());
    let id = ok(&env, &["images", "-q"]);
    assert!(sign(&[id.trim()]).stderr.contains("has no name"));
    assert!(sign(&["absent"]).stderr.contains("no image `absent`"));
    let ran = sign_by("nobody", &["quay.io/x/y:1"]);
    assert!(ran.stderr.contains("gpg cannot sign with the key `nobody`"), "{}", ran.stderr);
}
