//! Files by directory descriptor and single name: nothing here follows a link out of the directory it was given.
//!
//! [`Dir`] is a directory held open. A *name* is one component (never `.`, `..`, empty or with a slash); a *path* is relative
//! and is resolved by `openat2`, either refusing every link ([`Dir::beneath`]) or taking the directory as the root of all
//! links ([`Dir::in_root`]).

mod usage;

pub use usage::{usage, usage_up_to};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// A directory held open; operations name things directly in it.
#[derive(Debug)]
pub struct Dir(OwnedFd);

/// Reads at most `limit` bytes of a file, and says so when there are more.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not a regular file")]
    NotRegular,
    #[error("larger than {limit} bytes")]
    TooLarge { limit: u64 },
}

impl Dir {
    /// Opens a directory of the machine's; links in `path` are followed, so it must come from podkin itself.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    pub fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Opens a directory below; any link or mount point on the way is an error (`ELOOP`, `EXDEV`).
    pub fn beneath(&self, path: &[u8]) -> io::Result<Self> {
        self.open_below(path, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
    }

    /// Opens a directory below, with links resolved as if this directory were `/`.
    pub fn in_root(&self, path: &[u8]) -> io::Result<Self> {
        self.open_below(path, ResolveFlags::IN_ROOT)
    }

    fn open_below(&self, path: &[u8], how: ResolveFlags) -> io::Result<Self> {
        let path: &[u8] = if path.is_empty() { b"." } else { path };
        let resolve = how | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat2(self.0.as_fd(), path, flags, resolve)?))
    }

    /// Opens the directory of that name; a link is `ENOTDIR`, a mount point `EXDEV`.
    pub fn open_dir(&self, name: &CStr) -> io::Result<Self> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        Ok(Self(openat2(self.0.as_fd(), name.to_bytes(), DIR_FLAGS, resolve)?))
    }

    /// Where this directory is now, as the kernel shows it; an error when that is longer than a path can be.
    pub fn current_path(&self) -> io::Result<Vec<u8>> {
        let link = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        Ok(rustix::fs::readlink(link, Vec::new())?.into_bytes())
    }

    pub fn create_dir(&self, name: &CStr, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(mode))?)
    }

    /// Creates a file that must not exist, open for writing.
    pub fn create_file(&self, name: &CStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(mode))?))
    }

    /// Opens a file without a name in this directory, for reading and writing.
    pub fn unnamed_file(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, c".", flags, Mode::from_raw_mode(0o600))?))
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, name: &CStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Opens the thing of that name without reading it, whatever it is; a link itself, not what it names.
    pub fn open_path(&self, name: &CStr) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::empty())?)
    }

    /// Reads a regular file below, links resolved inside; never blocks on a FIFO or a device.
    pub fn read(&self, path: &[u8], limit: u64) -> Result<Vec<u8>, ReadError> {
        read_limited(&mut self.open_regular(path)?, limit)
    }

    /// Opens a regular file below for reading, links resolved inside.
    pub fn open_regular(&self, path: &[u8]) -> Result<File, ReadError> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // O_PATH first: opening a device can have effects of its own.
        let found = openat2(self.0.as_fd(), path, OFlags::PATH | OFlags::CLOEXEC, resolve)?;
        let stat = rustix::fs::fstat(&found).map_err(io::Error::from)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(ReadError::NotRegular);
        }
        let file = openat2(self.0.as_fd(), path, flags, resolve)?;
        let again = rustix::fs::fstat(&file).map_err(io::Error::from)?;
        if (again.st_dev, again.st_ino) != (stat.st_dev, stat.st_ino) {
            return Err(ReadError::NotRegular);
        }
        Ok(File::from(file))
    }

    /// Opens the regular file of that name for reading, and nothing else; a link is not followed.
    pub fn open_file(&self, name: &CStr) -> Result<File, ReadError> {
        // Looked at first: opening a device can have effects of its own.
        let stat = self.stat(name)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(ReadError::NotRegular);
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&self.0, name, flags, Mode::empty()).map_err(io::Error::from)?;
        let again = rustix::fs::fstat(&file).map_err(io::Error::from)?;
        if (again.st_dev, again.st_ino) != (stat.st_dev, stat.st_ino) {
            return Err(ReadError::NotRegular);
        }
        Ok(File::from(file))
    }

    pub fn symlink(&self, target: &CStr, name: &CStr) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, &self.0, name)?)
    }

    /// Makes `name` here another name of `old` in `old_dir`; a link is linked itself, not followed.
    pub fn hard_link(&self, old_dir: &Dir, old: &CStr, name: &CStr) -> io::Result<()> {
        Ok(rustix::fs::linkat(&old_dir.0, old, &self.0, name, AtFlags::empty())?)
    }

    pub fn rename(&self, from: &CStr, to_dir: &Dir, to: &CStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &to_dir.0, to)?)
    }

    /// Status of the thing of that name, a link itself.
    pub fn stat(&self, name: &CStr) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Like [`Dir::stat`], with `None` for an absent name.
    pub fn find(&self, name: &CStr) -> io::Result<Option<Stat>> {
        match self.stat(name) {
            Ok(stat) => Ok(Some(stat)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Status of this directory.
    pub fn stat_self(&self) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(&self.0)?)
    }

    /// Where a link of that name leads.
    pub fn read_link(&self, name: &CStr) -> io::Result<CString> {
        Ok(rustix::fs::readlinkat(&self.0, name, Vec::new())?)
    }

    /// The extended attributes of the thing of that name, a link's own; none where the file system has none.
    pub fn attributes(&self, name: &CStr) -> io::Result<Vec<(CString, Vec<u8>)>> {
        // By the directory's descriptor, since what has that name may be nothing that can be opened.
        let mut path = format!("/proc/self/fd/{}/", self.0.as_raw_fd()).into_bytes();
        path.extend_from_slice(name.to_bytes());
        let names = match sized(|buffer| rustix::fs::llistxattr(path.as_slice(), buffer)) {
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            names => names?,
        };
        let mut attributes = Vec::new();
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            match sized(|buffer| rustix::fs::lgetxattr(path.as_slice(), name, buffer)) {
                // Removed meanwhile, or one of those that only their owner may read.
                Err(Errno::NODATA | Errno::PERM) => {}
                value => attributes.push((CString::new(name)?, value?)),
            }
        }
        Ok(attributes)
    }

    /// An extended attribute of this directory; `None` when it has none of that name.
    pub fn attribute(&self, name: &CStr) -> io::Result<Option<Vec<u8>>> {
        match sized(|buffer| rustix::fs::fgetxattr(&self.0, name, buffer)) {
            Ok(value) => Ok(Some(value)),
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Names in this directory, in no order.
    pub fn names(&self) -> io::Result<Vec<CString>> {
        Ok(self.entries()?.into_iter().map(|(name, _)| name).collect())
    }

    /// Shows every name in this directory, and whether it is that of a directory.
    pub fn each(&self, mut see: impl FnMut(&CStr, bool)) -> io::Result<()> {
        let mut stream = rustix::fs::Dir::read_from(&self.0)?;
        while let Some(entry) = stream.read() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let is_directory = match entry.file_type() {
                FileType::Unknown => is_directory(self, name)?,
                kind => kind == FileType::Directory,
            };
            see(name, is_directory);
        }
        Ok(())
    }

    fn entries(&self) -> io::Result<Vec<(CString, FileType)>> {
        let mut entries = Vec::new();
        let mut stream = rustix::fs::Dir::read_from(&self.0)?;
        while let Some(entry) = stream.read() {
            let entry = entry?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                entries.push((name.to_owned(), entry.file_type()));
            }
        }
        Ok(entries)
    }

    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// Removes what has that name, with all below it, in bounded memory and descriptors however deep it is. Links are
    /// removed, not followed, and mount points are not entered (`EXDEV`). An absent name is no error.
    pub fn remove_tree(&self, name: &CStr) -> io::Result<()> {
        if remove_leaf(self, name)? {
            return Ok(());
        }
        let mut current = self.open_dir(name)?;
        let mut stack = vec![Level::read(&current, name)?];
        while let Some(level) = stack.last_mut() {
            if let Some(child) = level.directories.pop() {
                current = current.open_dir(&child)?;
                stack.push(Level::read(&current, &child)?);
                continue;
            }
            let Some(done) = stack.pop() else { break };
            let parent = match stack.last() {
                Some(below) => climb(&current, below.identity)?,
                None => self.try_clone()?,
            };
            rustix::fs::unlinkat(&parent, &done.name, AtFlags::REMOVEDIR)?;
            current = parent;
        }
        Ok(())
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A directory on the way down of [`Dir::remove_tree`]: emptied of all but directories.
struct Level {
    name: CString,
    identity: (u64, u64),
    directories: Vec<CString>,
}

impl Level {
    fn read(dir: &Dir, name: &CStr) -> io::Result<Self> {
        let stat = rustix::fs::fstat(dir)?;
        let mut directories = Vec::new();
        for (entry, kind) in dir.entries()? {
            if kind == FileType::Directory || !remove_leaf(dir, &entry)? {
                directories.push(entry);
            }
        }
        Ok(Self { name: name.to_owned(), identity: (stat.st_dev, stat.st_ino), directories })
    }
}

/// Opens the parent of `dir`, which must be the directory that was left for it.
fn climb(dir: &Dir, identity: (u64, u64)) -> io::Result<Dir> {
    let parent = Dir(rustix::fs::openat(dir, c"..", DIR_FLAGS, Mode::empty())?);
    let stat = rustix::fs::fstat(&parent)?;
    if (stat.st_dev, stat.st_ino) != identity {
        return Err(io::Error::other("a directory was moved while it was being removed"));
    }
    Ok(parent)
}

/// Unlinks anything but a directory; false when it is one.
fn remove_leaf(dir: &Dir, name: &CStr) -> io::Result<bool> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR) => Ok(false),
        // POSIX allows EPERM for a directory; an immutable file has it, too.
        Err(Errno::PERM) if is_directory(dir, name)? => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn is_directory(dir: &Dir, name: &CStr) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(dir.stat(name)?.st_mode) == FileType::Directory)
}

/// `openat2`, tried again while the kernel says that a rename raced with it.
fn openat2(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags, resolve: ResolveFlags) -> io::Result<OwnedFd> {
    loop {
        match rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => continue,
            done => return Ok(done?),
        }
    }
}

/// Most bytes of an extended attribute, and of the names of all (xattr(7)).
const ATTRIBUTE_LIMIT: usize = 64 * 1024;

/// What a call for extended attributes gives, with a buffer that is large enough.
fn sized(mut call: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match call(&mut buffer) {
            Err(Errno::RANGE) if buffer.len() < ATTRIBUTE_LIMIT => buffer.resize(ATTRIBUTE_LIMIT, 0),
            length => {
                buffer.truncate(length?);
                return Ok(buffer);
            }
        }
    }
}

/// Reads all of `source`, but never more than `limit` bytes.
pub fn read_limited(source: &mut dyn Read, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut content = Vec::new();
    source.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit { Err(ReadError::TooLarge { limit }) } else { Ok(content) }
}

/// Opens a file without a name on the file system of `directory`, for reading and writing.
pub fn unnamed_file(directory: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(directory, flags, Mode::from_raw_mode(0o600))?))
}

/// Removes a path of podkin's own with all below it; the parent's path is trusted, what lies below it is not.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let name = CString::new(name.as_bytes())?;
    match Dir::open(parent) {
        Ok(parent) => parent.remove_tree(&name),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn scratch(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("podkin-dir-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn removes_deep_trees_and_leaves_link_targets() {
        let root = scratch("deep");
        std::fs::create_dir(root.join("keep")).unwrap();
        std::fs::write(root.join("keep/file"), "x").unwrap();
        std::fs::create_dir(root.join("tree")).unwrap();
        symlink(root.join("keep"), root.join("tree/link")).unwrap();
        let mut dir = Dir::open(&root.join("tree")).unwrap();
        for _ in 0..5000 {
            dir.create_dir(c"d", 0o700).unwrap();
            dir.create_file(c"f", 0o600).unwrap();
            dir = dir.open_dir(c"d").unwrap();
        }
        remove_tree(&root.join("tree")).unwrap();
        assert!(!root.join("tree").exists());
        assert!(root.join("keep/file").exists());
        remove_tree(&root.join("tree")).unwrap();
        remove_tree(&root).unwrap();
    }

    #[test]
    fn links_do_not_leave_the_root() {
        let root = scratch("links");
        std::fs::create_dir_all(root.join("in/sub")).unwrap();
        std::fs::create_dir(root.join("tmp")).unwrap();
        symlink("/sub", root.join("in/abs")).unwrap();
        symlink("../tmp", root.join("in/up")).unwrap();
        let dir = Dir::open(&root.join("in")).unwrap();
        assert!(dir.beneath(b"abs").is_err());
        assert!(dir.beneath(b"../tmp").is_err());
        assert!(dir.in_root(b"abs").is_ok());
        assert_eq!(dir.in_root(b"up").unwrap_err().kind(), io::ErrorKind::NotFound);
        remove_tree(&root).unwrap();
    }

    #[test]
    fn reads_only_regular_files_up_to_the_limit() {
        let root = scratch("read");
        std::fs::write(root.join("small"), "hello").unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), Mode::from_raw_mode(0o600)).unwrap();
        File::create(root.join("sparse")).unwrap().set_len(10 << 30).unwrap();
        symlink("/dev/zero", root.join("zero")).unwrap();
        let dir = Dir::open(&root).unwrap();
        assert_eq!(dir.read(b"small", 10).unwrap(), b"hello");
        assert!(matches!(dir.read(b"fifo", 10), Err(ReadError::NotRegular)));
        assert!(matches!(dir.read(b"sparse", 10), Err(ReadError::TooLarge { .. })));
        assert!(dir.read(b"zero", 10).is_err());
        remove_tree(&root).unwrap();
    }
}
