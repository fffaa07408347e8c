//! Credential helpers: programs on the search path, so in a process of their own.

use crate::common::registry::scratch;
use podkin::image::Reference;
use podkin::image::registry::credentials::CredentialsError;
use podkin::image::registry::{Credentials, Login};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// Keeps each entry in a file named by the number of its letters; fails for one registry.
const HELPER: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
input=$(cat)
[ "$input" != broken.test ] || { echo "out of order" >&2; exit 1; }
case $1 in
store) name=$(echo "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/'); echo "$input" >"kept.${#name}" ;;
get) cat "kept.${#input}" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm "kept.${#input}" ;;
list) echo '{"a.test":"me"}' ;;
esac
"#;

#[test]
fn helpers_keep_what_files_do_not() {
    let directory = scratch("helpers");
    let program = directory.join("docker-credential-podkin-test");
    fs::write(&program, HELPER).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", directory.display(), env::var("PATH").unwrap());
    let mut inner = Command::new(env::current_exe().unwrap());
    inner.args(["--exact", "helpers::with_the_helper", "--ignored"]);
    let output = inner.env("PATH", path).env("PODKIN_TEST_DIRECTORY", &directory).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    fs::remove_dir_all(&directory).unwrap();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by the test above, with the helper on its search path"]
fn with_the_helper() {
    let directory = PathBuf::from(env::var_os("PODKIN_TEST_DIRECTORY").unwrap());
    let file = directory.join("auth.json");
    let login = Login { user: "me".into(), secret: "hidden".into() };
    let find = |credentials: &Credentials, name: &str| credentials.find(&Reference::parse(name).unwrap());

    // Of registries.conf: for every registry.
    let everywhere = Credentials { files: vec![file.clone()], helpers: vec!["podkin-test".into()] };
    assert_eq!(find(&everywhere, "a.test/x").unwrap(), None);
    everywhere.store("a.test", &login).unwrap();
    assert!(!file.exists(), "no password in the file");
    assert_eq!(find(&everywhere, "a.test/x").unwrap(), Some(login.clone()));
    everywhere.remove("a.test").unwrap();
    assert!(matches!(everywhere.remove("a.test"), Err(CredentialsError::NotLoggedIn(_))));
    everywhere.store("a.test", &login).unwrap();
    everywhere.remove_all().unwrap();
    assert_eq!(find(&everywhere, "a.test/x").unwrap(), None);
    let broken = find(&everywhere, "broken.test/x").unwrap_err().to_string();
    assert!(broken.contains("out of order"), "{broken}");

    // Of the file: for one registry, and Docker's by the name that Docker gives it.
    let helpers = r#"{"credHelpers":{"b.test":"podkin-test","https://index.docker.io/v1/":"podkin-test"}}"#;
    fs::write(&file, helpers).unwrap();
    let some = Credentials { files: vec![file.clone()], helpers: Vec::new() };
    some.store("b.test", &login).unwrap();
    some.store("c.test:5000", &login).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("c.test:5000") && !text.contains("\"b.test\": {"), "{text}");
    assert_eq!(find(&some, "b.test/team/x").unwrap(), Some(login.clone()));
    assert_eq!(find(&some, "c.test:5000/x").unwrap(), Some(login.clone()));
    assert_eq!(find(&some, "nginx").unwrap(), None);
    fs::rename(directory.join("kept.6"), directory.join("kept.27")).unwrap();
    assert_eq!(find(&some, "nginx").unwrap(), Some(login));
}
