//! Signatures of images, over the connections of a pull.

use crate::image::digest::Digest;
use crate::image::policy::{BoxError, Fetch};
use crate::image::reference::Reference;
use crate::image::registry::{RegistryError, Repository, Which};
use std::io::Read;
use std::time::Duration;

/// For one address of a lookaside.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Gets what lies beside an image in its repository, and what lies on a lookaside server.
pub(super) struct BesideImage<'r> {
    pub repository: &'r Repository,
}

/// A blob that is larger than a signature may be, or is not there.
#[derive(Debug, thiserror::Error)]
#[error("blob {0} is missing or too large")]
struct NoBlob(Digest);

impl Fetch for BesideImage<'_> {
    fn url(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, BoxError> {
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build();
        let mut answer = config.new_agent().get(url).call()?;
        match answer.status().as_u16() {
            200 => {
                let mut content = Vec::new();
                answer.body_mut().as_reader().take(limit + 1).read_to_end(&mut content)?;
                if content.len() as u64 > limit {
                    return Err(format!("larger than {limit} bytes").into());
                }
                Ok(Some(content))
            }
            404 => Ok(None),
            status => Err(format!("answered {status}").into()),
        }
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
