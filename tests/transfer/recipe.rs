//! Images made for one test, as a registry has them.

use crate::common::registry::Registry;
use podkin::image::Digest;
use podkin::image::archive::writer::header;
use podkin::image::platform::host_architecture;
use podkin::image::registry::Which;
use serde_json::{Value, json};
use std::io::Write as _;

pub const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// What an image consists of.
#[derive(Clone)]
pub struct Recipe {
    /// Archives, lowest first.
    pub layers: Vec<(Vec<u8>, Packing)>,
    pub docker: bool,
    pub architecture: String,
    /// `config` of the configuration.
    pub config: Value,
}

/// Documents and blobs of an image.
pub struct Parts {
    /// 64 hexadecimal digits.
    pub id: String,
    pub media_type: &'static str,
    pub manifest: Vec<u8>,
    pub config: Vec<u8>,
    pub layers: Vec<Vec<u8>>,
}

impl Recipe {
    pub fn new(layers: &[&[u8]], packing: Packing) -> Self {
        let layers = layers.iter().map(|layer| (layer.to_vec(), packing)).collect();
        Self { layers, docker: false, architecture: host_architecture().to_owned(), config: json!({}) }
    }

    /// The image that podkin carries, telling `word`.
    pub fn demo(word: &str) -> Self {
        let layer = std::fs::read(concat!(env!("OUT_DIR"), "/demo-layer.tar")).expect("the build makes it");
        let mut recipe = Self::new(&[&layer], Packing::Gzip);
        recipe.config = json!({ "Entrypoint": ["/podkin-demo"], "Cmd": ["echo", word] });
        recipe
    }

    pub fn architecture(mut self, architecture: &str) -> Self {
        self.architecture = architecture.to_owned();
        self
    }

    pub fn parts(&self) -> Parts {
        let diff_ids: Vec<_> = self.layers.iter().map(|(tar, _)| Digest::of(tar)).collect();
        let config = json!({
            "os": "linux", "architecture": self.architecture, "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string().into_bytes();
        let layers: Vec<Vec<u8>> = self.layers.iter().map(|(tar, packing)| packing.pack(tar)).collect();
        let descriptors: Vec<_> = layers
            .iter()
            .zip(&self.layers)
            .map(|(blob, (_, packing))| descriptor(packing.media_type(self.docker), blob))
            .collect();
        let (media_type, config_type) = match self.docker {
            true => (DOCKER, "application/vnd.docker.container.image.v1+json"),
            false => (OCI, "application/vnd.oci.image.config.v1+json"),
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type, "config": descriptor(config_type, &config),
            "layers": descriptors,
        });
        let id = Digest::of(&config).hex().to_owned();
        Parts { id, media_type, manifest: manifest.to_string().into_bytes(), config, layers }
    }

    /// Sends the image to a registry.
    pub fn push(&self, registry: &Registry, repository: &str, tag: &str) -> Parts {
        let parts = self.parts();
        parts.blobs().for_each(|blob| drop(registry.push_blob(repository, blob)));
        put(registry, repository, Which::Tag(tag.to_owned()), parts.media_type, &parts.manifest);
        parts
    }
}

impl Parts {
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    pub fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.layers.iter().chain([&self.config])
    }

    /// As an index speaks of it.
    pub fn descriptor(&self, platform: Value) -> Value {
        let mut descriptor = descriptor(self.media_type, &self.manifest);
        descriptor["platform"] = platform;
        descriptor
    }

    /// Path of a layer's blob at a registry.
    pub fn blob_path(&self, number: usize) -> String {
        format!("/blobs/{}", Digest::of(&self.layers[number]))
    }
}

impl Packing {
    fn pack(self, tar: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => tar.to_vec(),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(tar).and_then(|()| encoder.finish()).expect("memory does not fail")
            }
            Self::Zstd => zstd::encode_all(tar, 1).expect("memory does not fail"),
        }
    }

    fn media_type(self, docker: bool) -> &'static str {
        match (self, docker) {
            (Self::Plain, false) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Gzip, false) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Self::Zstd, _) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Self::Plain, true) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Gzip, true) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

pub fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(content), "size": content.len() })
}

/// An index of these, in the form of OCI or of Docker.
pub fn index(media_type: &str, members: &[Value]) -> Vec<u8> {
    json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": members }).to_string().into_bytes()
}

/// Sends a manifest or an index.
pub fn put(registry: &Registry, repository: &str, which: Which, media_type: &str, bytes: &[u8]) -> Digest {
    registry.repository(repository).put_manifest(&which, media_type, bytes).expect("a manifest is taken")
}

/// A layer with one file that does not shrink: no two of different `seed` are alike.
pub fn layer(name: &str, seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut content = Vec::with_capacity(size + 8);
    while content.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    content.truncate(size);
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = header(tar::EntryType::Regular, content.len() as u64, 0o644);
    builder.append_data(&mut header, name, &content[..]).expect("memory does not fail");
    builder.into_inner().expect("memory does not fail")
}
