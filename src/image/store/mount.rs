//! Images mounted for the user to look into, read-only, at `<run>/mounts/<id>`.
//!
//! Nothing is recorded: the kernel's table of mounts is the truth, also after a reboot. An image that is mounted again gets another
//! mount on top of the first, so that it takes as many unmounts. The write lock of the database is held meanwhile, which
//! is what a removal holds when it looks whether an image is mounted.

use super::super::error::ImageError;
use super::{ImageStore, names_of, read_record};
use crate::store::layout::Layout;
use crate::sys::mount;
use rusqlite::OptionalExtension;
use rustix::fs::CWD;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// An image that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedImage {
    /// 64 hexadecimal digits.
    pub id: String,
    pub digest: String,
    pub names: Vec<String>,
    pub path: PathBuf,
    /// How many unmounts it takes.
    pub count: usize,
}

impl ImageStore<'_> {
    /// Mounts an image; the mount stays until [`ImageStore::unmount`], the image's forced removal or a reboot.
    pub fn mount(&mut self, text: &str) -> Result<PathBuf, ImageError> {
        let found = self.find(text)?;
        let (layout, path) = (self.layout, path(self.layout, &found.id));
        self.database.write(|transaction| {
            let record = read_record(transaction, &found.id)?;
            let layers: Vec<PathBuf> = record.layers.iter().map(|chain| layout.layer_diff(chain)).collect();
            std::fs::create_dir_all(&path).map_err(fail("make", &path))?;
            let empty = layout.empty_layer();
            std::fs::create_dir_all(&empty).map_err(fail("make", &empty))?;
            let attached = mount::merged(&layers, &empty).and_then(|tree| mount::attach(&tree, CWD, &path));
            attached.map_err(fail("mount the image at", &path))
        })?;
        self.note("mount", &found.id, found.name.as_slice());
        Ok(path)
    }

    /// Takes one mount of an image away, or all; the image's id.
    ///
    /// # Errors
    /// [`ImageError::NotMounted`] when there is none, unless all are to go.
    pub fn unmount(&mut self, text: &str, all: bool) -> Result<String, ImageError> {
        let found = self.find(text)?;
        let path = path(self.layout, &found.id);
        self.database.write(|_| match count_at(&path)? {
            0 if !all => Err(ImageError::NotMounted(text.to_owned())),
            count if all || count == 1 => take_away(&path, count),
            _ => mount::unmount(&path).map(drop).map_err(fail("unmount", &path)),
        })?;
        self.note("unmount", &found.id, found.name.as_slice());
        Ok(found.id)
    }

    /// The images that are mounted, by id.
    pub fn mounted(&self) -> Result<Vec<MountedImage>, ImageError> {
        let mut images: Vec<MountedImage> = Vec::new();
        for path in points_below(self.layout)? {
            if let Some(image) = images.iter_mut().find(|image| image.path == path) {
                image.count += 1;
                continue;
            }
            let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // The image of a mount may be gone: `system check` says so.
            if self.resolve(&id)?.is_none() {
                continue;
            }
            let connection = self.database.connection();
            let query = "SELECT digest FROM images WHERE id = ?";
            let Some(digest) = connection.query_row(query, [&id], |row| row.get(0)).optional()? else { continue };
            images.push(MountedImage { names: names_of(connection, &id)?, id, digest, path, count: 1 });
        }
        images.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(images)
    }

    /// What is below `<run>/mounts` and should not be: a mount whose image is gone (`true`), a directory that nothing is mounted on.
    pub fn stray_mounts(&self) -> Result<Vec<(PathBuf, bool)>, ImageError> {
        let directory = self.layout.image_mounts();
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(fail("read", &directory))?,
        };
        let mut stray = Vec::new();
        for entry in entries {
            let path = entry.map_err(fail("read", &directory))?.path();
            let id = path.file_name().unwrap_or_default().to_string_lossy();
            match count_at(&path)? {
                0 => stray.push((path, false)),
                _ if self.resolve(&id)?.is_none() => stray.push((path, true)),
                _ => {}
            }
        }
        stray.sort();
        Ok(stray)
    }
}

/// Where an image is mounted, if it is.
pub(super) fn path(layout: &Layout, id: &str) -> PathBuf {
    layout.image_mounts().join(id)
}

/// Takes the `count` mounts at a mount point away, and it, too.
pub(super) fn take_away(path: &Path, count: usize) -> Result<(), ImageError> {
    for _ in 0..count {
        mount::unmount(path).map_err(fail("unmount", path))?;
    }
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(fail("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Ids of what is mounted below `<run>/mounts`.
pub(super) fn mounted_ids(layout: &Layout) -> Result<BTreeSet<String>, ImageError> {
    let name = |path: PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(points_below(layout)?.into_iter().map(name).collect())
}

/// How many mounts there are at a mount point.
pub(super) fn count_at(path: &Path) -> Result<usize, ImageError> {
    Ok(points()?.iter().filter(|point| *point == path).count())
}

fn points_below(layout: &Layout) -> Result<Vec<PathBuf>, ImageError> {
    let directory = layout.image_mounts();
    Ok(points()?.into_iter().filter(|point| point.parent() == Some(&directory)).collect())
}

fn points() -> Result<Vec<PathBuf>, ImageError> {
    mount::points().map_err(fail("read", Path::new("/proc/self/mountinfo")))
}

fn fail(attempt: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ImageError {
    let path = path.to_owned();
    move |source| ImageError::Mount { attempt, path, source }
}
