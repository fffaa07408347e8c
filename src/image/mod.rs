//! Images: references, archives in and out, the image store.

mod compression;
mod digest;

pub use digest::{Digest, DigestError, is_hex_digest};
