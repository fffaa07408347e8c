//! Images: references, archives in and out, the image store.
//!
//! Reading order: [`reference`] and [`Digest`] (what images are called), [`config`] (their documents), [`archive`] (where they
//! come from), [`layer`] (tar to directory), [`store`] (what this machine has), [`demo`] (the image in this binary).

pub mod archive;
mod changes;
mod compression;
pub mod config;
pub mod demo;
mod digest;
mod error;
pub mod layer;
pub mod reference;
pub mod registry;
pub mod store;

pub use archive::Input;
pub use digest::{Digest, DigestError, is_hex_digest};
pub use error::ImageError;
pub use reference::{Reference, ReferenceError};
pub use store::{
    Found, ImageInspect, ImageStore, ImageSummary, ImportOptions, LayerSummary, LayerTree, Loaded, MountedImage,
    Removal, Removed, Step,
};
