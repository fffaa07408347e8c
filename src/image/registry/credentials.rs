//! Passwords for registries: auth files and credential helpers (containers-auth.json(5), `~/.docker/config.json`).
//!
//! A password is shown nowhere: not by `Debug`, not in errors.

use super::helper::{self, HelperError};
use crate::image::reference::Reference;
use crate::store::atomic::{self, Durability};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// What a registry is told. The user `<token>` has a refresh token for a secret (Docker's "identity token").
#[derive(Clone, PartialEq, Eq, Hash)]
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
    #[error(transparent)]
    Helper(#[from] HelperError),
    #[error("`{path}` has a credential helper for `{registry}`, which knows registries only: not `{key}`", path = path.display())]
    Namespace { path: PathBuf, registry: String, key: String },
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
        let name = format!("{}/{}", normal(&reference.registry), reference.repository);
        let keys: Vec<&str> = std::iter::successors(Some(name.as_str()), |key| Some(key.rsplit_once('/')?.0)).collect();
        self.find_any(&keys)
    }

    /// What is known for a registry, or a part of it: `host[:port][/path]`.
    pub fn find_exactly(&self, key: &str) -> Result<Option<Login>, CredentialsError> {
        self.find_any(&[normal_key(key)])
    }

    fn find_any(&self, keys: &[&str]) -> Result<Option<Login>, CredentialsError> {
        let host = registry_of(keys.last().copied().unwrap_or_default());
        for helper in self.places() {
            let found = match helper {
                FILES => self.find_in_files(keys, host)?,
                helper => helper::get(helper, host)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Names of helpers, in the order in which they are asked.
    fn places(&self) -> impl Iterator<Item = &str> {
        let files_only = self.helpers.is_empty().then_some(FILES);
        self.helpers.iter().map(String::as_str).chain(files_only)
    }

    fn find_in_files(&self, keys: &[&str], host: &str) -> Result<Option<Login>, CredentialsError> {
        for path in &self.files {
            let Some(file) = read(path)? else { continue };
            if let Some(helper) = helper_of(&file, host) {
                return Ok(helper::get(helper, host)?);
            }
            let auths = file.get("auths").and_then(Value::as_object);
            for key in keys {
                // The key as it is written goes before one that only means the same.
                let exact = auths.and_then(|auths| auths.get_key_value(*key));
                let found = exact.or_else(|| auths?.iter().find(|(stored, _)| normal_key(stored) == *key));
                if let Some((key, entry)) = found
                    && let Some(login) = decode(entry).map_err(|()| bad_entry(path, key))?
                {
                    return Ok(Some(login));
                }
            }
            let store = file.get("credsStore").and_then(Value::as_str).filter(|store| !store.is_empty());
            match store.map(|store| helper::get(store, host)) {
                // Docker Desktop leaves its name in files of machines that do not have it, and podman asks no such store.
                Some(Err(HelperError::Start { source, .. })) if source.kind() == io::ErrorKind::NotFound => {}
                Some(Ok(Some(found))) => return Ok(Some(found)),
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(None)) | None => {}
            }
        }
        Ok(None)
    }

    /// Keeps a login for `host[:port][/path]`: in the first place of registries.conf, by default the first file.
    pub fn store(&self, key: &str, login: &Login) -> Result<(), CredentialsError> {
        match self.places().next() {
            None | Some(FILES) => {}
            Some(helper) => return Ok(helper::store(helper, registry_of(key), login)?),
        }
        let mut file = self.first_file(key)?;
        if let Some(helper) = file.helper_for(key)? {
            return Ok(helper::store(helper, key, login)?);
        }
        let auth = BASE64.encode(format!("{}:{}", login.user, login.secret));
        file.auths()?.insert(key.to_owned(), json!({ "auth": auth }));
        file.write()
    }

    /// Forgets a login, in every place that has it.
    pub fn remove(&self, key: &str) -> Result<(), CredentialsError> {
        let mut found = false;
        for place in self.places() {
            found |= match place {
                FILES => self.remove_from_file(key)?,
                helper => helper::erase(helper, registry_of(key))?,
            };
        }
        if found { Ok(()) } else { Err(CredentialsError::NotLoggedIn(key.to_owned())) }
    }

    fn remove_from_file(&self, key: &str) -> Result<bool, CredentialsError> {
        let mut file = self.first_file(key)?;
        if let Some(helper) = file.helper_for(key)? {
            return Ok(helper::erase(helper, key)?);
        }
        let auths = file.auths()?;
        let before = auths.len();
        auths.retain(|stored, _| stored != key && normal_key(stored) != normal_key(key));
        let found = auths.len() != before;
        if found {
            file.write()?;
        }
        Ok(found)
    }

    /// Forgets every login that the first file or a helper has.
    pub fn remove_all(&self) -> Result<(), CredentialsError> {
        for place in self.places() {
            if place != FILES {
                helper::list(place)?.iter().try_for_each(|server| helper::erase(place, server).map(drop))?;
                continue;
            }
            let mut file = self.first_file("")?;
            let helpers = file.content.get("credHelpers").and_then(Value::as_object).into_iter().flatten();
            for (registry, helper) in helpers {
                helper::erase(helper.as_str().unwrap_or_default(), registry)?;
            }
            file.auths()?.clear();
            file.write()?;
        }
        Ok(())
    }

    fn first_file(&self, key: &str) -> Result<AuthFile<'_>, CredentialsError> {
        let path = self.files.first().ok_or_else(|| CredentialsError::NotLoggedIn(key.to_owned()))?;
        Ok(AuthFile { path, content: read(path)?.unwrap_or_default() })
    }
}

/// The file that is written to.
struct AuthFile<'a> {
    path: &'a Path,
    content: Map<String, Value>,
}

impl AuthFile<'_> {
    fn auths(&mut self) -> Result<&mut Map<String, Value>, CredentialsError> {
        let auths = self.content.entry("auths").or_insert_with(|| json!({}));
        auths.as_object_mut().ok_or_else(|| bad_entry(self.path, "auths"))
    }

    /// The helper that keeps what is known for this key, which then must be a registry.
    fn helper_for(&self, key: &str) -> Result<Option<&str>, CredentialsError> {
        let registry = registry_of(key);
        match helper_of(&self.content, normal(registry)) {
            Some(_) if registry != key => Err(CredentialsError::Namespace {
                path: self.path.to_owned(),
                registry: registry.to_owned(),
                key: key.to_owned(),
            }),
            helper => Ok(helper),
        }
    }

    fn write(&self) -> Result<(), CredentialsError> {
        let text = serde_json::to_vec_pretty(&self.content).expect("JSON values have string keys");
        if let Some(directory) = self.path.parent() {
            let fail = |source| CredentialsError::Directory { path: directory.to_owned(), source };
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fail)?;
        }
        Ok(atomic::replace(self.path, &text, Durability::Synced)?)
    }
}

fn read(path: &Path) -> Result<Option<Map<String, Value>>, CredentialsError> {
    let content: Map<String, Value> = match std::fs::read(path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => return Ok(None),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|source| CredentialsError::Syntax { path: path.to_owned(), source })?,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(CredentialsError::Read { path: path.to_owned(), source }),
    };
    // `~/.dockercfg` is what `auths` is in later files.
    let old = path.file_name().is_some_and(|name| name == ".dockercfg");
    Ok(Some(if old { Map::from_iter([("auths".to_owned(), Value::Object(content))]) } else { content }))
}

fn bad_entry(path: &Path, key: &str) -> CredentialsError {
    CredentialsError::Entry { path: path.to_owned(), key: key.to_owned() }
}

/// `credHelpers` of a file for this registry.
fn helper_of<'a>(file: &'a Map<String, Value>, host: &str) -> Option<&'a str> {
    let helpers = file.get("credHelpers")?.as_object()?;
    let found = helpers.get(host).or_else(|| Some(helpers.iter().find(|(key, _)| normal_key(key) == host)?.1));
    found?.as_str().filter(|helper| !helper.is_empty())
}

/// Host of a key: `host[:port]` of `host[:port]/path`.
fn registry_of(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}

/// Docker writes `https://index.docker.io/v1/` where containers-auth.json(5) has `docker.io`.
pub(super) fn normal_key(key: &str) -> &str {
    let plain = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    normal(plain.map_or_else(|| key.trim_end_matches('/'), registry_of))
}

pub(super) fn normal(host: &str) -> &str {
    if matches!(host, "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host }
}

/// `Ok(None)` for an entry that only says that a helper has it.
pub(super) fn decode(entry: &Value) -> Result<Option<Login>, ()> {
    let field = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // What Docker calls an identity token is sent as a refresh token by user `<token>`.
    if let Some(token) = field("identitytoken") {
        return Ok(Some(Login { user: "<token>".to_owned(), secret: token.to_owned() }));
    }
    let Some(auth) = field("auth") else { return Ok(None) };
    let text = BASE64.decode(auth).map_err(drop).and_then(|bytes| String::from_utf8(bytes).map_err(drop))?;
    let (user, secret) = text.split_once(':').ok_or(())?;
    Ok(Some(Login { user: user.to_owned(), secret: secret.trim_matches('\0').to_owned() }))
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
    fn old_and_foreign_ways_to_write_a_key_are_understood() {
        let scratch = Scratch::new("keys");
        let keys = json!({ "auths": {
            "https://a.test/v1/": { "auth": auth("url:1") },
            "a.test": { "auth": auth("plain:2") },
            "https://b.test/v2/": { "auth": auth("url:3") },
            "docker.io": { "auth": auth("hub:4") },
        }});
        let old = json!({ "https://old.test/v1/": { "auth": auth("old:5") } });
        let files = vec![
            scratch.file("auth.json", &keys.to_string()),
            scratch.file(".dockercfg", &old.to_string()),
            scratch.file("desktop.json", &json!({ "credsStore": "podkin-absent" }).to_string()),
        ];
        let credentials = Credentials { files, helpers: Vec::new() };
        assert_eq!(found(&credentials, "a.test/x").as_deref(), Some("plain:2"));
        assert_eq!(found(&credentials, "b.test/x").as_deref(), Some("url:3"));
        assert_eq!(found(&credentials, "registry-1.docker.io/library/x").as_deref(), Some("hub:4"));
        assert_eq!(found(&credentials, "old.test/x").as_deref(), Some("old:5"));
        assert_eq!(found(&credentials, "nobody.test/x"), None);
        credentials.remove("b.test").unwrap();
        assert_eq!(found(&credentials, "b.test/x"), None);
    }

    #[test]
    fn a_helper_in_the_file_keeps_the_login() {
        let scratch = Scratch::new("helper");
        let helpers = json!({ "credHelpers": { "a.test": "podkin-absent" } });
        let path = scratch.file("auth.json", &helpers.to_string());
        let credentials = Credentials { files: vec![path.clone()], helpers: Vec::new() };
        let login = Login { user: "me".into(), secret: "hidden".into() };
        assert!(matches!(
            credentials.store("a.test", &login),
            Err(CredentialsError::Helper(HelperError::Start { .. }))
        ));
        assert!(matches!(credentials.store("a.test/team", &login), Err(CredentialsError::Namespace { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), helpers.to_string(), "no password falls into the file");
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
