//! Images in: from archives, from a tar of files; the rows of layers and images.

use super::super::archive::{Archive, ArchiveError, ArchivedImage, Input};
use super::super::changes;
use super::super::config::{ConfigDocument, Descriptor, DocumentError, History, Manifest, RootFs};
use super::super::digest::Digest;
use super::super::error::{ImageError, write_error};
use super::super::layer::Expected;
use super::super::platform::host_architecture;
use super::super::reference::Reference;
use super::super::transfer::{Again, ImageSource, Incoming, LayerSource, OpenLayer, TransferEvent};
use super::stage::Made;
use super::{ImageStore, new_name, set_name};
use crate::store::lock::FileLock;
use crate::store::record::ImageRecord;
use crate::store::reserve;
use crate::sys::dir;
use crate::sys::failpoint;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::io::Read;

/// An image that is now on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Full names it was given.
    pub names: Vec<String>,
}

/// What `import` makes of a tar of files.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    pub name: Option<String>,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    pub message: Option<String>,
    /// Where the files came from, for the history.
    pub origin: String,
    /// As images name it; this machine's when absent.
    pub architecture: Option<String>,
    pub variant: Option<String>,
}

/// An image whose layers are there, about to be recorded; fields as in [`Incoming`].
pub(super) struct NewImage {
    pub names: Vec<String>,
    pub config: Vec<u8>,
    pub manifests: Vec<Vec<u8>>,
    pub blobs: Vec<Descriptor>,
    /// Numbers of the layers that were unpacked from the blob that `blobs` has for them.
    pub checked: BTreeSet<usize>,
    pub repository: Option<String>,
}

impl ImageStore<'_> {
    /// Loads every image of an archive. `what` names it in errors.
    ///
    /// # Errors
    /// The first image that cannot be loaded; those before and after it may have been.
    pub fn load(&mut self, input: Input<'_>, what: &str) -> Result<Vec<Loaded>, ImageError> {
        self.load_watched(input, what, &mut |_| {})
    }

    /// [`ImageStore::load`], and says how far it is.
    pub fn load_watched(
        &mut self,
        input: Input<'_>,
        what: &str,
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<Vec<Loaded>, ImageError> {
        self.prepare()?;
        let broken = |source| ImageError::Archive { what: what.to_owned(), source };
        let archive = Archive::open(input, &self.layout.layers()).map_err(|source| match source {
            ArchiveError::Io(e) if e.kind() == std::io::ErrorKind::StorageFull => write_error(&self.layout.root)(e),
            source => broken(source),
        })?;
        let images = archive.images().iter().map(|image| FromArchive::new(&archive, image)).collect::<Vec<_>>();
        let sources: Vec<&dyn ImageSource> = images.iter().map(|image| image as &dyn ImageSource).collect();
        self.take_in(&sources, report)?.into_iter().collect()
    }

    /// Makes an image of a tar of files, compressed or not.
    pub fn import(&mut self, source: impl Read + Send, options: &ImportOptions) -> Result<Loaded, ImageError> {
        self.prepare()?;
        let _lease = FileLock::acquire_shared(&self.layout.intake_lock())?;
        let name = options.name.as_deref().map(new_name).transpose()?;
        let now = jiff::Timestamp::now();
        let comment = options.message.clone().unwrap_or_else(|| format!("Imported from {}", options.origin));
        let mut config = ConfigDocument {
            created: Some(now.to_string()),
            architecture: options.architecture.clone().unwrap_or_else(|| host_architecture().to_owned()),
            variant: options.variant.clone(),
            os: "linux".into(),
            history: vec![History { created: Some(now.to_string()), comment: Some(comment), ..History::default() }],
            ..ConfigDocument::default()
        };
        for change in &options.changes {
            changes::apply(&mut config.config, change)?;
        }
        // Its digest is known only afterwards, so it cannot be unpacked under its own name: a second of the same content is thrown away.
        let staging = format!("import-{}-{}", std::process::id(), now.as_nanosecond());
        let stage = self.stage();
        let lock = FileLock::acquire(&stage.layer_lock(&staging))?.removing();
        let unpacked = stage.unpack(&staging, source, &Expected::default(), (&options.origin, 0))?;
        config.rootfs = RootFs { kind: "layers".into(), diff_ids: vec![unpacked.diff_id.clone()] };
        let json = serde_json::to_vec(&config).expect("a configuration has only string keys and finite numbers");
        let chain = unpacked.diff_id.hex().to_owned();
        let own = FileLock::acquire(&stage.layer_lock(&chain))?.removing();
        let staged = stage.temporary_dir(&staging);
        let made = match self.has_layer(&chain)? {
            true => {
                dir::remove_tree(&staged).map_err(write_error(staged))?;
                Vec::new()
            }
            false => {
                let target = stage.temporary_dir(&chain);
                dir::remove_tree(&target).map_err(write_error(&target))?;
                std::fs::rename(&staged, &target).map_err(write_error(&target))?;
                vec![Made { chain, unpacked, _lock: own }]
            }
        };
        drop(lock);
        stage.sync()?;
        stage.publish(made.iter(), true)?;
        let document = ConfigDocument::parse(&json)?;
        let image = NewImage {
            names: name.into_iter().collect(),
            config: json,
            manifests: Vec::new(),
            blobs: Vec::new(),
            checked: BTreeSet::new(),
            repository: None,
        };
        failpoint::reach("image.commit").map_err(ImageError::Failpoint)?;
        let loaded = self.database.write(|transaction| {
            record_layers(transaction, &made)?;
            record_image(transaction, &image, &document)
        })?;
        self.note("import", &loaded.id, &loaded.names);
        Ok(loaded)
    }

    /// The directory of layers; what an interrupted command left there goes.
    pub(in crate::image) fn prepare(&mut self) -> Result<(), ImageError> {
        let layers = self.layout.layers();
        std::fs::create_dir_all(&layers).map_err(write_error(&layers))?;
        self.clear()?;
        // A disk that has no room for it will say so of what is brought here, and what is here already needs none.
        let _ = reserve::keep(self.layout);
        Ok(())
    }
}

/// An image of an archive.
struct FromArchive<'a> {
    archive: &'a Archive,
    image: &'a ArchivedImage,
    label: String,
}

impl<'a> FromArchive<'a> {
    fn new(archive: &'a Archive, image: &'a ArchivedImage) -> Self {
        let name = image.names.iter().find_map(Reference::tagged);
        Self { archive, image, label: name.unwrap_or_else(|| Digest::of(&image.config).hex()[..12].to_owned()) }
    }
}

impl ImageSource for FromArchive<'_> {
    fn label(&self) -> &str {
        &self.label
    }

    fn resolve(&self) -> Result<Incoming<'_>, ImageError> {
        Ok(Incoming {
            names: self.image.names.iter().filter_map(Reference::tagged).collect(),
            config: self.image.config.clone(),
            manifests: self.image.manifest.iter().cloned().collect(),
            blobs: Vec::new(),
            repository: None,
            durable: true,
            layers: Box::new(ArchivedLayers { archive: self.archive, image: self.image, label: &self.label }),
        })
    }
}

struct ArchivedLayers<'a> {
    archive: &'a Archive,
    image: &'a ArchivedImage,
    label: &'a str,
}

impl LayerSource for ArchivedLayers<'_> {
    fn open(&self, number: usize, _: Again) -> Result<OpenLayer<'_>, ImageError> {
        let layer = &self.image.layers[number];
        let unreadable = |source| ImageError::Archive { what: self.label.to_owned(), source };
        let blob = self.archive.layer(layer).map_err(unreadable)?;
        Ok(OpenLayer { blob, expected: layer.expected.clone() })
    }
}

/// Writes the rows of layers that are in place.
pub(super) fn record_layers(transaction: &Connection, made: &[Made]) -> Result<(), ImageError> {
    let now = jiff::Timestamp::now().to_string();
    let query = "INSERT OR IGNORE INTO layers (chain, diff_id, size, opaque, created) VALUES (?, ?, ?, ?, ?)";
    let mut statement = transaction.prepare(query)?;
    for Made { chain, unpacked, _lock: _ } in made {
        let size = unpacked.size as i64;
        statement.execute((chain, unpacked.diff_id.to_string(), size, unpacked.opaque, &now))?;
    }
    Ok(())
}

/// Writes the rows of an image all of whose layers have theirs.
pub(super) fn record_image(
    transaction: &Connection,
    image: &NewImage,
    document: &ConfigDocument,
) -> Result<Loaded, ImageError> {
    let NewImage { names, config, manifests, blobs, checked, repository } = image;
    let id = Digest::of(config).hex().to_owned();
    let chains: Vec<String> = document.chains().iter().map(|chain| chain.hex().to_owned()).collect();
    let mut rows: Vec<(i64, bool)> = Vec::new();
    let mut statement = transaction.prepare("SELECT size, opaque FROM layers WHERE chain = ?")?;
    for chain in &chains {
        rows.push(statement.query_row([chain], |row| Ok((row.get(0)?, row.get(1)?)))?);
    }
    let made;
    let manifests = match manifests.is_empty() {
        false => manifests,
        true => {
            let sizes = rows.iter().map(|(size, _)| *size as u64);
            let layers: Vec<_> = document.rootfs.diff_ids.iter().cloned().zip(sizes).collect();
            made = vec![Manifest::synthesize(config, &layers).to_json().into_bytes()];
            &made
        }
    };
    // What lies below an opaque layer is never seen.
    let first = rows.iter().rposition(|(_, opaque)| *opaque).unwrap_or(0);
    let record = ImageRecord {
        id: id.clone(),
        reference: String::new(),
        layers: chains[first..].to_vec(),
        config: document.to_record(),
    };
    let record = serde_json::to_string(&record).expect("an image record has only string keys");
    let size: i64 = rows.iter().map(|(size, _)| size).sum();
    transaction.execute(
        "INSERT INTO images (id, digest, created, size, record, config, loaded) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET loaded = excluded.loaded",
        (
            &id,
            Digest::of(&manifests[0]).to_string(),
            document.created.as_deref(),
            size,
            record,
            text(config)?,
            jiff::Timestamp::now().to_string(),
        ),
    )?;
    for manifest in manifests {
        let query = "INSERT OR IGNORE INTO image_manifests (image, digest, content) VALUES (?, ?, ?)";
        transaction.execute(query, (&id, Digest::of(manifest).to_string(), text(manifest)?))?;
    }
    for (position, chain) in chains.iter().enumerate() {
        let query = "INSERT OR IGNORE INTO image_layers (image, position, chain) VALUES (?, ?, ?)";
        transaction.execute(query, (&id, position as i64, chain))?;
    }
    if let Some(repository) = repository {
        let forms = document.rootfs.diff_ids.iter().zip(blobs).enumerate();
        let forms = forms.map(|(number, (diff_id, blob))| (diff_id, blob, checked.contains(&number)));
        record_blobs(transaction, forms, repository)?;
    }
    for name in names {
        set_name(transaction, name, &id)?;
    }
    Ok(Loaded { id, names: names.clone() })
}

/// What [`record_image`] would give when it would change nothing: then nothing need be written, and synced.
pub(super) fn recorded(connection: &Connection, image: &NewImage) -> Result<Option<Loaded>, ImageError> {
    let id = Digest::of(&image.config).hex().to_owned();
    let has = |query: &str, values: [&str; 2]| -> Result<bool, ImageError> {
        Ok(connection.prepare_cached(query)?.exists(values)?)
    };
    for name in &image.names {
        if !has("SELECT 1 FROM image_names WHERE name = ? AND image = ?", [name, &id])? {
            return Ok(None);
        }
    }
    for manifest in &image.manifests {
        let digest = Digest::of(manifest).to_string();
        if !has("SELECT 1 FROM image_manifests WHERE digest = ? AND image = ?", [&digest, &id])? {
            return Ok(None);
        }
    }
    if let (Some(repository), Some(top)) = (&image.repository, image.blobs.last()) {
        let digest = top.digest.to_string();
        if !has("SELECT 1 FROM layer_blobs WHERE repository = ? AND digest = ?", [repository, &digest])? {
            return Ok(None);
        }
    }
    let known = has("SELECT 1 FROM images WHERE id = ? AND id <> ?", [&id, ""])?;
    Ok(known.then(|| Loaded { id, names: image.names.clone() }))
}

/// Remembers in which form a repository (`host/path`) has layers, and whether more than a manifest says so: a manifest may lie.
pub(super) fn record_blobs<'b>(
    transaction: &Connection,
    blobs: impl Iterator<Item = (&'b Digest, &'b Descriptor, bool)>,
    repository: &str,
) -> Result<(), ImageError> {
    let query = "INSERT INTO layer_blobs (diff_id, repository, digest, size, media_type, checked) VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET size = excluded.size, media_type = excluded.media_type, checked = excluded.checked
                 WHERE excluded.checked >= checked";
    let mut statement = transaction.prepare(query)?;
    for (diff_id, blob, checked) in blobs {
        let (digest, size) = (blob.digest.to_string(), blob.size as i64);
        statement.execute((diff_id.to_string(), repository, digest, size, &blob.media_type, checked))?;
    }
    Ok(())
}

/// Documents are JSON, and so text; one that is not would come back changed.
fn text(document: &[u8]) -> Result<&str, ImageError> {
    std::str::from_utf8(document).map_err(|_| DocumentError::NotText.into())
}
