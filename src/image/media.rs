//! Media types of OCI and of Docker, and manifests in either form.

use super::config::{Descriptor, Manifest};
use super::digest::Digest;
use std::collections::BTreeMap;

pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const PLAIN_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const GZIP_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const ZSTD_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// Whose manifests an image is described by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestFormat {
    Oci,
    /// Docker's image manifest, version 2, schema 2.
    Docker,
}

/// A layer of a media type that Docker's manifests do not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a layer is of the type `{0}`, which Docker's manifests do not have")]
pub struct NotDocker(pub String);

impl ManifestFormat {
    /// Of a manifest as it came.
    pub fn of(manifest: &Manifest) -> Self {
        if manifest.media_type == DOCKER_MANIFEST { Self::Docker } else { Self::Oci }
    }

    /// Media type of the manifest.
    pub fn manifest_type(self) -> &'static str {
        match self {
            Self::Oci => OCI_MANIFEST,
            Self::Docker => DOCKER_MANIFEST,
        }
    }

    /// Media type of an index.
    pub fn index_type(self) -> &'static str {
        match self {
            Self::Oci => OCI_INDEX,
            Self::Docker => DOCKER_LIST,
        }
    }

    /// The manifest of an image with that configuration and those layers.
    pub fn manifest(self, config: &[u8], layers: &[Descriptor]) -> Result<Manifest, NotDocker> {
        self.described(Digest::of(config), config.len() as u64, layers)
    }

    /// The same image by a manifest of this form.
    pub fn convert(self, manifest: &Manifest) -> Result<Manifest, NotDocker> {
        self.described(manifest.config.digest.clone(), manifest.config.size, &manifest.layers)
    }

    fn described(self, config: Digest, size: u64, layers: &[Descriptor]) -> Result<Manifest, NotDocker> {
        let config_type = match self {
            Self::Oci => OCI_CONFIG,
            Self::Docker => DOCKER_CONFIG,
        };
        let layers = layers.iter().map(|layer| self.layer(layer)).collect::<Result<_, _>>()?;
        let config = descriptor(config_type, config, size);
        Ok(Manifest { schema_version: 2, media_type: self.manifest_type().to_owned(), config, layers })
    }

    /// The descriptor of a layer with the media type it has in a manifest of this format.
    fn layer(self, layer: &Descriptor) -> Result<Descriptor, NotDocker> {
        let zstd = layer.media_type.ends_with("zstd");
        let gzip = layer.media_type.ends_with("gzip");
        let media_type = match (self, gzip, zstd) {
            (Self::Oci, true, _) => GZIP_LAYER,
            (Self::Oci, _, true) => ZSTD_LAYER,
            (Self::Oci, ..) => PLAIN_LAYER,
            (Self::Docker, true, _) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (Self::Docker, false, false) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Docker, false, true) => return Err(NotDocker(layer.media_type.clone())),
        };
        Ok(descriptor(media_type, layer.digest.clone(), layer.size))
    }
}

/// A descriptor with nothing but what it must have.
pub fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest, size, annotations: BTreeMap::new(), platform: None }
}
