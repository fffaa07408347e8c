//! The writable part of a container's root file system.

use crate::store::layout::Layout;
use crate::sys::dir::{self, Dir};
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Removes a container's directory with everything it wrote. An absent one is no error.
pub fn remove_container(layout: &Layout, container_id: &str) -> io::Result<()> {
    discard(&layout.container(container_id))
}

/// Removes a directory of podkin's own: from the first instant it is no longer found under its name, and what an interruption leaves
/// carries the name `.tmp-*` beside it.
pub fn discard(path: &Path) -> io::Result<()> {
    set_aside(path)?.map_or(Ok(()), |doomed| dir::remove_tree(&doomed))
}

/// Gives a directory that is to be removed the name `.tmp-*` beside it, which it gives back; `None` when there is none.
pub fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = match Dir::open(parent) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let name = CString::new(name.as_bytes())?;
    let doomed = CString::new([b".tmp-", name.as_bytes()].concat())?;
    parent.remove_tree(&doomed)?;
    match parent.rename(&name, &parent, &doomed) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
        Ok(()) => Ok(path.parent().map(|parent| parent.join(OsStr::from_bytes(doomed.as_bytes())))),
    }
}

/// Finishes removals that were interrupted, and removes directories of containers that `is_known` does not know.
pub fn sweep_containers(layout: &Layout, is_known: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let directory = layout.in_root("containers");
    let mut removed = Vec::new();
    let entries = match std::fs::read_dir(&directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(removed),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(".tmp-") {
            dir::remove_tree(&directory.join(name))?;
        } else if !is_known(name) {
            discard(&directory.join(name))?;
            removed.push(name.to_owned());
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn scratch(name: &str) -> Layout {
        let path = std::env::temp_dir().join(format!("podkin-storage-{}-{name}", std::process::id()));
        let _ = dir::remove_tree(&path);
        Layout::new(path.join("root"), path.join("run"))
    }

    #[test]
    fn removal_leaves_what_links_name() {
        let layout = scratch("remove");
        let kept = layout.root.join("kept");
        std::fs::create_dir_all(&kept).unwrap();
        std::fs::write(kept.join("file"), "x").unwrap();
        let upper = layout.container("c2").join("upper");
        std::fs::create_dir_all(upper.join("d/e")).unwrap();
        symlink(&kept, upper.join("d/link")).unwrap();
        symlink("/", upper.join("root")).unwrap();
        std::fs::create_dir_all(layout.in_root("containers/.tmp-old/x")).unwrap();
        assert_eq!(sweep_containers(&layout, |id| id == "c2").unwrap(), [""; 0]);
        remove_container(&layout, "c2").unwrap();
        remove_container(&layout, "c2").unwrap();
        assert!(kept.join("file").exists());
        assert_eq!(std::fs::read_dir(layout.in_root("containers")).unwrap().count(), 0);
        std::fs::create_dir_all(layout.container("c3")).unwrap();
        assert_eq!(sweep_containers(&layout, |_| false).unwrap(), ["c3"]);
        dir::remove_tree(layout.root.parent().unwrap()).unwrap();
    }
}
