//! Images in: from archives, from a tar of files, from the program itself.

use super::super::archive::{Archive, ArchiveError, Input};
use super::super::changes;
use super::super::config::{ConfigDocument, History, Manifest, RootFs, host_architecture};
use super::super::digest::Digest;
use super::super::error::{ImageError, write_error};
use super::super::layer::{Expected, LayerError, Unpacked, unpack};
use super::super::reference::Reference;
use super::{ImageStore, new_name, set_name};
use crate::store::lock::FileLock;
use crate::store::record::ImageRecord;
use crate::sys::dir::{self, Dir};
use crate::sys::failpoint;
use rustix::fs::Mode;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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

/// An image about to be added.
pub(in crate::image) struct NewImage<'i> {
    pub names: Vec<String>,
    /// Configuration and manifest as they came.
    pub config: &'i [u8],
    pub manifest: Option<&'i [u8]>,
    /// False for what can be made again at any time, and is checked before it is used.
    pub durable: bool,
}

/// Gives the blob of the layer with that number.
type OpenLayer<'l> = dyn FnMut(usize) -> Result<(Box<dyn Read + Send + 'l>, Expected), ArchiveError> + 'l;

/// A layer that stands, but has no row yet.
struct Made {
    chain: String,
    unpacked: Unpacked,
    /// Held until the row is there, so that one layer is unpacked once.
    _lock: FileLock,
}

/// Another command may remove a shared layer between our look at it and our commit; then all is looked at again.
const ATTEMPTS: usize = 5;

impl ImageStore<'_> {
    /// Loads every image of an archive. `what` names it in errors.
    pub fn load(&mut self, input: Input<'_>, what: &str) -> Result<Vec<Loaded>, ImageError> {
        self.prepare()?;
        let broken = |source| ImageError::Archive { what: what.to_owned(), source };
        let archive = Archive::open(input, &self.layout.layers()).map_err(|source| match source {
            ArchiveError::Io(e) if e.kind() == std::io::ErrorKind::StorageFull => write_error(&self.layout.root)(e),
            source => broken(source),
        })?;
        let mut loaded = Vec::new();
        for image in archive.images() {
            let new = NewImage {
                names: image.names.iter().filter_map(Reference::tagged).collect(),
                config: &image.config,
                manifest: image.manifest.as_deref(),
                durable: true,
            };
            let mut open = |number: usize| {
                let layer = &image.layers[number];
                Ok((archive.layer(layer)?, layer.expected.clone()))
            };
            loaded.push(self.add(new, &mut open)?);
        }
        Ok(loaded)
    }

    /// Makes an image of a tar of files, compressed or not.
    pub fn import(&mut self, source: impl Read + Send, options: &ImportOptions) -> Result<Loaded, ImageError> {
        self.prepare()?;
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
        let lock = FileLock::acquire(&self.layer_lock(&staging))?.removing();
        let unpacked = self.unpack_layer(&staging, None, source, &Expected::default(), 1, &options.origin)?;
        config.rootfs = RootFs { kind: "layers".into(), diff_ids: vec![unpacked.diff_id.clone()] };
        let json = serde_json::to_vec(&config).expect("a configuration has only string keys and finite numbers");
        let chain = unpacked.diff_id.hex().to_owned();
        let own = FileLock::acquire(&self.layer_lock(&chain))?.removing();
        let staged = self.temporary_dir(&staging);
        let made = match self.has_layer(&chain)? {
            true => {
                dir::remove_tree(&staged).map_err(write_error(staged))?;
                Vec::new()
            }
            false => {
                let target = self.temporary_dir(&chain);
                dir::remove_tree(&target).map_err(write_error(&target))?;
                std::fs::rename(&staged, &target).map_err(write_error(&target))?;
                vec![Made { chain, unpacked, _lock: own }]
            }
        };
        drop(lock);
        let names: Vec<String> = name.into_iter().collect();
        let new = NewImage { names, config: &json, manifest: None, durable: true };
        let document = ConfigDocument::parse(&json)?;
        self.commit(&new, &document, made)?.ok_or_else(|| ImageError::Vanished(options.origin.clone()))
    }

    /// Adds one image: makes the layers that are missing, then the rows.
    pub(in crate::image) fn add(
        &mut self,
        image: NewImage<'_>,
        open: &mut OpenLayer<'_>,
    ) -> Result<Loaded, ImageError> {
        let document = ConfigDocument::parse(image.config)?;
        let label = image.names.first().cloned().unwrap_or_else(|| Digest::of(image.config).hex()[..12].to_owned());
        for _ in 0..ATTEMPTS {
            let made = self.make_layers(&document, &label, open)?;
            if let Some(loaded) = self.commit(&image, &document, made)? {
                return Ok(loaded);
            }
        }
        Err(ImageError::Vanished(label))
    }

    /// The directory of layers; what an interrupted command left there goes.
    pub(in crate::image) fn prepare(&mut self) -> Result<(), ImageError> {
        let layers = self.layout.layers();
        std::fs::create_dir_all(&layers).map_err(write_error(&layers))?;
        self.sweep()?;
        Ok(())
    }

    /// Unpacks what is missing, lowest layer first: as chain ids form a tree, all commands take locks in one order.
    fn make_layers(
        &mut self,
        document: &ConfigDocument,
        label: &str,
        open: &mut OpenLayer<'_>,
    ) -> Result<Vec<Made>, ImageError> {
        let mut made = Vec::new();
        let mut below: Option<String> = None;
        for (number, chain) in document.chains().iter().enumerate() {
            let chain = chain.hex().to_owned();
            if !self.has_layer(&chain)? {
                let lock = FileLock::acquire(&self.layer_lock(&chain))?.removing();
                // Made by another command while this one waited.
                if !self.has_layer(&chain)? {
                    let unreadable = |source| ImageError::Archive { what: label.to_owned(), source };
                    let (source, expected) = open(number).map_err(unreadable)?;
                    let unpacked = self.unpack_layer(&chain, below.as_deref(), source, &expected, number + 1, label)?;
                    made.push(Made { chain: chain.clone(), unpacked, _lock: lock });
                }
            }
            below = Some(chain);
        }
        Ok(made)
    }

    /// Unpacks one layer to its temporary directory, whose lock is held; nothing stays when that fails.
    fn unpack_layer(
        &self,
        chain: &str,
        below: Option<&str>,
        source: impl Read + Send,
        expected: &Expected,
        number: usize,
        label: &str,
    ) -> Result<Unpacked, ImageError> {
        let temporary = self.temporary_dir(chain);
        dir::remove_tree(&temporary).map_err(write_error(&temporary))?;
        let directory = self.make_diff(&temporary, below).map_err(write_error(&temporary))?;
        failpoint::reach("image.layer.unpack").map_err(ImageError::Failpoint)?;
        let unpacked = unpack(source, expected, &directory, &self.limits).map_err(|source| {
            // The error of unpacking is the one to tell; what stays is swept up later.
            let _ = dir::remove_tree(&temporary);
            match source {
                full if LayerError::is_disk_full(&full) => ImageError::DiskFull { path: self.layout.root.clone() },
                source => ImageError::Layer { image: label.to_owned(), number, source },
            }
        })?;
        failpoint::reach("image.layer.unpacked").map_err(ImageError::Failpoint)?;
        Ok(unpacked)
    }

    /// The directory of a layer with its empty `diff`. Overlay shows the root directory of the top layer, so that each begins with what the one
    /// below has there.
    fn make_diff(&self, temporary: &Path, below: Option<&str>) -> std::io::Result<Dir> {
        let path = temporary.join("diff");
        std::fs::create_dir_all(&path)?;
        let diff = Dir::open(&path)?;
        let (mode, uid, gid) = match below {
            None => (0o755, 0, 0),
            Some(chain) => {
                // It may be one that was only just unpacked.
                let standing = [self.layout.layer_diff(chain), self.temporary_dir(chain).join("diff")];
                let found = standing.iter().find_map(|path| std::fs::metadata(path).ok());
                found.map_or((0o755, 0, 0), |m| (m.mode() & 0o7777, m.uid(), m.gid()))
            }
        };
        std::os::unix::fs::fchown(&diff, Some(uid), Some(gid))?;
        rustix::fs::fchmod(&diff, Mode::from_raw_mode(mode))?;
        Dir::open(temporary)
    }

    /// Makes layers durable and visible, then writes the rows. `None` when a layer that had been there has gone meanwhile.
    fn commit(
        &mut self,
        image: &NewImage<'_>,
        document: &ConfigDocument,
        made: Vec<Made>,
    ) -> Result<Option<Loaded>, ImageError> {
        self.publish(&made, image.durable)?;
        let id = Digest::of(image.config).hex().to_owned();
        let chains: Vec<String> = document.chains().iter().map(|chain| chain.hex().to_owned()).collect();
        let now = jiff::Timestamp::now().to_string();
        let names = image.names.clone();
        let write = |transaction: &rusqlite::Connection| -> Result<Option<Loaded>, ImageError> {
            for Made { chain, unpacked, _lock: _ } in &made {
                transaction.execute(
                    "INSERT OR IGNORE INTO layers (chain, diff_id, size, opaque, created) VALUES (?, ?, ?, ?, ?)",
                    (chain, unpacked.diff_id.to_string(), unpacked.size as i64, unpacked.opaque, &now),
                )?;
            }
            let mut rows = Vec::new();
            let mut statement = transaction.prepare("SELECT size, opaque FROM layers WHERE chain = ?")?;
            for chain in &chains {
                match rusqlite::OptionalExtension::optional(
                    statement.query_row([chain], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?))),
                )? {
                    Some(row) => rows.push(row),
                    None => return Ok(None),
                }
            }
            let manifest = match image.manifest {
                Some(manifest) => String::from_utf8_lossy(manifest).into_owned(),
                None => {
                    let sizes = rows.iter().map(|(size, _)| *size as u64);
                    let layers: Vec<_> = document.rootfs.diff_ids.iter().cloned().zip(sizes).collect();
                    Manifest::synthesize(image.config, &layers).to_json()
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
                "INSERT INTO images (id, digest, created, size, record, config, manifest, loaded) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (id) DO UPDATE SET loaded = excluded.loaded",
                (
                    &id,
                    Digest::of(manifest.as_bytes()).to_string(),
                    document.created.as_deref(),
                    size,
                    record,
                    String::from_utf8_lossy(image.config),
                    &manifest,
                    &now,
                ),
            )?;
            for (position, chain) in chains.iter().enumerate() {
                let query = "INSERT OR IGNORE INTO image_layers (image, position, chain) VALUES (?, ?, ?)";
                transaction.execute(query, (&id, position as i64, chain))?;
            }
            for name in &names {
                set_name(transaction, name, &id)?;
            }
            Ok(Some(Loaded { id: id.clone(), names: names.clone() }))
        };
        failpoint::reach("image.commit").map_err(ImageError::Failpoint)?;
        if image.durable { self.database.write(write) } else { self.database.write_relaxed(write) }
    }

    /// Syncs unpacked layers and renames them to where they are found.
    fn publish(&self, made: &[Made], durable: bool) -> Result<(), ImageError> {
        if made.is_empty() {
            return Ok(());
        }
        let path = self.layout.layers();
        let layers = Dir::open(&path).map_err(write_error(&path))?;
        if durable {
            rustix::fs::syncfs(&layers).map_err(|e| write_error(&path)(e.into()))?;
        }
        for layer in made {
            let target = self.layer_dir(&layer.chain);
            // Without a row it is what an interrupted command left.
            dir::remove_tree(&target).map_err(write_error(&target))?;
            std::fs::rename(self.temporary_dir(&layer.chain), &target).map_err(write_error(&target))?;
        }
        if durable {
            layers.sync().map_err(write_error(&path))?;
        }
        failpoint::reach("image.layer.published").map_err(ImageError::Failpoint)
    }
}
