//! What is written to disk about a pod, and read back by other processes.
//!
//! `PodRecord` is written once by the engine and read by the supervisor; `PodStatus` is written by the supervisor alone and
//! read by everyone. Both carry a version: a newer one is refused with the reason.

use crate::model::device::ContainerDevices;
use crate::model::{BoundVolume, ConfigMap, Container, NfsExport, Pod, Resources, Secret, Volume, VolumeSource};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// Version of the record formats of this file.
pub const RECORD_VERSION: u32 = 1;

/// Everything the supervisor needs to run a pod: no other look-up is necessary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodRecord {
    pub version: u32,
    /// 64 hexadecimal digits.
    pub id: String,
    /// Application id.
    pub app: String,
    /// Seconds and nanoseconds since the epoch, UTC.
    pub created: jiff::Timestamp,
    /// Digest of all that makes the pod what it is, for telling a changed one; objects are not part of it.
    pub spec_hash: String,
    /// Digest of what its variables take from ConfigMaps and Secrets; empty when they take nothing.
    #[serde(default)]
    pub environment_hash: String,
    pub pod: Pod,
    /// In start order: init containers, then the regular ones, in the order of [`Pod::all_containers`]; then the ephemeral ones.
    pub containers: Vec<ContainerRecord>,
    /// What the last of `containers` are, in the same order. Not part of the pod's spec: a replay knows nothing of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ephemeral: Vec<EphemeralContainer>,
    /// The images of its `image` volumes, in the order of [`Pod::image_volumes`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_volumes: Vec<ImageVolumeRecord>,
    /// Its claims that are more than a directory of the store which everybody may write to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimRecord>,
    /// The program that mounts its NFS volumes, when it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_nfs: Option<PathBuf>,
    pub network: PodNetwork,
    /// Host id of the root of the pod's user namespace, when it has one of its own; how many it has is in its spec.
    #[serde(default)]
    pub first_user_id: Option<u32>,
    /// Write `/etc/hosts` (`--no-hosts` clears it).
    pub manage_hosts: bool,
    /// Write `/etc/hostname` (`--no-hostname` clears it).
    pub manage_hostname: bool,
    pub log: LogConfig,
    /// `cgroupfs` or `systemd`.
    pub cgroup_manager: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Name unique on the machine: `<pod>-<container>`, or the container's own with `--no-pod-prefix`.
    pub name: String,
    /// Name in the pod's spec.
    pub container: String,
    pub init: bool,
    pub image: ImageRecord,
    /// How its image came here, when it came for this container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<ImagePull>,
    #[serde(default, skip_serializing_if = "ContainerDevices::is_empty")]
    pub devices: ContainerDevices,
}

/// A container that was added to a running pod (Kubernetes, "Ephemeral Containers").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EphemeralContainer {
    pub spec: Container,
    /// Name of the container of the pod whose processes it sees.
    pub target: Option<String>,
}

impl PodRecord {
    /// Volume and path of each mount that a container gets of images ([`Container::image_mounts`]); of two at one path the first. A
    /// path that is the container's root or its `/proc` is none.
    pub fn image_mounts<'r>(&'r self, container: &'r Container) -> Vec<(&'r str, String)> {
        let mut mounts: Vec<(&str, String)> = Vec::new();
        for name in &container.image_mounts {
            let image = self.image_volumes.iter().find(|found| found.volume == *name).map(|found| &found.image);
            for path in image.map(|image| image.config.volumes.as_slice()).unwrap_or_default() {
                let path = crate::model::kube::mount_path(path);
                let taken = |path: &String| {
                    mounts.iter().any(|(_, other)| other == path) || container.mounts.iter().any(|m| m.path == *path)
                };
                if let Some(path) = path.filter(|path| !taken(path)) {
                    mounts.push((name, path));
                }
            }
        }
        mounts
    }

    /// The exports that a volume of the pod mounts, itself or as its claim is bound.
    pub fn nfs<'a>(&'a self, volume: &'a Volume) -> Option<&'a NfsExport> {
        match &volume.source {
            VolumeSource::Nfs(export) => Some(export),
            _ => self.claim(&volume.claim(&self.pod.name)?)?.bound.as_ref()?.nfs.as_ref(),
        }
    }

    /// The spec of the container at that place of `containers`.
    pub fn spec(&self, index: usize) -> Option<&Container> {
        self.pod.all_containers().chain(self.ephemeral.iter().map(|added| &added.spec)).nth(index)
    }

    /// The same of the container with that id.
    pub fn spec_of(&self, id: &str) -> Option<&Container> {
        self.spec(self.containers.iter().position(|container| container.id == id)?)
    }

    /// The container at that place, when it was added to the running pod.
    pub fn ephemeral(&self, index: usize) -> Option<&EphemeralContainer> {
        self.ephemeral.get(index.checked_sub(self.pod.all_containers().count())?)
    }
}

/// The image of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageVolumeRecord {
    /// Name in the pod's spec.
    pub volume: String,
    pub image: ImageRecord,
}

/// A claim as its volume is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimRecord {
    pub name: String,
    pub bound: Option<BoundVolume>,
    /// By its access modes.
    pub read_only: bool,
}

/// The image of a container as it was when the container was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Image id: 64 hexadecimal digits of the configuration's sha256.
    pub id: String,
    /// Normalised reference, as in `localhost/podkin-demo:latest`.
    pub reference: String,
    /// Chain ids of the layers, lowest first.
    pub layers: Vec<String>,
    pub config: ImageConfig,
}

/// An image that a registry gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePull {
    pub began: jiff::Timestamp,
    pub ended: jiff::Timestamp,
    /// Bytes that it takes of the disk.
    pub size: u64,
}

/// What of an image's configuration concerns running it (OCI image specification, "Image Configuration").
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    /// `NAME=value`; entries without `=` were refused when the image was read.
    pub env: Vec<String>,
    pub user: String,
    pub working_dir: String,
    pub stop_signal: Option<String>,
    pub volumes: Vec<String>,
    pub exposed_ports: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PodNetwork {
    /// The machine's own network namespace.
    Host,
    /// A namespace with a loopback device only.
    None,
    /// Joined networks, with the addresses the engine allocated.
    Networks(Vec<NetworkAttachment>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAttachment {
    pub network: String,
    /// Interface in the pod: `eth0`, `eth1`.
    pub interface: String,
    pub ips: Vec<IpAddr>,
    pub mac: Option<String>,
    /// Names that resolve to the pod on that network: the pod's and each container's.
    pub aliases: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    pub driver: LogDriver,
    /// Bytes after which the log starts anew, keeping one old file.
    pub max_size: Option<u64>,
    /// For `K8sFile`: also written here in the kubelet's text format.
    pub path: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogDriver {
    /// `k8s-file`, `json-file`: kept by podkin, shown by `logs`.
    K8sFile,
    None,
    Passthrough,
}

/// ConfigMaps and Secrets that a pod refers to; `objects.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PodObjects {
    pub version: u32,
    pub config_maps: BTreeMap<String, ConfigMap>,
    pub secrets: BTreeMap<String, Secret>,
}

/// What the supervisor last knew of a pod; `status.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodStatus {
    pub version: u32,
    pub id: String,
    pub phase: PodPhase,
    /// What it will be once it has stopped, from the moment when that is certain until then.
    pub stopping: Option<PodPhase>,
    pub started: Option<jiff::Timestamp>,
    pub finished: Option<jiff::Timestamp>,
    pub ips: Vec<IpAddr>,
    /// Boot the pod was started in (`/proc/sys/kernel/random/boot_id`); another one means that nothing of it lives.
    pub boot_id: String,
    /// Supervisor pid, for `inspect`.
    pub supervisor_pid: Option<i32>,
    /// In the order of `PodRecord::containers`.
    pub containers: Vec<ContainerStatus>,
    /// Why the pod failed as a whole, such as a network that could not be made.
    pub message: Option<String>,
    /// One word for that, as a kubelet spells it: `DeadlineExceeded`, `Evicted`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Somebody asked for its end, and it is on its way there.
    #[serde(default)]
    pub deletion: Option<Deletion>,
    /// In the kubelet's order, then those that were set from outside; empty before the first start.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Addresses of the machine as the pod reaches it.
    #[serde(default)]
    pub host_ips: Vec<IpAddr>,
}

/// `metadata.deletionTimestamp` and `metadata.deletionGracePeriodSeconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// When the grace is over.
    pub at: jiff::Timestamp,
    pub grace_seconds: u64,
}

/// One entry of `status.conditions` (Kubernetes API, `PodCondition` v1 core).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// `Ready`, `Initialized`; or the `conditionType` of a readiness gate.
    #[serde(rename = "type")]
    pub kind: String,
    pub status: ConditionStatus,
    /// One word: `ContainersNotReady`.
    pub reason: Option<String>,
    pub message: Option<String>,
    /// When `status` became what it is.
    pub since: jiff::Timestamp,
}

impl Condition {
    /// CPU and memory of the pod are being changed, or could not be; there only then.
    pub const RESIZE: &str = "PodResizeInProgress";
    /// Types that follow from what the supervisor sees, in the order in which they are told.
    pub const OF_THE_SUPERVISOR: [&str; 5] =
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    /// As Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// Reads a status in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::True, Self::False, Self::Unknown].into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text))
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// `PodStatus.phase` (Kubernetes, "Pod Lifecycle"), plus `Created` before the first start and `Stopped` after `pod stop`. `Unknown` is
/// never written: it is what a command says of a pod when no supervisor can be had that looks after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodPhase {
    Created,
    Pending,
    Running,
    Succeeded,
    Failed,
    Stopped,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerStatus {
    pub id: String,
    pub name: String,
    pub state: ContainerState,
    /// Times the container was started again.
    pub restart_count: u32,
    /// Passed its startup probe, or has none, and runs.
    pub started: bool,
    /// Passes its readiness probe, or has none, and is started.
    pub ready: bool,
    /// Latest outcome of the liveness probe while running; `None` without one.
    pub healthy: Option<bool>,
    /// How the run before this one ended.
    pub last: Option<Termination>,
    /// CPU and memory that it has still, when it should have others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ContainerState {
    /// Not running; reason as Kubernetes spells it (`PodInitializing`, `ContainerCreating`, `CrashLoopBackOff`).
    Waiting {
        reason: String,
        message: Option<String>,
    },
    Running {
        pid: i32,
        /// Start time of that pid in clock ticks since boot (`/proc/<pid>/stat`, field 22): tells a recycled pid.
        start_ticks: u64,
        started_at: jiff::Timestamp,
    },
    Terminated(Termination),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Termination {
    /// Exit code, 128+n after signal n; `None` when nobody could know it.
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    /// `Completed`, `Error`, `OOMKilled`, `ContainerCannotRun`, `DeadlineExceeded`.
    pub reason: String,
    /// Termination message, or why the container could not run.
    pub message: Option<String>,
    pub started_at: Option<jiff::Timestamp>,
    pub finished_at: jiff::Timestamp,
}

impl PodStatus {
    /// Nobody can tell what became of a pod that ran, for the reason given; what its containers did last stays as it was.
    pub fn lost(&mut self, why: String) {
        (self.phase, self.stopping, self.message) = (PodPhase::Unknown, None, Some(why));
        for condition in self.conditions.iter_mut().filter(|c| ["Ready", "ContainersReady"].contains(&c.kind.as_str()))
        {
            condition.status = ConditionStatus::Unknown;
            (condition.reason, condition.message) = (None, None);
        }
        self.containers.iter_mut().for_each(|container| container.ready = false);
    }

    /// Takes back what can hold only of a pod that runs: it was found to have ended.
    pub fn conditions_ended(&mut self, at: jiff::Timestamp) {
        let running = ["PodReadyToStartContainers", "Ready", "ContainersReady"];
        for condition in self.conditions.iter_mut().filter(|c| running.contains(&c.kind.as_str())) {
            if condition.status != ConditionStatus::False {
                (condition.status, condition.since) = (ConditionStatus::False, at);
            }
            condition.message = None;
            condition.reason = (condition.kind != running[0]).then(|| "PodFailed".to_owned());
        }
    }
}

impl ContainerState {
    /// Whether it ended with exit code 0.
    pub fn succeeded(&self) -> bool {
        matches!(self, Self::Terminated(ended) if ended.exit_code == Some(0))
    }
}

impl PodRecord {
    /// What is special about a claim.
    pub fn claim(&self, name: &str) -> Option<&ClaimRecord> {
        self.claims.iter().find(|claim| claim.name == name)
    }

    /// All its images: of each container in start order, then of each `image` volume.
    pub fn images(&self) -> impl Iterator<Item = &ImageRecord> {
        self.containers.iter().map(|c| &c.image).chain(self.image_volumes.iter().map(|v| &v.image))
    }

    /// `metadata.uid` of the pod: the beginning of its id as a UUID of version 8 (RFC 9562, 5.8).
    pub fn uid(&self) -> String {
        let digits = u128::from_str_radix(self.id.get(..32).unwrap_or_default(), 16).unwrap_or_default();
        const VERSION: u128 = 0xf << 76;
        const VARIANT: u128 = 0b11 << 62;
        let bits = digits & !(VERSION | VARIANT) | 8 << 76 | 0b10 << 62;
        let field = |shift: u32, mask: u128| bits >> shift & mask;
        let (node, rest) = (field(0, 0xffff_ffff_ffff), field(48, 0xffff));
        format!(
            "{:08x}-{:04x}-{:04x}-{rest:04x}-{node:012x}",
            field(96, 0xffff_ffff),
            field(80, 0xffff),
            field(64, 0xffff)
        )
    }

    /// `<name>_<namespace>(<uid>)`, as a kubelet names it in messages.
    pub fn full_name(&self) -> String {
        format!("{}_{}({})", self.pod.name, self.pod.namespace, self.uid())
    }

    /// The container record whose spec has that name.
    pub fn container(&self, name: &str) -> Option<&ContainerRecord> {
        self.containers.iter().find(|c| c.container == name)
    }
}
