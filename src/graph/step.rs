//! What a plan consists of.

use serde::Serialize;
use std::fmt;

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    #[serde(flatten)]
    pub kind: StepKind,
    pub cause: Cause,
}

/// What is done, to what. Pods by name; containers by pod and name in the pod's spec.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum StepKind {
    /// Brings an image that the program carries into the store.
    LoadImage {
        image: String,
    },
    /// Brings an image here from a registry.
    PullImage {
        image: String,
    },
    CreateNetwork {
        network: String,
    },
    StopPod {
        pod: String,
    },
    RemovePod {
        pod: String,
    },
    /// Removes a ConfigMap or Secret that the file no longer has.
    RemoveObject {
        kind: String,
        name: String,
    },
    /// Records a ConfigMap or Secret, new or changed.
    StoreObject {
        kind: String,
        name: String,
    },
    CreateVolume {
        volume: String,
    },
    /// Records the pod: its name, addresses and files.
    CreatePod {
        pod: String,
    },
    /// Records what differs of a pod that takes it up while it runs.
    UpdatePod {
        pod: String,
    },
    /// Swaps the ConfigMap, Secret and downward API volumes of a running pod.
    RefreshObjects {
        pod: String,
    },
    /// Changes CPU and memory of a running pod and of its containers.
    ResizePod {
        pod: String,
    },
    /// Stops a container of a running pod and starts it again.
    RestartContainer {
        pod: String,
        container: String,
    },
    /// Makes the pod's namespaces and network.
    Sandbox {
        pod: String,
    },
    /// Runs an init container to its end.
    InitContainer {
        pod: String,
        container: String,
    },
    /// Starts a native sidecar, and waits until it has started.
    Sidecar {
        pod: String,
        container: String,
    },
    StartContainer {
        pod: String,
        container: String,
    },
}

impl StepKind {
    /// The verb: `create pod`.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::LoadImage { .. } => "load image",
            Self::PullImage { .. } => "pull image",
            Self::CreateNetwork { .. } => "create network",
            Self::StopPod { .. } => "stop pod",
            Self::RemovePod { .. } => "remove pod",
            Self::RemoveObject { .. } => "remove",
            Self::StoreObject { .. } => "store",
            Self::CreateVolume { .. } => "create volume",
            Self::CreatePod { .. } => "create pod",
            Self::UpdatePod { .. } => "update pod",
            Self::RefreshObjects { .. } => "refresh objects of pod",
            Self::ResizePod { .. } => "resize pod",
            Self::RestartContainer { .. } => "restart container",
            Self::Sandbox { .. } => "make sandbox of pod",
            Self::InitContainer { .. } => "run init container",
            Self::Sidecar { .. } => "start sidecar",
            Self::StartContainer { .. } => "start container",
        }
    }

    /// What it is done to: `web`, `web/app`, `Secret/password`.
    pub fn subject(&self) -> String {
        match self {
            Self::LoadImage { image: name }
            | Self::PullImage { image: name }
            | Self::CreateNetwork { network: name }
            | Self::StopPod { pod: name }
            | Self::RemovePod { pod: name }
            | Self::CreateVolume { volume: name }
            | Self::CreatePod { pod: name }
            | Self::UpdatePod { pod: name }
            | Self::RefreshObjects { pod: name }
            | Self::ResizePod { pod: name }
            | Self::Sandbox { pod: name } => name.clone(),
            Self::RemoveObject { kind, name } | Self::StoreObject { kind, name } => format!("{kind}/{name}"),
            Self::InitContainer { pod, container }
            | Self::Sidecar { pod, container }
            | Self::RestartContainer { pod, container }
            | Self::StartContainer { pod, container } => format!("{pod}/{container}"),
        }
    }

    /// The pod it belongs to.
    pub fn pod(&self) -> Option<&str> {
        match self {
            Self::StopPod { pod }
            | Self::RemovePod { pod }
            | Self::CreatePod { pod }
            | Self::UpdatePod { pod }
            | Self::RefreshObjects { pod }
            | Self::ResizePod { pod }
            | Self::RestartContainer { pod, .. }
            | Self::Sandbox { pod }
            | Self::InitContainer { pod, .. }
            | Self::Sidecar { pod, .. }
            | Self::StartContainer { pod, .. } => Some(pod),
            Self::LoadImage { .. }
            | Self::PullImage { .. }
            | Self::CreateNetwork { .. }
            | Self::RemoveObject { .. }
            | Self::StoreObject { .. }
            | Self::CreateVolume { .. } => None,
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.verb(), self.subject())
    }
}

/// Why a step is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Cause {
    /// It is wanted and does not exist.
    Missing,
    /// It exists and does not run.
    Stopped,
    /// It is being started already.
    Starting,
    /// It exists and differs from what is wanted, in these fields.
    Changed { differences: Vec<String> },
    /// It exists and the file no longer has it.
    NotInFile,
    /// A ConfigMap or Secret the pod uses changed.
    ObjectsChanged,
    /// It is resized, which its `resizePolicy` has it restarted for.
    ResizePolicy,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Stopped => f.write_str("not running"),
            Self::Starting => f.write_str("being started already"),
            Self::Changed { differences } if differences.is_empty() => f.write_str("changed"),
            Self::Changed { differences } => write!(f, "changed: {}", differences.join(", ")),
            Self::NotInFile => f.write_str("no longer in the file"),
            Self::ResizePolicy => f.write_str("its resizePolicy"),
            Self::ObjectsChanged => f.write_str("its ConfigMaps or Secrets changed"),
        }
    }
}
