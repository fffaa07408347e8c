//! Private keys as cosign writes them, and signatures made with them.
//!
//! A key is a PEM block around JSON: parameters of scrypt, which makes a secret of the passphrase, and a box of NaCl (`secretbox`:
//! XSalsa20 and Poly1305), which holds the key in PKCS#8. cosign makes keys on P-256; others are refused.

use super::payload::{Payload, PayloadKind};
use super::scope::identity_text;
use super::sigstore::SigstoreSignature;
use crate::image::digest::Digest;
use crate::image::reference::Reference;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, XSalsa20Poly1305};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde::Deserialize;
use std::fmt;

/// A key that was opened with its passphrase. Shown nowhere.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PrivateKeyError {
    #[error("it is no encrypted private key of cosign or sigstore in PEM")]
    Pem,
    #[error("the encrypted key is malformed")]
    Json(#[from] serde_json::Error),
    #[error("the encrypted key has a part that is not base64")]
    Base64(#[from] base64::DecodeError),
    #[error("the key is encrypted with `{0}`, which is not supported")]
    Method(String),
    #[error("the parameters of scrypt are out of bounds")]
    Parameters,
    #[error("the passphrase is wrong, or the key was changed")]
    Passphrase,
    #[error("the key is none on the curve P-256")]
    KeyKind,
    #[error("the key cannot sign")]
    Sign,
}

/// What the PEM block holds.
#[derive(Deserialize)]
struct Encrypted {
    kdf: Derivation,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Derivation {
    name: String,
    params: Parameters,
    salt: String,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// cosign needs 64 MiB; what a file asks for is bounded.
const MAX_MEMORY: u64 = 256 << 20;

impl PrivateKey {
    /// Opens a key.
    pub fn open(text: &str, passphrase: &[u8]) -> Result<Self, PrivateKeyError> {
        let Encrypted { kdf, cipher, ciphertext } = serde_json::from_slice(&pem_content(text)?)?;
        if kdf.name != "scrypt" || cipher.name != "nacl/secretbox" {
            return Err(PrivateKeyError::Method(format!("{}, {}", kdf.name, cipher.name)));
        }
        let key = kdf.params.derive(passphrase, &BASE64.decode(kdf.salt)?)?;
        let nonce: [u8; 24] = BASE64.decode(cipher.nonce)?.try_into().map_err(|_| PrivateKeyError::Parameters)?;
        let opened = XSalsa20Poly1305::new(&key.into()).decrypt(&nonce.into(), &BASE64.decode(ciphertext)?[..]);
        let opened = opened.map_err(|_| PrivateKeyError::Passphrase)?;
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &opened, &random);
        Ok(Self { pair: pair.map_err(|_| PrivateKeyError::KeyKind)?, random })
    }

    /// Signs a manifest under a name: tag or digest belong to it, as podman and skopeo sign, other than cosign.
    pub fn sign(&self, reference: &Reference, manifest: &[u8]) -> Result<SigstoreSignature, PrivateKeyError> {
        let payload = Payload { identity: identity_text(reference), digest: Digest::of(manifest) };
        let now = jiff::Timestamp::now().as_second();
        let payload = payload.to_json(PayloadKind::Sigstore, super::sign::CREATOR, now);
        let signature = self.pair.sign(&self.random, &payload).map_err(|_| PrivateKeyError::Sign)?;
        Ok(SigstoreSignature { payload, signature: BASE64.encode(signature) })
    }
}

impl Parameters {
    fn derive(&self, passphrase: &[u8], salt: &[u8]) -> Result<[u8; 32], PrivateKeyError> {
        let memory = self.n.checked_mul(128).and_then(|bytes| bytes.checked_mul(self.r.into()));
        let bounded = memory.is_some_and(|memory| memory <= MAX_MEMORY) && (1..=16).contains(&self.p);
        if !bounded || !self.n.is_power_of_two() || self.n < 2 {
            return Err(PrivateKeyError::Parameters);
        }
        let exponent = self.n.trailing_zeros() as u8;
        let params = scrypt::Params::new(exponent, self.r, self.p, 32).map_err(|_| PrivateKeyError::Parameters)?;
        let mut key = [0; 32];
        scrypt::scrypt(passphrase, salt, &params, &mut key).map_err(|_| PrivateKeyError::Parameters)?;
        Ok(key)
    }
}

/// What is in the one block of the text.
fn pem_content(text: &str) -> Result<Vec<u8>, PrivateKeyError> {
    let between = |kind: &str| {
        let (_, rest) = text.split_once(&format!("-----BEGIN ENCRYPTED {kind} PRIVATE KEY-----"))?;
        Some(rest.split_once(&format!("-----END ENCRYPTED {kind} PRIVATE KEY-----"))?.0)
    };
    let block = between("SIGSTORE").or_else(|| between("COSIGN")).ok_or(PrivateKeyError::Pem)?;
    let digits: String = block.split_ascii_whitespace().collect();
    Ok(BASE64.decode(digits)?)
}

#[cfg(test)]
mod tests {
    use super::super::sigstore::PublicKey;
    use super::*;

    /// Made with Python's hashlib and PyNaCl around a key of openssl; the passphrase is `secret`.
    const KEY: &str = include_str!("../../../tests/signatures/cosign.key");
    const PUBLIC: &[u8] = include_bytes!("../../../tests/signatures/cosign.pub");

    #[test]
    fn what_is_signed_is_verified_with_the_public_key() {
        let reference = Reference::parse("quay.io/a:1").unwrap();
        for text in [KEY.to_owned(), KEY.replace("COSIGN", "SIGSTORE")] {
            let signature = PrivateKey::open(&text, b"secret").unwrap().sign(&reference, b"manifest").unwrap();
            let payload = signature.verify(&[PublicKey::parse(PUBLIC).unwrap()]).unwrap();
            let expected = Payload { identity: "quay.io/a:1".into(), digest: Digest::of(b"manifest") };
            assert_eq!(Payload::parse(payload, PayloadKind::Sigstore).unwrap(), expected);
        }
    }

    #[test]
    fn keys_that_cannot_be_opened_are_refused() {
        assert!(matches!(PrivateKey::open(KEY, b"wrong"), Err(PrivateKeyError::Passphrase)));
        assert!(matches!(PrivateKey::open("", b"secret"), Err(PrivateKeyError::Pem)));
        assert!(matches!(PrivateKey::open(&KEY.replace("ENCRYPTED ", ""), b"secret"), Err(PrivateKeyError::Pem)));
        let changed = |from: &str, to: &str| {
            let json = String::from_utf8(pem_content(KEY).unwrap()).unwrap();
            assert!(json.contains(from), "{json}");
            let block = BASE64.encode(json.replace(from, to));
            let text = format!(
                "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n{block}\n-----END ENCRYPTED COSIGN PRIVATE KEY-----"
            );
            PrivateKey::open(&text, b"secret").map(|_| ()).unwrap_err()
        };
        assert!(matches!(changed("nacl/secretbox", "aes"), PrivateKeyError::Method(_)));
        assert!(matches!(changed("scrypt", "argon2"), PrivateKeyError::Method(_)));
        for n in ["0", "1", "1023", "1073741824", "18446744073709551615"] {
            assert!(matches!(changed("1024", n), PrivateKeyError::Parameters), "{n}");
        }
        assert!(matches!(changed("\"r\": 8", "\"r\": 0"), PrivateKeyError::Parameters));
        assert!(matches!(changed("\"p\": 1", "\"p\": 1000"), PrivateKeyError::Parameters));
        assert!(matches!(changed("\"nonce\": \"", "\"nonce\": \"AAAA"), PrivateKeyError::Parameters));
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", PrivateKey::open(KEY, b"secret").unwrap()), "PrivateKey { .. }");
    }
}
