//! The JSON documents of an image: configuration, manifest, index, and Docker's archive manifest.
//!
//! Types here are those on the wire, read leniently where registries are known to be sloppy (null for an empty list) and
//! strictly where a lie would matter. `record::ImageConfig` is what the rest of podkin uses.

use super::digest::{Digest, DigestError};
use crate::store::record::ImageConfig;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// No manifest, index or configuration may be larger.
pub const MAX_DOCUMENT: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("malformed {what}")]
    Json { what: &'static str, source: serde_json::Error },
    #[error("{what} is larger than {MAX_DOCUMENT} bytes")]
    TooLarge { what: &'static str },
    #[error("manifest has both `layers` and `manifests`, and could be taken for two things")]
    Ambiguous,
    #[error("manifest is of Docker's schema 1, which is no longer supported: push the image anew with a current tool")]
    Schema1,
    #[error("manifest has neither `layers` nor `manifests`")]
    NotAManifest,
    #[error("environment entry `{0}` of the image has no `NAME=` in front")]
    Environment(String),
    #[error("image has {layers} layers, but its configuration lists {diff_ids}")]
    LayerCount { layers: usize, diff_ids: usize },
    #[error("image is for {0}, which runs no Linux containers")]
    OperatingSystem(String),
    #[error("layer has the media type `{0}`, which is not supported")]
    MediaType(String),
    #[error("image has no layers")]
    NoLayers,
    #[error("a document of the image is not UTF-8")]
    NotText,
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// OCI image configuration (OCI image specification, "Image Configuration"); Docker's has the same shape.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ConfigDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(default)]
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(default)]
    pub os: String,
    #[serde(default, deserialize_with = "or_null")]
    pub config: ContainerDefaults,
    pub rootfs: RootFs,
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
}

/// `config` of an image configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerDefaults {
    #[serde(deserialize_with = "or_null", skip_serializing_if = "String::is_empty")]
    pub user: String,
    #[serde(deserialize_with = "or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    #[serde(deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    #[serde(deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    #[serde(deserialize_with = "or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "or_null", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    #[serde(deserialize_with = "or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    #[serde(rename = "type", default)]
    pub kind: String,
    #[serde(default, deserialize_with = "or_null")]
    pub diff_ids: Vec<Digest>,
}

/// How one layer came to be; `empty_layer` ones made none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// OCI descriptor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default, deserialize_with = "or_null")]
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    #[serde(default, rename = "os.features", deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// OCI image manifest, or Docker's schema 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// A manifest or an index, told apart by what is in it.
#[derive(Debug, Clone, PartialEq)]
pub enum ManifestDocument {
    Image(Box<Manifest>),
    Index(Vec<Descriptor>),
}

/// One element of `manifest.json` in a docker-archive.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DockerEntry {
    pub config: String,
    #[serde(default, deserialize_with = "or_null")]
    pub repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "or_null")]
    pub layers: Vec<String>,
}

impl ConfigDocument {
    /// Reads and checks a configuration: what a container would take over unseen must be well-formed.
    pub fn parse(json: &[u8]) -> Result<Self, DocumentError> {
        let config: Self = parse(json, "image configuration")?;
        if !matches!(config.os.as_str(), "" | "linux") {
            return Err(DocumentError::OperatingSystem(config.os));
        }
        for entry in &config.config.env {
            // Without a value some engines take the machine's own variable.
            if entry.find('=').is_none_or(|at| at == 0) || entry.contains('\0') {
                return Err(DocumentError::Environment(entry.clone()));
            }
        }
        if config.rootfs.diff_ids.is_empty() {
            return Err(DocumentError::NoLayers);
        }
        Ok(config)
    }

    /// Refuses a configuration for another number of layers than the manifest has.
    pub fn check_layers(&self, layers: usize) -> Result<(), DocumentError> {
        let diff_ids = self.rootfs.diff_ids.len();
        if layers == diff_ids { Ok(()) } else { Err(DocumentError::LayerCount { layers, diff_ids }) }
    }

    /// Chain ids of the layers, lowest first.
    pub fn chains(&self) -> Vec<Digest> {
        let mut chains: Vec<Digest> = Vec::new();
        for diff_id in &self.rootfs.diff_ids {
            chains.push(diff_id.chain(chains.last()));
        }
        chains
    }

    /// What of it concerns running the image.
    pub fn to_record(&self) -> ImageConfig {
        let ContainerDefaults {
            user,
            exposed_ports,
            env,
            entrypoint,
            cmd,
            volumes,
            working_dir,
            labels,
            stop_signal,
            // A probe is what a pod's specification declares; Kubernetes ignores the image's.
            healthcheck: _,
        } = self.config.clone();
        ImageConfig {
            entrypoint,
            cmd,
            env,
            user,
            working_dir,
            stop_signal: stop_signal.filter(|signal| !signal.is_empty()),
            volumes: volumes.into_keys().collect(),
            exposed_ports: exposed_ports.into_keys().collect(),
            labels,
        }
    }
}

impl ManifestDocument {
    pub fn parse(json: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Either {
            schema_version: Option<u32>,
            config: Option<serde_json::Value>,
            layers: Option<serde_json::Value>,
            manifests: Option<Vec<Descriptor>>,
        }
        let either: Either = parse(json, "manifest")?;
        match (either.manifests, either.layers.is_some() || either.config.is_some()) {
            (Some(_), true) => Err(DocumentError::Ambiguous),
            (Some(manifests), false) => Ok(Self::Index(manifests)),
            (None, false) if either.schema_version == Some(1) => Err(DocumentError::Schema1),
            (None, false) => Err(DocumentError::NotAManifest),
            (None, true) => Ok(Self::Image(Box::new(Manifest::parse(json)?))),
        }
    }
}

impl Manifest {
    fn parse(json: &[u8]) -> Result<Self, DocumentError> {
        let manifest: Self = parse(json, "manifest")?;
        for layer in &manifest.layers {
            let tar = layer.media_type.contains("tar") && !layer.media_type.contains("encrypted");
            if !layer.media_type.is_empty() && !tar {
                return Err(DocumentError::MediaType(layer.media_type.clone()));
            }
        }
        Ok(manifest)
    }

    /// The manifest of an image that came without one: uncompressed layers, in the order of the configuration.
    pub fn synthesize(config: &[u8], layers: &[(Digest, u64)]) -> Self {
        let descriptor = |media_type: &str, digest: Digest, size: u64| Descriptor {
            media_type: format!("application/vnd.oci.image.{media_type}"),
            digest,
            size,
            annotations: BTreeMap::new(),
            platform: None,
        };
        Self {
            schema_version: 2,
            media_type: "application/vnd.oci.image.manifest.v1+json".into(),
            config: descriptor("config.v1+json", Digest::of(config), config.len() as u64),
            layers: layers.iter().map(|(digest, size)| descriptor("layer.v1.tar", digest.clone(), *size)).collect(),
        }
    }

    /// Its JSON; the same manifest always gives the same bytes.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a manifest has only string keys and finite numbers")
    }
}

/// Reads a JSON document, refusing large ones before looking at them.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8], what: &'static str) -> Result<T, DocumentError> {
    if json.len() as u64 > MAX_DOCUMENT {
        return Err(DocumentError::TooLarge { what });
    }
    serde_json::from_slice(json).map_err(|source| DocumentError::Json { what, source })
}

/// `null` where a list, map, text or object is meant: Go's encoder writes it for empty ones.
fn or_null<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(env: &str) -> Vec<u8> {
        let id = Digest::of(b"x");
        format!(r#"{{"os":"linux","architecture":"amd64","config":{{"Env":{env},"Cmd":null}},"rootfs":{{"type":"layers","diff_ids":["{id}"]}}}}"#)
            .into_bytes()
    }

    #[test]
    fn environment_must_have_values() {
        assert!(ConfigDocument::parse(&config(r#"["A=b","B=","C=d=e"]"#)).is_ok());
        assert!(ConfigDocument::parse(&config("null")).is_ok());
        for bad in [r#"["HOME"]"#, r#"["*"]"#, r#"["=x"]"#, r#"["A=b\u0000c"]"#, r#"[""]"#] {
            assert!(matches!(ConfigDocument::parse(&config(bad)), Err(DocumentError::Environment(_))), "{bad}");
        }
    }

    #[test]
    fn a_manifest_is_one_thing() {
        let descriptor = format!(r#"{{"mediaType":"","digest":"{}","size":1}}"#, Digest::of(b"x"));
        let image = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{descriptor}]}}"#);
        assert!(matches!(ManifestDocument::parse(image.as_bytes()), Ok(ManifestDocument::Image(_))));
        let both = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[],"manifests":[]}}"#);
        assert!(matches!(ManifestDocument::parse(both.as_bytes()), Err(DocumentError::Ambiguous)));
        assert!(matches!(ManifestDocument::parse(b"{}"), Err(DocumentError::NotAManifest)));
        let bad = image.replace("sha256", "sha512");
        assert!(ManifestDocument::parse(bad.as_bytes()).is_err());
        assert!(matches!(ManifestDocument::parse(&vec![b' '; 5 << 20]), Err(DocumentError::TooLarge { .. })));
    }
}
