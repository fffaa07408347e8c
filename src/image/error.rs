//! What can go wrong with images.

use super::archive::ArchiveError;
use super::archive::save::SaveError;
use super::changes::ChangeError;
use super::config::DocumentError;
use super::digest::Digest;
use super::layer::LayerError;
use super::reference::ReferenceError;
use super::registry::RegistryError;
use super::remote::instances::CopyError;
use super::remote::{PullError, PushError};
use crate::store::StoreError;
use crate::store::lock::LockError;
use std::io;
use std::path::PathBuf;

/// Why an operation on images failed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("cannot read `{what}`")]
    Archive { what: String, source: ArchiveError },
    #[error("cannot save to `{to}`")]
    Save { to: String, source: SaveError },
    #[error("cannot unpack layer {number} of `{image}`")]
    Layer { image: String, number: usize, source: LayerError },
    #[error("no space left on the file system of `{}`; `podkin image prune` frees what no image needs", path.display())]
    DiskFull { path: PathBuf },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Pull(Box<PullError>),
    #[error(transparent)]
    Push(Box<PushError>),
    #[error(transparent)]
    Copy(Box<CopyError>),
    #[error("cannot download `{url}`")]
    Download { url: String, source: Box<RegistryError> },
    #[error("`{0}` is no URL that can be downloaded")]
    Url(String),
    #[error("cannot search `{registry}`")]
    Search { registry: String, source: Box<RegistryError> },
    #[error("no manifest list `{0}` on this machine")]
    ListNotFound(String),
    #[error("`{0}` is the name of a list or an image already")]
    NameTaken(String),
    #[error("manifest list `{list}` has no image {digest}")]
    NoInstance { list: String, digest: Digest },
    #[error("`{0}` is no name, so that there must be one to push to")]
    NoDestination(String),
    #[error("cannot change the image")]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("no image `{0}` on this machine")]
    NotFound(String),
    #[error("`{text}` is the beginning of the ids of {count} images")]
    Ambiguous { text: String, count: usize },
    #[error("image `{image}` is used by {}", containers.join(", "))]
    InUse { image: String, containers: Vec<String> },
    #[error("image `{image}` is mounted at `{}`", path.display())]
    Mounted { image: String, path: PathBuf },
    #[error("image `{0}` is not mounted")]
    NotMounted(String),
    #[error("cannot {attempt} `{}`", path.display())]
    Mount { attempt: &'static str, path: PathBuf, source: io::Error },
    #[error("image `{image}` has several names: {}", names.join(", "))]
    SeveralNames { image: String, names: Vec<String> },
    #[error("a name with a digest cannot be given: `{0}`")]
    DigestName(String),
    /// The caller's question said so.
    #[error("interrupted")]
    Interrupted,
    #[error("image `{0}` was removed by another command meanwhile")]
    Vanished(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{0}")]
    Failpoint(String),
}

impl From<PullError> for ImageError {
    fn from(error: PullError) -> Self {
        Self::Pull(Box::new(error))
    }
}

impl From<PushError> for ImageError {
    fn from(error: PushError) -> Self {
        Self::Push(Box::new(error))
    }
}

impl From<CopyError> for ImageError {
    fn from(error: CopyError) -> Self {
        Self::Copy(Box::new(error))
    }
}

impl From<rusqlite::Error> for ImageError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Turns a failed write below `path` into an error that says so, or that the disk is full.
pub(super) fn write_error(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.into();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ImageError::DiskFull { path },
        _ => ImageError::Write { path, source },
    }
}
