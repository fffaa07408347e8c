//! Signatures of images, over the connections of a pull.

use crate::image::digest::Digest;
use crate::image::policy::{BoxError, Fetch};
use crate::image::reference::Reference;
use crate::image::registry::{Client, RegistryError, Repository, Which};

/// Gets what lies beside an image in its repository, and what lies on a lookaside server.
pub(super) struct BesideImage<'r> {
    pub client: &'r Client,
    pub repository: &'r Repository,
}

/// A blob that is larger than a signature may be, or is not there.
#[derive(Debug, thiserror::Error)]
#[error("blob {0} is missing or too large")]
struct NoBlob(Digest);

impl Fetch for BesideImage<'_> {
    fn url(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(self.client.document(url, limit)?)
    }

    fn manifest(&self, reference: &Reference) -> Result<Option<Vec<u8>>, BoxError> {
        match self.repository.manifest(&Which::from(reference)) {
            Ok(fetched) => Ok(Some(fetched.bytes)),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn blob(&self, _: &Reference, digest: &Digest, limit: u64) -> Result<Vec<u8>, BoxError> {
        let size = self.repository.has_blob(digest)?.filter(|size| *size <= limit);
        let size = size.ok_or_else(|| NoBlob(digest.clone()))?;
        Ok(self.repository.blob_bytes(digest, size)?)
    }
}
