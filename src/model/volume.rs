//! Volumes of a pod and persistent volume claims (Kubernetes API, `Volume` and `PersistentVolumeClaim` v1 core).

use super::container::MountOptions;
use super::{EnvValue, PullPolicy, TokenProjection};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One entry of `volumes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Unique in the pod.
    pub name: String,
    pub source: VolumeSource,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeSource {
    EmptyDir {
        medium: EmptyDirMedium,
        /// Bytes; a pod with more on disk is evicted.
        size_limit: Option<u64>,
        /// Permission bits of the directory, 0777 when unset; `fsGroup` adds its own.
        #[serde(default)]
        mode: Option<u32>,
    },
    HostPath {
        /// Absolute: a relative path was resolved against the directory of the YAML file.
        path: String,
        kind: HostPathType,
    },
    ConfigMap {
        name: String,
        items: Vec<KeyToPath>,
        default_mode: u32,
        #[serde(default)]
        default_user: Option<u32>,
        optional: bool,
    },
    Secret {
        name: String,
        items: Vec<KeyToPath>,
        default_mode: u32,
        #[serde(default)]
        default_user: Option<u32>,
        optional: bool,
    },
    /// A named volume of the store, made on demand.
    Claim { name: String, read_only: bool },
    /// A directory of another machine.
    Nfs(NfsExport),
    /// The root of an image, read-only.
    Image {
        /// As written.
        reference: String,
        pull_policy: Option<PullPolicy>,
    },
    /// A named volume that is made and removed with the pod: [`Volume::claim`] is its name.
    Ephemeral {
        /// Without a name.
        claim: Box<ClaimTemplate>,
    },
    /// Facts about the pod and its containers as files.
    DownwardApi {
        items: Vec<DownwardFile>,
        default_mode: u32,
        #[serde(default)]
        default_user: Option<u32>,
    },
    /// Several sources in one directory; their paths do not clash.
    Projected {
        sources: Vec<Projection>,
        default_mode: u32,
        #[serde(default)]
        default_user: Option<u32>,
    },
}

/// One entry of `projected.sources`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projection {
    ConfigMap { name: String, items: Vec<KeyToPath>, optional: bool },
    Secret { name: String, items: Vec<KeyToPath>, optional: bool },
    DownwardApi { items: Vec<DownwardFile> },
    ServiceAccountToken(TokenProjection),
}

impl Volume {
    /// Name of the claim, which is that of the store's volume, in a pod of that name; `None` when it is no claim.
    pub fn claim(&self, pod: &str) -> Option<String> {
        match &self.source {
            VolumeSource::Claim { name, .. } => Some(name.clone()),
            VolumeSource::Ephemeral { .. } => Some(format!("{pod}-{}", self.name)),
            _ => None,
        }
    }
}

impl VolumeSource {
    /// The tokens among the files of the volume.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenProjection> {
        let sources = match self {
            Self::Projected { sources, .. } => sources.as_slice(),
            Self::EmptyDir { .. }
            | Self::HostPath { .. }
            | Self::ConfigMap { .. }
            | Self::Secret { .. }
            | Self::Claim { .. }
            | Self::Nfs(_)
            | Self::Image { .. }
            | Self::Ephemeral { .. }
            | Self::DownwardApi { .. } => &[],
        };
        sources.iter().filter_map(|source| match source {
            Projection::ServiceAccountToken(token) => Some(token),
            Projection::ConfigMap { .. } | Projection::Secret { .. } | Projection::DownwardApi { .. } => None,
        })
    }
}

/// What an NFS server gives (Kubernetes API, `NFSVolumeSource`; `mountOptions` of a PersistentVolume).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NfsExport {
    /// Host name or address.
    pub server: String,
    /// Absolute.
    pub path: String,
    pub read_only: bool,
    /// As nfs(5) has them.
    #[serde(default)]
    pub mount_options: Vec<String>,
}

impl NfsExport {
    /// `server:/path`, with the brackets of an IPv6 address.
    pub fn source(&self) -> String {
        let Self { server, path, .. } = self;
        if server.contains(':') { format!("[{server}]:{path}") } else { format!("{server}:{path}") }
    }
}

/// One entry of `downwardAPI.items`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownwardFile {
    /// Relative, without `..`.
    pub path: String,
    /// [`EnvValue::Field`] (here also `metadata.labels` and `metadata.annotations` as a whole) or [`EnvValue::Resource`]
    /// with its container named.
    pub value: EnvValue,
    pub mode: Option<u32>,
    /// Owner of the file.
    #[serde(default)]
    pub user: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EmptyDirMedium {
    #[default]
    Disk,
    Memory,
    /// Pages of that many bytes.
    HugePages(u64),
}

/// `hostPath.type`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostPathType {
    #[default]
    Unset,
    DirectoryOrCreate,
    Directory,
    FileOrCreate,
    File,
    Socket,
    CharDevice,
    BlockDevice,
}

/// One entry of `items`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyToPath {
    pub key: String,
    /// Relative, without `..`.
    pub path: String,
    pub mode: Option<u32>,
    /// Owner of the file.
    #[serde(default)]
    pub user: Option<u32>,
}

/// A PersistentVolumeClaim: asks for a named volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimTemplate {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// `spec.resources.requests.storage` in bytes: recorded, not enforced.
    pub storage_request: Option<u64>,
    pub access_modes: Vec<String>,
    /// The PersistentVolume it gets; without one it is a directory of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<BoundVolume>,
    /// What its own directory begins with, which is empty otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ClaimContent>,
    /// What is mounted for a pod in the place of a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<ClaimMount>,
}

/// What a new volume is filled with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimContent {
    /// The files of a tar archive, by its absolute path; from the annotation `volume.podman.io/import-source`.
    Archive(String),
    /// Those of an image of this machine, by its reference; from `volume.podman.io/image`.
    Image(String),
}

/// A file system that a pod gets for its claim (mount(8)); from the annotations `volume.podman.io/device`, `type` and
/// `mount-options`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimMount {
    /// A directory to bind, or what the file system takes for its source.
    pub device: String,
    /// Of the file system; `None` binds a directory.
    pub kind: Option<String>,
    /// Of a directory that is bound, also what is mounted below it.
    pub recursive: bool,
    pub read_only: bool,
    pub options: MountOptions,
    /// Of the file system: names and values, which flags have none.
    pub parameters: Vec<(String, String)>,
    /// Owner of the file system's root, when it is not one that is bound.
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// A PersistentVolume as its claim has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundVolume {
    pub name: String,
    /// Absolute; of an NFS server's directory, what [`NfsExport::source`] says.
    pub path: String,
    pub kind: HostPathType,
    /// From a `local` source: `fsGroup` owns it, as it does not own a `hostPath`.
    pub local: bool,
    /// The directory that each pod mounts for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nfs: Option<NfsExport>,
}

impl ClaimTemplate {
    /// Whether one pod at most may have it (`ReadWriteOncePod`).
    pub fn is_for_one_pod(&self) -> bool {
        self.access_modes.iter().any(|mode| mode == "ReadWriteOncePod")
    }

    /// Whether nobody may write to it.
    pub fn is_read_only(&self) -> bool {
        !self.access_modes.is_empty() && self.access_modes.iter().all(|mode| mode == "ReadOnlyMany")
    }
}
