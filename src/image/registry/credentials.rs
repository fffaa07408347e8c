//! Passwords for registries: auth files and credential helpers (containers-auth.json(5), `~/.docker/config.json`).
//!
//! A password is shown nowhere: not by `Debug`, not in errors.

use crate::image::reference::Reference;
use crate::store::atomic::{self, Durability};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a registry is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub secret: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot make the directory `{}`", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Write(#[from] atomic::WriteError),
    #[error("`{}` is no auth file", path.display())]
    Syntax { path: PathBuf, source: serde_json::Error },
    #[error("`{}`: the entry of `{key}` is not base64 of `user:password`", path.display())]
    Entry { path: PathBuf, key: String },
    #[error("cannot run the credential helper `{program}`")]
    Helper { program: String, source: io::Error },
    #[error("the credential helper `{program}` failed: {said}")]
    HelperFailed { program: String, said: String },
    #[error("not logged in to `{0}`")]
    NotLoggedIn(String),
}

/// The auth files of a user, in the order in which they are asked. The first is the one that `login` writes.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    pub files: Vec<PathBuf>,
    /// From registries.conf.
    pub helpers: Vec<String>,
}

/// The name under which registries.conf has the auth files themselves.
const FILES: &str = "containers-auth.json";

impl Credentials {
    /// What is known for an image, the most specific entry first: `host/path/name`, `host/path`, `host`.
    pub fn find(&self, reference: &Reference) -> Result<Option<Login>, CredentialsError> {
        let name = reference.name();
        let keys: Vec<&str> = std::iter::successors(Some(name.as_str()), |key| Some(key.rsplit_once('/')?.0)).collect();
        self.find_any(&keys)
    }

    /// What is known for a registry, or a part of it: `host[:port][/path]`.
    pub fn find_exactly(&self, key: &str) -> Result<Option<Login>, CredentialsError> {
        self.find_any(&[key])
    }

    fn find_any(&self, keys: &[&str]) -> Result<Option<Login>, CredentialsError> {
        let host = keys.last().copied().unwrap_or_default();
        let files_only = [FILES.to_owned()];
        let helpers = if self.helpers.is_empty() { &files_only[..] } else { &self.helpers[..] };
        for helper in helpers {
            let found = match helper.as_str() {
                FILES => self.find_in_files(keys, host)?,
                helper => ask_helper(helper, host)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn find_in_files(&self, keys: &[&str], host: &str) -> Result<Option<Login>, CredentialsError> {
        for path in &self.files {
            let Some(file) = read(path)? else { continue };
            let helper = file.get("credHelpers").and_then(|helpers| helpers.get(host)).and_then(Value::as_str);
            if let Some(helper) = helper {
                return ask_helper(helper, host);
            }
            if let Some(auths) = file.get("auths").and_then(Value::as_object) {
                for key in keys {
                    if let Some((key, entry)) = auths.iter().find(|(stored, _)| normal(stored) == *key)
                        && let Some(login) = decode(entry).map_err(|()| bad_entry(path, key))?
                    {
                        return Ok(Some(login));
                    }
                }
            }
            let store = file.get("credsStore").and_then(Value::as_str).filter(|store| !store.is_empty());
            if let Some(found) = store.map(|store| ask_helper(store, host)).transpose()?.flatten() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Writes a login into the first file.
    pub fn store(&self, key: &str, login: &Login) -> Result<(), CredentialsError> {
        self.change(key, |auths| {
            let auth = BASE64.encode(format!("{}:{}", login.user, login.secret));
            auths.insert(key.to_owned(), json!({ "auth": auth }));
            Ok(())
        })
    }

    /// Takes a login out of the first file.
    pub fn remove(&self, key: &str) -> Result<(), CredentialsError> {
        self.change(key, |auths| match auths.shift_remove(key) {
            Some(_) => Ok(()),
            None => Err(CredentialsError::NotLoggedIn(key.to_owned())),
        })
    }

    /// Takes every login out of the first file.
    pub fn remove_all(&self) -> Result<(), CredentialsError> {
        self.change("", |auths| {
            auths.clear();
            Ok(())
        })
    }

    fn change(
        &self,
        key: &str,
        change: impl FnOnce(&mut Map<String, Value>) -> Result<(), CredentialsError>,
    ) -> Result<(), CredentialsError> {
        let Some(path) = self.files.first() else { return Err(CredentialsError::NotLoggedIn(key.to_owned())) };
        let mut file = read(path)?.unwrap_or_default();
        let auths = file.entry("auths").or_insert_with(|| json!({}));
        match auths.as_object_mut() {
            Some(auths) => change(auths)?,
            None => return Err(bad_entry(path, "auths")),
        }
        let text = serde_json::to_vec_pretty(&file).expect("JSON values have string keys");
        if let Some(directory) = path.parent() {
            let fail = |source| CredentialsError::Directory { path: directory.to_owned(), source };
            std::fs::create_dir_all(directory).map_err(fail)?;
        }
        Ok(atomic::replace(path, &text, Durability::Synced)?)
    }
}

fn read(path: &Path) -> Result<Option<Map<String, Value>>, CredentialsError> {
    match std::fs::read(path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(None),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| CredentialsError::Syntax { path: path.to_owned(), source }),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(CredentialsError::Read { path: path.to_owned(), source }),
    }
}

fn bad_entry(path: &Path, key: &str) -> CredentialsError {
    CredentialsError::Entry { path: path.to_owned(), key: key.to_owned() }
}

/// Docker writes `https://index.docker.io/v1/` where containers-auth.json(5) has `docker.io`.
fn normal(key: &str) -> &str {
    let plain = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let host = match plain {
        Some(url) => url.split('/').next().unwrap_or(url),
        None => key.trim_end_matches('/'),
    };
    if matches!(host, "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host }
}

/// `Ok(None)` for an entry that only says that a helper has it.
fn decode(entry: &Value) -> Result<Option<Login>, ()> {
    let field = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // What Docker calls an identity token is sent as a refresh token by user `<token>`.
    if let Some(token) = field("identitytoken") {
        return Ok(Some(Login { user: "<token>".to_owned(), secret: token.to_owned() }));
    }
    let Some(auth) = field("auth") else { return Ok(None) };
    let text = BASE64.decode(auth).map_err(drop).and_then(|bytes| String::from_utf8(bytes).map_err(drop))?;
    let (user, secret) = text.split_once(':').ok_or(())?;
    Ok(Some(Login { user: user.to_owned(), secret: secret.trim_end_matches('\0').to_owned() }))
}

/// `docker-credential-<helper> get`: the registry on standard input, JSON back.
fn ask_helper(helper: &str, host: &str) -> Result<Option<Login>, CredentialsError> {
    let program = format!("docker-credential-{helper}");
    let fail = |source| CredentialsError::Helper { program: program.clone(), source };
    let server = if host == "docker.io" { "https://index.docker.io/v1/" } else { host };
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(fail)?;
    // A helper that reads nothing is judged by what it says.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(server.as_bytes()));
    let output = child.wait_with_output().map_err(fail)?;
    if output.status.success() {
        let answer: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| CredentialsError::HelperFailed { program: program.clone(), said: "no JSON".to_owned() })?;
        let field = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Ok(Some(Login { user: field("Username"), secret: field("Secret") }));
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    // The protocol has no code for it, only this sentence.
    if said.contains("credentials not found") {
        Ok(None)
    } else {
        Err(CredentialsError::HelperFailed { program, said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("podkin-auth-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn auth(login: &str) -> String {
        BASE64.encode(login)
    }

    fn found(credentials: &Credentials, name: &str) -> Option<String> {
        let login = credentials.find(&Reference::parse(name).unwrap()).unwrap()?;
        Some(format!("{}:{}", login.user, login.secret))
    }

    #[test]
    fn the_most_specific_entry_of_the_first_file_counts() {
        let scratch = Scratch::new("files");
        let first = json!({ "auths": {
            "quay.io": { "auth": auth("all:1") },
            "quay.io/team": { "auth": auth("team:a:b") },
            "https://index.docker.io/v1/": { "auth": auth("hub:3") },
            "kept.test": {},
        }});
        let second =
            json!({ "auths": { "quay.io": { "auth": auth("other:9") }, "b.test:5000": { "auth": auth("b:4") } } });
        let files = vec![
            scratch.file("auth.json", &first.to_string()),
            scratch.0.join("absent.json"),
            scratch.file("config.json", &second.to_string()),
        ];
        let credentials = Credentials { files, helpers: Vec::new() };
        assert_eq!(found(&credentials, "quay.io/team/web:1").as_deref(), Some("team:a:b"));
        assert_eq!(found(&credentials, "quay.io/teams/web").as_deref(), Some("all:1"));
        assert_eq!(found(&credentials, "nginx").as_deref(), Some("hub:3"));
        assert_eq!(found(&credentials, "b.test:5000/x").as_deref(), Some("b:4"));
        assert_eq!(found(&credentials, "b.test/x"), None, "another port is another registry");
        assert_eq!(found(&credentials, "kept.test/x"), None);
    }

    #[test]
    fn logins_are_written_for_nobody_else_to_read() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new("write");
        let path = scratch.0.join("containers/auth.json");
        let credentials = Credentials { files: vec![path.clone()], helpers: Vec::new() };
        credentials.store("a.test", &Login { user: "me".into(), secret: "pass".into() }).unwrap();
        credentials.store("b.test:5000", &Login { user: "me".into(), secret: "word".into() }).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(found(&credentials, "b.test:5000/x").as_deref(), Some("me:word"));
        credentials.remove("a.test").unwrap();
        assert!(matches!(credentials.remove("a.test"), Err(CredentialsError::NotLoggedIn(_))));
        credentials.remove_all().unwrap();
        assert_eq!(found(&credentials, "b.test:5000/x"), None);
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_password() {
        let scratch = Scratch::new("bad");
        let bad = json!({ "auths": { "a.test": { "auth": auth("nocolon-secret") } } });
        let credentials = Credentials { files: vec![scratch.file("auth.json", &bad.to_string())], helpers: Vec::new() };
        let error = credentials.find(&Reference::parse("a.test/x").unwrap()).unwrap_err();
        assert!(error.to_string().contains("`a.test`") && !format!("{error:?}").contains("secret"), "{error:?}");
        let login = Login { user: "me".into(), secret: "hidden".into() };
        assert!(!format!("{login:?}").contains("hidden"));
        let credentials = Credentials { files: vec![scratch.file("auth.json", "{")], helpers: Vec::new() };
        assert!(matches!(credentials.find_exactly("a.test"), Err(CredentialsError::Syntax { .. })));
    }
}
