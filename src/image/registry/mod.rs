//! Registries: where images may come from, and who asks.
//!
//! Reading order: [`configuration`] (which registries), [`credentials`] (passwords for them, `helper`: programs that keep them),
//! [`client`] (what conversations share: `certificates`, `tls`, `proxy`, `token`), `session` (a request with its proof, redirects,
//! `authentication`, `challenge`, `refusal`, `retry`), [`repository`] (manifests and tags), [`blob`] and [`upload`] (content down
//! and up), [`search`], [`short_names`] (what a user chose). `secret`: passwords from a Secret.
//!
//! Blocking, for any number of threads. Nothing here decides where to ask: that is the business of who pulls.

mod address;
mod authentication;
pub mod blob;
pub mod certificates;
mod challenge;
pub mod client;
pub mod configuration;
pub mod credentials;
pub mod error;
pub mod helper;
pub mod proxy;
mod refusal;
pub mod repository;
mod retry;
pub mod search;
mod secret;
mod session;
pub mod short_names;
mod tls;
mod token;
pub mod upload;

pub use blob::Blob;
pub use client::{Client, ClientConfig};
pub use configuration::{Registries, RegistriesError, Source};
pub use credentials::{Credentials, CredentialsError, Login};
pub use error::RegistryError;
pub use proxy::ProxyConfig;
pub use repository::{Fetched, Repository, Which};
pub use retry::OnRetry;
pub use search::SearchHit;
pub use secret::{PullSecret, PullSecretError};
pub use upload::Upload;
