//! The layer between the image and the container's own: real directories and files where an image may have links.

use super::make_host_directory;
use crate::runtime::RuntimeError;
use crate::runtime::config::{Mount, Rootfs};
use crate::sys::lock::FileLock;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
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

/// The init layer for a container with these mounts: one of the few that all containers share, made below `directory` by the first
/// that needs it.
pub(super) fn shared(directory: &Path, mounts: &[Mount]) -> Result<PathBuf, RuntimeError> {
    let is_mounted = |name: &str| mounts.iter().any(|mount| mount.target.strip_prefix("/etc/") == Some(name));
    let files: Vec<&str> = FILES.into_iter().filter(|name| is_mounted(name)).collect();
    let path = directory.join(if files.is_empty() { "plain".to_owned() } else { files.join("+") });
    if !path.exists() {
        make_whole(directory, &path, &files).map_err(|source| RuntimeError::Path {
            action: "make the init layer",
            path: path.clone(),
            source,
        })?;
    }
    Ok(path)
}

/// Makes a layer beside its place and renames it there: nobody ever mounts half of one.
fn make_whole(directory: &Path, path: &Path, files: &[&str]) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let _lock = FileLock::acquire(&directory.join(".lock"))?;
    if path.exists() {
        return Ok(());
    }
    let unfinished = directory.join(".unfinished");
    crate::sys::dir::remove_tree(&unfinished)?;
    std::fs::DirBuilder::new().mode(0o755).create(&unfinished)?;
    fill(&open_directory(CWD, &unfinished)?, files)?;
    std::fs::rename(&unfinished, path)
}

fn fill(root: &OwnedFd, files: &[&str]) -> io::Result<()> {
    for name in DIRECTORIES {
        rustix::fs::mkdirat(root, name, Mode::from_raw_mode(0o755))?;
    }
    let etc = open_directory(root, Path::new("etc"))?;
    for name in files {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&etc, *name, flags, Mode::from_raw_mode(0o644))?;
    }
    // What Docker made of an older convention: a link that mount(8) and friends expect.
    Ok(rustix::fs::symlinkat("/proc/mounts", &etc, "mtab")?)
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

fn open_directory(parent: impl std::os::fd::AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, path, flags, Mode::empty())?)
}
