//! Objects as an API server would show them: what was played, with what is known of it now; and what listings say of each.

mod claim;
mod data;
mod deployment;
mod pod;

pub use claim::claim;
pub use data::{config_map, secret};
pub use deployment::deployment;
pub use pod::{full_pod, pod};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Kinds of objects that can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Pod,
    Deployment,
    ConfigMap,
    Secret,
    PersistentVolumeClaim,
    Event,
}

impl Resource {
    pub const ALL: [Self; 6] =
        [Self::Pod, Self::Deployment, Self::ConfigMap, Self::Secret, Self::PersistentVolumeClaim, Self::Event];

    /// Reads `pod`, `pods`, `po`, in any case; also `deployment.apps`.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        Self::ALL.into_iter().find(|resource| resource.words().contains(&word.as_str()))
    }

    /// Singular, plural, short; the first is the one that names print.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Pod => &["pod", "pods", "po"],
            Self::Deployment => &["deployment.apps", "deployments.apps", "deployment", "deployments", "deploy"],
            Self::ConfigMap => &["configmap", "configmaps", "cm"],
            Self::Secret => &["secret", "secrets"],
            Self::PersistentVolumeClaim => &["persistentvolumeclaim", "persistentvolumeclaims", "pvc"],
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

    /// As messages name one.
    pub fn what(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Deployment => "Deployment",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Event => "event",
        }
    }

    /// Headers of a listing, and of what `-o wide` adds.
    pub fn headers(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Pod => {
                (&["NAME", "READY", "STATUS", "RESTARTS", "AGE"], &["IP", "NODE", "NOMINATED NODE", "READINESS GATES"])
            }
            Self::Deployment => {
                (&["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"], &["CONTAINERS", "IMAGES", "SELECTOR"])
            }
            Self::ConfigMap => (&["NAME", "DATA", "AGE"], &[]),
            Self::Secret => (&["NAME", "TYPE", "DATA", "AGE"], &[]),
            Self::PersistentVolumeClaim => (
                &[
                    "NAME",
                    "STATUS",
                    "VOLUME",
                    "CAPACITY",
                    "ACCESS MODES",
                    "STORAGECLASS",
                    "VOLUMEATTRIBUTESCLASS",
                    "AGE",
                ],
                &["VOLUMEMODE"],
            ),
            Self::Event => (
                &["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
                &["SUBOBJECT", "SOURCE", "FIRST SEEN", "COUNT", "NAME"],
            ),
        }
    }
}

/// An object, and what a listing shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub resource: Resource,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// The whole object.
    pub value: Value,
    /// By [`Resource::headers`].
    pub cells: Vec<String>,
    pub wide: Vec<String>,
}

/// What an object has beside what was played.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Where there is one.
    pub uid: Option<&'a str>,
    pub created: Timestamp,
}

impl Object {
    fn new(resource: Resource, metadata: &ObjectMeta, whole: &impl Serialize, cells: Vec<String>) -> Self {
        Self {
            resource,
            name: metadata.name.clone().unwrap_or_default(),
            labels: metadata.labels.clone().unwrap_or_default(),
            value: serde_json::to_value(whole).expect("objects of the API have string keys only"),
            cells,
            wide: Vec::new(),
        }
    }
}

/// Writes what a server adds into an object's metadata.
fn identify(metadata: &mut ObjectMeta, name: &str, identity: Identity<'_>) {
    metadata.name = Some(name.to_owned());
    metadata.namespace.get_or_insert_with(|| "default".to_owned());
    metadata.uid = identity.uid.map(str::to_owned);
    metadata.creation_timestamp = Some(Time(identity.created));
}
