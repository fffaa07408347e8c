//! What the outside sees of a machine, and what changed between two looks.

use super::waiting::waiting;
use super::{Cell, Goal, Index, Machine, Step, StopReason};
use crate::store::record::{ContainerState, ContainerStatus, Deletion, PodPhase, PodStatus, RECORD_VERSION};
use crate::supervisor::protocol::Change;

/// The pod's status; `boot_id`, `supervisor_pid` and the machine's addresses are the caller's to know.
pub fn status(machine: &Machine, boot_id: &str, supervisor_pid: Option<i32>) -> PodStatus {
    let state = &machine.state;
    PodStatus {
        version: RECORD_VERSION,
        id: machine.spec.pod.clone(),
        phase: phase(machine),
        stopping: match &state.goal {
            Goal::Stop(stop) => Some(machine.final_phase(&stop.reason)),
            Goal::Run | Goal::Over => None,
        },
        started: state.started,
        finished: state.finished,
        ips: state.ips.clone(),
        boot_id: boot_id.to_owned(),
        supervisor_pid,
        containers: containers(machine),
        message: state.message.clone(),
        reason: reason(machine).map(str::to_owned),
        deletion: deletion(machine),
        conditions: state.conditions.clone(),
        host_ips: Vec::new(),
    }
}

/// What became of the pod as a whole, in a kubelet's word.
fn reason(machine: &Machine) -> Option<&'static str> {
    let reason = match &machine.state.goal {
        Goal::Stop(stop) => Some(&stop.reason),
        Goal::Over => machine.state.final_reason.as_ref(),
        Goal::Run => None,
    };
    match reason? {
        StopReason::ActiveDeadline => Some("DeadlineExceeded"),
        StopReason::Evicted => Some("Evicted"),
        StopReason::Asked | StopReason::Finished | StopReason::InitFailed { .. } | StopReason::Sandbox(_) => None,
    }
}

fn deletion(machine: &Machine) -> Option<Deletion> {
    match &machine.state.goal {
        Goal::Stop(stop) if stop.reason == StopReason::Asked => {
            Some(Deletion { at: stop.until?, grace_seconds: stop.grace.div_ceil(1_000) })
        }
        Goal::Stop(_) | Goal::Run | Goal::Over => None,
    }
}

pub(super) fn containers(machine: &Machine) -> Vec<ContainerStatus> {
    (0..machine.state.cells.len()).map(|index| container(machine, index)).collect()
}

pub(super) fn phase(machine: &Machine) -> PodPhase {
    let state = &machine.state;
    if let (Goal::Over, Some(phase)) = (&state.goal, state.final_phase) {
        return phase;
    }
    let ran = |index: &Index| {
        let cell = &state.cells[*index];
        cell.started_at.is_some() || cell.ended.as_ref().is_some_and(|e| e.started_at.is_some())
    };
    match machine.regulars().iter().any(ran) {
        true => PodPhase::Running,
        false => PodPhase::Pending,
    }
}

fn container(machine: &Machine, index: Index) -> ContainerStatus {
    let (spec, cell) = (&machine.spec.containers[index], &machine.state.cells[index]);
    let state = container_state(machine, index, cell);
    let last = match &state {
        ContainerState::Terminated(_) => None,
        _ => cell.ended.clone(),
    };
    ContainerStatus {
        id: spec.id.clone(),
        name: spec.name.clone(),
        state,
        restart_count: cell.restart_count,
        started: cell.started,
        ready: cell.ready,
        healthy: cell.healthy,
        last,
        resources: machine.held_resources(index),
    }
}

fn container_state(machine: &Machine, index: Index, cell: &Cell) -> ContainerState {
    if let (Some(process), Some(started_at)) = (cell.process, cell.started_at) {
        return ContainerState::Running { pid: process.pid, start_ticks: process.start_ticks, started_at };
    }
    match (cell.step, &cell.ended) {
        (Step::Ended, Some(ended)) => ContainerState::Terminated(ended.clone()),
        (Step::Waiting, Some(ended)) if cell.held => ContainerState::Terminated(ended.clone()),
        _ => waiting(machine, index, cell),
    }
}

/// What a follower must be told to get from one status to the next, in order.
pub fn changes(old: Option<&PodStatus>, new: &PodStatus) -> Vec<Change> {
    let mut changes = Vec::new();
    for (index, container) in new.containers.iter().enumerate() {
        let before = old.and_then(|o| o.containers.get(index));
        if before.is_none_or(|b| b.state != container.state) {
            changes.push(Change::Container { id: container.id.clone(), state: container.state.clone() });
        }
        if before.map_or(container.ready, |b| b.ready != container.ready) {
            changes.push(Change::Ready { id: container.id.clone(), ready: container.ready });
        }
    }
    if old.is_none_or(|o| o.phase != new.phase) {
        changes.push(Change::Phase { phase: new.phase });
    }
    changes
}
