//! Files that change as a whole: written beside their place, then renamed over it.

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file could not be replaced.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
pub struct WriteError {
    pub path: PathBuf,
    pub source: io::Error,
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

/// A file that is written bit by bit, and takes its place when it is whole. Until then it has no name where the file system can do
/// that, so that nothing is left of one that was interrupted.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    path: PathBuf,
    /// Where it lies meanwhile, if anywhere.
    beside: Option<PathBuf>,
}

impl Replacement {
    /// Begins a file with the mode that the umask leaves.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let failed = |source| WriteError { path: path.to_owned(), source };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        match rustix::fs::open(parent, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => Ok(Self { file: file.into(), path: path.to_owned(), beside: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let beside = beside(path);
                let file = File::create(&beside).map_err(failed)?;
                Ok(Self { file, path: path.to_owned(), beside: Some(beside) })
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Puts it where it belongs.
    pub fn commit(mut self) -> Result<(), WriteError> {
        self.put_in_place().map_err(|source| WriteError { path: self.path.clone(), source })
    }

    fn put_in_place(&mut self) -> io::Result<()> {
        let beside = match self.beside.clone() {
            Some(beside) => beside,
            // A link cannot take the place of a file that is there; a rename can.
            None => {
                let beside = beside(&self.path);
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(CWD, own, CWD, &beside, AtFlags::SYMLINK_FOLLOW)?;
                self.beside = Some(beside.clone());
                beside
            }
        };
        std::fs::rename(&beside, &self.path)?;
        self.beside = None;
        Ok(())
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            // Something else has failed already, and is told.
            let _ = std::fs::remove_file(beside);
        }
    }
}

/// `.<name>.<pid>.tmp` in the same directory.
pub(crate) fn beside(path: &Path) -> PathBuf {
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

    #[test]
    fn a_file_takes_its_place_when_it_is_whole() {
        let dir = std::env::temp_dir().join(format!("podkin-replacement-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("x.tar");
        for content in ["one", "two"] {
            let mut file = Replacement::create(&path).unwrap();
            file.write_all(content.as_bytes()).unwrap();
            file.commit().unwrap();
            let mut given_up = Replacement::create(&path).unwrap();
            given_up.write_all(b"half").unwrap();
            drop(given_up);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
