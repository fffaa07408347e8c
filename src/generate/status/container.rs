//! Statuses of containers (Kubernetes API, `ContainerStatus` v1 core).

use crate::model::{Container, Resources, VolumeMount};
use crate::store::record::{ContainerRecord, ContainerState, ContainerStatus, PodRecord, PodStatus, Termination};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;

/// Exit code of a container of which nobody knows how it ended (kubelet).
const LOST: i32 = 137;

/// In which list of a pod a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Init,
    Regular,
    Ephemeral,
}

impl List {
    /// That of the container at this place of the record.
    pub fn of(record: &PodRecord, index: usize) -> Self {
        match record.ephemeral(index) {
            Some(_) => Self::Ephemeral,
            None if record.containers[index].init => Self::Init,
            None => Self::Regular,
        }
    }
}

/// The status of each container of a list, in start order; `None` when it has none.
pub(super) fn statuses(
    record: &PodRecord,
    status: &PodStatus,
    spec: Option<&core::PodSpec>,
    list: List,
) -> Option<Vec<core::ContainerStatus>> {
    let pairs = record.containers.iter().zip(&status.containers).enumerate();
    let of_list = pairs.filter(|(index, _)| List::of(record, *index) == list);
    let statuses: Vec<_> = of_list.map(|(_, (container, status))| one(record, container, status, spec)).collect();
    (!statuses.is_empty()).then_some(statuses)
}

fn one(
    record: &PodRecord,
    container: &ContainerRecord,
    status: &ContainerStatus,
    spec: Option<&core::PodSpec>,
) -> core::ContainerStatus {
    let model = record.spec_of(&container.id);
    let sidecar = model.is_some_and(|spec| spec.sidecar);
    // Nobody probes an ephemeral container, and nothing waits for it.
    let is_ephemeral = record.ephemeral.iter().any(|added| added.spec.name == container.container);
    let id = format!("podkin://{}", container.id);
    let ran = status.last.is_some() || !matches!(status.state, ContainerState::Waiting { .. });
    let allocated = played(spec, &container.container).and_then(|played| played.resources.clone()).map(effective);
    let requests = allocated.as_ref().and_then(|resources| resources.requests.clone());
    let resources = match &status.resources {
        Some(held) => Some(in_force(allocated.unwrap_or_default(), held)),
        None => allocated,
    };
    core::ContainerStatus {
        allocated_resources: requests,
        allocated_resources_status: None,
        container_id: ran.then(|| id.clone()),
        image: container.image.reference.clone(),
        image_id: format!("sha256:{}", container.image.id.trim_start_matches("sha256:")),
        last_state: status.last.as_ref().map(|last| core::ContainerState {
            terminated: Some(terminated(last, &id)),
            ..core::ContainerState::default()
        }),
        name: container.container.clone(),
        // An init container is ready when it has done its work.
        ready: match container.init && !sidecar {
            true => status.state.succeeded(),
            false => status.ready && !is_ephemeral,
        },
        resources,
        restart_count: i32::try_from(status.restart_count).unwrap_or(i32::MAX),
        started: (!is_ephemeral).then_some(status.started),
        state: Some(state(&status.state, &id, record)),
        stop_signal: model.map(|model| stop_signal(model, container)),
        // Not in the status that is kept; `object` adds it.
        user: None,
        volume_mounts: model.map(mounts).filter(|mounts| !mounts.is_empty()),
    }
}

/// The signal that asks a container to stop: its own, its image's, or the usual one.
fn stop_signal(model: &Container, container: &ContainerRecord) -> String {
    let named = [model.lifecycle.stop_signal.as_ref(), container.image.config.stop_signal.as_ref()];
    let signal = named.into_iter().flatten().next().map_or("SIGTERM", String::as_str).to_ascii_uppercase();
    match signal.starts_with("SIG") || signal.starts_with(|c: char| c.is_ascii_digit()) {
        true => signal,
        false => format!("SIG{signal}"),
    }
}

/// How its volumes are mounted.
fn mounts(model: &Container) -> Vec<core::VolumeMountStatus> {
    let status = |mount: &VolumeMount| {
        let recursive = if mount.recursive_read_only { "Enabled" } else { "Disabled" };
        core::VolumeMountStatus {
            mount_path: mount.path.clone(),
            name: mount.volume.clone(),
            read_only: mount.read_only.then_some(true),
            recursive_read_only: mount.read_only.then(|| recursive.to_owned()),
            volume_status: None,
        }
    };
    model.mounts.iter().map(status).collect()
}

fn state(state: &ContainerState, id: &str, record: &PodRecord) -> core::ContainerState {
    let none = core::ContainerState::default();
    match state {
        ContainerState::Waiting { reason, message } => {
            // Never run in a pod that is over: for Kubernetes it is still where it was.
            let reason = match reason.as_str() {
                "Stopped" | "PodInitializing" if record.pod.init_containers.is_empty() => "ContainerCreating",
                "Stopped" => "PodInitializing",
                reason => reason,
            };
            let waiting = core::ContainerStateWaiting { message: message.clone(), reason: Some(reason.to_owned()) };
            core::ContainerState { waiting: Some(waiting), ..none }
        }
        ContainerState::Running { started_at, .. } => {
            let running = core::ContainerStateRunning { started_at: Some(Time(*started_at)) };
            core::ContainerState { running: Some(running), ..none }
        }
        ContainerState::Terminated(ended) => core::ContainerState { terminated: Some(terminated(ended, id)), ..none },
    }
}

fn terminated(ended: &Termination, id: &str) -> core::ContainerStateTerminated {
    let Termination { exit_code, signal, reason, message, started_at, finished_at } = ended;
    let (reason, lost) = match exit_code {
        Some(_) => (reason.as_str(), None),
        None => (
            "ContainerStatusUnknown",
            Some("The container could not be located when the pod was terminated".to_owned()),
        ),
    };
    core::ContainerStateTerminated {
        container_id: Some(id.to_owned()),
        exit_code: exit_code.unwrap_or(LOST),
        finished_at: Some(Time(*finished_at)),
        message: message.clone().or(lost),
        reason: Some(reason.to_owned()),
        signal: *signal,
        started_at: started_at.map(Time),
    }
}

fn played<'a>(spec: Option<&'a core::PodSpec>, name: &str) -> Option<&'a core::Container> {
    let spec = spec?;
    let init = spec.init_containers.iter().flatten();
    init.chain(&spec.containers).find(|container| container.name == name)
}

/// Resources with the CPU and memory that the container has still.
fn in_force(mut resources: core::ResourceRequirements, held: &Resources) -> core::ResourceRequirements {
    let (milli, bytes) = (|amount: u64| format!("{amount}m"), |amount: u64| amount.to_string());
    let set = |list: &mut Option<BTreeMap<String, Quantity>>, name: &str, amount: Option<String>| match amount {
        Some(amount) => drop(list.get_or_insert_default().insert(name.to_owned(), Quantity(amount))),
        None => drop(list.as_mut().and_then(|list| list.remove(name))),
    };
    set(&mut resources.limits, "cpu", held.cpu_limit_milli.map(milli));
    set(&mut resources.limits, "memory", held.memory_limit.map(bytes));
    set(&mut resources.requests, "cpu", held.cpu_request_milli.map(milli));
    set(&mut resources.requests, "memory", held.memory_request.map(bytes));
    resources
}

/// Resources as they are wanted: what is limited and not requested is requested as far as its limit.
pub(super) fn effective(resources: core::ResourceRequirements) -> core::ResourceRequirements {
    let core::ResourceRequirements { claims, limits, requests } = resources;
    let mut all: BTreeMap<_, _> = limits.clone().unwrap_or_default();
    all.extend(requests.unwrap_or_default());
    core::ResourceRequirements { claims, limits, requests: (!all.is_empty()).then_some(all) }
}
