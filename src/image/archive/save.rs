//! Images out: docker-archives, OCI layouts as a tar or a directory, and the directories of containers-transports(5). Each layer
//! is written once, however many images have it, and none is ever in memory.

use super::files::blob_name;
use super::target::Target;
use crate::image::config::{Descriptor, DockerEntry, Manifest};
use crate::image::digest::Digest;
use crate::image::gzip::GzipWriter;
use crate::image::media::{GZIP_LAYER, ManifestFormat, NotDocker, OCI_INDEX, OCI_MANIFEST, PLAIN_LAYER, descriptor};
use crate::image::store::RestoreError;
use crate::image::transfer::{Change, LayerState, Told, TransferEvent};
use crate::store::atomic::WriteError;
use serde_json::json;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::Path;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveFormat {
    DockerArchive,
    OciArchive,
    OciDirectory,
    /// One image: its manifest, and blobs named by their digests.
    DockerDirectory,
}

/// How layers are written where the form leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SavedLayers {
    Plain,
    Gzip,
}

#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Layer(#[from] RestoreError),
    #[error("`{name}` was to have {expected} bytes, but has {found}")]
    Size { name: String, expected: u64, found: u64 },
    #[error(transparent)]
    Place(#[from] WriteError),
    #[error(transparent)]
    NotDocker(#[from] NotDocker),
    #[error("a docker-dir holds one image, and {0} were named")]
    OneImage(usize),
    #[error("`{}` is not empty", .0.display())]
    NotEmpty(std::path::PathBuf),
}

/// A layer that can be written.
pub trait SavedLayer {
    fn diff_id(&self) -> &Digest;

    /// Bytes of the uncompressed archive.
    fn size(&self) -> u64;

    /// Writes the uncompressed archive.
    fn write_to(&self, out: &mut dyn Write) -> Result<(), SaveError>;
}

/// An image to be written.
pub struct SavedImage<'i> {
    /// What messages call it.
    pub label: String,
    /// Full names with tags.
    pub names: Vec<String>,
    /// Byte for byte.
    pub config: &'i [u8],
    /// Its manifest, byte for byte, and read, when it has one.
    pub manifest: Option<(&'i [u8], &'i Manifest)>,
    /// Lowest first.
    pub layers: Vec<&'i dyn SavedLayer>,
}

/// Where archives are written to.
pub enum Destination<'d> {
    /// A tar; `scratch` is where layers lie whose size must be known before they can be written.
    Stream { out: &'d mut dyn Write, scratch: &'d Path },
    /// An empty directory.
    Directory(&'d Path),
}

impl SaveFormat {
    /// Whether it is a directory, and no file.
    pub fn is_directory(self) -> bool {
        matches!(self, Self::OciDirectory | Self::DockerDirectory)
    }
}

/// Writes images.
pub fn save(
    destination: Destination<'_>,
    images: &[SavedImage<'_>],
    format: SaveFormat,
    layers: SavedLayers,
    report: &mut dyn FnMut(TransferEvent),
) -> Result<(), SaveError> {
    let target = match destination {
        Destination::Stream { out, scratch } => Target::Tar { out, scratch },
        Destination::Directory(directory) => Target::Directory(directory),
    };
    let mut writer = Writer { target, layers, written: HashMap::new(), blobs: HashSet::new(), report: report.into() };
    match format {
        SaveFormat::DockerArchive => writer.docker_archive(images)?,
        SaveFormat::OciArchive | SaveFormat::OciDirectory => writer.oci_layout(images)?,
        SaveFormat::DockerDirectory => writer.docker_directory(images)?,
    }
    writer.target.finish()
}

struct Writer<'t, 'r> {
    target: Target<'t>,
    layers: SavedLayers,
    /// Layers that are there, by their diff ids.
    written: HashMap<Digest, Descriptor>,
    /// Other blobs that are there.
    blobs: HashSet<Digest>,
    report: RefCell<&'r mut dyn FnMut(TransferEvent)>,
}

impl Writer<'_, '_> {
    fn docker_archive(&mut self, images: &[SavedImage<'_>]) -> Result<(), SaveError> {
        let mut entries = Vec::new();
        self.layers = SavedLayers::Plain;
        for image in images {
            let layers = self.all_layers(image, &|digest| format!("{}.tar", digest.hex()))?;
            let config = Digest::of(image.config);
            let name = format!("{}.json", config.hex());
            self.put_once(config, &name, image.config)?;
            let layers = layers.iter().map(|layer| format!("{}.tar", layer.digest.hex())).collect();
            entries.push(DockerEntry { config: name, repo_tags: image.names.clone(), layers });
        }
        self.target.put("manifest.json", &json_bytes(&entries))
    }

    fn oci_layout(&mut self, images: &[SavedImage<'_>]) -> Result<(), SaveError> {
        let mut index = Vec::new();
        for image in images {
            let layers = self.all_layers(image, &blob_name)?;
            let config = Digest::of(image.config);
            self.put_once(config.clone(), &blob_name(&config), image.config)?;
            let manifest = oci_manifest(image, &layers)?;
            let digest = Digest::of(&manifest);
            self.put_once(digest.clone(), &blob_name(&digest), &manifest)?;
            let entry = descriptor(OCI_MANIFEST, digest, manifest.len() as u64);
            if image.names.is_empty() {
                index.push(entry.clone());
            }
            for name in &image.names {
                let mut entry = entry.clone();
                entry.annotations.insert("org.opencontainers.image.ref.name".to_owned(), name.clone());
                index.push(entry);
            }
        }
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": index });
        self.target.put("index.json", &json_bytes(&index))?;
        self.target.put("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    fn docker_directory(&mut self, images: &[SavedImage<'_>]) -> Result<(), SaveError> {
        let [image] = images else { return Err(SaveError::OneImage(images.len())) };
        let name = |digest: &Digest| digest.hex().to_owned();
        let layers = self.all_layers(image, &name)?;
        self.target.put(Digest::of(image.config).hex(), image.config)?;
        let manifest = ManifestFormat::Docker.manifest(image.config, &layers)?;
        self.target.put("manifest.json", manifest.to_json().as_bytes())?;
        self.target.put("version", b"Directory Transport Version: 1.1\n")
    }

    /// Writes the layers of an image that are not there yet.
    fn all_layers(
        &mut self,
        image: &SavedImage<'_>,
        name: &dyn Fn(&Digest) -> String,
    ) -> Result<Vec<Descriptor>, SaveError> {
        self.tell(image, Change::Resolved { layers: image.layers.len() });
        let mut descriptors = Vec::new();
        for layer in &image.layers {
            let known = self.written.get(layer.diff_id()).cloned();
            let written = match known {
                Some(known) => known,
                None => self.layer(image, *layer, name)?,
            };
            self.written.insert(layer.diff_id().clone(), written.clone());
            descriptors.push(written);
        }
        self.tell(image, Change::Done { id: Digest::of(image.config).hex().to_owned() });
        Ok(descriptors)
    }

    fn layer(
        &mut self,
        image: &SavedImage<'_>,
        layer: &dyn SavedLayer,
        name: &dyn Fn(&Digest) -> String,
    ) -> Result<Descriptor, SaveError> {
        let short = layer.diff_id().hex()[..12].to_owned();
        let (report, label) = (&self.report, &image.label);
        let tell = |state| {
            let change = Change::Layer { layer: short.clone(), state };
            (report.borrow_mut())(TransferEvent { image: label.clone(), change });
        };
        tell(LayerState::Started { total: Some(layer.size()) });
        let written = match self.layers {
            SavedLayers::Plain => {
                let diff_id = layer.diff_id().clone();
                self.target
                    .stream(&name(&diff_id), layer.size(), &mut |out| layer.write_to(&mut Told::new(out, &tell)))?;
                descriptor(PLAIN_LAYER, diff_id, layer.size())
            }
            SavedLayers::Gzip => {
                let (digest, size) = self.target.blob(name, &mut |out| {
                    let mut out = Told::new(GzipWriter::new(out, flate2::Compression::default()), &tell);
                    layer.write_to(&mut out)?;
                    Ok(out.inner.finish().map(drop)?)
                })?;
                descriptor(GZIP_LAYER, digest, size)
            }
        };
        tell(LayerState::Done);
        Ok(written)
    }

    fn put_once(&mut self, digest: Digest, name: &str, content: &[u8]) -> Result<(), SaveError> {
        if self.blobs.insert(digest) { self.target.put(name, content) } else { Ok(()) }
    }

    fn tell(&self, image: &SavedImage<'_>, change: Change) {
        (self.report.borrow_mut())(TransferEvent { image: image.label.clone(), change });
    }
}

/// The manifest it came with when it describes these very layers, else one of them.
fn oci_manifest(image: &SavedImage<'_>, layers: &[Descriptor]) -> Result<Vec<u8>, NotDocker> {
    if let Some((bytes, own)) = image.manifest
        && ManifestFormat::of(own) == ManifestFormat::Oci
        && own.layers.iter().map(|layer| &layer.digest).eq(layers.iter().map(|layer| &layer.digest))
    {
        return Ok(bytes.to_vec());
    }
    Ok(ManifestFormat::Oci.manifest(image.config, layers)?.to_json().into_bytes())
}

fn json_bytes(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("documents have only string keys and finite numbers")
}
