//! The status of a pod as a kubelet reports it, from what was recorded and what the supervisor last said
//! (Kubernetes API, `PodStatus` v1 core; "Pod Lifecycle").
//!
//! Pure. A pod that was stopped has ended for Kubernetes, which knows no stopped pods: it succeeded or failed by its exit codes.

mod container;
#[cfg(test)]
pub(super) mod tests;

use self::container::List;
use crate::model::quantity::Quantity;
use crate::model::{Pod, QosClass, Resources, RestartPolicy};
use crate::store::record::{Condition, ContainerState, ContainerStatus, PodNetwork, PodPhase, PodRecord, PodStatus};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;

/// The status of a pod; `spec` is what was played, for the resources as they were written there.
pub fn pod_status(record: &PodRecord, status: &PodStatus, spec: Option<&core::PodSpec>) -> core::PodStatus {
    let deadline = status.reason.as_deref() == Some("DeadlineExceeded");
    let message = match deadline {
        true => Some("Pod was active on the node longer than the specified deadline".to_owned()),
        false => status.message.clone(),
    };
    let is_up = matches!(status.phase, PodPhase::Pending | PodPhase::Running | PodPhase::Unknown);
    let host_ips: Vec<_> = status.host_ips.iter().map(|ip| core::HostIP { ip: ip.to_string() }).collect();
    let pod_ips = match record.network {
        PodNetwork::Host if is_up => &status.host_ips,
        PodNetwork::Host | PodNetwork::None | PodNetwork::Networks(_) => &status.ips,
    };
    let pod_ips: Vec<_> = pod_ips.iter().map(|ip| core::PodIP { ip: ip.to_string() }).collect();
    let statuses = |list| container::statuses(record, status, spec, list);
    core::PodStatus {
        allocated_resources: requested(&record.pod),
        conditions: Some(status.conditions.iter().map(condition).collect()).filter(|c: &Vec<_>| !c.is_empty()),
        container_statuses: statuses(List::Regular),
        ephemeral_container_statuses: statuses(List::Ephemeral),
        extended_resource_claim_status: None,
        host_ip: host_ips.first().map(|first| first.ip.clone()),
        host_ips: (!host_ips.is_empty()).then_some(host_ips),
        init_container_statuses: statuses(List::Init),
        message,
        node_allocatable_resource_claim_statuses: None,
        nominated_node_name: None,
        // No server counts the changes of its spec.
        observed_generation: None,
        phase: Some(phase(record, status).to_owned()),
        pod_ip: pod_ips.first().map(|first| first.ip.clone()),
        pod_ips: (!pod_ips.is_empty()).then_some(pod_ips),
        qos_class: Some(QosClass::of(&record.pod).as_str().to_owned()),
        reason: status.reason.clone(),
        // Conditions tell of that since Kubernetes 1.33.
        resize: None,
        resource_claim_statuses: None,
        resources: spec.and_then(|spec| spec.resources.clone()).map(container::effective),
        start_time: status.started.map(Time),
        volume_health: None,
    }
}

/// What the pod asks for: as a whole, else its containers together.
fn requested(pod: &Pod) -> Option<BTreeMap<String, resource::Quantity>> {
    let own = &pod.resources;
    let total = |amount: fn(&Resources) -> Option<u64>| {
        own.as_ref().and_then(amount).or_else(|| Some(pod.of_containers(amount)).filter(|sum| *sum > 0))
    };
    let cores = |milli: u64| Quantity::from_milli(i64::try_from(milli).unwrap_or(i64::MAX)).to_string();
    let cpu = total(|resources| resources.cpu_request_milli).map(|milli| ("cpu", cores(milli)));
    let memory = total(|resources| resources.memory_request).map(|bytes| ("memory", Quantity::bytes_text(bytes)));
    let all: BTreeMap<_, _> =
        cpu.into_iter().chain(memory).map(|(name, amount)| (name.to_owned(), resource::Quantity(amount))).collect();
    (!all.is_empty()).then_some(all)
}

fn condition(condition: &Condition) -> core::PodCondition {
    let Condition { kind, status, reason, message, since } = condition;
    core::PodCondition {
        last_probe_time: None,
        last_transition_time: Some(Time(*since)),
        message: message.clone(),
        observed_generation: None,
        reason: reason.clone(),
        status: status.as_str().to_owned(),
        type_: kind.clone(),
    }
}

/// Containers of a pod by what they do, for its phase.
#[derive(Debug, Default)]
struct Tally {
    waiting: usize,
    running: usize,
    stopped: usize,
    succeeded: usize,
}

/// `status.phase`, by the kubelet's rules.
fn phase(record: &PodRecord, status: &PodStatus) -> &'static str {
    const EACH: [&str; 4] = ["Pending", "Running", "Succeeded", "Failed"];
    let [pending, running, succeeded, failed] = EACH;
    let pairs = || record.containers.iter().zip(&status.containers);
    let regular =
        || status.containers.iter().enumerate().filter(|(i, _)| List::of(record, *i) == List::Regular).map(|(_, s)| s);
    match status.phase {
        PodPhase::Created => return pending,
        PodPhase::Succeeded => return succeeded,
        PodPhase::Failed => return failed,
        PodPhase::Unknown => return "Unknown",
        PodPhase::Stopped => return if regular().all(|c| c.state.succeeded()) { succeeded } else { failed },
        PodPhase::Pending | PodPhase::Running if status.reason.is_some() => return failed,
        PodPhase::Pending | PodPhase::Running => {}
    }
    let mut tally = Tally::default();
    regular().for_each(|container| tally.count(container));
    let began = regular().any(|c| c.last.is_some() || !matches!(c.state, ContainerState::Waiting { .. }));
    let initializing = pairs().any(|(container, status)| {
        let sidecar = record.pod.init_containers.iter().any(|spec| spec.name == container.container && spec.sidecar);
        container.init && if sidecar { !status.started } else { !status.state.succeeded() }
    });
    let policy = record.pod.restart_policy;
    match tally {
        _ if initializing && !began => pending,
        Tally { waiting: 1.., .. } => pending,
        Tally { running: 1.., .. } => running,
        Tally { stopped: 0, .. } => pending,
        // All of them are between two runs.
        _ if policy == RestartPolicy::Always => running,
        Tally { stopped, succeeded: good, .. } if stopped == good => succeeded,
        _ if policy == RestartPolicy::Never => failed,
        _ => running,
    }
}

impl Tally {
    fn count(&mut self, container: &ContainerStatus) {
        match &container.state {
            ContainerState::Running { .. } => self.running += 1,
            ContainerState::Terminated(_) => {
                self.stopped += 1;
                self.succeeded += usize::from(container.state.succeeded());
            }
            ContainerState::Waiting { .. } if container.last.is_some() => self.stopped += 1,
            ContainerState::Waiting { .. } => self.waiting += 1,
        }
    }
}
