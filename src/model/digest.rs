//! Content digests: `sha256:` and 64 hexadecimal digits, checked before any path or query is made of them.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

/// A sha256 digest, the only algorithm podkin stores content under (OCI image specification, "Digests").
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    #[error("digest `{0}` has no `algorithm:` in front")]
    NoAlgorithm(String),
    #[error("digest algorithm `{0}` is not supported, only `sha256` is")]
    Algorithm(String),
    #[error("digest `{0}` must have 64 lower-case hexadecimal digits after `sha256:`")]
    Encoded(String),
}

impl Digest {
    /// Digest of these bytes.
    pub fn of(content: &[u8]) -> Self {
        Self::from_hash(Sha256::new_with_prefix(content))
    }

    pub(crate) fn from_hash(hash: Sha256) -> Self {
        Self(hex(&hash.finalize()))
    }

    /// From the 64 digits alone.
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        if is_hex_digest(hex) { Ok(Self(hex.to_owned())) } else { Err(DigestError::Encoded(hex.to_owned())) }
    }

    /// From the bytes of the hash itself.
    pub(crate) fn from_bytes(hash: &[u8; 32]) -> Self {
        Self(hex(hash))
    }

    /// The bytes of the hash itself.
    pub(crate) fn bytes(&self) -> [u8; 32] {
        let digit = |b: u8| if b.is_ascii_digit() { b - b'0' } else { b - b'a' + 10 };
        let digits = self.0.as_bytes();
        std::array::from_fn(|at| digit(digits[2 * at]) << 4 | digit(digits[2 * at + 1]))
    }

    /// The 64 digits without the algorithm.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// Chain id of a layer with this diff id on top of `parent` (OCI image specification, "Layer ChainID").
    pub fn chain(&self, parent: Option<&Digest>) -> Digest {
        match parent {
            None => self.clone(),
            Some(parent) => Digest::of(format!("{parent} {self}").as_bytes()),
        }
    }
}

/// True for 64 lower-case hexadecimal digits.
pub fn is_hex_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, encoded) = text.split_once(':').ok_or_else(|| DigestError::NoAlgorithm(text.to_owned()))?;
        if algorithm != "sha256" {
            return Err(DigestError::Algorithm(algorithm.to_owned()));
        }
        if is_hex_digest(encoded) { Ok(Self(encoded.to_owned())) } else { Err(DigestError::Encoded(text.to_owned())) }
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// Passes bytes through and hashes and counts them on the way.
pub(crate) struct Hashing<T> {
    inner: T,
    hash: Sha256,
    count: u64,
}

impl<T> Hashing<T> {
    pub fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), count: 0 }
    }

    /// Digest and number of the bytes that passed.
    pub fn finish(self) -> (Digest, u64) {
        (Digest::from_hash(self.hash), self.count)
    }

    /// What the bytes passed to or came from, their digest and number.
    pub fn into_parts(self) -> (T, Digest, u64) {
        (self.inner, Digest::from_hash(self.hash), self.count)
    }

    fn note(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.count += bytes.len() as u64;
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.note(&buffer[..read]);
        Ok(read)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.note(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_sha256_is_taken() {
        let good = format!("sha256:{}", "a1".repeat(32));
        assert_eq!(good.parse::<Digest>().unwrap().to_string(), good);
        for bad in ["", "abc", "sha512:aa", "sha256:", "sha256:../../etc/passwd", "SHA256:aa", "../sha256:aa"] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert!(format!("sha256:{}", "A1".repeat(32)).parse::<Digest>().is_err());
        assert!(format!("sha256:{}0", "a1".repeat(32)).parse::<Digest>().is_err());
    }

    #[test]
    fn chain_of_two() {
        let empty = Digest::of(b"");
        assert_eq!(empty.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Digest::from_bytes(&empty.bytes()), empty);
        assert_eq!(empty.chain(None), empty);
        assert_eq!(empty.chain(Some(&empty)), Digest::of(format!("{empty} {empty}").as_bytes()));
    }
}
