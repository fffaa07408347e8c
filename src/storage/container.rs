//! The writable part of a container's root file system.

use crate::runtime::config::Rootfs;
use crate::store::layout::Layout;
use crate::store::record::ImageRecord;
use crate::sys::dir::{self, Dir};
use rustix::fs::{Gid, Mode, Uid};
use std::ffi::CString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// Makes the directories of a container's overlay, and says where they and its layers are.
///
/// Overlay shows owner and mode of its topmost directory as those of `/`, so the new ones get what the image's top layer has.
///
/// # Errors
/// When a directory cannot be made; a missing layer of the image is `NotFound`, with its chain id.
pub fn rootfs(layout: &Layout, container_id: &str, image: &ImageRecord) -> io::Result<Rootfs> {
    let directory = layout.container(container_id);
    let rootfs = Rootfs {
        layers: image.layers.iter().map(|chain| layout.layer_diff(chain)).collect(),
        init: directory.join("init"),
        upper: directory.join("upper"),
        work: directory.join("work"),
    };
    let top = match rootfs.layers.last() {
        Some(layer) => Some(std::fs::metadata(layer).map_err(|e| missing_layer(e, image))?),
        None => None,
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    for path in [&rootfs.init, &rootfs.upper, &rootfs.work] {
        match DirBuilder::new().mode(0o755).create(path) {
            Ok(()) => {}
            // Made by a start before this one.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(e),
        }
        let (mode, uid, gid) = top.as_ref().map_or((0o755, 0, 0), |top| (top.mode() & 0o7777, top.uid(), top.gid()));
        let made = Dir::open(path)?;
        rustix::fs::fchown(&made, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        // Whatever the umask of this process is.
        rustix::fs::fchmod(&made, Mode::from_raw_mode(mode))?;
    }
    Ok(rootfs)
}

fn missing_layer(error: io::Error, image: &ImageRecord) -> io::Error {
    match (error.kind(), image.layers.last()) {
        (io::ErrorKind::NotFound, Some(chain)) => io::Error::new(
            io::ErrorKind::NotFound,
            format!("layer `{chain}` of image `{}` is missing", image.reference),
        ),
        _ => error,
    }
}

/// Removes a container's directory with everything it wrote. An absent one is no error.
pub fn remove_container(layout: &Layout, container_id: &str) -> io::Result<()> {
    discard(&layout.container(container_id))
}

/// Removes a directory of podkin's own: from the first instant it is no longer found under its name, and what an interruption leaves
/// carries the name `.tmp-*` beside it.
pub fn discard(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = match Dir::open(parent) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let name = CString::new(name.as_bytes())?;
    let doomed = CString::new([b".tmp-", name.as_bytes()].concat())?;
    parent.remove_tree(&doomed)?;
    match parent.rename(&name, &parent, &doomed) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(()) => parent.remove_tree(&doomed),
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
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn scratch(name: &str) -> Layout {
        let path = std::env::temp_dir().join(format!("podkin-storage-{}-{name}", std::process::id()));
        let _ = dir::remove_tree(&path);
        Layout::new(path.join("root"), path.join("run"))
    }

    #[test]
    fn the_root_directory_is_the_images() {
        let layout = scratch("root");
        let chain = "ab".repeat(32);
        let image = ImageRecord { layers: vec![chain.clone()], reference: "x".into(), ..ImageRecord::default() };
        let missing = rootfs(&layout, "c1", &image).unwrap_err();
        assert!(missing.kind() == io::ErrorKind::NotFound && missing.to_string().contains("of image `x`"));
        let diff = layout.layer_diff(&chain);
        std::fs::create_dir_all(&diff).unwrap();
        std::fs::set_permissions(&diff, std::fs::Permissions::from_mode(0o751)).unwrap();
        for _ in 0..2 {
            let rootfs = rootfs(&layout, "c1", &image).unwrap();
            assert_eq!(rootfs.layers, std::slice::from_ref(&diff));
            for path in [&rootfs.init, &rootfs.upper] {
                assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o7777, 0o751);
            }
        }
        dir::remove_tree(layout.root.parent().unwrap()).unwrap();
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
