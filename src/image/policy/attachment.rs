//! The manifest that holds cosign's signatures of an image, in the image's own repository.

use super::sigstore::{PAYLOAD_TYPE, SIGNATURE_ANNOTATION, SigstoreSignature};
use crate::image::digest::Digest;
use serde_json::{Map, Value, json};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// What is to be uploaded: the blobs, and then the manifest under the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub tag: String,
    pub blobs: Vec<Vec<u8>>,
    /// Of the type `application/vnd.oci.image.manifest.v1+json`.
    pub manifest: Vec<u8>,
}

/// What lies under the tag is no manifest of signatures.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    #[error("the manifest of the signatures is malformed")]
    Json(#[from] serde_json::Error),
    #[error("the manifest of the signatures has no layers")]
    NoLayers,
}

/// The tag under which the signatures of a manifest lie.
pub fn tag(manifest: &Digest) -> String {
    format!("sha256-{}.sig", manifest.hex())
}

/// Adds a signature of `image` to those that are there; `existing` is the manifest that lies under [`tag`] now.
pub fn attach(
    existing: Option<&[u8]>,
    image: &Digest,
    signature: &SigstoreSignature,
) -> Result<Attachment, AttachmentError> {
    let mut manifest = match existing {
        Some(text) => serde_json::from_slice::<Map<String, Value>>(text)?,
        None => {
            let empty = json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": {}, "layers": [] });
            empty.as_object().cloned().unwrap_or_default()
        }
    };
    let layers = manifest.get_mut("layers").and_then(Value::as_array_mut).ok_or(AttachmentError::NoLayers)?;
    let mut layer = descriptor(PAYLOAD_TYPE, &signature.payload);
    layer["annotations"] = json!({ SIGNATURE_ANNOTATION: signature.signature });
    layers.push(layer);
    // Payloads are not compressed, so that a layer's digest is its diff id.
    let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
    let config =
        json!({ "architecture": "", "os": "", "config": {}, "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = config.to_string().into_bytes();
    manifest.insert("config".to_owned(), descriptor(CONFIG_TYPE, &config));
    let manifest = serde_json::to_vec(&manifest)?;
    Ok(Attachment { tag: tag(image), blobs: vec![signature.payload.clone(), config], manifest })
}

fn descriptor(kind: &str, content: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": Digest::of(content), "size": content.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_added_to_those_that_are_there() {
        let image = Digest::of(b"image");
        let signature = |n: u8| SigstoreSignature { payload: vec![n], signature: n.to_string() };
        let first = attach(None, &image, &signature(1)).unwrap();
        assert_eq!(first.tag, format!("sha256-{}.sig", image.hex()));
        let mut edited: Value = serde_json::from_slice(&first.manifest).unwrap();
        edited["layers"][0]["annotations"]["more"] = "kept".into();
        let second = attach(Some(edited.to_string().as_bytes()), &image, &signature(2)).unwrap();
        let manifest: Value = serde_json::from_slice(&second.manifest).unwrap();
        assert_eq!(manifest["layers"][0], edited["layers"][0]);
        assert_eq!(manifest["layers"][1]["annotations"][SIGNATURE_ANNOTATION], "2");
        assert_eq!(manifest["layers"][1]["mediaType"], PAYLOAD_TYPE);
        let [payload, config] = &second.blobs[..] else { panic!("{:?}", second.blobs) };
        assert_eq!(manifest["layers"][1]["digest"], Digest::of(payload).to_string());
        assert_eq!(manifest["config"]["digest"], Digest::of(config).to_string());
        let config: Value = serde_json::from_slice(config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"], json!([Digest::of(&[1]), Digest::of(&[2])]));
        assert!(matches!(attach(Some(b"{}"), &image, &signature(1)), Err(AttachmentError::NoLayers)));
        assert!(matches!(attach(Some(b"["), &image, &signature(1)), Err(AttachmentError::Json(_))));
    }
}
