//! Images: references, archives in and out, the image store.
//!
//! Reading order: [`reference`] and [`Digest`] (what images are called), [`config`] (their documents), [`archive`] (where they
//! come from), [`layer`] (tar to directory), [`transfer`] and [`store`] (what comes here, and what this machine has),
//! [`registry`] (the protocol) and [`policy`] (who may be trusted), [`demo`] (the image in this binary).

pub mod archive;
mod changes;
mod compression;
pub mod config;
pub mod demo;
mod digest;
mod error;
pub mod layer;
pub mod media;
pub mod platform;
pub mod policy;
pub mod reference;
pub mod registry;
pub mod remote;
pub mod store;
pub mod transfer;

pub use archive::Input;
pub use digest::{Digest, DigestError, is_hex_digest};
pub use error::ImageError;
pub use reference::{Reference, ReferenceError};
pub use store::{
    Found, ImageInspect, ImageStore, ImageSummary, ImportOptions, LayerSummary, LayerTree, Loaded, MountedImage,
    Removal, Removed, Step,
};
