//! The key that signs the tokens of a root: ECDSA on P-256, kept as PKCS #8 in PEM.

use crate::store::atomic::{self, Durability, WriteError};
use crate::store::layout::Layout;
use crate::store::lock::{FileLock, LockError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::io;
use std::path::PathBuf;

/// `SubjectPublicKeyInfo` of a P-256 key up to its point (RFC 5480, section 2).
const PUBLIC_KEY_HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Bytes of a coordinate of a point on P-256.
const COORDINATE: usize = 32;
const PEM_LINE: usize = 64;

/// A key pair. It shows nothing of itself in `Debug` but its id.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read the key of service accounts `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is no private key on P-256 in PKCS #8: {reason}", path.display())]
    Format { path: PathBuf, reason: String },
    #[error("cannot make a key for service accounts")]
    Make,
    #[error("cannot sign a token")]
    Sign,
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl SigningKey {
    /// The key of the root, which is made if there is none.
    pub fn open(layout: &Layout) -> Result<Self, KeyError> {
        if let Some(key) = Self::load(layout)? {
            return Ok(key);
        }
        let _lock = FileLock::acquire(&layout.lock("service-account-key"))?.removing();
        // Another may have been faster; a second key would make its tokens worthless.
        if let Some(key) = Self::load(layout)? {
            return Ok(key);
        }
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let made = made.map_err(|_| KeyError::Make)?;
        let path = layout.service_account_key();
        atomic::replace(&path, to_pem(made.as_ref()).as_bytes(), Durability::Synced)?;
        Self::parse(path, made.as_ref())
    }

    fn load(layout: &Layout) -> Result<Option<Self>, KeyError> {
        let path = layout.service_account_key();
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(KeyError::Read { path, source }),
            Ok(text) => text,
        };
        match PrivatePkcs8KeyDer::from_pem_slice(&text) {
            Ok(der) => Self::parse(path, der.secret_pkcs8_der()).map(Some),
            Err(error) => Err(KeyError::Format { path, reason: error.to_string() }),
        }
    }

    fn parse(path: PathBuf, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random) {
            Ok(pair) => Ok(Self { pair, random }),
            Err(error) => Err(KeyError::Format { path, reason: error.to_string() }),
        }
    }

    /// `kid`: digest of the public key, as an API server has it.
    pub fn id(&self) -> String {
        let digest = Sha256::new().chain_update(PUBLIC_KEY_HEADER).chain_update(self.pair.public_key()).finalize();
        URL_SAFE_NO_PAD.encode(digest)
    }

    /// The two coordinates of the public key.
    pub fn point(&self) -> (&[u8], &[u8]) {
        // An uncompressed point: 4, x, y (SEC 1, section 2.3.3).
        self.pair.public_key().as_ref()[1..].split_at(COORDINATE)
    }

    /// Signature as in ES256: both numbers one behind the other (RFC 7518, section 3.4).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&self.random, message).map_err(|_| KeyError::Sign)?;
        Ok(signature.as_ref().to_vec())
    }

    pub(super) fn random<const N: usize>(&self) -> Result<[u8; N], KeyError> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|_| KeyError::Sign)?;
        Ok(bytes)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

fn to_pem(der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let mut text = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for (at, letter) in body.chars().enumerate() {
        if at > 0 && at % PEM_LINE == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_root_has_one_key_which_nobody_else_reads() -> Result<(), Box<dyn std::error::Error>> {
        let base = std::env::temp_dir().join(format!("podkin-account-key-{}", std::process::id()));
        let layout = Layout::new(base.join("root"), base.join("run"));
        std::fs::create_dir_all(&layout.root)?;
        let ids: Vec<_> = std::thread::scope(|scope| {
            let open = || SigningKey::open(&layout).map(|key| key.id());
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<_, _>>()
        })?;
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let mode = std::fs::metadata(layout.service_account_key())?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(layout.service_account_key(), "no key")?;
        assert!(matches!(SigningKey::open(&layout), Err(KeyError::Format { .. })));
        Ok(std::fs::remove_dir_all(base)?)
    }
}
