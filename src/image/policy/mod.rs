//! Who may be trusted: policy.json and the signatures of images (containers-policy.json(5), containers-signature(5)).
//!
//! An [`Origin`] - where an image comes from - belongs to scopes; the most specific scope that the policy has gives a list of
//! requirements, and an image is accepted when it meets all of them. What is not understood is refused: an unknown key makes the
//! whole file unusable, a requirement that cannot be checked here rejects.
//!
//! Reading order: `document` (the file), `scope`, `identity` (`signedIdentity`), `payload` (what is signed), `openpgp` and
//! `sigstore` (signatures of two kinds), `signatures` and `lookaside` (where they come from), `check` (the decision), [`sign`],
//! `private_key` and [`attachment`] (making signatures), [`trust`] (the file shown and changed).

pub mod attachment;
mod check;
mod document;
mod identity;
mod keys;
mod lookaside;
mod openpgp;
mod payload;
mod private_key;
mod scope;
pub mod sign;
mod signatures;
mod sigstore;
#[cfg(test)]
mod tests;
pub mod trust;

pub use check::{Refusal, Rejection, SignatureError};
pub use document::DocumentError;
pub use identity::SignedIdentity;
pub use keys::{Key, KeyError, Keys};
pub use lookaside::{Lookaside, LookasideError, Place};
pub use openpgp::{Gpg, OpenPgpError};
pub use payload::{PayloadError, PayloadKind};
pub use private_key::{PrivateKey, PrivateKeyError};
pub use scope::{Origin, Scope};
pub use signatures::{BoxError, Fetch, FetchError, NoSignatures, RegistrySignatures, Signatures};
pub use sigstore::{SigstoreError, SigstoreSignature};

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// What must be true of an image before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `None` when no file was found.
    file: Option<PathBuf>,
    default: Vec<Requirement>,
    transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
    gpg: Gpg,
}

/// One element of a list of requirements, all of which must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    AcceptAnything,
    Reject,
    /// A simple signature made with OpenPGP.
    SignedBy {
        keys: Keys,
        identity: SignedIdentity,
    },
    /// A signature as cosign makes them.
    SigstoreSigned {
        keys: Keys,
        identity: SignedIdentity,
    },
    /// Something that podman knows and this program cannot check. It rejects.
    Unsupported {
        kind: &'static str,
        option: String,
    },
}

impl Requirement {
    /// Its `type` in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Requirement::AcceptAnything => "insecureAcceptAnything",
            Requirement::Reject => "reject",
            Requirement::SignedBy { .. } => "signedBy",
            Requirement::SigstoreSigned { .. } => "sigstoreSigned",
            Requirement::Unsupported { kind, .. } => kind,
        }
    }
}

/// What holds on a machine that has no policy.json.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenMissing {
    /// Every image is accepted.
    Accept,
    /// Nothing can be decided: an error, as in podman.
    Fail,
}

#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("cannot read the policy `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is no policy", path.display())]
    Document { path: PathBuf, source: DocumentError },
    #[error("no policy.json: looked for {}", list(.0))]
    Missing(Vec<PathBuf>),
    #[error(transparent)]
    Rejected(#[from] Box<Rejection>),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}

impl PolicyError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            PolicyError::Missing(paths) => {
                let path = paths.last()?.display();
                Some(format!(
                    "write `{{\"default\": [{{\"type\": \"insecureAcceptAnything\"}}]}}` to `{path}` to accept every image"
                ))
            }
            PolicyError::Rejected(rejection) => rejection.hint(),
            PolicyError::Read { .. } | PolicyError::Document { .. } => None,
        }
    }
}

impl Policy {
    /// Reads the first of the files that exists.
    pub fn read(paths: &[PathBuf], when_missing: WhenMissing) -> Result<Self, PolicyError> {
        for path in paths {
            match read_document(path) {
                Ok(text) => {
                    let policy = document::parse(&text);
                    let policy = policy.map_err(|source| PolicyError::Document { path: path.clone(), source })?;
                    return Ok(Self { file: Some(path.clone()), ..policy });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(PolicyError::Read { path: path.clone(), source }),
            }
        }
        match when_missing {
            WhenMissing::Accept => Ok(Self::of(vec![Requirement::AcceptAnything])),
            WhenMissing::Fail => Err(PolicyError::Missing(paths.to_vec())),
        }
    }

    /// The same requirements for every image.
    fn of(default: Vec<Requirement>) -> Self {
        Self { file: None, default, transports: BTreeMap::new(), gpg: Gpg::default() }
    }

    /// Verifies OpenPGP signatures with this program.
    pub fn with_gpg(mut self, gpg: Gpg) -> Self {
        self.gpg = gpg;
        self
    }

    /// The file that was read.
    pub fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// The most specific scope of the policy that an image belongs to, and what it requires.
    pub fn requirements(&self, origin: &Origin<'_>) -> (Scope, &[Requirement]) {
        let transport = origin.transport();
        let found = self
            .transports
            .get(transport)
            .and_then(|known| origin.scopes().into_iter().find_map(|name| Some((known.get(&name)?.as_slice(), name))));
        match found {
            Some((requirements, name)) => (Scope::Transport { transport: transport.to_owned(), name }, requirements),
            None => (Scope::Default, &self.default),
        }
    }
}

/// The content of a file of at most 4 MiB.
fn read_document(path: &std::path::Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let limit = crate::image::config::MAX_DOCUMENT;
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(limit + 1).read_to_end(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes")));
    }
    Ok(text)
}
