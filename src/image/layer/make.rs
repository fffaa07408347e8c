//! One thing that is no directory, by the directory it is in and a single name.

use super::EntryError;
use super::extract::Failure;
use super::recipe::Tap;
use crate::image::archive::tar::{Entry, EntryKind, TarReader};
use crate::sys::dir::Dir;
use rustix::fs::{AtFlags, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, makedev};
use std::ffi::{CStr, CString};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// Makes the thing; `target` is what a hard link names. Something of that name is an error (`EEXIST`) before anything was read.
pub(super) fn make_leaf(
    entry: &Entry,
    reader: &mut TarReader<Tap<'_>>,
    place: &[u8],
    parent: &Dir,
    name: &CStr,
    target: Option<&(Dir, CString)>,
    xattrs: &[(CString, &[u8])],
) -> Result<(), Failure> {
    match entry.kind {
        EntryKind::File => return make_file(entry, reader, place, parent, name, xattrs),
        EntryKind::HardLink => {
            let Some((dir, old)) = target else { return Err(EntryError::LinkTarget(String::new()).into()) };
            parent.hard_link(dir, old, name)?;
            return Ok(set_shared(parent, name, entry)?);
        }
        EntryKind::Symlink if entry.link.is_empty() => return Err(EntryError::EmptyLink.into()),
        EntryKind::Symlink => {
            let link = CString::new(entry.link.as_slice()).map_err(|_| EntryError::Name)?;
            parent.symlink(&link, name)?;
        }
        EntryKind::CharDevice => make_node(parent, name, FileType::CharacterDevice, entry)?,
        EntryKind::BlockDevice => make_node(parent, name, FileType::BlockDevice, entry)?,
        EntryKind::Fifo => make_node(parent, name, FileType::Fifo, entry)?,
        EntryKind::Directory => return Err(EntryError::Name.into()),
    }
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(parent, name, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)), flags)
        .map_err(io::Error::from)?;
    if entry.kind != EntryKind::Symlink {
        // Just made, in a directory nobody else uses: it is no link.
        rustix::fs::chmodat(parent, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())
            .map_err(io::Error::from)?;
    }
    Ok(rustix::fs::utimensat(parent, name, &times(entry), flags).map_err(io::Error::from)?)
}

/// Metadata of an inode that has got another name: the last word on it counts. What is right already is not touched, as setting the
/// owner takes capabilities away.
pub(super) fn set_shared(parent: &Dir, name: &CStr, entry: &Entry) -> io::Result<()> {
    let stat = parent.stat(name)?;
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
    let chown = (stat.st_uid, stat.st_gid) != (entry.uid, entry.gid);
    if chown {
        rustix::fs::chownat(parent, name, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)), flags)?;
    }
    if is_link {
        return Ok(());
    }
    if chown || stat.st_mode & 0o7777 != entry.mode {
        // Linked just now, in a directory nobody else uses: it is no link.
        rustix::fs::chmodat(parent, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())?;
    }
    Ok(rustix::fs::utimensat(parent, name, &times(entry), flags)?)
}

fn make_file(
    entry: &Entry,
    reader: &mut TarReader<Tap<'_>>,
    place: &[u8],
    parent: &Dir,
    name: &CStr,
    xattrs: &[(CString, &[u8])],
) -> Result<(), Failure> {
    let mut file = parent.create_file(name, 0o600)?;
    let mut written = Ok(());
    reader.source_mut().begin_payload(entry.stored);
    match &entry.sparse {
        None => {
            copy(reader, u64::MAX, &mut written, |bytes, _| file.write_all(bytes))?;
        }
        Some(sparse) => {
            file.set_len(sparse.size)?;
            for (offset, length) in &sparse.regions {
                copy(reader, *length, &mut written, |bytes, done| file.write_all_at(bytes, offset + done))?;
            }
        }
    }
    written?;
    reader.source_mut().end_payload(place, entry.stored, entry.sparse.as_ref());
    set_metadata(&file, entry, xattrs)?;
    Ok(rustix::fs::futimens(&file, &times(entry)).map_err(io::Error::from)?)
}

/// Feeds data of the entry to `write` and keeps a failure of writing apart from one of the archive.
fn copy(
    reader: &mut TarReader<Tap<'_>>,
    length: u64,
    written: &mut io::Result<()>,
    mut write: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut done = 0;
    let result = reader.read(length, |bytes| {
        *written = write(bytes, done);
        done += bytes.len() as u64;
        if written.is_ok() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    });
    std::mem::replace(written, Ok(()))?;
    result.map(drop).map_err(Failure::Archive)
}

fn make_node(parent: &Dir, name: &CStr, kind: FileType, entry: &Entry) -> io::Result<()> {
    let device = makedev(entry.device.0, entry.device.1);
    Ok(rustix::fs::mknodat(parent, name, kind, Mode::from_raw_mode(0o600), device)?)
}

/// The extended attributes that a layer keeps: capabilities, access lists and the user's. Labels of this or that machine's
/// policy and whatever else is left out; those of overlayfs would change what other layers show.
pub(super) fn attributes(entry: &Entry, limit: usize) -> Result<Vec<(CString, &[u8])>, EntryError> {
    let total: usize = entry.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
    if total > limit {
        return Err(EntryError::Attributes(limit));
    }
    let mut kept = Vec::new();
    for (name, value) in &entry.xattrs {
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            return Err(EntryError::OverlayAttribute(name.escape_ascii().to_string()));
        }
        if keeps(name) {
            kept.push((CString::new(name.as_slice()).map_err(|_| EntryError::Name)?, value.as_slice()));
        }
    }
    Ok(kept)
}

/// True for an attribute that a layer keeps.
pub(super) fn keeps(name: &[u8]) -> bool {
    name == b"security.capability" || name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_")
}

/// Owner first: changing it clears set-id bits and capabilities.
pub(super) fn set_metadata(file: impl AsFd, entry: &Entry, xattrs: &[(CString, &[u8])]) -> Result<(), EntryError> {
    let file = file.as_fd();
    let owner = (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)));
    rustix::fs::fchown(file, owner.0, owner.1).map_err(io::Error::from)?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(io::Error::from)?;
    for (name, value) in xattrs {
        match rustix::fs::fsetxattr(file, name.as_c_str(), value, XattrFlags::empty()) {
            // A file system without such attributes still runs the image.
            Ok(()) | Err(rustix::io::Errno::NOTSUP) => {}
            Err(e) => return Err(io::Error::from(e).into()),
        }
    }
    Ok(())
}

fn times(entry: &Entry) -> Timestamps {
    let (tv_sec, nanos) = entry.mtime;
    let time = Timespec { tv_sec, tv_nsec: i64::from(nanos) };
    Timestamps { last_access: time, last_modification: time }
}
