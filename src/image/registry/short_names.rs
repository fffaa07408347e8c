//! The registries that a user has chosen for short names, in a file of their own (containers-registries.conf(5), `[aliases]`), which
//! is read as the last of all.

use crate::store::atomic::{self, Durability, WriteError};
use crate::store::lock::{FileLock, LockError};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The file of chosen short names cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ShortNamesError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is no file of short names", path.display())]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("cannot make `{}`", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The whole file; one with more than this is somebody else's, and not changed.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    aliases: BTreeMap<String, String>,
}

/// Writes down that `short` stands for `full`, neither with tag or digest. The file and its directory are made when missing (0600,
/// 0700).
pub fn remember(path: &Path, short: &str, full: &str) -> Result<(), ShortNamesError> {
    if let Some(directory) = path.parent() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| ShortNamesError::Directory { path: directory.to_owned(), source })?;
    }
    // Two commands that choose at a time both count. The file stays: podman has one of that name, too.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let _lock = FileLock::acquire(Path::new(&beside))?;
    let mut document = read(path)?;
    if document.aliases.get(short).is_some_and(|known| known == full) {
        return Ok(());
    }
    document.aliases.insert(short.to_owned(), full.to_owned());
    let mut text = "[aliases]\n".to_owned();
    for (short, full) in &document.aliases {
        // A string of JSON is one of TOML.
        text.push_str(&format!("  {} = {}\n", serde_json::json!(short), serde_json::json!(full)));
    }
    Ok(atomic::replace(path, text.as_bytes(), Durability::Synced)?)
}

fn read(path: &Path) -> Result<Document, ShortNamesError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Document::default()),
        Err(source) => return Err(ShortNamesError::Read { path: path.to_owned(), source }),
    };
    toml::from_str(&text).map_err(|source| ShortNamesError::Syntax { path: path.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use super::super::Registries;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_was_chosen_is_read_and_what_is_not_ours_is_left_alone() {
        let directory = std::env::temp_dir().join(format!("podkin-short-names-{}", std::process::id()));
        let path = directory.join("containers/short-name-aliases.conf");
        remember(&path, "app", "quay.io/team/app").unwrap();
        remember(&path, "team/web", "docker.io/team/web").unwrap();
        remember(&path, "app", "ghcr.io/team/app").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let registries = Registries::read(std::slice::from_ref(&path)).unwrap();
        let expanded = |name: &str| registries.expand(name).unwrap()[0].to_string();
        assert_eq!(expanded("app:2"), "ghcr.io/team/app:2");
        assert_eq!(expanded("team/web"), "docker.io/team/web:latest");
        let text = "unqualified-search-registries = [\"quay.io\"]\n";
        std::fs::write(&path, text).unwrap();
        assert!(matches!(remember(&path, "app", "quay.io/app"), Err(ShortNamesError::Syntax { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
