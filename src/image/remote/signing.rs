//! Signatures of an image that was just pushed.

use super::access::RegistryAccess;
use super::push::{PushError, Pushed};
use crate::image::digest::Digest;
use crate::image::policy::attachment::{self, AttachmentError};
use crate::image::policy::sign::{self, SignError};
use crate::image::policy::{Gpg, LookasideError, PrivateKey, PrivateKeyError};
use crate::image::reference::Reference;
use crate::image::registry::{RegistryError, Repository, Which};
use std::sync::Arc;

/// What signs.
#[derive(Debug, Clone)]
pub enum Signer {
    /// A key of cosign's: the signature goes beside the image.
    Sigstore(Arc<PrivateKey>),
    /// A key of the user's keyring: the signature goes where registries.d says.
    OpenPgp { key: String, gpg: Gpg },
}

#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    #[error(transparent)]
    OpenPgp(#[from] SignError),
    #[error(transparent)]
    Lookaside(#[from] LookasideError),
    #[error("registries.d names no directory for its signatures")]
    NoPlace,
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Signs what was pushed under a name.
pub(super) fn sign_pushed(
    access: &RegistryAccess,
    repository: &Repository,
    to: &Reference,
    pushed: &Pushed,
    signer: &Signer,
) -> Result<(), PushError> {
    let signed = match signer {
        Signer::Sigstore(key) => attach(repository, to, pushed, key),
        Signer::OpenPgp { key, gpg } => beside(access, to, pushed, key, gpg),
    };
    signed.map_err(|source| PushError::Signing { to: to.to_string(), source: Box::new(source) })
}

fn attach(repository: &Repository, to: &Reference, pushed: &Pushed, key: &PrivateKey) -> Result<(), SigningError> {
    let signature = key.sign(to, &pushed.manifest)?;
    let which = Which::Tag(attachment::tag(&pushed.digest));
    let existing = match repository.manifest(&which) {
        Ok(fetched) => Some(fetched.bytes),
        Err(RegistryError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let attachment = attachment::attach(existing.as_deref(), &pushed.digest, &signature)?;
    for blob in &attachment.blobs {
        let mut upload = repository.upload()?;
        upload.send(blob)?;
        upload.finish(&Digest::of(blob))?;
    }
    repository.put_manifest(&which, crate::image::media::OCI_MANIFEST, &attachment.manifest)?;
    Ok(())
}

fn beside(access: &RegistryAccess, to: &Reference, pushed: &Pushed, key: &str, gpg: &Gpg) -> Result<(), SigningError> {
    let directory = access.lookaside.writing(to, &pushed.digest)?.ok_or(SigningError::NoPlace)?;
    let signature = sign::sign(gpg, None, key, to, &pushed.manifest)?;
    sign::write(&directory, &signature)?;
    Ok(())
}
