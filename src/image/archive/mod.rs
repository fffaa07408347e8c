//! Archives of images: `docker save` archives, OCI layouts as a tar or a directory, and directories of one image; read in any
//! compression (`files`), and written ([`save`], `target`).

mod directory;
mod docker;
mod files;
mod header;
mod oci;
pub mod save;
pub mod tar;
mod target;
pub mod writer;

pub use files::Input;

use super::compression::CompressionError;
use super::config::DocumentError;
use super::digest::Digest;
use super::layer::Expected;
use super::reference::{Reference, ReferenceError};
use files::Files;
use std::io::{self, Read};
use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Compression(#[from] CompressionError),
    #[error("not an archive of images")]
    Tar(#[source] tar::TarError),
    #[error("not an archive of images: it has neither `manifest.json` nor `index.json`")]
    Unknown,
    #[error("archive lacks `{0}`")]
    MissingFile(String),
    #[error("`{name}` in the archive is larger than {limit} bytes")]
    LargeFile { name: String, limit: u64 },
    #[error("archive has more than {0} files")]
    ManyFiles(usize),
    #[error("content of blob `{digest}` is not what its descriptor says")]
    BlobMismatch { digest: Digest },
    #[error("archive has no image for linux/{0}")]
    Platform(&'static str),
    #[error("index refers to indexes too deeply")]
    DeepIndex,
    #[error("archive holds no image")]
    Empty,
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

/// An opened archive.
pub struct Archive {
    files: Files,
    images: Vec<ArchivedImage>,
}

/// One image of an archive.
#[derive(Debug, Clone)]
pub struct ArchivedImage {
    /// Names it carries, perhaps none.
    pub names: Vec<Reference>,
    /// Configuration, byte for byte.
    pub config: Vec<u8>,
    /// Manifest, byte for byte, when the archive has one.
    pub manifest: Option<Vec<u8>>,
    /// Lowest first, one for each diff id of the configuration.
    pub layers: Vec<ArchivedLayer>,
}

/// Where a layer's blob lies, and what it must be.
#[derive(Debug, Clone)]
pub struct ArchivedLayer {
    name: String,
    pub expected: Expected,
}

impl Archive {
    /// Reads the documents of an archive and checks them; layers are not read yet. Files are buffered in `scratch` when
    /// the input cannot be read twice.
    pub fn open(input: Input<'_>, scratch: &Path) -> Result<Self, ArchiveError> {
        let files = Files::open(input, scratch)?;
        // Archives of recent Docker versions are both; only the first has full names.
        let images = if files.contains("manifest.json") && files.contains("version") {
            directory::images(&files)?
        } else if files.contains("manifest.json") {
            docker::images(&files)?
        } else if files.contains("index.json") {
            oci::images(&files)?
        } else {
            return Err(ArchiveError::Unknown);
        };
        if images.is_empty() { Err(ArchiveError::Empty) } else { Ok(Self { files, images }) }
    }

    pub fn images(&self) -> &[ArchivedImage] {
        &self.images
    }

    /// The blob of a layer.
    pub fn layer(&self, layer: &ArchivedLayer) -> Result<Box<dyn Read + Send>, ArchiveError> {
        Ok(self.files.stream(&layer.name)?.0)
    }
}
