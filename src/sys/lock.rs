//! Advisory file locks (flock(2)): held until the guard is dropped or the process ends.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// An exclusive lock on a file. The descriptor is close-on-exec; a forked child that keeps it open keeps the lock.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Waits for the lock; the file is made (mode 0600) when absent.
    pub fn acquire(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Self { file }),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes the lock when it is free; `None` when another holds it.
    pub fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether somebody holds the lock now; a missing file is not held.
    pub fn is_held(path: &Path) -> io::Result<bool> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
            Ok(_) => Ok(Self::try_acquire(path)?.is_none()),
        }
    }

    /// Whether `path` still names the locked file: false when it was unlinked or replaced since.
    pub fn is_current(&self, path: &Path) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let held = self.file.metadata()?;
        match std::fs::symlink_metadata(path) {
            Ok(named) => Ok(named.dev() == held.dev() && named.ino() == held.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for FileLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::FileLock;

    fn scratch(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("podkin-lock-{}-{name}", std::process::id()))
    }

    #[test]
    fn second_holder_is_refused_until_the_first_lets_go() -> std::io::Result<()> {
        let path = scratch("exclusive");
        let first = FileLock::acquire(&path)?;
        assert!(FileLock::try_acquire(&path)?.is_none());
        assert!(FileLock::is_held(&path)?);
        drop(first);
        assert!(!FileLock::is_held(&path)?);
        std::fs::remove_file(path)
    }

    #[test]
    fn a_replaced_file_is_noticed() -> std::io::Result<()> {
        let path = scratch("replaced");
        let lock = FileLock::acquire(&path)?;
        assert!(lock.is_current(&path)?);
        std::fs::remove_file(&path)?;
        assert!(!lock.is_current(&path)?);
        std::fs::write(&path, "")?;
        assert!(!lock.is_current(&path)?);
        std::fs::remove_file(path)
    }
}
