//! Signatures as cosign makes them with a key: a payload, and a signature over it beside.
//!
//! Keys are PEM (`PUBLIC KEY`) on the curves P-256, P-384 and Ed25519, or RSA from 2048 bits; all but Ed25519 with SHA-256, which
//! is what cosign uses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;

/// Media type of a layer that is a payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Annotation of the layer that holds the signature.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// A payload and what its layer says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigstoreSignature {
    pub payload: Vec<u8>,
    /// In base64.
    pub signature: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SigstoreError {
    #[error("it is no PEM of a public key")]
    Pem(#[source] pem::Error),
    #[error("its kind is not supported: it must be ECDSA on P-256 or P-384, Ed25519, or RSA")]
    KeyKind,
    #[error("the signature is not base64")]
    Base64(#[from] base64::DecodeError),
    #[error("it was made with another key, or what is signed was changed")]
    Bad,
}

/// A key that is trusted.
#[derive(Debug)]
pub struct PublicKey {
    key: SubjectPublicKeyInfoDer<'static>,
    algorithm: &'static dyn SignatureVerificationAlgorithm,
}

impl PublicKey {
    /// Reads PEM.
    pub fn parse(text: &[u8]) -> Result<Self, SigstoreError> {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(text).map_err(SigstoreError::Pem)?;
        let known = [
            webpki::ring::ECDSA_P256_SHA256,
            webpki::ring::ECDSA_P384_SHA256,
            webpki::ring::ED25519,
            webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        ];
        // An algorithm that is not for the key says so before it looks at a signature.
        let fits = |algorithm: &&&'static dyn SignatureVerificationAlgorithm| {
            let tried = RawPublicKeyEntity::try_from(&key).map(|key| key.verify_signature(**algorithm, b"", b""));
            matches!(tried, Ok(Err(webpki::Error::InvalidSignatureForPublicKey)))
        };
        let algorithm = known.iter().find(fits).copied().ok_or(SigstoreError::KeyKind)?;
        Ok(Self { key, algorithm })
    }

    /// Whether this key made a signature over a message.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = RawPublicKeyEntity::try_from(&self.key);
        key.is_ok_and(|key| key.verify_signature(self.algorithm, message, signature).is_ok())
    }
}

impl SigstoreSignature {
    /// The payload, when one of the keys signed it.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<&[u8], SigstoreError> {
        let signature = BASE64.decode(self.signature.trim())?;
        let signed = keys.iter().any(|key| key.verifies(&self.payload, &signature));
        if signed { Ok(&self.payload) } else { Err(SigstoreError::Bad) }
    }
}
