//! Pods.

use super::{Identity, Object, Resource, identify};
use crate::generate::{columns, played, status};
use crate::model::Source;
use crate::runtime::FirstUser;
use crate::store::record::{PodRecord, PodStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;

/// Whom containers run as, by name.
pub type Users = BTreeMap<String, core::ContainerUser>;

/// A pod as it was played and as it is; `node` is the machine's name.
pub fn pod(
    sources: &[Source],
    record: &PodRecord,
    status: &PodStatus,
    users: &Users,
    node: &str,
    now: Timestamp,
) -> Object {
    let whole = full_pod(sources, record, status, users);
    let node = status.started.map_or(columns::NONE, |_| node);
    let cells = columns::pod(&whole, node, now);
    Object::new(Resource::Pod, &whole.metadata, &whole, cells)
}

/// The typed object of a pod.
pub fn full_pod(sources: &[Source], record: &PodRecord, status: &PodStatus, users: &Users) -> core::Pod {
    let mut pod = played::pod(sources, &record.pod);
    identify(&mut pod.metadata, &record.pod.name, Identity { uid: Some(&record.uid()), created: record.created });
    if let Some(deletion) = status.deletion {
        pod.metadata.deletion_timestamp = Some(Time(deletion.at));
        pod.metadata.deletion_grace_period_seconds = i64::try_from(deletion.grace_seconds).ok();
    }
    if !record.ephemeral.is_empty() {
        let added = record.ephemeral.iter().map(played::ephemeral).collect();
        pod.spec.get_or_insert_default().ephemeral_containers = Some(added);
    }
    let mut shown = status::pod_status(record, status, pod.spec.as_ref());
    let lists =
        [&mut shown.init_container_statuses, &mut shown.container_statuses, &mut shown.ephemeral_container_statuses];
    for container in lists.into_iter().flatten().flatten() {
        container.user = users.get(&container.name).cloned();
    }
    pod.status = Some(shown);
    pod
}

/// The user of a container in the API's form.
pub fn user(user: &FirstUser) -> core::ContainerUser {
    let FirstUser { uid, gid, groups } = user;
    let groups: Vec<_> = groups.iter().map(|group| i64::from(*group)).collect();
    core::ContainerUser {
        linux: Some(core::LinuxContainerUser {
            gid: i64::from(*gid),
            supplemental_groups: (!groups.is_empty()).then_some(groups),
            uid: i64::from(*uid),
        }),
    }
}
