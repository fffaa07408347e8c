//! Pods.

use super::{Identity, Object, Resource, identify};
use crate::generate::{columns, played, status};
use crate::model::Source;
use crate::store::record::{PodRecord, PodStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A pod as it was played and as it is; `node` is the machine's name.
pub fn pod(sources: &[Source], record: &PodRecord, status: &PodStatus, node: &str, now: Timestamp) -> Object {
    let whole = full_pod(sources, record, status);
    let node = status.started.map_or(columns::NONE, |_| node);
    let cells = columns::pod(&whole, node, now);
    Object::new(Resource::Pod, &whole.metadata, &whole, cells)
}

/// The typed object of a pod.
pub fn full_pod(sources: &[Source], record: &PodRecord, status: &PodStatus) -> core::Pod {
    let mut pod = played::pod(sources, &record.pod);
    identify(&mut pod.metadata, &record.pod.name, Identity { uid: Some(&record.uid()), created: record.created });
    if let Some(deletion) = status.deletion {
        pod.metadata.deletion_timestamp = Some(Time(deletion.at));
        pod.metadata.deletion_grace_period_seconds = i64::try_from(deletion.grace_seconds).ok();
    }
    pod.status = Some(status::pod_status(record, status, pod.spec.as_ref()));
    pod
}
