//! The images of this machine: rows in the database, layers as directories.
//!
//! ```text
//! <root>/layers/<chain>/diff      a layer; visible once its row is there
//! <root>/layers/.tmp-<chain>      one being unpacked, or being removed; whoever holds the lock may delete it
//! <root>/layers/.lock-<chain>     held while a layer is made or removed; gone when nobody does
//! ```
//!
//! A layer is unpacked and synced, renamed, and then recorded; it is unrecorded, renamed, and then deleted. So a row always has
//! its directory, and a directory without a row is garbage that [`ImageStore::sweep`] or the next load takes away.

mod add;
mod check;
mod family;
mod inspect;
mod intake;
mod list;
mod mount;
mod outgoing;
mod remove;
mod stage;
#[cfg(test)]
mod tests;
mod tree;

pub use add::{ImportOptions, Loaded};
pub use check::{Depth, Problem, ProblemKind};
pub use family::Step;
pub use inspect::{ImageInspect, ImageSummary};
pub use list::{Instance, InstanceOrigin, ListDocument, ManifestList};
pub use mount::MountedImage;
pub use outgoing::{Outgoing, OutgoingLayer, RestoreError};
pub use remove::{Removal, Removed};
pub use tree::{LayerSummary, LayerTree, LayerUsers};

use inspect::{stored, stored_all};

use super::digest::Digest;
use super::error::ImageError;
use super::layer::Limits;
use super::reference::{Reference, local_candidates};
use crate::store::events::LoggedEvent;
use crate::store::record::ImageRecord;
use crate::store::{Database, StoreError, layout::Layout};
use rusqlite::{Connection, OptionalExtension, params};
use stage::Stage;
use std::path::PathBuf;

/// Points where tests kill a command that works on images.
pub const FAILPOINTS: [&str; 5] =
    ["image.layer.unpack", "image.layer.unpacked", "image.layer.published", "image.commit", "image.removed"];

/// Knows what short names stand for, as registries.conf has it.
pub trait ShortNames {
    /// Full names in the order in which they are tried; none when nothing is known.
    fn expand(&self, name: &str) -> Vec<Reference>;
}

/// The images below one root.
pub struct ImageStore<'a> {
    layout: &'a Layout,
    database: &'a mut Database,
    limits: Limits,
    interrupted: &'a dyn Fn() -> bool,
    /// Full names that a short one may stand for.
    short_names: Option<&'a dyn ShortNames>,
}

/// An image found by what a user typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The stored name that matched; `None` when it was found by id or digest.
    pub name: Option<String>,
}

impl<'a> ImageStore<'a> {
    pub fn new(layout: &'a Layout, database: &'a mut Database) -> Self {
        Self { layout, database, limits: Limits::default(), interrupted: &|| false, short_names: None }
    }

    /// Replaces the limits on what a layer may unpack to.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets what is asked while images come here: true ends that with [`ImageError::Interrupted`].
    pub fn interrupted_when(mut self, interrupted: &'a dyn Fn() -> bool) -> Self {
        self.interrupted = interrupted;
        self
    }

    /// Sets what gives the full names that a short one may stand for, beside those below `localhost/` and `docker.io/`.
    pub fn with_short_names(mut self, short_names: &'a dyn ShortNames) -> Self {
        self.short_names = Some(short_names);
        self
    }

    /// Finds an image: by name (as typed, below `localhost/`, below `docker.io/`), by name and digest, by digest, by the beginning
    /// of its id, or by a short name.
    ///
    /// # Errors
    /// [`ImageError::Ambiguous`] for the beginning of several ids; a name that is none is an error, too.
    pub fn resolve(&self, text: &str) -> Result<Option<Found>, ImageError> {
        let connection = self.database.connection();
        if let Some(found) = by_name(connection, text)? {
            return Ok(Some(found));
        }
        if let Some(found) = by_id(connection, text)? {
            return Ok(Some(found));
        }
        for full in self.short_names.map(|names| names.expand(text)).unwrap_or_default() {
            if let Some(found) = by_reference(connection, &full)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Like [`ImageStore::resolve`], with an absent image as an error.
    pub fn find(&self, text: &str) -> Result<Found, ImageError> {
        self.resolve(text)?.ok_or_else(|| ImageError::NotFound(text.to_owned()))
    }

    /// What a container of this image needs: layers and configuration, under the full name that was found.
    pub fn to_record(&self, text: &str) -> Result<ImageRecord, ImageError> {
        self.record_of(self.find(text)?)
    }

    /// [`ImageStore::to_record`] of an image that was found.
    pub fn record_of(&self, found: Found) -> Result<ImageRecord, ImageError> {
        let mut record = read_record(self.database.connection(), &found.id)?;
        record.reference = match found.name {
            Some(name) => name,
            None => names_of(self.database.connection(), &found.id)?.into_iter().next().unwrap_or(found.id),
        };
        Ok(record)
    }

    /// Bytes that an image's layers take, unpacked.
    pub fn size(&self, id: &str) -> Result<u64, ImageError> {
        Ok(inspect::stored(self.database.connection(), id)?.size)
    }

    /// Gives an image another name; an image that had it loses it.
    ///
    /// # Errors
    /// [`ImageError::NameTaken`] when a manifest list has the name: it would be lost without one.
    pub fn tag(&mut self, image: &str, name: &str) -> Result<(), ImageError> {
        let found = self.find(image)?;
        let name = new_name(name)?;
        if list::find_by_name(self.database.connection(), &name)?.is_some() {
            return Err(ImageError::NameTaken(name));
        }
        self.database.write(|transaction| set_name(transaction, &name, &found.id))?;
        self.note("tag", &found.id, &[&name]);
        Ok(())
    }

    /// Takes one name, or all when `names` is empty, away from an image, which stays.
    pub fn untag(&mut self, image: &str, names: &[String]) -> Result<Vec<String>, ImageError> {
        let found = self.find(image)?;
        let all = names_of(self.database.connection(), &found.id)?;
        let mut taken = Vec::new();
        for name in names {
            let candidates = local_candidates(name)?;
            let known = candidates.iter().filter_map(Reference::tagged).find(|name| all.contains(name));
            taken.push(known.ok_or_else(|| ImageError::NotFound(name.clone()))?);
        }
        let taken = if names.is_empty() { all } else { taken };
        self.database.write(|transaction| {
            for name in &taken {
                transaction.execute("DELETE FROM image_names WHERE name = ?", [name])?;
            }
            Ok::<_, ImageError>(())
        })?;
        self.note("untag", &found.id, &taken);
        Ok(taken)
    }

    /// Appends to the event log what was done to an image, once for each name.
    pub fn note(&self, action: &str, id: &str, names: &[impl AsRef<str>]) {
        let event = |name: &str| LoggedEvent::now("image", action, id, name);
        let events: Vec<LoggedEvent> = match names.is_empty() {
            true => vec![event(id)],
            false => names.iter().map(|name| event(name.as_ref())).collect(),
        };
        // A full disk must not fail what has been done.
        if let Err(error) = crate::store::events::append(self.layout, &events) {
            tracing::warn!(%error, "cannot append to the event log");
        }
    }

    /// Whether a registry gave an image, or has it.
    pub fn was_pulled(&self, id: &str) -> Result<bool, ImageError> {
        // Of its own layer: those below may be shared with others.
        let query = "SELECT 1 FROM layer_blobs JOIN layers USING (diff_id) JOIN image_layers USING (chain)
                     WHERE image = ?1 AND position = (SELECT max(position) FROM image_layers WHERE image = ?1) LIMIT 1";
        Ok(self.database.connection().query_row(query, [id], |_| Ok(())).optional()?.is_some())
    }

    /// The files of a layer.
    pub(in crate::image) fn layer_directory(&self, chain: &str) -> PathBuf {
        self.layout.layer_diff(chain)
    }

    fn stage(&self) -> Stage<'a> {
        Stage { layout: self.layout, limits: self.limits }
    }

    fn has_layer(&self, chain: &str) -> Result<bool, ImageError> {
        let query = "SELECT 1 FROM layers WHERE chain = ?";
        Ok(self.database.connection().query_row(query, [chain], |_| Ok(())).optional()?.is_some())
    }
}

/// Another command was faster.
fn vanished(id: &str) -> ImageError {
    ImageError::Vanished(id.to_owned())
}

/// A name under which an image can be stored: full, with a tag, without a digest.
fn new_name(text: &str) -> Result<String, ImageError> {
    let reference = Reference::parse_local(text)?;
    if reference.digest.is_some() {
        return Err(ImageError::DigestName(text.to_owned()));
    }
    Ok(reference.to_string())
}

fn set_name(connection: &Connection, name: &str, image: &str) -> Result<(), ImageError> {
    let query =
        "INSERT INTO image_names (name, image) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET image = excluded.image";
    connection.execute(query, [name, image])?;
    Ok(())
}

fn names_of(connection: &Connection, id: &str) -> Result<Vec<String>, ImageError> {
    let mut statement = connection.prepare_cached("SELECT name FROM image_names WHERE image = ? ORDER BY name")?;
    let names = statement.query_map([id], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

fn read_record(connection: &Connection, id: &str) -> Result<ImageRecord, ImageError> {
    let query = "SELECT record FROM images WHERE id = ?";
    let json: String = connection.query_row(query, [id], |row| row.get(0)).optional()?.ok_or_else(|| vanished(id))?;
    let unreadable = |source| StoreError::Record { subject: format!("image {id}"), source };
    Ok(serde_json::from_str(&json).map_err(unreadable)?)
}

fn by_name(connection: &Connection, text: &str) -> Result<Option<Found>, ImageError> {
    let candidates = match local_candidates(text) {
        Ok(candidates) => candidates,
        // An id or a digest may be no name.
        Err(_) if is_id_like(text) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    for candidate in candidates {
        if let Some(found) = by_reference(connection, &candidate)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn by_reference(connection: &Connection, reference: &Reference) -> Result<Option<Found>, ImageError> {
    match &reference.digest {
        None => by_full_name(connection, &reference.to_string()),
        Some(digest) => by_digest(connection, &reference.name(), &digest.to_string()),
    }
}

fn by_full_name(connection: &Connection, name: &str) -> Result<Option<Found>, ImageError> {
    let mut statement = connection.prepare_cached("SELECT image FROM image_names WHERE name = ?")?;
    let id: Option<String> = statement.query_row([name], |row| row.get(0)).optional()?;
    Ok(id.map(|id| Found { id, name: Some(name.to_owned()) }))
}

/// An image with that manifest digest, known by some tag of that repository.
fn by_digest(connection: &Connection, repository: &str, digest: &str) -> Result<Option<Found>, ImageError> {
    let query = "SELECT image FROM image_manifests JOIN image_names USING (image)
                 WHERE digest = ?1 AND substr(name, 1, length(?2) + 1) IN (?2 || ':', ?2 || '@')";
    let id: Option<String> = connection.query_row(query, [digest, repository], |row| row.get(0)).optional()?;
    Ok(id.map(|id| Found { id, name: Some(format!("{repository}@{digest}")) }))
}

/// The configuration of an image that is here, byte for byte.
pub(crate) fn configuration(database: &Database, id: &Digest) -> Option<Vec<u8>> {
    let query = "SELECT config FROM images WHERE id = ?";
    let config = database.connection().query_row(query, [id.hex()], |row| row.get::<_, String>(0));
    // Whoever asks can do without.
    config.ok().map(String::into_bytes)
}

/// The configuration of the image that has this full name, and its digest.
pub(crate) fn configuration_named(database: &Database, name: &str) -> Option<(Digest, Vec<u8>)> {
    let query = "SELECT id, config FROM images JOIN image_names ON image = id WHERE name = ?";
    let row =
        database.connection().query_row(query, [name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    // Whoever asks can do without.
    let (id, config) = row.ok()?;
    Some((Digest::from_hex(&id).ok()?, config.into_bytes()))
}

fn is_id_like(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    !hex.is_empty() && hex.len() <= 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn by_id(connection: &Connection, text: &str) -> Result<Option<Found>, ImageError> {
    if !is_id_like(text) {
        return Ok(None);
    }
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let query = "SELECT id FROM images WHERE id >= ?1 AND id < ?1 || 'g'
                 UNION SELECT image FROM image_manifests WHERE digest = 'sha256:' || ?1 LIMIT 10";
    let mut statement = connection.prepare(query)?;
    let ids: Vec<String> = statement.query_map(params![hex], |row| row.get(0))?.collect::<Result<_, _>>()?;
    match ids.as_slice() {
        [] => Ok(None),
        [id] => Ok(Some(Found { id: id.clone(), name: None })),
        several => Err(ImageError::Ambiguous { text: text.to_owned(), count: several.len() }),
    }
}
