//! Kinds of objects that can be listed: their names, and the columns that kubectl shows of each.

use Column::{Always, Wide};

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Pod,
    Deployment,
    ConfigMap,
    Secret,
    ServiceAccount,
    PersistentVolumeClaim,
    PersistentVolume,
    StorageClass,
    PriorityClass,
    RuntimeClass,
    Event,
}

/// A column of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Always(&'static str),
    /// Only with `-o wide`.
    Wide(&'static str),
}

const NAME: Column = Always("NAME");
const AGE: Column = Always("AGE");

impl Column {
    pub fn header(self) -> &'static str {
        match self {
            Always(header) | Wide(header) => header,
        }
    }

    /// Whether it is in a listing, `wide` or not.
    pub fn is_in(self, wide: bool) -> bool {
        wide || matches!(self, Always(_))
    }
}

impl Resource {
    pub const ALL: [Self; 11] = [
        Self::Pod,
        Self::Deployment,
        Self::ConfigMap,
        Self::Secret,
        Self::ServiceAccount,
        Self::PersistentVolumeClaim,
        Self::PersistentVolume,
        Self::StorageClass,
        Self::PriorityClass,
        Self::RuntimeClass,
        Self::Event,
    ];

    /// What `all` stands for: what runs.
    pub const RUNNING: [Self; 2] = [Self::Pod, Self::Deployment];

    /// Reads `pod`, `pods`, `po`, in any case; also `deployment.apps`.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        Self::ALL.into_iter().find(|resource| resource.words().contains(&word.as_str()))
    }

    /// Singular, plural, others; the first is the one that names print.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Pod => &["pod", "pods", "po"],
            Self::Deployment => &["deployment.apps", "deployments.apps", "deployment", "deployments", "deploy"],
            Self::ConfigMap => &["configmap", "configmaps", "cm"],
            Self::Secret => &["secret", "secrets"],
            Self::ServiceAccount => &["serviceaccount", "serviceaccounts", "sa"],
            Self::PersistentVolumeClaim => &["persistentvolumeclaim", "persistentvolumeclaims", "pvc"],
            Self::PersistentVolume => &["persistentvolume", "persistentvolumes", "pv"],
            Self::StorageClass => &[
                "storageclass.storage.k8s.io",
                "storageclasses.storage.k8s.io",
                "storageclass",
                "storageclasses",
                "sc",
            ],
            Self::PriorityClass => &[
                "priorityclass.scheduling.k8s.io",
                "priorityclasses.scheduling.k8s.io",
                "priorityclass",
                "priorityclasses",
                "pc",
            ],
            Self::RuntimeClass => {
                &["runtimeclass.node.k8s.io", "runtimeclasses.node.k8s.io", "runtimeclass", "runtimeclasses"]
            }
            Self::Event => &["event", "events", "ev"],
        }
    }

    /// As in `pod/web`.
    pub fn singular(self) -> &'static str {
        self.words()[0]
    }

    /// As in `pods "web" not found`.
    pub fn plural(self) -> &'static str {
        self.words()[1]
    }

    /// Every plural, for messages and help; of groups the part before the dot.
    pub fn plurals() -> String {
        let plain = |resource: Self| resource.plural().split('.').next().unwrap_or_default();
        Self::ALL.map(plain).join(", ")
    }

    /// As messages name one.
    pub fn what(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Event => "event",
            _ => self.kind(),
        }
    }

    /// The kind as the API spells it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Deployment => "Deployment",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::ServiceAccount => "ServiceAccount",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::PersistentVolume => "PersistentVolume",
            Self::StorageClass => "StorageClass",
            Self::PriorityClass => "PriorityClass",
            Self::RuntimeClass => "RuntimeClass",
            Self::Event => "Event",
        }
    }

    /// Whether its objects live in namespaces.
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::PersistentVolume | Self::StorageClass | Self::PriorityClass | Self::RuntimeClass)
    }

    /// Columns of a listing.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Pod => &[
                NAME,
                Always("READY"),
                Always("STATUS"),
                Always("RESTARTS"),
                AGE,
                Wide("IP"),
                Wide("NODE"),
                Wide("NOMINATED NODE"),
                Wide("READINESS GATES"),
            ],
            Self::Deployment => &[
                NAME,
                Always("READY"),
                Always("UP-TO-DATE"),
                Always("AVAILABLE"),
                AGE,
                Wide("CONTAINERS"),
                Wide("IMAGES"),
                Wide("SELECTOR"),
            ],
            Self::ConfigMap => &[NAME, Always("DATA"), AGE],
            Self::Secret => &[NAME, Always("TYPE"), Always("DATA"), AGE],
            Self::ServiceAccount => &[NAME, AGE],
            Self::PersistentVolumeClaim => &[
                NAME,
                Always("STATUS"),
                Always("VOLUME"),
                Always("CAPACITY"),
                Always("ACCESS MODES"),
                Always("STORAGECLASS"),
                Always("VOLUMEATTRIBUTESCLASS"),
                AGE,
                Wide("VOLUMEMODE"),
            ],
            Self::PersistentVolume => &[
                NAME,
                Always("CAPACITY"),
                Always("ACCESS MODES"),
                Always("RECLAIM POLICY"),
                Always("STATUS"),
                Always("CLAIM"),
                Always("STORAGECLASS"),
                Always("VOLUMEATTRIBUTESCLASS"),
                Always("REASON"),
                AGE,
                Wide("VOLUMEMODE"),
            ],
            Self::StorageClass => &[
                NAME,
                Always("PROVISIONER"),
                Always("RECLAIMPOLICY"),
                Always("VOLUMEBINDINGMODE"),
                Always("ALLOWVOLUMEEXPANSION"),
                AGE,
            ],
            Self::PriorityClass => &[NAME, Always("VALUE"), Always("GLOBAL-DEFAULT"), AGE, Always("PREEMPTIONPOLICY")],
            Self::RuntimeClass => &[NAME, Always("HANDLER"), AGE],
            Self::Event => &[
                Always("LAST SEEN"),
                Always("TYPE"),
                Always("REASON"),
                Always("OBJECT"),
                Wide("SUBOBJECT"),
                Wide("SOURCE"),
                Always("MESSAGE"),
                Wide("FIRST SEEN"),
                Wide("COUNT"),
                Wide("NAME"),
            ],
        }
    }
}
