//! One thing of a layer against its header.

use super::Aspect;
use super::make::{attributes, keeps};
use crate::image::archive::tar::{Entry, EntryKind, Sparse, TarReader};
use crate::image::layer::extract::OPAQUE;
use crate::image::layer::recipe::{INLINE, Skeleton};
use crate::sys::dir::{Dir, ReadError};
use rustix::fs::{FileType, SeekFrom, Stat, makedev};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// What was found in the place of a thing that is no directory.
pub(super) enum Found {
    /// Nothing, or something of another kind.
    Nothing,
    OtherContent,
    /// It is there; these are wrong, what its inode shares with other names aside.
    Wrong(Vec<Aspect>),
}

pub(super) enum LeafError {
    Io(io::Error),
    /// The recipe cannot be read on.
    Recipe,
}

impl From<io::Error> for LeafError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) fn of_directory(dir: &Dir, entry: &Entry) -> io::Result<Vec<Aspect>> {
    let mut wrong = common(&rustix::fs::fstat(dir)?, entry);
    // Attributes of earlier entries of the same directory stay: only those that are said are looked at.
    if !has_attributes(dir, entry, true)? {
        wrong.push(Aspect::Attributes);
    }
    Ok(wrong)
}

pub(super) fn of_leaf(
    dir: &Dir,
    name: &CStr,
    entry: &Entry,
    archive: &mut TarReader<Skeleton>,
) -> Result<Found, LeafError> {
    let Some(stat) = dir.find(name)? else { return Ok(Found::Nothing) };
    let kind = match entry.kind {
        EntryKind::File => FileType::RegularFile,
        EntryKind::Symlink => FileType::Symlink,
        EntryKind::CharDevice => FileType::CharacterDevice,
        EntryKind::BlockDevice => FileType::BlockDevice,
        EntryKind::Fifo => FileType::Fifo,
        EntryKind::Directory | EntryKind::HardLink => return Ok(Found::Nothing),
    };
    if FileType::from_raw_mode(stat.st_mode) != kind {
        return Ok(Found::Nothing);
    }
    let mut wrong = Vec::new();
    match entry.kind {
        EntryKind::File => {
            let file = match dir.open_file(name) {
                Ok(file) => file,
                Err(ReadError::Io(e)) => return Err(e.into()),
                Err(_) => return Ok(Found::Nothing),
            };
            if !has_content(&file, &stat, entry, archive)? {
                return Ok(Found::OtherContent);
            }
            if !has_attributes(&file, entry, false)? {
                wrong.push(Aspect::Attributes);
            }
        }
        EntryKind::Symlink => {
            let target = rustix::fs::readlinkat(dir, name, Vec::new()).map_err(io::Error::from)?;
            if target.to_bytes() != entry.link {
                wrong.push(Aspect::Link);
            }
        }
        EntryKind::CharDevice | EntryKind::BlockDevice if stat.st_rdev != makedev(entry.device.0, entry.device.1) => {
            wrong.push(Aspect::Device);
        }
        _ => {}
    }
    Ok(Found::Wrong(wrong))
}

/// True for a directory that hides what other layers have in it.
pub(super) fn is_opaque(dir: &Dir) -> io::Result<bool> {
    let mut value = [0; 2];
    match rustix::fs::fgetxattr(dir, OPAQUE, &mut value) {
        Ok(length) => Ok(&value[..length] == b"y"),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Mode, owner and time.
pub(super) fn common(stat: &Stat, entry: &Entry) -> Vec<Aspect> {
    let mut wrong = Vec::new();
    // An access list is the last word on the bits of the group.
    let masked = if entry.xattrs.iter().any(|(name, _)| name == b"system.posix_acl_access") { 0o7707 } else { 0o7777 };
    if entry.kind != EntryKind::Symlink && (stat.st_mode ^ entry.mode) & masked != 0 {
        wrong.push(Aspect::Mode);
    }
    if (stat.st_uid, stat.st_gid) != (entry.uid, entry.gid) {
        wrong.push(Aspect::Owner);
    }
    if !same_time(stat, entry.mtime) {
        wrong.push(Aspect::Time);
    }
    wrong
}

/// File systems store what they can: some have no nanoseconds, and all have a first and a last year.
fn same_time(stat: &Stat, (seconds, nanos): (i64, u32)) -> bool {
    i32::try_from(seconds).is_err()
        || (stat.st_mtime == seconds && (stat.st_mtime_nsec == 0 || stat.st_mtime_nsec as u32 == nanos))
}

/// Size, holes and small contents; what is longer was compared when the archive was made again.
fn has_content(file: &File, stat: &Stat, entry: &Entry, archive: &mut TarReader<Skeleton>) -> Result<bool, LeafError> {
    let size = entry.sparse.as_ref().map_or(entry.stored, |sparse| sparse.size);
    if stat.st_size as u64 != size {
        return Ok(false);
    }
    if let Some(sparse) = &entry.sparse
        && !has_holes(file, sparse)?
    {
        return Ok(false);
    }
    if entry.stored > INLINE {
        return Ok(true);
    }
    let content = archive.read_all(INLINE).map_err(|_| LeafError::Recipe)?;
    let whole = [(0, entry.stored)];
    let mut rest = &content[..];
    for (offset, length) in entry.sparse.as_ref().map_or(&whole[..], |sparse| &sparse.regions) {
        let (wanted, later) = rest.split_at_checked(*length as usize).ok_or(LeafError::Recipe)?;
        let mut found = vec![0; wanted.len()];
        file.read_exact_at(&mut found, *offset)?;
        if found != wanted {
            return Ok(false);
        }
        rest = later;
    }
    Ok(true)
}

/// True when there are but zeros between the regions.
fn has_holes(file: &File, sparse: &Sparse) -> io::Result<bool> {
    let mut start = 0;
    for (offset, length) in sparse.regions.iter().copied().chain([(sparse.size, 0)]) {
        if !is_hole(file, start, offset)? {
            return Ok(false);
        }
        start = offset + length;
    }
    Ok(true)
}

fn is_hole(file: &File, mut at: u64, end: u64) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    while at < end {
        at = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => return Ok(true),
            Err(e) => return Err(e.into()),
        };
        // Blocks of the file system are larger than regions need be.
        let hole = rustix::fs::seek(file, SeekFrom::Hole(at))?.min(end);
        while at < hole {
            let part = &mut buffer[..(hole - at).min(4096) as usize];
            file.read_exact_at(part, at)?;
            if part.iter().any(|b| *b != 0) {
                return Ok(false);
            }
            at += part.len() as u64;
        }
    }
    Ok(true)
}

/// True when the attributes are those of the entry, or at least have them.
fn has_attributes(file: impl AsFd, entry: &Entry, more: bool) -> io::Result<bool> {
    let Ok(wanted) = attributes(entry, usize::MAX) else { return Ok(false) };
    for (name, value) in &wanted {
        match read_attribute(file.as_fd(), name) {
            Ok(found) if found == *value => {}
            // The kernel stores no list that says what the mode does, and orders those that say more.
            Ok(_) | Err(Errno::NODATA) if name.to_bytes().starts_with(b"system.posix_acl_") => {}
            Ok(_) | Err(Errno::NODATA) => return Ok(false),
            Err(Errno::NOTSUP) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let known = |name: &[u8]| wanted.iter().any(|(known, _)| known.to_bytes() == name);
    Ok(more || names(file.as_fd())?.iter().all(|name| !keeps(name) || known(name)))
}

fn read_attribute(file: impl AsFd, name: &CString) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; 64 << 10];
    let length = rustix::fs::fgetxattr(file, name.as_c_str(), &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

fn names(file: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut list = vec![0; 256];
    let length = match rustix::fs::flistxattr(&file, &mut list[..]) {
        Err(Errno::RANGE) => {
            // The longest list that there can be.
            list.resize(64 << 10, 0);
            rustix::fs::flistxattr(&file, &mut list[..])
        }
        done => done,
    };
    let length = match length {
        Err(Errno::NOTSUP) => 0,
        length => length?,
    };
    Ok(list[..length].split(|b| *b == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}
