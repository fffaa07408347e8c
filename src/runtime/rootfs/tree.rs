//! Files below a directory that is not trusted: opened and made without ever leaving it.

use crate::runtime::RuntimeError;
use crate::sys::mount;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

/// How often a path is looked up while others rename what it leads through.
const MOST_ATTEMPTS: usize = 10_000;

/// A directory whose links all resolve inside it: absolute ones start at it, `..` stops at it, and links of procfs that lead
/// elsewhere by magic are refused (openat2(2), `RESOLVE_IN_ROOT`).
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    resolve: ResolveFlags,
}

impl Tree {
    pub(crate) fn open(path: &Path) -> Result<Self, RuntimeError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| RuntimeError::Path {
            action: "open directory",
            path: path.to_owned(),
            source: error.into(),
        })?;
        Ok(Self::of(root))
    }

    pub(crate) fn of(root: OwnedFd) -> Self {
        Self { root, resolve: ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS }
    }

    /// As [`Tree::of`], but a path that would leave the directory is an error (`EXDEV`) instead of being bent back into it.
    pub(crate) fn strict(root: OwnedFd) -> Self {
        Self { root, resolve: ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS }
    }

    /// Opens what is at `path`, following links inside the tree.
    pub(crate) fn open_at(&self, path: impl AsRef<Path>, flags: OFlags) -> io::Result<OwnedFd> {
        let relative = relative(path.as_ref());
        let open = || rustix::fs::openat2(&self.root, relative, flags | OFlags::CLOEXEC, Mode::empty(), self.resolve);
        // Something was renamed on the way while a `..` was resolved: not an answer, only bad luck, unless it never ends.
        let mut answers = (0..MOST_ATTEMPTS).map(|_| open());
        Ok(answers.find(|answer| !matches!(answer, Err(Errno::AGAIN))).unwrap_or(Err(Errno::AGAIN))?)
    }

    /// Opens the directory at `path`, making what is missing of it. A link that leads nowhere is an error.
    pub(crate) fn make_directory(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<OwnedFd> {
        let path = path.as_ref();
        match self.open_at(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        let mut walked = std::path::PathBuf::new();
        let mut current = self.open_at("", OFlags::PATH | OFlags::DIRECTORY)?;
        for component in path.components() {
            let Component::Normal(name) = component else {
                if component == Component::ParentDir {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "path contains `..`"));
                }
                continue;
            };
            walked.push(name);
            current = match self.open_at(&walked, OFlags::PATH | OFlags::DIRECTORY) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Into the directory that was opened, not along the path again: nobody can swap it in between.
                    match rustix::fs::mkdirat(&current, name, Mode::from_raw_mode(mode)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    open_directory(current.as_fd(), name)?
                }
                result => result?,
            };
        }
        Ok(current)
    }

    /// Opens the file at `path`, making an empty one (and its directories) when there is none; `O_PATH`.
    pub(crate) fn make_file(&self, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
        let path = path.as_ref();
        match self.open_at(path, OFlags::PATH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "path names no file");
        let name = path.file_name().ok_or_else(invalid)?;
        let parent = self.make_directory(path.parent().ok_or_else(invalid)?, 0o755)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644)) {
            Ok(file) => Ok(file),
            // Somebody made it meanwhile, or a link leads nowhere, which opening again tells.
            Err(Errno::EXIST) => self.open_at(path, OFlags::PATH),
            Err(error) => Err(error.into()),
        }
    }

    /// Attaches a detached mount to the directory or file at `path`, which must exist.
    pub(crate) fn attach(&self, mount: impl AsFd, path: impl AsRef<Path>) -> io::Result<()> {
        mount::attach_to(mount, self.open_at(path, OFlags::PATH)?)
    }

    /// The content of a regular file of at most `limit` bytes; `None` when there is no file.
    ///
    /// Opening never waits and has no side effect: a FIFO or device put in its place is an error.
    pub(crate) fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        // Looked at before it is opened: opening a device can have effects of its own.
        let found = match self.open_at(path, OFlags::PATH) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_not_a_directory(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let not_regular = || io::Error::new(io::ErrorKind::InvalidData, "not a regular file");
        let stat = rustix::fs::fstat(&found)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_regular());
        }
        let file = self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let again = rustix::fs::fstat(&file)?;
        if (again.st_dev, again.st_ino) != (stat.st_dev, stat.st_ino) {
            return Err(not_regular());
        }
        let mut content = Vec::new();
        std::fs::File::from(file).take(limit + 1).read_to_end(&mut content)?;
        if content.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        Ok(Some(content))
    }
}

/// Whether `path` names a directory; a link is followed only when `follow`.
pub(crate) fn file_type(fd: impl AsFd) -> io::Result<FileType> {
    let stat = rustix::fs::statat(fd, "", AtFlags::EMPTY_PATH)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

fn open_directory(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

fn is_not_a_directory(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOTDIR)
}

/// openat2 with `RESOLVE_BENEATH` refuses absolute paths, and an empty one means the tree itself here.
fn relative(path: &Path) -> &Path {
    let relative = path.strip_prefix("/").unwrap_or(path);
    if relative.as_os_str().is_empty() { Path::new(".") } else { relative }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("podkin-tree-{name}-{}", std::process::id()));
            std::fs::create_dir_all(path.join("root")).unwrap();
            Self(path)
        }

        fn tree(&self) -> Tree {
            Tree::open(&self.0.join("root")).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn directories_are_made_behind_links_but_never_outside() {
        let scratch = Scratch::new("make");
        let root = scratch.0.join("root");
        symlink("/", root.join("abs")).unwrap();
        symlink("../..", root.join("up")).unwrap();
        scratch.tree().make_directory("/abs/x/y", 0o755).unwrap();
        scratch.tree().make_directory("/up/z", 0o755).unwrap();
        assert!(root.join("x/y").is_dir() && root.join("z").is_dir());
        assert!(!Path::new("/x/y").exists() && !scratch.0.join("z").exists());
    }

    #[test]
    fn a_strict_tree_refuses_to_be_left() {
        let scratch = Scratch::new("strict");
        let root = scratch.0.join("root");
        symlink("/etc", root.join("abs")).unwrap();
        symlink("..", root.join("up")).unwrap();
        let open = || Tree::strict(rustix::fs::open(&root, OFlags::PATH, Mode::empty()).unwrap());
        for path in ["abs/passwd", "up", "../root"] {
            let error = open().open_at(path, OFlags::PATH).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EXDEV), "{path}");
        }
        assert!(open().make_directory("new/dir", 0o750).is_ok());
    }

    #[test]
    fn a_dangling_link_is_not_made_real() {
        let scratch = Scratch::new("dangling");
        let outside = scratch.0.join("outside");
        symlink(&outside, scratch.0.join("root/link")).unwrap();
        assert!(scratch.tree().make_directory("/link", 0o755).is_err());
        assert!(scratch.tree().make_file("/link").is_err());
        assert!(!outside.exists());
    }

    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        let scratch = Scratch::new("read");
        let root = scratch.0.join("root");
        crate::sys::pipe::make_fifo(&root.join("fifo"), 0o600).unwrap();
        std::fs::File::create(root.join("sparse")).unwrap().set_len(10 << 30).unwrap();
        std::fs::write(root.join("small"), "content").unwrap();
        let tree = scratch.tree();
        assert!(tree.read("/fifo", 100).is_err());
        assert!(tree.read("/sparse", 1 << 20).is_err());
        assert_eq!(tree.read("/small", 100).unwrap().unwrap(), b"content");
        assert_eq!(tree.read("/none", 100).unwrap(), None);
    }
}
