//! What differs between two trees, or what a layer does to those below it.
//!
//! Directories are opened by their path below the root, one at a time: neither depth nor number of files takes descriptors.

use crate::sys::dir::Dir;
use rustix::fs::{FileType, Stat};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub kind: ChangeKind,
    /// Absolute, from the root of the tree.
    pub path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    /// Other content or metadata, or, for a directory, something below it was added or deleted.
    Changed,
    /// With all that was below it.
    Deleted,
}

/// What the layer `top` does to the tree `below`, by path. Whiteouts and opaque directories are what overlayfs takes for them.
pub fn layer_changes(top: &Dir, below: &Dir) -> io::Result<Vec<Change>> {
    let mut found = Found::default();
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let (upper, lower) = (top.beneath(&path)?, open(below, &path)?);
        let opaque = is_opaque(&upper)?;
        let names = upper.names()?;
        for name in &names {
            let (stat, old) = (upper.stat(name)?, lower.as_ref().map(|lower| lower.find(name)).transpose()?.flatten());
            let child = join(&path, name);
            match old {
                _ if is_whiteout(&stat) => {
                    if old.is_some() {
                        found.add(ChangeKind::Deleted, &child);
                    }
                    continue;
                }
                None => found.add(ChangeKind::Added, &child),
                // Only what was written to is copied up; a directory is also when something below it was.
                Some(old) if !is_directory(&stat) || differs(&stat, &old) => found.add(ChangeKind::Changed, &child),
                Some(_) => {}
            }
            if is_directory(&stat) {
                pending.push(child);
            }
        }
        if let Some(lower) = lower.filter(|_| opaque) {
            let kept: BTreeSet<CString> = names.into_iter().collect();
            let gone = lower.names()?.into_iter().filter(|name| !kept.contains(name));
            gone.for_each(|name| found.add(ChangeKind::Deleted, &join(&path, &name)));
        }
    }
    Ok(found.finish())
}

/// What makes the tree `new` of the tree `old`, by path.
pub fn tree_changes(new: &Dir, old: &Dir) -> io::Result<Vec<Change>> {
    let mut found = Found::default();
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let (after, before) = (new.beneath(&path)?, open(old, &path)?);
        let names: BTreeSet<CString> = after.names()?.into_iter().collect();
        for name in &names {
            let stat = after.stat(name)?;
            let was = before.as_ref().map(|before| before.find(name)).transpose()?.flatten();
            let child = join(&path, name);
            match was {
                None => found.add(ChangeKind::Added, &child),
                Some(was) if differs(&stat, &was) => found.add(ChangeKind::Changed, &child),
                Some(_) => {}
            }
            if is_directory(&stat) {
                pending.push(child);
            }
        }
        if let Some(before) = before {
            let gone = before.names()?.into_iter().filter(|name| !names.contains(name));
            gone.for_each(|name| found.add(ChangeKind::Deleted, &join(&path, &name)));
        }
    }
    Ok(found.finish())
}

#[derive(Default)]
struct Found(BTreeMap<OsString, ChangeKind>);

impl Found {
    fn add(&mut self, kind: ChangeKind, path: &[u8]) {
        self.0.insert(OsString::from_vec([b"/", path].concat()), kind);
    }

    /// With the directories that changed because something below them was added or deleted.
    fn finish(mut self) -> Vec<Change> {
        let parents: BTreeSet<OsString> = self
            .0
            .iter()
            .filter(|(_, kind)| **kind != ChangeKind::Changed)
            .flat_map(|(path, _)| Path::new(path).ancestors().skip(1))
            .filter(|parent| parent.as_os_str() != "/")
            .map(|parent| parent.as_os_str().to_owned())
            .collect();
        for parent in parents {
            self.0.entry(parent).or_insert(ChangeKind::Changed);
        }
        self.0.into_iter().map(|(path, kind)| Change { kind, path: path.into() }).collect()
    }
}

fn join(path: &[u8], name: &CString) -> Vec<u8> {
    if path.is_empty() { name.to_bytes().to_vec() } else { [path, b"/", name.to_bytes()].concat() }
}

/// Opens a directory of the other tree, where there may be none, or something else.
fn open(tree: &Dir, path: &[u8]) -> io::Result<Option<Dir>> {
    match tree.beneath(path) {
        Ok(dir) => Ok(Some(dir)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A link on the way is none of the directories that were asked for.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP))
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn is_opaque(dir: &Dir) -> io::Result<bool> {
    Ok(dir.attribute(c"trusted.overlay.opaque")?.is_some_and(|value| value == b"y"))
}

/// Times and sizes of directories say nothing that their entries do not.
fn differs(new: &Stat, old: &Stat) -> bool {
    let identity = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let content = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    identity(new) != identity(old) || (!is_directory(new) && content(new) != content(old))
}

impl Change {
    /// The letter that stands for the kind: `A`, `C`, `D`.
    pub fn letter(&self) -> char {
        match self.kind {
            ChangeKind::Added => 'A',
            ChangeKind::Changed => 'C',
            ChangeKind::Deleted => 'D',
        }
    }

    /// The path as bytes, as it may be no text.
    pub fn bytes(&self) -> &[u8] {
        OsStr::as_bytes(self.path.as_os_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::dir::remove_tree;
    use rustix::fs::{CWD, Mode, XattrFlags};
    use std::fs;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("podkin-changes-{}-{name}", std::process::id()));
            remove_tree(&path).unwrap();
            Self(path)
        }

        fn files(&self, tree: &str, paths: &[&str]) -> Dir {
            for path in paths {
                let path = self.0.join(tree).join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, "x").unwrap();
                let time = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
                fs::File::options().write(true).open(&path).unwrap().set_times(time).unwrap();
            }
            fs::create_dir_all(self.0.join(tree)).unwrap();
            Dir::open(&self.0.join(tree)).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = remove_tree(&self.0);
        }
    }

    fn text(changes: &[Change]) -> Vec<String> {
        changes.iter().map(|change| format!("{} {}", change.letter(), change.path.display())).collect()
    }

    #[test]
    fn a_layer_adds_changes_and_deletes() {
        let scratch = Scratch::new("layer");
        let below =
            scratch.files("below", &["same/a", "gone", "edited", "kept/only/edited", "full/x", "full/y", "dir/z"]);
        let top = scratch.files("top", &["edited", "kept/only/edited", "full/y", "full/new", "fresh/deep/f", "dir"]);
        let whiteout = |name: &str| {
            let mode = Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(CWD, scratch.0.join("top").join(name), FileType::CharacterDevice, mode, 0).unwrap();
        };
        whiteout("gone");
        whiteout("never");
        let full = scratch.0.join("top/full");
        rustix::fs::setxattr(&full, c"trusted.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
        let wanted = [
            "C /dir",
            "C /edited",
            "A /fresh",
            "A /fresh/deep",
            "A /fresh/deep/f",
            "C /full",
            "A /full/new",
            "D /full/x",
            "C /full/y",
            "D /gone",
            "C /kept/only/edited",
        ];
        assert_eq!(text(&layer_changes(&top, &below).unwrap()), wanted);
    }

    #[test]
    fn two_trees_are_compared_by_status_and_links_are_not_followed() {
        let scratch = Scratch::new("trees");
        let old = scratch.files("old", &["same/a", "gone/x", "mode", "link/secret"]);
        let new = scratch.files("new", &["same/a", "mode", "more"]);
        fs::set_permissions(scratch.0.join("new/mode"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("/etc", scratch.0.join("new/link")).unwrap();
        assert_eq!(text(&tree_changes(&new, &old).unwrap()), ["D /gone", "C /link", "C /mode", "A /more"]);
        assert_eq!(text(&tree_changes(&new, &new).unwrap()), [""; 0]);
    }
}
