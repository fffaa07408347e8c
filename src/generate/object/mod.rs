//! Objects as an API server would show them: what was played, with what is known of it now; and what listings say of each.

mod class;
mod data;
mod deployment;
mod pod;
mod resource;
mod volume;

pub use class::{priority_class, runtime_class, service_account};
pub use data::{config_map, secret};
pub use deployment::deployment;
pub use k8s_openapi::api::core::v1::ObjectReference;
pub use pod::{Users, full_pod, pod, user};
pub use resource::{Column, Resource};
pub use volume::{abbreviated, claim, claim_reference, is_default_class, persistent_volume, storage_class};

use super::age::age;
use crate::model::Source;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// An object, and what a listing shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub resource: Resource,
    pub name: String,
    /// Of what lives in one.
    pub namespace: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// The whole object.
    pub value: Value,
    /// By [`Resource::columns`].
    pub cells: Vec<String>,
}

/// What an object has beside what was played.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Where there is one.
    pub uid: Option<&'a str>,
    pub created: Timestamp,
}

/// Where the files of a kind that nothing else is recorded of are looked for, and when they were played.
#[derive(Debug, Clone, Copy)]
pub struct Played<'a> {
    pub sources: &'a [Source],
    pub created: Timestamp,
    pub now: Timestamp,
}

impl Played<'_> {
    fn identity(&self) -> Identity<'static> {
        Identity { uid: None, created: self.created }
    }

    fn age(&self) -> String {
        age(Some(self.created), self.now)
    }
}

impl Object {
    fn new(resource: Resource, metadata: &ObjectMeta, whole: &impl Serialize, cells: Vec<String>) -> Self {
        Self {
            resource,
            name: metadata.name.clone().unwrap_or_default(),
            namespace: metadata.namespace.clone(),
            labels: metadata.labels.clone().unwrap_or_default(),
            value: serde_json::to_value(whole).expect("objects of the API have string keys only"),
            cells,
        }
    }
}

/// Writes what a server adds into an object's metadata.
fn identify(metadata: &mut ObjectMeta, name: &str, identity: Identity<'_>) {
    metadata.namespace.get_or_insert_with(|| "default".to_owned());
    identify_cluster_wide(metadata, name, identity);
}

/// The same of an object that lives in no namespace.
fn identify_cluster_wide(metadata: &mut ObjectMeta, name: &str, identity: Identity<'_>) {
    metadata.name = Some(name.to_owned());
    metadata.uid = identity.uid.map(str::to_owned);
    metadata.creation_timestamp = Some(Time(identity.created));
}
