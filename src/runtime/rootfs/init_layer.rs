//! The layer between the image and the container's own: real directories and files where an image may have links.

use super::make_host_directory;
use crate::runtime::RuntimeError;
use crate::runtime::config::{Mount, Rootfs};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Must be directories in the image, if they are there at all.
const GUARDED: [&str; 3] = ["dev", "proc", "sys"];
const DIRECTORIES: [&str; 5] = ["dev", "proc", "sys", "etc", "run"];
/// Files in `/etc` that generated ones are mounted over: real here if one is, the image's own otherwise.
const FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// Refuses an image in which `/dev`, `/proc` or `/sys` is a link or a file (CVE-2026-41579, CVE-2019-16884).
pub(super) fn check_image(layers: &[PathBuf]) -> Result<(), RuntimeError> {
    for name in GUARDED {
        // The uppermost layer that has the name decides.
        let found = layers.iter().rev().find_map(|layer| rustix::fs::lstat(layer.join(name)).ok());
        let Some(stat) = found else { continue };
        let is_whiteout = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory && !is_whiteout {
            return Err(RuntimeError::Refused(format!("`/{name}` of the image is not a directory")));
        }
    }
    Ok(())
}

/// Makes the layer's content; what an earlier run made is kept.
pub(super) fn make(path: &Path, mounts: &[Mount]) -> Result<(), RuntimeError> {
    let fail = |source| RuntimeError::Path { action: "make the init layer", path: path.to_owned(), source };
    make_host_directory(path)?;
    let root = open_directory(CWD, path).map_err(fail)?;
    for name in DIRECTORIES {
        make_directory(&root, name).map_err(fail)?;
    }
    let etc = open_directory(&root, Path::new("etc")).map_err(fail)?;
    for name in FILES {
        if !mounts.iter().any(|mount| mount.target.strip_prefix("/etc/") == Some(name)) {
            continue;
        }
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&etc, name, flags, Mode::from_raw_mode(0o644)).map_err(|e| fail(e.into()))?;
    }
    // What Docker made of an older convention: a link that mount(8) and friends expect.
    match rustix::fs::symlinkat("/proc/mounts", &etc, "mtab") {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(fail(error.into())),
    }
}

/// Makes the upper and work directories. The upper one is what `/` of the container looks like, so it takes mode and owner of the
/// image's topmost layer.
pub(super) fn make_upper(rootfs: &Rootfs) -> Result<(), RuntimeError> {
    make_host_directory(&rootfs.work)?;
    make_host_directory(&rootfs.upper)?;
    let fail = |source| RuntimeError::Path { action: "make the upper layer", path: rootfs.upper.clone(), source };
    let is_used = std::fs::read_dir(&rootfs.upper).map_err(fail)?.next().is_some();
    let Some(top) = rootfs.layers.last().filter(|_| !is_used) else { return Ok(()) };
    let stat = rustix::fs::stat(top).map_err(|e| fail(e.into()))?;
    let upper = open_directory(CWD, &rootfs.upper).map_err(fail)?;
    let owner = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    rustix::fs::chownat(&upper, "", owner.0, owner.1, AtFlags::EMPTY_PATH).map_err(|e| fail(e.into()))?;
    rustix::fs::fchmod(&upper, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(|e| fail(e.into()))
}

fn make_directory(parent: &OwnedFd, name: &str) -> io::Result<()> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn open_directory(parent: impl std::os::fd::AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, path, flags, Mode::empty())?)
}
