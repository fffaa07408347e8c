//! Tokens of service accounts: JWTs (RFC 7519) that say which pod asks, as an API server issues them.
//!
//! ```text
//! key        the key of this root: <root>/service-account.key, made at its first use
//! token      what a token says, and its form
//! discovery  what others need to check one: key set and OpenID configuration
//! ```
//!
//! There is no API server: no cluster takes these tokens. What runs beside the pods can check them with the public key, which
//! `podkin kube token-keys` prints. Time, and whom a token is for, are arguments.

pub mod discovery;
mod key;
mod token;

pub use key::{KeyError, SigningKey};
pub use token::{Grant, Issued, Subject, SubjectPod};

/// What `iss` says, and the audience of tokens that name none: what clusters have unless they are told otherwise, so that
/// software which expects it needs no setting.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
