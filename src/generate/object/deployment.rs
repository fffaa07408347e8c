//! Deployments, counted from their pods.

use super::{Identity, Object, Resource, identify};
use crate::generate::age::age;
use crate::generate::played;
use crate::model::{Source, Workload};
use crate::store::record::{ConditionStatus, PodStatus};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};

/// `pods`: the status of each of its pods that exists.
pub fn deployment(
    sources: &[Source],
    workload: &Workload,
    pods: &[&PodStatus],
    identity: Identity<'_>,
    now: Timestamp,
) -> Object {
    let Workload { kind: _, name, replicas, pods: _ } = workload;
    let mut whole = played::deployment(sources, name).unwrap_or_default();
    identify(&mut whole.metadata, name, identity);
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let ready_since: Vec<Timestamp> = pods.iter().filter_map(|pod| ready_since(pod)).collect();
    let (desired, there, ready) = (*replicas as usize, pods.len(), ready_since.len());
    let available = ready >= desired;
    // It was not before the last of its pods was.
    let since = ready_since.iter().max().copied().unwrap_or(identity.created);
    let condition = apps::DeploymentCondition {
        type_: Some("Available".to_owned()),
        status: Some(ConditionStatus::from(available).as_str().to_owned()),
        reason: Some(if available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" }.to_owned()),
        last_transition_time: Some(Time(since)),
        ..Default::default()
    };
    let some = |n: usize| (n > 0).then(|| count(n));
    whole.status = Some(apps::DeploymentStatus {
        available_replicas: some(ready),
        conditions: Some(vec![condition]),
        ready_replicas: some(ready),
        replicas: some(there),
        unavailable_replicas: some(desired.saturating_sub(ready)),
        updated_replicas: some(there),
        ..Default::default()
    });
    let containers = whole.spec.template.spec.iter().flat_map(|spec| &spec.containers);
    let (names, images): (Vec<_>, Vec<_>) =
        containers.map(|c| (c.name.clone(), c.image.clone().unwrap_or_default())).unzip();
    let cells = vec![
        name.clone(),
        format!("{ready}/{desired}"),
        there.to_string(),
        ready.to_string(),
        age(Some(identity.created), now),
        names.join(","),
        images.join(","),
        selector(&whole.spec.selector),
    ];
    Object::new(Resource::Deployment, &whole.metadata, &whole, cells)
}

/// Since when a pod is ready, if it is.
fn ready_since(pod: &PodStatus) -> Option<Timestamp> {
    let ready = pod.conditions.iter().find(|condition| condition.kind == "Ready")?;
    (ready.status == ConditionStatus::True).then_some(ready.since)
}

fn selector(selector: &LabelSelector) -> String {
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    labels.collect::<Vec<_>>().join(",")
}
