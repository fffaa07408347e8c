//! What a tree takes of the disk, counted while others write to it.

use super::{Dir, climb};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::path::Path;

/// Descriptors held on the way down; what lies deeper is climbed out of by `..`.
const HELD: usize = 256;
/// Inodes with several names that are remembered; each name of one more counts for its share.
const LINKED: usize = 1 << 20;
/// Directories that are remembered at a time; of more, the rest is not entered.
const DIRECTORIES: usize = 1 << 20;

/// Bytes and inodes below a path, links not followed, mounts not entered.
pub fn usage(path: &Path) -> io::Result<(u64, u64)> {
    usage_up_to(path, u64::MAX)
}

/// Like [`usage`], but ends as soon as more than `enough` bytes were found.
///
/// Files are counted by their blocks, and once however many names they have. What is moved or removed meanwhile may be missed
/// and is no error.
pub fn usage_up_to(path: &Path, enough: u64) -> io::Result<(u64, u64)> {
    let mut count = Count { bytes: 0, inodes: 0, linked: HashSet::new(), directories: 1, enough };
    let root = Dir::open(path)?;
    let mut stack = vec![Level::read(root, &mut count)?];
    while let Some(level) = stack.last_mut().filter(|_| count.bytes <= enough) {
        let Some(dir) = &level.dir else {
            // It was climbed out of a directory that had been moved: the nearest one still held goes on.
            count.directories -= 1 + level.directories.len();
            stack.pop();
            continue;
        };
        let Some(name) = level.directories.pop() else {
            count.directories -= 1;
            leave(&mut stack);
            continue;
        };
        let child = match dir.open_dir(&name).map(|child| Level::read(child, &mut count)) {
            Ok(Ok(child)) => child,
            Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // Gone meanwhile, no directory any more, or a mount point.
            Ok(Err(_)) | Err(_) => {
                count.directories -= 1;
                continue;
            }
        };
        if stack.len() >= HELD
            && let Some(parent) = stack.last_mut()
        {
            parent.dir = None;
        }
        stack.push(child);
    }
    Ok((count.bytes, count.inodes))
}

/// Goes back to the directory above.
fn leave(stack: &mut Vec<Level>) {
    let done = stack.pop().and_then(|level| level.dir);
    if let (Some(done), Some(parent)) = (done, stack.last_mut())
        && parent.dir.is_none()
    {
        parent.dir = climb(&done, parent.identity).ok();
    }
}

struct Count {
    bytes: u64,
    inodes: u64,
    linked: HashSet<(u64, u64)>,
    /// On the way down and still to be entered.
    directories: usize,
    enough: u64,
}

impl Count {
    fn add(&mut self, stat: &Stat, is_directory: bool) {
        let bytes = stat.st_blocks as u64 * 512;
        #[allow(clippy::unnecessary_cast)] // 32 bits on some machines
        let (names, id) = (stat.st_nlink as u64, (stat.st_dev, stat.st_ino));
        let bytes = match names {
            2.. if !is_directory && self.linked.contains(&id) => return,
            2.. if !is_directory && self.linked.len() == LINKED => bytes / names,
            2.. if !is_directory => {
                self.linked.insert(id);
                bytes
            }
            _ => bytes,
        };
        self.bytes = self.bytes.saturating_add(bytes);
        self.inodes += 1;
    }
}

/// A directory on the way down.
struct Level {
    /// The deepest one has it, and so have the first ones.
    dir: Option<Dir>,
    identity: (u64, u64),
    /// Still to be entered.
    directories: Vec<CString>,
}

impl Level {
    /// Counts what is in a directory.
    fn read(dir: Dir, count: &mut Count) -> io::Result<Self> {
        let own = dir.stat_self()?;
        let mut directories = Vec::new();
        let mut stream = rustix::fs::Dir::read_from(&dir)?;
        while let Some(entry) = stream.read().filter(|_| count.bytes <= count.enough) {
            let entry = match entry {
                Err(Errno::NOENT) => break,
                entry => entry?,
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Some(stat) = dir.find(name)? else { continue };
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_directory && count.directories < DIRECTORIES {
                count.directories += 1;
                directories.push(name.to_owned());
            }
            // Else something is mounted there.
            if stat.st_dev == own.st_dev {
                count.add(&stat, is_directory);
            }
        }
        Ok(Self { dir: Some(dir), identity: (own.st_dev, own.st_ino), directories })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::path::PathBuf;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("podkin-usage-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn blocks(path: &Path) -> u64 {
        std::os::linux::fs::MetadataExt::st_blocks(&fs::symlink_metadata(path).unwrap()) * 512
    }

    #[test]
    fn files_count_by_their_blocks_and_once() {
        let root = scratch("files");
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/file"), vec![1; 100_000]).unwrap();
        for name in ["one", "d/two", "three"] {
            fs::hard_link(root.join("d/file"), root.join(name)).unwrap();
        }
        File::create(root.join("sparse")).unwrap().set_len(1 << 40).unwrap();
        std::os::unix::fs::symlink("/usr", root.join("link")).unwrap();
        let names = ["d", "d/file", "sparse", "link"];
        let expected = names.iter().map(|name| blocks(&root.join(name))).sum();
        assert_eq!(usage(&root).unwrap(), (expected, 4));
        assert!(expected < 1 << 20, "sparse files have no blocks");
        super::super::remove_tree(&root).unwrap();
    }

    #[test]
    fn a_file_is_found_however_deep_it_is() {
        let root = scratch("deep");
        let mut dir = Dir::open(&root).unwrap();
        for _ in 0..3 * HELD {
            dir.create_dir(c"d", 0o700).unwrap();
            dir.create_file(c"f", 0o600).unwrap();
            dir = dir.open_dir(c"d").unwrap();
        }
        assert_eq!(usage(&root).unwrap().1, 6 * HELD as u64);
        // One that is climbed back to has more to be entered.
        fs::create_dir_all(root.join("d/".repeat(HELD + 20)).join("a/b")).unwrap();
        assert_eq!(usage(&root).unwrap().1, 6 * HELD as u64 + 2);
        super::super::remove_tree(&root).unwrap();
    }

    #[test]
    fn counting_ends_when_there_is_enough() {
        let root = scratch("enough");
        (0..50).for_each(|n| fs::write(root.join(n.to_string()), vec![1; 10_000]).unwrap());
        let all = usage(&root).unwrap();
        let some = usage_up_to(&root, 30_000).unwrap();
        assert!(some.0 > 30_000 && some.0 < all.0 && some.1 < 10, "{some:?} of {all:?}");
        assert_eq!(usage_up_to(&root, all.0).unwrap(), all);
        super::super::remove_tree(&root).unwrap();
    }

    #[test]
    fn others_may_write_meanwhile() {
        let root = scratch("race");
        fs::create_dir(root.join("kept")).unwrap();
        fs::write(root.join("kept/file"), vec![1; 50_000]).unwrap();
        let least = blocks(&root.join("kept/file"));
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    fs::create_dir_all(root.join("a/b/c")).unwrap();
                    fs::write(root.join("a/b/c/file"), "x").unwrap();
                    fs::rename(root.join("a/b"), root.join("moved")).unwrap();
                    fs::remove_dir_all(root.join("moved")).unwrap();
                }
            });
            let found: Vec<_> = (0..500).map(|_| usage(&root)).collect();
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            for usage in found {
                let (bytes, inodes) = usage.expect("a race is no error");
                assert!(bytes >= least && inodes >= 2, "what nobody touches is always there");
            }
        });
        super::super::remove_tree(&root).unwrap();
    }

    #[test]
    fn what_is_mounted_below_belongs_to_another() {
        use crate::sys::mount::{Attributes, Propagation, attach, set_all_propagation, tmpfs};
        if !rustix::process::geteuid().is_root() {
            return eprintln!("not root: nothing can be mounted");
        }
        let root = scratch("mounts");
        fs::create_dir(root.join("mount")).unwrap();
        fs::write(root.join("file"), "x").unwrap();
        let alone = usage(&root).unwrap();
        std::thread::scope(|scope| {
            let mounting = scope.spawn(|| {
                // SAFETY: descriptors stay shared, and this thread ends before anything could expect it elsewhere.
                unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }?;
                set_all_propagation(Propagation::Private)?;
                attach(tmpfs(None, 0o755, Attributes::default())?, rustix::fs::CWD, root.join("mount"))?;
                fs::write(root.join("mount/file"), vec![1; 100_000])?;
                usage(&root)
            });
            let (bytes, inodes) = mounting.join().unwrap().unwrap();
            assert!(bytes <= alone.0 && inodes < alone.1, "neither what is mounted nor where");
        });
        super::super::remove_tree(&root).unwrap();
    }
}
