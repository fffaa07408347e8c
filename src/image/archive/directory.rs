//! Directories of one image (containers-transports(5), "dir:"): its manifest, and blobs named by the digits of their digests.

use super::files::Files;
use super::{ArchiveError, ArchivedImage, ArchivedLayer};
use crate::image::config::{ConfigDocument, DocumentError, MAX_DOCUMENT, ManifestDocument};
use crate::image::digest::Digest;
use crate::image::layer::Expected;

pub(super) fn images(files: &Files) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let json = files.read("manifest.json", MAX_DOCUMENT)?;
    let ManifestDocument::Image(manifest) = ManifestDocument::parse(&json)? else {
        return Err(DocumentError::NotAManifest.into());
    };
    let config = files.read(manifest.config.digest.hex(), MAX_DOCUMENT)?;
    if Digest::of(&config) != manifest.config.digest {
        return Err(ArchiveError::BlobMismatch { digest: manifest.config.digest });
    }
    let document = ConfigDocument::parse(&config)?;
    document.check_layers(manifest.layers.len())?;
    let layers = manifest.layers.iter().zip(&document.rootfs.diff_ids).map(|(layer, diff_id)| ArchivedLayer {
        name: layer.digest.hex().to_owned(),
        expected: Expected { blob: Some((layer.digest.clone(), Some(layer.size))), diff_id: Some(diff_id.clone()) },
    });
    Ok(vec![ArchivedImage { names: Vec::new(), layers: layers.collect(), config, manifest: Some(json) }])
}
