//! Making simple signatures (containers-signature(5)), and putting them where they are looked for.

use super::openpgp::{Gpg, OpenPgpError};
use super::payload::{Payload, PayloadKind};
use super::scope::identity_text;
use super::signatures::signature_name;
use crate::image::digest::Digest;
use crate::image::reference::Reference;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// `optional.creator` of what is signed here.
pub(super) const CREATOR: &str = concat!("podkin ", env!("CARGO_PKG_VERSION"));

#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("cannot sign `{image}`")]
    OpenPgp { image: String, source: OpenPgpError },
    #[error("cannot write a signature below `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Signs a manifest under a name, with a key of the user's own keyring, or of that in the home of gpg that is given.
pub fn sign(
    gpg: &Gpg,
    home: Option<&Path>,
    key: &str,
    reference: &Reference,
    manifest: &[u8],
) -> Result<Vec<u8>, SignError> {
    let identity = identity_text(reference);
    let payload = Payload { identity: identity.clone(), digest: Digest::of(manifest) };
    let text = payload.to_json(PayloadKind::Simple, CREATOR, jiff::Timestamp::now().as_second());
    gpg.sign(&text, key, home).map_err(|source| SignError::OpenPgp { image: identity, source })
}

/// Adds a signature to those of an image, whose directory is made when there is none: the first number that is free.
pub fn write(directory: &Path, signature: &[u8]) -> Result<PathBuf, SignError> {
    let failed = |source| SignError::Write { path: directory.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(failed)?;
    let beside = directory.join(format!(".signature.{}.tmp", std::process::id()));
    let written = write_whole(&beside, signature).and_then(|()| link_to_free_number(directory, &beside));
    // Only a second name for what was written, or of no use.
    let removed = std::fs::remove_file(&beside);
    let path = written.map_err(failed)?;
    removed.map_err(failed)?;
    Ok(path)
}

fn write_whole(path: &Path, signature: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(signature)?;
    file.sync_all()
}

/// A link never replaces what is there, so that two who sign at once both keep their signatures.
fn link_to_free_number(directory: &Path, file: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let path = directory.join(signature_name(number));
        match std::fs::hard_link(file, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            result => return result.map(|()| path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_numbered_from_one() {
        let base = std::env::temp_dir().join(format!("podkin-sign-{}", std::process::id()));
        let directory = base.join("a@sha256=0");
        for number in 1..4 {
            let path = write(&directory, format!("{number}").as_bytes()).unwrap();
            assert_eq!(path, directory.join(format!("signature-{number}")));
        }
        assert_eq!(std::fs::read(directory.join("signature-2")).unwrap(), b"2");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 3);
        std::fs::remove_dir_all(&base).unwrap();
    }
}
