//! `fsGroup`: giving a volume to a group (Kubernetes, "Configure volume permission and ownership change policy for Pods").

use super::tree;
use crate::sys::dir::Dir;
use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

const READ_WRITE: u32 = 0o660;
const SEARCH: u32 = 0o110;
const SETGID: u32 = 0o2000;
const PERMISSIONS: u32 = 0o7777;

/// A group and the permissions it gets.
#[derive(Debug, Clone, Copy)]
pub struct Ownership {
    group: u32,
}

impl Ownership {
    /// The group may read and write everything; new files in directories belong to it.
    pub fn writable(group: u32) -> Self {
        Self { group }
    }

    /// Gives the directory and all below it to the group; nothing is followed out of it. With `only_on_mismatch` only when the
    /// directory itself does not belong to it yet.
    pub fn apply(self, root: &Path, only_on_mismatch: bool) -> io::Result<()> {
        let root = Dir::open(root)?;
        let stat = rustix::fs::fstat(&root)?;
        if only_on_mismatch && stat.st_gid == self.group && stat.st_mode & PERMISSIONS == self.mode_of(&stat) {
            return Ok(());
        }
        tree::each_below(&root, |file| self.give(file))?;
        // The root last: a killed run is then seen as a mismatch.
        self.give(&rustix::fs::openat(
            &root,
            ".",
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    }

    /// Works on what was opened, not on what may have its name by now.
    fn give(self, file: impl AsFd) -> io::Result<()> {
        let stat = rustix::fs::fstat(&file)?;
        rustix::fs::chownat(&file, "", None, Some(Gid::from_raw(self.group)), AtFlags::EMPTY_PATH)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Ok(());
        }
        // An O_PATH descriptor cannot be given to fchmod(2); its magic link can.
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        Ok(rustix::fs::chmod(path, Mode::from_raw_mode(self.mode_of(&stat)))?)
    }

    fn mode_of(self, stat: &Stat) -> u32 {
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        stat.st_mode & PERMISSIONS | READ_WRITE | if directory { SEARCH | SETGID } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn everything_below_belongs_to_the_group_and_links_are_not_followed() -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not run: giving files to another group needs root");
            return Ok(());
        }
        let base = std::env::temp_dir().join(format!("podkin-fsgroup-{}", std::process::id()));
        let (volume, outside) = (base.join("volume"), base.join("outside"));
        std::fs::create_dir_all(volume.join("a/b"))?;
        std::fs::write(volume.join("a/b/file"), "")?;
        std::fs::write(&outside, "")?;
        std::fs::set_permissions(&outside, PermissionsExt::from_mode(0o600))?;
        std::os::unix::fs::symlink(&outside, volume.join("a/link"))?;
        Ownership::writable(4711).apply(&volume, true)?;
        for path in ["", "a", "a/b"] {
            let metadata = std::fs::metadata(volume.join(path))?;
            assert_eq!((metadata.gid(), metadata.mode() & 0o7777), (4711, 0o2775), "{path}");
        }
        let file = std::fs::metadata(volume.join("a/b/file"))?;
        assert_eq!((file.gid(), file.mode() & 0o777), (4711, 0o664));
        assert_eq!((std::fs::metadata(&outside)?.gid(), std::fs::metadata(&outside)?.mode() & 0o777), (0, 0o600));
        assert_eq!(std::fs::symlink_metadata(volume.join("a/link"))?.gid(), 4711);
        std::fs::remove_dir_all(base)
    }
}
