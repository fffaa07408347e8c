//! SELinux labels of the files of a volume.

use super::tree;
use crate::sys::dir::Dir;
use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// Where SELinux has the label of a file (selinux(8)).
const SELINUX: &str = "security.selinux";

/// Gives a file, or a directory and all below it, a label.
pub(super) fn apply(root: &Path, label: &str) -> io::Result<()> {
    apply_attribute(root, SELINUX, label)
}

fn apply_attribute(root: &Path, attribute: &str, label: &str) -> io::Result<()> {
    let file = rustix::fs::openat(CWD, root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::Directory {
        tree::each_below(&Dir::open(root)?, |file| set(file, attribute, label))?;
    }
    set(&file, attribute, label)
}

/// Works on what was opened, not on what may have its name by now.
fn set(file: &OwnedFd, attribute: &str, label: &str) -> io::Result<()> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    match rustix::fs::setxattr(path, attribute, label.as_bytes(), XattrFlags::empty()) {
        // A file system without labels has one label for all its files.
        Err(Errno::OPNOTSUPP) => Ok(()),
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With an attribute that any machine has: the one of SELinux is its own affair.
    #[test]
    fn everything_below_is_labelled_and_links_are_not_followed() -> io::Result<()> {
        let base = std::env::temp_dir().join(format!("podkin-label-{}", std::process::id()));
        let (volume, outside) = (base.join("volume"), base.join("outside"));
        std::fs::create_dir_all(volume.join("a"))?;
        std::fs::write(volume.join("a/file"), "")?;
        std::fs::write(&outside, "")?;
        std::os::unix::fs::symlink(&outside, volume.join("link"))?;
        let label = |path: &Path| {
            let mut value = [0_u8; 16];
            let length = rustix::fs::lgetxattr(path, "trusted.podkin", &mut value).ok()?;
            Some(String::from_utf8_lossy(&value[..length]).into_owned())
        };
        match apply_attribute(&volume, "trusted.podkin", "one") {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                eprintln!("not run: trusted attributes need root");
                return std::fs::remove_dir_all(base);
            }
            result => result?,
        }
        for path in ["", "a", "a/file", "link"] {
            assert_eq!(label(&volume.join(path)).as_deref(), Some("one"), "{path}");
        }
        assert_eq!(label(&outside), None);
        apply_attribute(&outside, "trusted.podkin", "two")?;
        assert_eq!(label(&outside).as_deref(), Some("two"));
        std::fs::remove_dir_all(base)
    }
}
