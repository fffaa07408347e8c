//! A tree as a tar stream: what `export` writes.

use crate::sys::dir::Dir;
use rustix::fs::{FileType, Stat};
use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// Writes all below `root`, in order of names: with owners, modes, times in whole seconds, hard links, devices and extended
/// attributes (PAX, `SCHILY.xattr`). Sockets, which no archive can hold, are left out, and other file systems are not entered.
///
/// A file that shrinks meanwhile is filled up with zeros, and one that grows is cut.
pub fn export(root: &Dir, out: impl Write) -> io::Result<()> {
    let mut archive = Archive { builder: Builder::new(out), linked: HashMap::new() };
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let dir = match root.beneath(&path) {
            // Removed meanwhile, or a mount point, which is an empty directory here.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EXDEV)) => continue,
            dir => dir?,
        };
        if !path.is_empty() {
            archive.directory(root, &path, &dir)?;
        }
        let mut names = dir.names()?;
        names.sort_unstable();
        let mut below = Vec::new();
        for name in names {
            let child =
                if path.is_empty() { name.to_bytes().to_vec() } else { [&path, &b"/"[..], name.to_bytes()].concat() };
            let Some(stat) = dir.find(&name)? else { continue };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => below.push(child),
                _ => archive.leaf(&dir, &name, &child, &stat)?,
            }
        }
        pending.extend(below.into_iter().rev());
    }
    archive.builder.into_inner()?.flush()
}

struct Archive<W: Write> {
    builder: Builder<W>,
    /// Where files with several names were written: by device and inode.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Archive<W> {
    fn directory(&mut self, root: &Dir, path: &[u8], dir: &Dir) -> io::Result<()> {
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b""[..], path),
        };
        self.attributes(&root.beneath(parent)?, &CString::new(name)?)?;
        let mut header = header(EntryType::Directory, &dir.stat_self()?, 0);
        self.builder.append_data(&mut header, Path::new(OsStr::from_bytes(&[path, b"/"].concat())), io::empty())
    }

    fn leaf(&mut self, dir: &Dir, name: &CString, path: &[u8], stat: &Stat) -> io::Result<()> {
        let path = Path::new(OsStr::from_bytes(path));
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Socket {
            return Ok(());
        }
        let identity = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.linked.get(&identity) {
            return self.builder.append_link(&mut header(EntryType::Link, stat, 0), path, first);
        }
        self.attributes(dir, name)?;
        match kind {
            FileType::Symlink => {
                let target = dir.read_link(name)?;
                let target = Path::new(OsStr::from_bytes(target.to_bytes()));
                self.builder.append_link(&mut header(EntryType::Symlink, stat, 0), path, target)?;
            }
            FileType::RegularFile => self.file(dir, name, path, stat)?,
            kind => {
                let entry = match kind {
                    FileType::CharacterDevice => EntryType::Char,
                    FileType::BlockDevice => EntryType::Block,
                    _ => EntryType::Fifo,
                };
                let mut header = header(entry, stat, 0);
                header.set_device_major(rustix::fs::major(stat.st_rdev))?;
                header.set_device_minor(rustix::fs::minor(stat.st_rdev))?;
                self.builder.append_data(&mut header, path, io::empty())?;
            }
        }
        if stat.st_nlink > 1 {
            self.linked.insert(identity, path.to_owned());
        }
        Ok(())
    }

    fn file(&mut self, dir: &Dir, name: &CString, path: &Path, stat: &Stat) -> io::Result<()> {
        let size = stat.st_size as u64;
        let content = dir.open_file(name).map_err(io::Error::other)?.chain(io::repeat(0)).take(size);
        self.builder.append_data(&mut header(EntryType::Regular, stat, size), path, content)
    }

    /// Writes the extended attributes of what comes next.
    fn attributes(&mut self, dir: &Dir, name: &CString) -> io::Result<()> {
        let attributes = dir.attributes(name)?;
        let records: Vec<(String, Vec<u8>)> = attributes
            .into_iter()
            // A name that is no text has no place in a PAX record.
            .filter_map(|(name, value)| Some((format!("SCHILY.xattr.{}", name.to_str().ok()?), value)))
            .collect();
        if records.is_empty() {
            return Ok(());
        }
        self.builder.append_pax_extensions(records.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
    }
}

fn header(kind: EntryType, stat: &Stat, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(stat.st_mtime.max(0) as u64);
    header
}
