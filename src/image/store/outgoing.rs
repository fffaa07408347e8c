//! Images out: what is needed to send one somewhere, or to write it to an archive.

use super::super::config::{ConfigDocument, Descriptor, Manifest, ManifestDocument};
use super::super::digest::Digest;
use super::super::error::ImageError;
use super::super::layer::{Restored, restore};
use super::ImageStore;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// An image about to leave; its layers are read when they are needed.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The stored name that was given; `None` when it was found by its id.
    pub name: Option<String>,
    /// Byte for byte.
    pub config: Vec<u8>,
    pub document: ConfigDocument,
    /// Its manifest, byte for byte, and read.
    pub manifest_bytes: Vec<u8>,
    pub manifest: Manifest,
    /// Lowest first.
    pub layers: Vec<OutgoingLayer>,
}

/// A layer of an image about to leave.
#[derive(Debug, Clone)]
pub struct OutgoingLayer {
    pub diff_id: Digest,
    /// Bytes of the uncompressed archive.
    pub size: u64,
    /// Repositories (`host/path`), and the form in which each has the layer.
    pub forms: Vec<(String, Descriptor)>,
    directory: PathBuf,
}

/// A layer whose archive cannot be made again.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the archive of layer `{diff_id}` again")]
pub struct RestoreError {
    diff_id: Digest,
    source: super::super::layer::RecipeError,
}

impl RestoreError {
    /// True when it was the reader of the archive that went away or failed.
    pub fn is_write(&self) -> bool {
        matches!(self.source, super::super::layer::RecipeError::Write(_))
    }
}

impl OutgoingLayer {
    /// Writes the uncompressed archive, byte for byte as it was when it was unpacked.
    pub fn write_to(&self, out: impl Write) -> Result<Restored, RestoreError> {
        let failed = |source| RestoreError { diff_id: self.diff_id.clone(), source };
        restore(&self.directory, out).map_err(failed)
    }
}

impl ImageStore<'_> {
    /// What is needed to send an image.
    pub fn outgoing(&self, text: &str) -> Result<Outgoing, ImageError> {
        let found = self.find(text)?;
        let connection = self.database.connection();
        let super::inspect::Stored { config, manifest, .. } = super::stored(connection, &found.id)?;
        let document = ConfigDocument::parse(config.as_bytes())?;
        let ManifestDocument::Image(parsed) = ManifestDocument::parse(manifest.as_bytes())? else {
            return Err(super::super::config::DocumentError::NotAManifest.into());
        };
        let layers = self.outgoing_layers(connection, &found.id, &document)?;
        Ok(Outgoing {
            id: found.id,
            name: found.name,
            config: config.into_bytes(),
            document,
            manifest_bytes: manifest.into_bytes(),
            manifest: *parsed,
            layers,
        })
    }

    /// The manifest of an image, byte for byte; its digest is that of the image.
    pub fn manifest(&self, text: &str) -> Result<Vec<u8>, ImageError> {
        let found = self.find(text)?;
        Ok(super::stored(self.database.connection(), &found.id)?.manifest.into_bytes())
    }

    fn outgoing_layers(
        &self,
        connection: &Connection,
        id: &str,
        document: &ConfigDocument,
    ) -> Result<Vec<OutgoingLayer>, ImageError> {
        let mut size = connection.prepare("SELECT size FROM layers WHERE chain = ?")?;
        let mut forms = connection
            .prepare("SELECT repository, digest, size, media_type FROM layer_blobs WHERE diff_id = ? AND checked")?;
        let mut layers = Vec::new();
        for (chain, diff_id) in document.chains().iter().zip(&document.rootfs.diff_ids) {
            let mut known = Vec::new();
            let mut rows = forms.query([diff_id.to_string()])?;
            while let Some(row) = rows.next()? {
                // Only well-formed ones are written there.
                let Ok(digest) = row.get::<_, String>(1)?.parse::<Digest>() else { continue };
                let descriptor = Descriptor {
                    media_type: row.get(3)?,
                    digest,
                    size: row.get::<_, i64>(2)? as u64,
                    annotations: BTreeMap::new(),
                    platform: None,
                };
                known.push((row.get(0)?, descriptor));
            }
            layers.push(OutgoingLayer {
                diff_id: diff_id.clone(),
                size: size
                    .query_row([chain.hex()], |row| row.get::<_, i64>(0))
                    .optional()?
                    .ok_or_else(|| super::vanished(id))? as u64,
                forms: known,
                directory: self.stage().layer_dir(chain.hex()),
            });
        }
        Ok(layers)
    }

    /// Remembers in which form a repository (`host/path`) has the layers of an image.
    pub fn remember_forms(
        &mut self,
        image: &Outgoing,
        repository: &str,
        blobs: &[Descriptor],
    ) -> Result<(), ImageError> {
        let own = &image.manifest.layers;
        let forms = image.layers.iter().zip(blobs).enumerate().map(|(number, (layer, blob))| {
            // What the registry had already, and only the image's manifest says is this layer, is not known better now.
            let is_said = own.get(number).is_some_and(|own| own.digest == blob.digest);
            let is_known = layer.forms.iter().any(|(_, form)| form.digest == blob.digest);
            (&layer.diff_id, blob, is_known || !is_said)
        });
        self.database.write_relaxed(|transaction| super::add::record_blobs(transaction, forms, repository))
    }
}
