//! Recipes: what a layer's archive is made again from, byte for byte, out of the unpacked files.
//!
//! ```text
//! <layer>/diff        the files
//! <layer>/recipe      magic and version, then one zstd frame of records (below), ended by the digest of the archive
//! <layer>/spare/<n>   what a later entry of the same archive took the place of, when its content is in no other place
//! ```
//!
//! A recipe has all bytes of the archive but the content of regular files. Of that it has the *place*: the path below `diff`,
//! without links, where the content was written, and its checksum. What was replaced later is found by the order of records: an event
//! says that a place was vacated, and to which spare what stood there was moved.
//!
//! | tag | record | fields |
//! |---|---|---|
//! | 0 | end | diff id (32 bytes), size |
//! | 1 | verbatim | bytes of the archive |
//! | 2 | payload | place, crc32, number of pieces, offset and length of each |
//! | 3 | replaced | place, number of the spare plus one, or zero when nothing was kept |
//! | 4 | through | place of the entry whose header stands before, when links lead there |
//! | 5 | opaque | place of a directory that hides what other layers have in it |
//!
//! Numbers are LEB128, byte strings have their length in front. The frame's own checksum tells a damaged recipe.

mod read;
mod replaced;
mod restore;
mod skeleton;
#[cfg(test)]
mod tests;
mod write;

pub(super) use read::{Reader, Record};
pub(super) use replaced::{Fate, Replaced};
pub(super) use restore::replay;
pub use restore::{Restored, restore};
pub(super) use skeleton::{Notes, Skeleton};
pub(super) use write::{Recorder, Tap};

use crate::image::digest::Digest;
use std::ffi::CStr;
use std::io;

const RECIPE: &CStr = c"recipe";
pub(super) const SPARE: &CStr = c"spare";
const MAGIC: &[u8; 15] = b"podkin recipe\n\0";
const VERSION: u8 = 1;

/// Content up to this size stands in the recipe itself: no longer than the place and checksum it would have otherwise, and a file
/// less to open when the archive is made again.
pub(super) const INLINE: u64 = 64;

/// Bytes of one verbatim record.
const MAX_VERBATIM: usize = 64 * 1024;
/// Bytes of a place; the kernel resolves none longer than this.
const MAX_PLACE: usize = 4096;

/// Why an archive cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error("layer has no recipe")]
    Absent,
    #[error("cannot read the recipe")]
    Read(#[source] io::Error),
    #[error("recipe has the unknown version {0}")]
    Version(u8),
    #[error("recipe is damaged")]
    Damaged,
    #[error("cannot open the layer")]
    Layer(#[source] io::Error),
    #[error("cannot read `{path}`")]
    File { path: String, source: io::Error },
    #[error("`{path}` is missing")]
    Missing { path: String },
    #[error("`{path}` has other content than when it was unpacked")]
    Content { path: String },
    #[error("layer has content `{found}` instead of `{expected}`")]
    DiffId { expected: Digest, found: Digest },
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
}
