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
pub mod error;
mod gzip;
pub mod layer;
pub mod media;
pub mod platform;
pub mod policy;
pub mod registry;
pub mod remote;
pub mod store;
pub mod transfer;

pub use crate::model::digest::{self, Digest, DigestError, is_hex_digest};
pub use crate::model::reference::{self, Reference, ReferenceError};
pub use archive::Input;
pub use error::ImageError;
pub use store::{
    Found, ImageInspect, ImageStore, ImageSummary, ImportOptions, LayerSummary, LayerTree, Loaded, MountedImage,
    Removal, Removed, Step,
};
