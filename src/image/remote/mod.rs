//! Images and registries: pulling and pushing, made of the protocol (`registry`), the rules (`policy`) and the store.
//!
//! ```text
//! name ─ short-name rules ─> references ─ registries.conf ─> places to ask, mirrors first ─> manifest ─> policy ─> layers
//! ```

mod access;
mod ahead;
pub mod instances;
mod pull;
mod push;
mod signatures;
mod signing;
#[cfg(test)]
mod tests;

pub use super::media::ManifestFormat;
pub use access::{AccessError, RegistryAccess, RegistrySettings};
pub use pull::{Attempt, Known, PullError, RemoteImage};
pub use push::{LayerCompression, PushError, PushOptions, Pushed, push};
pub use signing::{Signer, SigningError};
