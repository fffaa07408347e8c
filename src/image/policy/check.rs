//! Whether an image meets its requirements.

use super::identity::SignedIdentity;
use super::keys::{Key, KeyError, Keys};
use super::openpgp::OpenPgpError;
use super::payload::{Payload, PayloadError, PayloadKind};
use super::scope::{Origin, Scope};
use super::signatures::{FetchError, Signatures};
use super::sigstore::{PublicKey, SigstoreError};
use super::{Policy, PolicyError, Requirement};
use crate::image::digest::Digest;
use crate::model::diagnostic::with_causes;
use std::path::PathBuf;

/// An image that the policy does not let through.
#[derive(Debug, thiserror::Error)]
#[error("`{image}` is not accepted by the policy: `{requirement}` at `{scope}`{}", in_file(.file.as_ref()))]
pub struct Rejection {
    pub image: String,
    pub scope: Scope,
    /// `type` of the requirement that is not met.
    pub requirement: &'static str,
    /// Where the scope is written.
    pub file: Option<PathBuf>,
    #[source]
    pub why: Refusal,
}

fn in_file(file: Option<&PathBuf>) -> String {
    file.map(|file| format!(" of `{}`", file.display())).unwrap_or_default()
}

/// Why a requirement is not met.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("every image is rejected there")]
    Rejected,
    #[error("`{0}` is not supported, so that nothing can be accepted by it")]
    Unsupported(String),
    #[error("it has no signature")]
    Unsigned,
    #[error("no signature is accepted: {}", reasons(.0))]
    NoneAccepted(Vec<SignatureError>),
    #[error("its manifest has not the digest {0}")]
    WrongManifest(Digest),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    OpenPgpKeys(OpenPgpError),
    #[error("the key `{key}` cannot be used")]
    SigstoreKey { key: String, source: SigstoreError },
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// Why one signature does not count.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error(transparent)]
    OpenPgp(#[from] OpenPgpError),
    #[error(transparent)]
    Sigstore(#[from] SigstoreError),
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error("it is for the image {0:?}")]
    Identity(String),
    #[error("it is for the manifest {0}")]
    Digest(Digest),
}

/// Each with its chain of causes; one has no number.
fn reasons(errors: &[SignatureError]) -> String {
    match errors {
        [one] => with_causes(one),
        _ => {
            let numbered = errors.iter().zip(1..).map(|(error, n)| format!("signature {n}: {}", with_causes(error)));
            numbered.collect::<Vec<_>>().join("; ")
        }
    }
}

impl Rejection {
    /// What to try.
    pub(super) fn hint(&self) -> Option<String> {
        match (&self.why, self.requirement) {
            (Refusal::Unsigned, "sigstoreSigned") => Some(
                "signatures beside an image are read only with `use-sigstore-attachments: true` in registries.d"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// What is compared with signatures.
struct Image<'a> {
    origin: &'a Origin<'a>,
    digest: &'a Digest,
}

impl Policy {
    /// Rejects an image of which nothing that it could have would be accepted: nobody need be asked for it.
    pub fn check_before(&self, origin: &Origin<'_>) -> Result<(), PolicyError> {
        let (scope, requirements) = self.requirements(origin);
        for requirement in requirements {
            let why = match requirement {
                Requirement::Reject => Refusal::Rejected,
                Requirement::Unsupported { kind: _, option } => Refusal::Unsupported(option.clone()),
                Requirement::AcceptAnything | Requirement::SignedBy { .. } | Requirement::SigstoreSigned { .. } => {
                    continue;
                }
            };
            return Err(self.rejection(origin, &scope, requirement, why).into());
        }
        Ok(())
    }

    fn rejection(&self, origin: &Origin<'_>, scope: &Scope, requirement: &Requirement, why: Refusal) -> Box<Rejection> {
        let (image, scope, requirement) = (origin.to_string(), scope.clone(), requirement.kind());
        Box::new(Rejection { image, scope, requirement, file: self.file.clone(), why })
    }

    /// Accepts an image, or says why not.
    ///
    /// `manifest` is the manifest that is going to be used - of an index that of the platform, since that is what podman and
    /// skopeo sign - and `digest` its digest, which is compared. That a reference with a digest leads to this manifest is for
    /// the caller to see to.
    pub fn check(
        &self,
        origin: &Origin<'_>,
        manifest: &[u8],
        digest: &Digest,
        signatures: &dyn Signatures,
    ) -> Result<(), PolicyError> {
        let (scope, requirements) = self.requirements(origin);
        for requirement in requirements {
            let met = match Digest::of(manifest) == *digest {
                true => self.meet(requirement, &Image { origin, digest }, signatures),
                false => Err(Refusal::WrongManifest(digest.clone())),
            };
            met.map_err(|why| self.rejection(origin, &scope, requirement, why))?;
        }
        Ok(())
    }

    fn meet(&self, requirement: &Requirement, image: &Image<'_>, signatures: &dyn Signatures) -> Result<(), Refusal> {
        match requirement {
            Requirement::AcceptAnything => Ok(()),
            Requirement::Reject => Err(Refusal::Rejected),
            Requirement::Unsupported { kind: _, option } => Err(Refusal::Unsupported(option.clone())),
            Requirement::SignedBy { keys, identity } => self.simply_signed(keys, identity, image, signatures),
            Requirement::SigstoreSigned { keys, identity } => sigstore_signed(keys, identity, image, signatures),
        }
    }

    fn simply_signed(
        &self,
        keys: &Keys,
        identity: &SignedIdentity,
        image: &Image<'_>,
        signatures: &dyn Signatures,
    ) -> Result<(), Refusal> {
        let signatures = signatures.simple()?;
        if signatures.is_empty() {
            return Err(Refusal::Unsigned);
        }
        let keyring = self.gpg.import(&keys.read()?).map_err(Refusal::OpenPgpKeys)?;
        any(signatures.iter(), |signature| {
            let payload = keyring.verify(signature)?;
            image.is_meant(&payload, PayloadKind::Simple, identity)
        })
    }
}

fn sigstore_signed(
    keys: &Keys,
    identity: &SignedIdentity,
    image: &Image<'_>,
    signatures: &dyn Signatures,
) -> Result<(), Refusal> {
    let signatures = signatures.sigstore()?;
    if signatures.is_empty() {
        return Err(Refusal::Unsigned);
    }
    let parse =
        |key: Key| PublicKey::parse(&key.content).map_err(|source| Refusal::SigstoreKey { key: key.name, source });
    let keys = keys.read()?.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    any(signatures.iter(), |signature| {
        let payload = signature.verify(&keys)?;
        image.is_meant(payload, PayloadKind::Sigstore, identity)
    })
}

/// One signature that counts is enough, whatever stands beside it.
fn any<S>(
    mut signatures: impl Iterator<Item = S>,
    counts: impl Fn(S) -> Result<(), SignatureError>,
) -> Result<(), Refusal> {
    let mut refused = Vec::new();
    match signatures.any(|signature| counts(signature).map_err(|error| refused.push(error)).is_ok()) {
        true => Ok(()),
        false => Err(Refusal::NoneAccepted(refused)),
    }
}

impl Image<'_> {
    /// Whether a verified payload is about this image.
    fn is_meant(&self, payload: &[u8], kind: PayloadKind, identity: &SignedIdentity) -> Result<(), SignatureError> {
        let Payload { identity: signed, digest } = Payload::parse(payload, kind)?;
        if !identity.accepts(self.origin.identity(), &signed) {
            return Err(SignatureError::Identity(signed));
        }
        if digest != *self.digest {
            return Err(SignatureError::Digest(digest));
        }
        Ok(())
    }
}
