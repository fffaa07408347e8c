//! Files that change as a whole: written beside their place, then renamed over it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file could not be replaced.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// How much of a replaced file must outlive the power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// May be old or missing after a power loss: for what can be derived again.
    Relaxed,
    /// Synced with its directory before the call returns.
    Synced,
}

/// Replaces `path` by a file with that content and mode 0600. Readers see the old or the new content, never a part.
pub fn replace(path: &Path, content: &[u8], durability: Durability) -> Result<(), WriteError> {
    replace_with_mode(path, content, 0o600, durability)
}

/// Like [`replace`], with a mode of the caller's, which no umask narrows.
pub fn replace_with_mode(path: &Path, content: &[u8], mode: u32, durability: Durability) -> Result<(), WriteError> {
    let attempt = || -> io::Result<()> {
        let beside = beside(path);
        let result = fill(&beside, content, mode, durability).and_then(|()| std::fs::rename(&beside, path));
        if result.is_err() {
            // The error that matters is the first one.
            let _ = std::fs::remove_file(&beside);
        }
        result?;
        if durability == Durability::Synced {
            let parent = path.parent().unwrap_or(Path::new("."));
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    };
    attempt().map_err(|source| WriteError { path: path.to_owned(), source })
}

fn fill(path: &Path, content: &[u8], mode: u32, durability: Durability) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    if mode != 0o600 {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    if durability == Durability::Synced {
        file.sync_all()?;
    }
    Ok(())
}

/// `.<name>.<pid>.tmp` in the same directory.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_beside() {
        let dir = std::env::temp_dir().join(format!("podkin-atomic-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("x.json");
        replace(&path, b"one", Durability::Relaxed).unwrap();
        replace(&path, b"two", Durability::Synced).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        assert!(replace(&dir.join("no/x"), b"", Durability::Relaxed).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
