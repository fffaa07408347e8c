//! `docker save` archives: `manifest.json` lists configurations, names and layers.

use super::files::Files;
use super::{ArchiveError, ArchivedImage, ArchivedLayer};
use crate::image::config::{ConfigDocument, DockerEntry, MAX_DOCUMENT, parse};
use crate::image::digest::{Digest, is_hex_digest};
use crate::image::layer::Expected;
use crate::image::reference::Reference;

pub(super) fn images(files: &Files) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let entries: Vec<DockerEntry> = parse(&files.read("manifest.json", MAX_DOCUMENT)?, "manifest.json")?;
    entries.into_iter().map(|entry| image(files, entry)).collect()
}

fn image(files: &Files, entry: DockerEntry) -> Result<ArchivedImage, ArchiveError> {
    let config = files.read(&entry.config, MAX_DOCUMENT)?;
    let document = ConfigDocument::parse(&config)?;
    document.check_layers(entry.layers.len())?;
    if let Some(named) = digest_of_name(&entry.config)
        && named != Digest::of(&config)
    {
        return Err(ArchiveError::BlobMismatch { digest: named });
    }
    let layers = entry.layers.into_iter().zip(&document.rootfs.diff_ids).map(|(name, diff_id)| {
        // Files of Docker's old layout have names of their own; those of the new one are blobs.
        let blob = digest_of_name(&name).filter(|_| name.starts_with("blobs/")).map(|digest| (digest, None));
        ArchivedLayer { name, expected: Expected { blob, diff_id: Some(diff_id.clone()) } }
    });
    let names = entry.repo_tags.iter().map(|name| Reference::parse(name)).collect::<Result<_, _>>()?;
    Ok(ArchivedImage { names, layers: layers.collect(), config, manifest: None })
}

/// The digest that a file name states: `<hex>.json`, `blobs/sha256/<hex>`.
fn digest_of_name(name: &str) -> Option<Digest> {
    let base = name.rsplit('/').next().unwrap_or(name);
    let hex = base.strip_suffix(".json").unwrap_or(base);
    if is_hex_digest(hex) { Digest::from_hex(hex).ok() } else { None }
}
