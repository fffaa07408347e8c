//! Where the signatures of an image come from. Nothing here is trusted yet.

use super::sigstore::SigstoreSignature;
use std::error::Error;

/// The signatures of one image. Each kind is asked for only when a requirement needs it.
pub trait Signatures {
    /// Simple signatures: OpenPGP messages.
    fn simple(&self) -> Result<Vec<Vec<u8>>, FetchError>;
    /// Signatures as cosign makes them.
    fn sigstore(&self) -> Result<Vec<SigstoreSignature>, FetchError>;
}

/// Signatures could not be had, which is not the same as there being none.
#[derive(Debug, thiserror::Error)]
#[error("cannot get the signatures from `{from}`")]
pub struct FetchError {
    pub from: String,
    pub source: Box<dyn Error + Send + Sync>,
}

/// For what has none: archives, the images of a daemon.
#[derive(Debug, Clone, Copy)]
pub struct NoSignatures;

impl Signatures for NoSignatures {
    fn simple(&self) -> Result<Vec<Vec<u8>>, FetchError> {
        Ok(Vec::new())
    }

    fn sigstore(&self) -> Result<Vec<SigstoreSignature>, FetchError> {
        Ok(Vec::new())
    }
}
