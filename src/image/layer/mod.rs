//! Layers: from a compressed stream to a directory that overlay can stack.
//!
//! ```text
//! blob -> read, hash, inflate (a thread) -> chunks -> hash, untar, write (this thread) -> syncfs, rename (the image store)
//! ```
//!
//! The directory belongs to nobody else while it is filled, and still every operation goes through a directory
//! descriptor and a single name: whatever an archive says, nothing outside the directory is touched.

mod check;
mod extract;
mod make;
mod path;
mod recipe;
mod settle;
#[cfg(test)]
mod speed;
mod stream;
#[cfg(test)]
mod tests;

pub use check::{Aspect, LayerFault, verify};
pub use recipe::{RecipeError, Restored, restore};

use super::archive::tar::{NameLimits, TarError};
use super::compression::CompressionError;
use super::digest::Digest;
use crate::sys::dir::Dir;
use std::ffi::CStr;
use std::io::{self, Read};

/// The files of a layer, in its directory.
const DIFF: &CStr = c"diff";

/// What one layer may ask of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the unpacked archive.
    pub bytes: u64,
    /// How many times its compressed size the archive may unpack to, once it is larger than `ratio_from` bytes.
    pub ratio: u64,
    pub ratio_from: u64,
    pub entries: u64,
    /// Components of a path.
    pub depth: usize,
    /// Bytes of the extended attributes of one entry.
    pub xattrs: usize,
    pub names: NameLimits,
}

impl Default for Limits {
    fn default() -> Self {
        // The largest public images unpack to some 60 GiB, hold a few hundred thousand entries a layer, and shrink to a tenth;
        // a real sparse log file, a thousandfold, is never this large by itself.
        Self {
            bytes: 128 << 30,
            ratio: 200,
            ratio_from: 2 << 30,
            entries: 2_000_000,
            depth: 256,
            xattrs: 128 << 10,
            names: NameLimits::default(),
        }
    }
}

/// What the stream must turn out to be.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Digest and size of the blob as it comes.
    pub blob: Option<(Digest, Option<u64>)>,
    /// Digest of the uncompressed archive.
    pub diff_id: Option<Digest>,
}

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    pub diff_id: Digest,
    pub blob: Digest,
    pub blob_size: u64,
    /// Bytes of the uncompressed archive.
    pub size: u64,
    pub entries: u64,
    /// The archive hides all that lies below it.
    pub opaque: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    #[error("cannot read the layer")]
    Read(#[source] io::Error),
    #[error("cannot write to the layer's directory")]
    Directory(#[source] io::Error),
    #[error(transparent)]
    Compression(CompressionError),
    #[error("layer is not a sound tar archive")]
    Archive(#[source] TarError),
    #[error("cannot unpack `{path}`")]
    Entry { path: String, source: EntryError },
    #[error("layer unpacks to more than {0} bytes")]
    TooLarge(u64),
    #[error("layer unpacks to more than {0} times its size")]
    Ratio(u64),
    #[error("layer has more than {0} entries")]
    Entries(u64),
    #[error("layer has digest `{found}` instead of `{expected}`")]
    BlobDigest { expected: Digest, found: Digest },
    #[error("layer has {found} bytes instead of {expected}")]
    BlobSize { expected: u64, found: u64 },
    #[error("layer unpacks to content `{found}` instead of `{expected}`")]
    DiffId { expected: Digest, found: Digest },
}

impl LayerError {
    /// True when the cause is a full disk or an exhausted quota.
    pub fn is_disk_full(&self) -> bool {
        let full = |e: &io::Error| matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match self {
            Self::Entry { source: EntryError::Io(e), .. }
            | Self::Archive(TarError::Io(e))
            | Self::Read(e)
            | Self::Directory(e) => full(e),
            _ => false,
        }
    }
}

/// Why one entry was refused, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("its path leaves the layer")]
    Outside,
    #[error("its path has more than {0} components")]
    Deep(usize),
    #[error("its path goes through `{0}`, which is not a directory of this layer")]
    NotADirectory(String),
    #[error("its name is not allowed")]
    Name,
    #[error("it would replace the root of the layer")]
    Root,
    #[error("it is a hard link to `{0}`, which is not a file of this layer")]
    LinkTarget(String),
    #[error("it is a symbolic link without a target")]
    EmptyLink,
    #[error("it sets the attribute `{0}`, which belongs to the overlay file system")]
    OverlayAttribute(String),
    #[error("its attributes have more than {0} bytes")]
    Attributes(usize),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Unpacks a layer into its directory, and checks that it is the one that was promised. `into` may hold an empty `diff`, whose mode
/// and owner stay; it is made when absent. The recipe and spares are written beside it. After an error the directory is to be removed.
pub fn unpack(
    source: impl Read + Send,
    expected: &Expected,
    into: &Dir,
    limits: &Limits,
) -> Result<Unpacked, LayerError> {
    let diff = open_diff(into).map_err(LayerError::Directory)?;
    let mut recorder = recipe::Recorder::create(into).map_err(LayerError::Directory)?;
    let unpacked =
        stream::pipeline(source, limits, |chunks| extract::extract(chunks, into, diff, &mut recorder, limits))?;
    check(expected, &unpacked)?;
    recorder.finish(&unpacked.diff_id, unpacked.size).map_err(LayerError::Directory)?;
    Ok(unpacked)
}

fn check(expected: &Expected, unpacked: &Unpacked) -> Result<(), LayerError> {
    if let Some((digest, size)) = &expected.blob {
        if let Some(size) = size.filter(|size| *size != unpacked.blob_size) {
            return Err(LayerError::BlobSize { expected: size, found: unpacked.blob_size });
        }
        if *digest != unpacked.blob {
            return Err(LayerError::BlobDigest { expected: digest.clone(), found: unpacked.blob.clone() });
        }
    }
    match &expected.diff_id {
        Some(diff_id) if *diff_id != unpacked.diff_id => {
            Err(LayerError::DiffId { expected: diff_id.clone(), found: unpacked.diff_id.clone() })
        }
        _ => Ok(()),
    }
}

/// The directory that takes the files of the layer.
fn open_diff(layer: &Dir) -> io::Result<Dir> {
    match layer.create_dir(DIFF, 0o755) {
        Ok(()) => {
            let diff = layer.open_dir(DIFF)?;
            // Whatever the umask of this process is.
            rustix::fs::fchmod(&diff, rustix::fs::Mode::from_raw_mode(0o755))?;
            Ok(diff)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => layer.open_dir(DIFF),
        Err(e) => Err(e),
    }
}
