//! Where the signatures of an image come from. Nothing here is trusted yet.

use super::attachment;
use super::lookaside::{Lookaside, LookasideError, Place};
use super::sigstore::{PAYLOAD_TYPE, SIGNATURE_ANNOTATION, SigstoreSignature};
use crate::image::config::Descriptor;
use crate::image::digest::Digest;
use crate::image::reference::Reference;
use serde::Deserialize;
use std::error::Error;
use std::io;
use std::path::Path;

/// No image has more simple signatures; a server that never says "not found" would be asked for ever.
const MAX_SIGNATURES: usize = 128;
/// A payload is a few hundred bytes, a signature a few thousand; all of an image are held in memory.
const MAX_SIZE: u64 = 256 << 10;

/// The signatures of one image. Each kind is asked for only when a requirement needs it.
pub trait Signatures {
    /// Simple signatures: OpenPGP messages.
    fn simple(&self) -> Result<Vec<Vec<u8>>, FetchError>;
    /// Signatures as cosign makes them.
    fn sigstore(&self) -> Result<Vec<SigstoreSignature>, FetchError>;
}

/// What a client of registries must be able to do.
pub trait Fetch {
    /// The content of a URL, or `None` when there is nothing. It is an error when it is longer than `limit` bytes.
    ///
    /// Without the passwords of the registry: the lookaside is another server.
    fn url(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, BoxError>;
    /// The manifest that a reference with a tag leads to, of at most 4 MiB; `None` when there is none.
    fn manifest(&self, reference: &Reference) -> Result<Option<Vec<u8>>, BoxError>;
    /// A blob of that repository, its digest checked, of at most `limit` bytes.
    fn blob(&self, reference: &Reference, digest: &Digest, limit: u64) -> Result<Vec<u8>, BoxError>;
}

pub type BoxError = Box<dyn Error + Send + Sync>;

/// Signatures could not be had, which is not the same as there being none.
#[derive(Debug, thiserror::Error)]
#[error("cannot get the signatures from `{from}`")]
pub struct FetchError {
    pub from: String,
    pub source: BoxError,
}

/// Of an OCI manifest what matters here; its layers are of types that no image has.
#[derive(Deserialize)]
struct Attachments {
    layers: Vec<Descriptor>,
}

/// What is wrong with signatures that were found.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("there are more than {MAX_SIGNATURES} signatures")]
    TooMany,
    #[error("a signature is larger than {MAX_SIZE} bytes")]
    TooLarge,
    #[error("a payload is not what its digest says")]
    WrongPayload,
}

/// For what has none: archives, the images of a daemon.
#[derive(Debug, Clone, Copy)]
pub struct NoSignatures;

impl Signatures for NoSignatures {
    fn simple(&self) -> Result<Vec<Vec<u8>>, FetchError> {
        Ok(Vec::new())
    }

    fn sigstore(&self) -> Result<Vec<SigstoreSignature>, FetchError> {
        Ok(Vec::new())
    }
}

/// The signatures of an image in a registry: simple ones where registries.d says, cosign's beside the image.
pub struct RegistrySignatures<'a> {
    pub lookaside: &'a Lookaside,
    pub fetch: &'a dyn Fetch,
    /// As the registry that is asked has it: for a mirror, the mirror's.
    pub reference: &'a Reference,
    /// Of the manifest that is checked.
    pub digest: &'a Digest,
}

impl Signatures for RegistrySignatures<'_> {
    fn simple(&self) -> Result<Vec<Vec<u8>>, FetchError> {
        let place = self.lookaside.reading(self.reference, self.digest);
        match place.map_err(|source: LookasideError| self.failed(self.reference.name(), source))? {
            None => Ok(Vec::new()),
            Some(Place::Directory(path)) => numbered(|name| read(&path.join(name)))
                .map_err(|source| self.failed(path.display().to_string(), source)),
            Some(Place::Url(base)) => numbered(|name| self.fetch.url(&format!("{base}/{name}"), MAX_SIZE))
                .map_err(|source| self.failed(base, source)),
        }
    }

    fn sigstore(&self) -> Result<Vec<SigstoreSignature>, FetchError> {
        if !self.lookaside.uses_attachments(self.reference) {
            return Ok(Vec::new());
        }
        let tag = Some(attachment::tag(self.digest));
        let attachment = Reference { tag, digest: None, ..self.reference.clone() };
        self.attached(&attachment).map_err(|source| self.failed(attachment.to_string(), source))
    }
}

impl RegistrySignatures<'_> {
    fn failed(&self, from: String, source: impl Into<BoxError>) -> FetchError {
        FetchError { from, source: source.into() }
    }

    /// The signatures in the manifest under cosign's tag; other attachments are layers of other types.
    fn attached(&self, attachment: &Reference) -> Result<Vec<SigstoreSignature>, BoxError> {
        let Some(manifest) = self.fetch.manifest(attachment)? else { return Ok(Vec::new()) };
        let manifest: Attachments = serde_json::from_slice(&manifest)?;
        let signed = manifest.layers.iter().filter_map(|layer| {
            let signature = layer.annotations.get(SIGNATURE_ANNOTATION).filter(|_| layer.media_type == PAYLOAD_TYPE);
            Some((layer, signature?))
        });
        let signed: Vec<_> = signed.take(MAX_SIGNATURES + 1).collect();
        if signed.len() > MAX_SIGNATURES {
            return Err(Malformed::TooMany.into());
        }
        signed.into_iter().map(|(layer, signature)| self.payload(attachment, layer, signature)).collect()
    }

    fn payload(
        &self,
        attachment: &Reference,
        layer: &Descriptor,
        signature: &str,
    ) -> Result<SigstoreSignature, BoxError> {
        if layer.size > MAX_SIZE {
            return Err(Malformed::TooLarge.into());
        }
        let payload = self.fetch.blob(attachment, &layer.digest, MAX_SIZE)?;
        if Digest::of(&payload) != layer.digest {
            return Err(Malformed::WrongPayload.into());
        }
        Ok(SigstoreSignature { payload, signature: signature.to_owned() })
    }
}

/// `signature-1` and so on, up to the first that is not there.
fn numbered(read: impl Fn(&str) -> Result<Option<Vec<u8>>, BoxError>) -> Result<Vec<Vec<u8>>, BoxError> {
    let mut signatures = Vec::new();
    while let Some(signature) = read(&signature_name(signatures.len() + 1))? {
        if signatures.len() == MAX_SIGNATURES {
            return Err(Malformed::TooMany.into());
        }
        signatures.push(signature);
    }
    Ok(signatures)
}

/// The name of the file of the signature with that number, which begins at 1.
pub(super) fn signature_name(number: usize) -> String {
    format!("signature-{number}")
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, BoxError> {
    match super::read_document(path) {
        Ok(signature) if signature.len() as u64 > MAX_SIZE => Err(Malformed::TooLarge.into()),
        Ok(signature) => Ok(Some(signature)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    /// A registry and a lookaside in memory, which note what they are asked.
    #[derive(Default)]
    struct Fake {
        urls: BTreeMap<String, Vec<u8>>,
        manifests: BTreeMap<String, Vec<u8>>,
        blobs: BTreeMap<Digest, Vec<u8>>,
        endless: bool,
        asked: RefCell<Vec<String>>,
    }

    impl Fetch for Fake {
        fn url(&self, url: &str, _: u64) -> Result<Option<Vec<u8>>, BoxError> {
            self.asked.borrow_mut().push(url.to_owned());
            Ok(self.urls.get(url).cloned().or_else(|| self.endless.then(Vec::new)))
        }

        fn manifest(&self, reference: &Reference) -> Result<Option<Vec<u8>>, BoxError> {
            self.asked.borrow_mut().push(reference.to_string());
            Ok(self.manifests.get(&reference.to_string()).cloned())
        }

        fn blob(&self, _: &Reference, digest: &Digest, _: u64) -> Result<Vec<u8>, BoxError> {
            self.blobs.get(digest).cloned().ok_or_else(|| "no such blob".into())
        }
    }

    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn lookaside(name: &str, yaml: &str) -> (Scratch, Lookaside) {
        let path = std::env::temp_dir().join(format!("podkin-signatures-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a.yaml"), yaml.replace("HERE", path.to_str().unwrap())).unwrap();
        let lookaside = Lookaside::read(std::slice::from_ref(&path), None).unwrap();
        (Scratch(path), lookaside)
    }

    #[test]
    fn simple_signatures_are_numbered_files_or_pages() {
        let (scratch, lookaside) = lookaside(
            "simple",
            "docker:\n  quay.io/file:\n    lookaside: file://HERE\n  quay.io/page:\n    lookaside: https://look\n",
        );
        let digest = Digest::of(b"manifest");
        let directory = scratch.0.join(format!("file@sha256={}", digest.hex()));
        std::fs::create_dir(&directory).unwrap();
        for (number, content) in [(1, "one"), (2, "two"), (4, "beyond the gap")] {
            std::fs::write(directory.join(signature_name(number)), content).unwrap();
        }
        let base = format!("https://look/page@sha256={}", digest.hex());
        let mut fake = Fake::default();
        fake.urls.insert(format!("{base}/signature-1"), b"one".to_vec());
        let simple = |text: &str, fake: &Fake| {
            let reference = Reference::parse(text).unwrap();
            RegistrySignatures { lookaside: &lookaside, fetch: fake, reference: &reference, digest: &digest }.simple()
        };
        assert_eq!(simple("quay.io/file:1", &fake).unwrap(), [b"one", b"two"]);
        assert_eq!(simple("quay.io/page:1", &fake).unwrap(), [b"one"]);
        assert_eq!(*fake.asked.borrow(), [format!("{base}/signature-1"), format!("{base}/signature-2")]);
        assert!(simple("quay.io/other:1", &fake).unwrap().is_empty());
        let endless = Fake { endless: true, ..Fake::default() };
        let error = simple("quay.io/page:1", &endless).unwrap_err();
        assert!(error.source.to_string().contains("more than 128"), "{error:?}");
    }

    #[test]
    fn attachments_are_layers_of_the_manifest_under_cosigns_tag() {
        let (_scratch, lookaside) = lookaside("attached", "docker:\n  quay.io:\n    use-sigstore-attachments: true\n");
        let digest = Digest::of(b"manifest");
        let payload = b"payload".to_vec();
        let layer = |kind: &str, size: u64, annotations: serde_json::Value| json!({ "mediaType": kind, "digest": Digest::of(b"payload"), "size": size, "annotations": annotations });
        let signed = json!({ SIGNATURE_ANNOTATION: "c2ln" });
        let manifest = |layers: Vec<serde_json::Value>| {
            let config = json!({ "mediaType": "application/json", "digest": Digest::of(b"{}"), "size": 2 });
            json!({ "schemaVersion": 2, "config": config, "layers": layers }).to_string().into_bytes()
        };
        let tag = format!("quay.io/a:sha256-{}.sig", digest.hex());
        let sigstore = |text: &str, fake: &Fake| {
            let reference = Reference::parse(text).unwrap();
            RegistrySignatures { lookaside: &lookaside, fetch: fake, reference: &reference, digest: &digest }.sigstore()
        };
        let mut fake = Fake::default();
        assert!(sigstore("quay.io/a:1", &fake).unwrap().is_empty());
        assert_eq!(*fake.asked.borrow(), std::slice::from_ref(&tag));
        assert!(sigstore("docker.io/a/b:1", &fake).unwrap().is_empty());
        assert_eq!(fake.asked.borrow().len(), 1, "attachments are not used there");

        let layers = vec![
            layer("application/other", 7, signed.clone()),
            layer(PAYLOAD_TYPE, 7, json!({})),
            layer(PAYLOAD_TYPE, 7, signed.clone()),
        ];
        fake.manifests.insert(tag.clone(), manifest(layers));
        assert!(sigstore("quay.io/a:1", &fake).is_err(), "the payload is missing");
        fake.blobs.insert(Digest::of(b"payload"), payload.clone());
        let found = sigstore("quay.io/a:1", &fake).unwrap();
        assert_eq!(found, [SigstoreSignature { payload, signature: "c2ln".into() }]);
        fake.blobs.insert(Digest::of(b"payload"), b"changed".to_vec());
        assert!(sigstore("quay.io/a:1", &fake).is_err(), "the payload is another one");
        fake.manifests.insert(tag.clone(), manifest(vec![layer(PAYLOAD_TYPE, 2 << 20, signed.clone())]));
        assert!(sigstore("quay.io/a:1", &fake).unwrap_err().source.to_string().contains("larger"));
        fake.manifests.insert(tag.clone(), manifest(vec![layer(PAYLOAD_TYPE, 7, signed); 129]));
        assert!(sigstore("quay.io/a:1", &fake).unwrap_err().source.to_string().contains("more than"));
        fake.manifests.insert(tag, br#"{"schemaVersion":2,"manifests":[]}"#.to_vec());
        assert!(sigstore("quay.io/a:1", &fake).is_err(), "an index");
    }
}
