//! OCI image layouts: `index.json` leads to manifests, everything else is a blob named by its digest.

use super::files::{Files, blob_name};
use super::{ArchiveError, ArchivedImage, ArchivedLayer};
use crate::image::config::{ConfigDocument, Descriptor, MAX_DOCUMENT, Manifest, ManifestDocument};
use crate::image::layer::Expected;
use crate::image::platform::{WantedPlatform, host_architecture};
use crate::image::reference::Reference;
use std::collections::BTreeMap;

/// Index in index: layouts nest twice at most.
const MAX_DEPTH: usize = 4;

pub(super) fn images(files: &Files) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let index = files.read("index.json", MAX_DOCUMENT)?;
    let ManifestDocument::Index(descriptors) = ManifestDocument::parse(&index)? else {
        return Err(ArchiveError::Unknown);
    };
    // Manifests of one name are one image for several platforms.
    let mut groups: BTreeMap<Option<String>, Vec<Descriptor>> = BTreeMap::new();
    for descriptor in descriptors {
        groups.entry(name(&descriptor)).or_default().push(descriptor);
    }
    let mut images: Vec<ArchivedImage> = Vec::new();
    for (name, group) in groups {
        let names = name.iter().map(|name| Reference::parse(name).or_else(|_| Reference::parse_local(name)));
        let names: Vec<Reference> = names.collect::<Result<_, _>>()?;
        let image = resolve(files, &group, 0)?;
        match images.iter_mut().find(|known| known.config == image.config) {
            Some(known) => known.names.extend(names),
            None => images.push(ArchivedImage { names, ..image }),
        }
    }
    Ok(images)
}

/// The name in the annotations of an index entry: the full one some engines write, or the specification's. A bare word there is
/// a tag of something unknown; like podman, it is taken for a name below `localhost`.
fn name(descriptor: &Descriptor) -> Option<String> {
    let annotation = |key: &str| descriptor.annotations.get(key).filter(|value| !value.is_empty()).cloned();
    if let Some(full) = annotation("io.containerd.image.name") {
        return Some(full);
    }
    let name = annotation("org.opencontainers.image.ref.name")?;
    Some(if name.contains('/') { name } else { format!("localhost/{name}") })
}

fn resolve(files: &Files, group: &[Descriptor], depth: usize) -> Result<ArchivedImage, ArchiveError> {
    if depth > MAX_DEPTH {
        return Err(ArchiveError::DeepIndex);
    }
    let chosen = WantedPlatform::host().choose(group).ok_or(ArchiveError::Platform(host_architecture()))?;
    let json = files.blob(&chosen.digest, chosen.size, MAX_DOCUMENT)?;
    match ManifestDocument::parse(&json)? {
        ManifestDocument::Index(descriptors) => resolve(files, &descriptors, depth + 1),
        ManifestDocument::Image(manifest) => image(files, *manifest, json),
    }
}

fn image(files: &Files, manifest: Manifest, json: Vec<u8>) -> Result<ArchivedImage, ArchiveError> {
    let config = files.blob(&manifest.config.digest, manifest.config.size, MAX_DOCUMENT)?;
    let document = ConfigDocument::parse(&config)?;
    document.check_layers(manifest.layers.len())?;
    let layers = manifest.layers.iter().zip(&document.rootfs.diff_ids).map(|(layer, diff_id)| ArchivedLayer {
        name: blob_name(&layer.digest),
        expected: Expected { blob: Some((layer.digest.clone(), Some(layer.size))), diff_id: Some(diff_id.clone()) },
    });
    Ok(ArchivedImage { names: Vec::new(), layers: layers.collect(), config, manifest: Some(json) })
}
