//! Images out: names, then the image, then layers nobody needs, each step safe to be interrupted.

use super::super::error::{ImageError, write_error};
use super::{Found, ImageStore, ImageSummary, mount, names_of};
use crate::store::layout::Layout;
use crate::store::lock::FileLock;
use crate::store::pods::IMAGE_USES;
use crate::store::{StoreError, reserve};
use crate::sys::dir;
use crate::sys::failpoint;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;

/// What a removal took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Full names.
    pub untagged: Vec<String>,
    /// Image ids.
    pub deleted: Vec<String>,
}

/// How much a removal may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// One name; by id, an image with one name at most.
    Name,
    /// The image with all its names, when nothing uses it.
    Whole,
    /// All names, and mounts. An image that containers use stays, without a name, until `prune` after their end.
    Force,
}

impl ImageStore<'_> {
    /// Removes a name; the image goes with its last one.
    ///
    /// # Errors
    /// [`ImageError::InUse`] when containers use the image and it is the last name, [`ImageError::Mounted`] when it is mounted then;
    /// [`ImageError::SeveralNames`] by id, when one name is to go.
    pub fn remove(&mut self, text: &str, how: Removal) -> Result<Removed, ImageError> {
        let found = self.find(text)?;
        let layout = self.layout;
        let removed = self.unrecord(|transaction| {
            let names = names_of(transaction, &found.id)?;
            let untagged = going(&found, &names, how);
            if how == Removal::Name && untagged.len() > 1 {
                return Err(ImageError::SeveralNames { image: text.to_owned(), names });
            }
            let last = untagged.len() == names.len();
            let users = users(transaction, &found.id)?;
            if last && !users.is_empty() && how != Removal::Force {
                return Err(ImageError::InUse { image: text.to_owned(), containers: users });
            }
            if last && users.is_empty() {
                unmount(layout, &found.id, text, how)?;
            }
            for name in &untagged {
                transaction.execute("DELETE FROM image_names WHERE name = ?", [name])?;
            }
            let mut deleted = Vec::new();
            if last && users.is_empty() {
                transaction.execute("DELETE FROM images WHERE id = ?", [&found.id])?;
                deleted.push(found.id.clone());
            }
            Ok::<_, ImageError>(Removed { untagged, deleted })
        })?;
        failpoint::reach("image.removed").map_err(ImageError::Failpoint)?;
        if !removed.untagged.is_empty() {
            self.note("untag", &found.id, &removed.untagged);
        }
        removed.deleted.iter().for_each(|id| self.note("remove", id, &removed.untagged));
        self.sweep()?;
        Ok(removed)
    }

    /// Whether [`ImageStore::remove`] takes the last name of an image.
    pub fn goes_with(&mut self, text: &str, how: Removal) -> Result<bool, ImageError> {
        let found = self.find(text)?;
        let names = names_of(self.database.connection(), &found.id)?;
        Ok(going(&found, &names, how).len() == names.len())
    }

    /// Removes an image, and those it was made from, as long as they have no name, no other image was made from them and nothing
    /// uses them; their ids.
    pub fn remove_orphans(&mut self, id: &str) -> Result<Vec<String>, ImageError> {
        let mut deleted = Vec::new();
        let mut next = Some(id.to_owned());
        while let Some(id) = next.take() {
            let Some(image) = self.list()?.into_iter().find(|image| image.id == id) else { break };
            if !image.is_dangling() || image.containers > 0 {
                break;
            }
            match self.remove(&id, Removal::Whole) {
                Ok(removed) => deleted.extend(removed.deleted),
                // It came to be used meanwhile, or somebody looks into it: it stays.
                Err(ImageError::InUse { .. } | ImageError::Mounted { .. } | ImageError::NotFound(_)) => break,
                Err(error) => return Err(error),
            }
            next = image.parent;
        }
        Ok(deleted)
    }

    /// Removes images without a name, or with `all` every image, that nothing uses and `is_meant` says yes to.
    pub fn prune(&mut self, all: bool, is_meant: impl Fn(&ImageSummary) -> bool) -> Result<Removed, ImageError> {
        let meant: BTreeSet<String> =
            self.list()?.into_iter().filter(|image| is_meant(image)).map(|image| image.id).collect();
        let layout = self.layout;
        let removed = self.unrecord(|transaction| {
            let mounted = mount::mounted_ids(layout)?;
            let unused = format!("id NOT IN (SELECT image FROM {IMAGE_USES})");
            let unnamed = "NOT EXISTS (SELECT 1 FROM image_names WHERE image_names.image = images.id)";
            let query = format!("SELECT id FROM images WHERE {unused} AND (?1 OR {unnamed}) ORDER BY id");
            let mut statement = transaction.prepare(&query)?;
            let ids: Vec<String> = statement.query_map([all], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let mut removed = Removed::default();
            for id in ids.into_iter().filter(|id| meant.contains(id) && !mounted.contains(id)) {
                removed.untagged.extend(names_of(transaction, &id)?);
                transaction.execute("DELETE FROM images WHERE id = ?", [&id])?;
                removed.deleted.push(id);
            }
            Ok::<_, ImageError>(removed)
        })?;
        removed.deleted.iter().for_each(|id| self.note("remove", id, &[] as &[&str]));
        self.sweep()?;
        Ok(removed)
    }

    /// Takes rows away, with the room kept for it when the disk is full.
    fn unrecord<T>(&mut self, change: impl Fn(&Connection) -> Result<T, ImageError>) -> Result<T, ImageError> {
        match self.database.write(&change) {
            Err(ImageError::Store(StoreError::DiskFull)) if reserve::release(self.layout) => {
                self.database.write(&change)
            }
            result => result,
        }
    }

    /// Drops an image that proved unusable, whoever uses it.
    pub(in crate::image) fn forget(&mut self, id: &str) -> Result<(), ImageError> {
        self.unrecord(|transaction| {
            transaction.execute("DELETE FROM images WHERE id = ?", [id]).map_err(ImageError::from)
        })?;
        self.sweep()
    }

    /// Unrecords layers of no image, unless some are just being brought here, and deletes directories without a row. Whoever brings
    /// them does it at the end then.
    pub fn sweep(&mut self) -> Result<(), ImageError> {
        let (lock, unswept) = (self.layout.intake_lock(), self.layout.unswept());
        let mut lease = FileLock::try_acquire(&lock)?;
        if lease.is_none() {
            // On a full disk it may fail: then the next removal does it.
            let _ = std::fs::write(&unswept, "");
            // The last of them may have ended before it could see that.
            lease = FileLock::try_acquire(&lock)?;
        }
        if lease.is_some() {
            match std::fs::remove_file(&unswept) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(write_error(&unswept)(error)),
                Ok(()) | Err(_) => {}
            }
        }
        let unused = "SELECT 1 FROM layers WHERE chain NOT IN (SELECT chain FROM image_layers) LIMIT 1";
        if lease.is_some() && self.database.connection().query_row(unused, [], |_| Ok(())).optional()?.is_some() {
            self.unrecord(|transaction| {
                let unused = "DELETE FROM layers WHERE chain NOT IN (SELECT chain FROM image_layers)";
                transaction.execute(unused, [])?;
                let unknown = "DELETE FROM layer_blobs WHERE diff_id NOT IN (SELECT diff_id FROM layers)";
                transaction.execute(unknown, []).map_err(ImageError::from)
            })?;
        }
        drop(lease);
        self.clear()
    }

    /// Finishes what was interrupted: deletes directories without a row. Layers that an interrupted command stored stay for the one
    /// that does the same again.
    pub(super) fn clear(&self) -> Result<(), ImageError> {
        let path = self.layout.layers();
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(write_error(&path)(e)),
        };
        let mut chains = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(write_error(&path))?.file_name();
            let Some(name) = name.to_str() else { continue };
            // A lock file that its holder did not live to remove is taken and removed like one of a layer.
            let chain = name.strip_prefix(".tmp-").or_else(|| name.strip_prefix(".lock-")).unwrap_or(name);
            if chain != name || !self.has_layer(chain)? {
                chains.insert(chain.to_owned());
            }
        }
        chains.iter().try_for_each(|chain| self.discard(chain))
    }

    /// Deletes a layer's directories, unless another command works on it right now.
    fn discard(&self, chain: &str) -> Result<(), ImageError> {
        let stage = self.stage();
        let Some(lock) = FileLock::try_acquire(&stage.layer_lock(chain))? else { return Ok(()) };
        let _lock = lock.removing();
        let (standing, temporary) = (stage.layer_dir(chain), stage.temporary_dir(chain));
        dir::remove_tree(&temporary).map_err(write_error(&temporary))?;
        if self.has_layer(chain)? || !standing.exists() {
            return Ok(());
        }
        // Renamed first: what is half deleted can never be taken for a layer.
        std::fs::rename(&standing, &temporary).map_err(write_error(&temporary))?;
        dir::remove_tree(&temporary).map_err(write_error(&temporary))
    }
}

/// The names of an image that a removal takes.
fn going(found: &Found, names: &[String], how: Removal) -> Vec<String> {
    match found.name.as_ref().filter(|name| names.contains(name)) {
        Some(name) if how != Removal::Whole => vec![name.clone()],
        _ => names.to_vec(),
    }
}

/// Unmounts an image that is about to be removed, if that may be.
fn unmount(layout: &Layout, id: &str, given: &str, how: Removal) -> Result<(), ImageError> {
    let path = mount::path(layout, id);
    match mount::count_at(&path)? {
        0 => Ok(()),
        count if how == Removal::Force => mount::take_away(&path, count),
        _ => Err(ImageError::Mounted { image: given.to_owned(), path }),
    }
}

/// Names of the containers made from an image, or with a volume that is one.
fn users(connection: &Connection, id: &str) -> Result<Vec<String>, ImageError> {
    let query = format!("SELECT name FROM {IMAGE_USES} WHERE image = ? ORDER BY name");
    let mut statement = connection.prepare(&query)?;
    let names = statement.query_map([id], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}
