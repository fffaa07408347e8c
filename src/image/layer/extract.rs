//! Entries of a layer to files, by directory descriptor and single name.

use super::path::{LayerPath, Meaning, meaning};
use super::stream::{Chunks, Extracted};
use super::{EntryError, LayerError, Limits, RootMetadata};
use crate::image::archive::tar::{Entry, EntryKind, TarError, TarReader};
use crate::sys::dir::Dir;
use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags, makedev};
use std::ffi::{CStr, CString};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// Marks a directory that hides what lies below it (kernel documentation, "overlayfs", "whiteouts and opaque directories").
const OPAQUE: &CStr = c"trusted.overlay.opaque";

/// Makes every entry of the archive below `root`, an empty directory.
pub(super) fn extract(source: &mut Chunks, root: Dir, limits: &Limits) -> Result<Extracted, LayerError> {
    let mut reader = TarReader::new(source, limits.names);
    let mut tree =
        Tree { root, parent: None, directories: Vec::new(), limits: *limits, opaque: false, root_metadata: None };
    let mut entries = 0;
    while let Some(entry) = reader.entry().map_err(LayerError::Archive)? {
        entries += 1;
        if entries > limits.entries {
            return Err(LayerError::Entries(limits.entries));
        }
        tree.add(&entry, &mut reader).map_err(|failure| failure.of(&entry))?;
    }
    reader.drain().map_err(LayerError::Archive)?;
    tree.settle().map_err(|source| LayerError::Entry { path: ".".into(), source: source.into() })?;
    Ok(Extracted { entries, opaque: tree.opaque, root: tree.root_metadata })
}

/// The archive broke, or the entry could not be made.
enum Failure {
    Archive(TarError),
    Entry(EntryError),
}

impl Failure {
    fn of(self, entry: &Entry) -> LayerError {
        match self {
            Self::Archive(error) => LayerError::Archive(error),
            Self::Entry(source) => LayerError::Entry { path: entry.path.escape_ascii().to_string(), source },
        }
    }
}

impl From<EntryError> for Failure {
    fn from(error: EntryError) -> Self {
        Self::Entry(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Entry(EntryError::Io(error))
    }
}

/// The layer as far as it stands.
struct Tree {
    root: Dir,
    /// The directory used last, as archives list directories one after the other.
    parent: Option<(Vec<u8>, Dir)>,
    /// Directories and the times they get once nothing is added to them any more.
    directories: Vec<(LayerPath, Timestamps)>,
    limits: Limits,
    opaque: bool,
    root_metadata: Option<RootMetadata>,
}

impl Tree {
    fn add(&mut self, entry: &Entry, reader: &mut TarReader<&mut Chunks>) -> Result<(), Failure> {
        let path = LayerPath::parse(&entry.path, self.limits.depth)?;
        let Some((parent, name)) = path.split() else { return Ok(self.set_root(entry)?) };
        let xattrs = self.attributes(entry)?;
        let meaning = meaning(&name)?;
        if meaning == Meaning::Ignored {
            return Ok(());
        }
        let mut parent = self.open_parent(parent)?;
        match meaning {
            Meaning::Whiteout(hidden) => whiteout(&parent.1, &hidden)?,
            Meaning::Opaque if parent.0.is_empty() => self.opaque = true,
            Meaning::Opaque => set_opaque(&parent.1)?,
            Meaning::Ignored | Meaning::Itself => {
                let replaced = self.make(entry, reader, &path, &parent.1, &name, &xattrs)?;
                // A directory that was replaced may be the cached one, or above it.
                if replaced {
                    parent = (Vec::new(), self.root.try_clone()?);
                }
            }
        }
        self.parent = Some(parent);
        Ok(())
    }

    /// Makes one thing; true when something else stood there and was taken away.
    fn make(
        &mut self,
        entry: &Entry,
        reader: &mut TarReader<&mut Chunks>,
        path: &LayerPath,
        parent: &Dir,
        name: &CStr,
        xattrs: &[(CString, &[u8])],
    ) -> Result<bool, Failure> {
        if entry.kind == EntryKind::Directory {
            return Ok(self.make_directory(entry, path, parent, name, xattrs)?);
        }
        let target = match entry.kind {
            EntryKind::HardLink => Some(self.link_target(entry)?),
            _ => None,
        };
        if let Some((dir, old)) = &target
            && same_file(dir.stat(old)?, parent.find(name)?)
        {
            return Ok(false);
        }
        let attempt = |reader: &mut _| make_leaf(entry, reader, parent, name, target.as_ref(), xattrs);
        match attempt(reader) {
            Err(Failure::Entry(EntryError::Io(e))) if e.kind() == io::ErrorKind::AlreadyExists => {
                parent.remove_tree(name)?;
                attempt(reader)?;
                Ok(true)
            }
            done => done.map(|()| false),
        }
    }

    fn make_directory(
        &mut self,
        entry: &Entry,
        path: &LayerPath,
        parent: &Dir,
        name: &CStr,
        xattrs: &[(CString, &[u8])],
    ) -> Result<bool, EntryError> {
        let mut replaced = false;
        if let Err(error) = parent.create_dir(name, 0o755) {
            let found = parent.find(name)?;
            let exists = error.kind() == io::ErrorKind::AlreadyExists;
            match found.filter(|_| exists) {
                None => return Err(error.into()),
                Some(found) if is_directory(&found) => {}
                Some(found) => {
                    parent.remove_tree(name)?;
                    parent.create_dir(name, 0o755)?;
                    // The name was hidden and made anew in one layer: what lies below stays hidden.
                    if is_whiteout(&found) {
                        set_opaque(&parent.open_dir(name)?)?;
                    }
                    replaced = true;
                }
            }
        }
        let directory = parent.open_dir(name)?;
        set_metadata(&directory, entry, xattrs)?;
        self.directories.push((path.clone(), times(entry)));
        Ok(replaced)
    }

    fn set_root(&mut self, entry: &Entry) -> Result<(), EntryError> {
        if entry.kind != EntryKind::Directory {
            return Err(EntryError::Root);
        }
        let xattrs = self.attributes(entry)?;
        set_metadata(&self.root, entry, &xattrs)?;
        self.root_metadata = Some(RootMetadata { mode: entry.mode, uid: entry.uid, gid: entry.gid });
        self.directories.push((LayerPath::default(), times(entry)));
        Ok(())
    }

    /// The directory that is to hold an entry, made when the archive did not list it. Links of the layer's own are followed
    /// inside the layer, as merged archives put files below a directory that they made a link before.
    fn open_parent(&mut self, path: &[u8]) -> Result<(Vec<u8>, Dir), EntryError> {
        if let Some(cached) = self.parent.take_if(|(cached, _)| cached == path) {
            return Ok(cached);
        }
        let dir = match self.root.in_root(path) {
            Ok(dir) => dir,
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.make_parents(path)?,
            Err(e) => return Err(blocked(path, e)),
        };
        Ok((path.to_vec(), dir))
    }

    fn make_parents(&self, path: &[u8]) -> Result<Dir, EntryError> {
        let mut dir = self.root.try_clone()?;
        let mut end = 0;
        for part in path.split(|b| *b == b'/') {
            end += part.len();
            let prefix = &path[..end];
            end += 1;
            dir = match self.root.in_root(prefix) {
                Ok(dir) => dir,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    let name = CString::new(part).map_err(|_| EntryError::Name)?;
                    // A link that leads nowhere exists already, and is not a directory.
                    dir.create_dir(&name, 0o755).map_err(|e| blocked(prefix, e))?;
                    let made = dir.open_dir(&name)?;
                    // Whatever the umask of this process is.
                    rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755)).map_err(io::Error::from)?;
                    made
                }
                Err(e) => return Err(blocked(prefix, e)),
            };
        }
        Ok(dir)
    }

    /// Directory and name of what a hard link names; it must exist already and not be a directory.
    fn link_target(&self, entry: &Entry) -> Result<(Dir, CString), EntryError> {
        let missing = || EntryError::LinkTarget(entry.link.escape_ascii().to_string());
        let target = LayerPath::parse(&entry.link, self.limits.depth)?;
        let (parent, name) = target.split().ok_or_else(missing)?;
        let parent = self.root.in_root(parent).map_err(|_| missing())?;
        match parent.find(&name)? {
            Some(found) if !is_directory(&found) => Ok((parent, name)),
            _ => Err(missing()),
        }
    }

    /// The extended attributes that a layer keeps: capabilities, access lists and the user's. Labels of this or that machine's
    /// policy and whatever else is left out; those of overlayfs would change what other layers show.
    fn attributes<'a>(&self, entry: &'a Entry) -> Result<Vec<(CString, &'a [u8])>, EntryError> {
        let total: usize = entry.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        if total > self.limits.xattrs {
            return Err(EntryError::Attributes(self.limits.xattrs));
        }
        let mut kept = Vec::new();
        for (name, value) in &entry.xattrs {
            if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
                return Err(EntryError::OverlayAttribute(name.escape_ascii().to_string()));
            }
            let keep =
                name == b"security.capability" || name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_");
            if keep {
                kept.push((CString::new(name.as_slice()).map_err(|_| EntryError::Name)?, value.as_slice()));
            }
        }
        Ok(kept)
    }

    /// Gives directories their times, the last word on each first.
    fn settle(&mut self) -> io::Result<()> {
        self.parent = None;
        for (path, times) in std::mem::take(&mut self.directories) {
            // Replaced by something else later in the archive.
            let Ok(directory) = self.root.beneath(path.as_bytes()) else { continue };
            rustix::fs::futimens(&directory, &times)?;
        }
        Ok(())
    }
}

fn make_leaf(
    entry: &Entry,
    reader: &mut TarReader<&mut Chunks>,
    parent: &Dir,
    name: &CStr,
    target: Option<&(Dir, CString)>,
    xattrs: &[(CString, &[u8])],
) -> Result<(), Failure> {
    match entry.kind {
        EntryKind::File => return make_file(entry, reader, parent, name, xattrs),
        EntryKind::HardLink => {
            let Some((dir, old)) = target else { return Err(EntryError::LinkTarget(String::new()).into()) };
            // It shares the inode, and with it all metadata.
            return Ok(parent.hard_link(dir, old, name)?);
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

fn make_file(
    entry: &Entry,
    reader: &mut TarReader<&mut Chunks>,
    parent: &Dir,
    name: &CStr,
    xattrs: &[(CString, &[u8])],
) -> Result<(), Failure> {
    let mut file = parent.create_file(name, 0o600)?;
    let mut written = Ok(());
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
    set_metadata(&file, entry, xattrs)?;
    Ok(rustix::fs::futimens(&file, &times(entry)).map_err(io::Error::from)?)
}

/// Feeds data of the entry to `write` and keeps a failure of writing apart from one of the archive.
fn copy(
    reader: &mut TarReader<&mut Chunks>,
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

/// Owner first: changing it clears set-id bits and capabilities.
fn set_metadata(file: impl AsFd, entry: &Entry, xattrs: &[(CString, &[u8])]) -> Result<(), EntryError> {
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

fn set_opaque(directory: &Dir) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty())?)
}

/// Hides a name of the layers below. What this very layer has of that name stays, and hides by itself.
fn whiteout(parent: &Dir, hidden: &CStr) -> io::Result<()> {
    match parent.find(hidden)? {
        Some(found) if is_directory(&found) => set_opaque(&parent.open_dir(hidden)?),
        Some(_) => Ok(()),
        None => Ok(rustix::fs::mknodat(parent, hidden, FileType::CharacterDevice, Mode::empty(), 0)?),
    }
}

fn times(entry: &Entry) -> Timestamps {
    let (tv_sec, nanos) = entry.mtime;
    let time = Timespec { tv_sec, tv_nsec: i64::from(nanos) };
    Timestamps { last_access: time, last_modification: time }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn same_file(a: Stat, b: Option<Stat>) -> bool {
    b.is_some_and(|b| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

fn blocked(path: &[u8], error: io::Error) -> EntryError {
    match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP | rustix::io::Errno::EXIST) => {
            EntryError::NotADirectory(path.escape_ascii().to_string())
        }
        _ => error.into(),
    }
}
