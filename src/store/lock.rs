//! Locks between processes: `flock` on a file, given back by the kernel when the holder dies.
//!
//! Lock files come and go. A holder may remove its file before it lets go, and whoever waited finds that the file it locked is no
//! longer the one at that path, and tries again.

use rustix::fs::{FlockOperation, flock, fstat, stat};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
    remove: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot lock `{}`", path.display())]
pub struct LockError {
    path: PathBuf,
    source: io::Error,
}

impl FileLock {
    /// Waits for the lock. The file and the directories above it are made when missing (0600, 0700).
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let lock =
            take(path, FlockOperation::LockExclusive).map_err(|source| LockError { path: path.into(), source })?;
        Ok(lock.expect("waiting for a lock ends with the lock"))
    }

    /// Waits until nobody holds the lock alone, and then holds it together with others who do not.
    pub fn acquire_shared(path: &Path) -> Result<Self, LockError> {
        let lock = take(path, FlockOperation::LockShared).map_err(|source| LockError { path: path.into(), source })?;
        Ok(lock.expect("waiting for a lock ends with the lock"))
    }

    /// The lock if nobody holds it.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, LockError> {
        take(path, FlockOperation::NonBlockingLockExclusive).map_err(|source| LockError { path: path.into(), source })
    }

    /// Makes letting go remove the file, so that locks of things long gone do not pile up.
    pub fn removing(mut self) -> Self {
        self.remove = true;
        self
    }

    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.remove {
            // Still held here; a failure leaves an empty file that the next holder uses.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether a process holds the lock at `path`; false when there is no such file. Takes nothing.
pub fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    // A shared lock taken for an instant; an attempt to take the lock in that instant waits or tries again.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => false,
        Err(error) => error == rustix::io::Errno::WOULDBLOCK,
    }
}

fn take(path: &Path, operation: FlockOperation) -> io::Result<Option<FileLock>> {
    loop {
        let file = open(path)?;
        match flock(&file, operation) {
            Ok(()) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let held = fstat(&file)?;
        match stat(path) {
            Ok(at_path) if (at_path.st_dev, at_path.st_ino) == (held.st_dev, held.st_ino) => {
                return Ok(Some(FileLock { file, path: path.to_owned(), remove: false }));
            }
            Ok(_) | Err(rustix::io::Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let attempt = || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    match attempt() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            }
            attempt()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("podkin-lock-{}-{name}/deep/lock", std::process::id()))
    }

    #[test]
    fn held_once_and_seen_from_outside() {
        let path = path("once");
        assert!(!is_held(&path));
        let lock = FileLock::acquire(&path).unwrap();
        assert!(is_held(&path));
        assert!(FileLock::try_acquire(&path).unwrap().is_none());
        drop(lock);
        assert!(!is_held(&path));
        assert!(FileLock::try_acquire(&path).unwrap().is_some());
        std::fs::remove_dir_all(path.ancestors().nth(2).unwrap()).unwrap();
    }

    #[test]
    fn removal_on_release_keeps_exclusion() {
        let path = path("remove");
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = FileLock::acquire(&path).unwrap().removing();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(!path.exists());
        std::fs::remove_dir_all(path.ancestors().nth(2).unwrap()).unwrap();
    }
}
