//! Namespaces: leaving, joining, and keeping them (and pidfds) by a bind mount.

use super::mount;
use rustix::fs::CWD;
use rustix::mount::UnmountFlags;
use rustix::thread::UnshareFlags;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

/// Which namespaces a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(i32);

impl Kinds {
    pub const NONE: Self = Self(0);
    pub const MOUNT: Self = Self(libc::CLONE_NEWNS);
    pub const NETWORK: Self = Self(libc::CLONE_NEWNET);
    pub const IPC: Self = Self(libc::CLONE_NEWIPC);
    pub const UTS: Self = Self(libc::CLONE_NEWUTS);
    /// Concerns the children of the caller only.
    pub const PID: Self = Self(libc::CLONE_NEWPID);
    pub const USER: Self = Self(libc::CLONE_NEWUSER);
    pub const CGROUP: Self = Self(libc::CLONE_NEWCGROUP);

    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Kinds {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Gives this process new namespaces of these kinds.
///
/// # Panics
/// When this process has more than one thread: only the calling one would move.
pub fn unshare(kinds: Kinds) -> io::Result<()> {
    super::process::assert_single_threaded();
    // SAFETY: CLONE_FILES is never part of `Kinds`, so no other code loses sight of descriptors; with one thread (asserted)
    // nothing else shares what is left behind.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::from_bits_retain(kinds.0 as u32)) }?)
}

/// Joins the namespace that a descriptor of a namespace file stands for; `kind` guards against the wrong file.
///
/// Moves the calling thread only; joining a pid namespace concerns its later children.
pub fn setns_fd(namespace: impl AsFd, kind: Kinds) -> io::Result<()> {
    setns(namespace.as_fd(), kind)
}

/// Joins the namespace at a path: `/proc/<pid>/ns/*` or a pin.
pub fn setns_path(path: &Path, kind: Kinds) -> io::Result<()> {
    setns(File::open(path)?.as_fd(), kind)
}

/// Joins several namespaces of a process at once, in the order the kernel needs (the user namespace first).
pub fn setns_pidfd(pidfd: impl AsFd, kinds: Kinds) -> io::Result<()> {
    setns(pidfd.as_fd(), kinds)
}

fn setns(fd: BorrowedFd<'_>, kinds: Kinds) -> io::Result<()> {
    // SAFETY: setns takes two integers; the descriptor is borrowed for the call.
    if unsafe { libc::setns(fd.as_raw_fd(), kinds.0) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Keeps the namespace at `source` (`/proc/self/ns/net`) alive at `target`, which is made as an empty file when absent.
pub fn pin(source: &Path, target: &Path) -> io::Result<()> {
    mount::make_file(target)?;
    // The source is a magic link, so it must be followed: the clone is of the namespace file's own mount.
    let tree = mount::clone_tree(CWD, source, false)?;
    mount::attach(&tree, CWD, target)
}

/// Keeps a process's pidfd, and with it its exit status, at `target` (Linux 6.14 and later; `EINVAL` before).
///
/// The pin holds no resources of the process but its entry in the pid table of pidfs.
pub fn pin_pidfd(pidfd: impl AsFd, target: &Path) -> io::Result<()> {
    mount::make_file(target)?;
    let tree = mount::clone_tree(pidfd.as_fd(), "", false).inspect_err(|_| {
        let _ = std::fs::remove_file(target);
    })?;
    mount::attach(&tree, CWD, target)
}

/// Opens a pinned pidfd again, in any process.
pub fn open_pinned_pidfd(target: &Path) -> io::Result<std::os::fd::OwnedFd> {
    // A pidfs file can be opened by path only read-write-less; O_RDONLY gives a working pidfd.
    Ok(rustix::fs::open(target, rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())?)
}

/// Takes a pin away; one that is not there is a success.
pub fn unpin(target: &Path) -> io::Result<()> {
    match rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        // Not a mount point, or gone.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    match std::fs::remove_file(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether two paths are files of the same namespace.
pub fn is_same(a: &Path, b: &Path) -> io::Result<bool> {
    let (a, b) = (rustix::fs::stat(a)?, rustix::fs::stat(b)?);
    Ok((a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}
