//! What the outside sees of a machine, and what changed between two looks.

use super::{Cell, Goal, Index, Machine, Step};
use crate::store::record::{ContainerState, ContainerStatus, PodPhase, PodStatus, RECORD_VERSION};
use crate::supervisor::protocol::Change;

/// The pod's status; `boot_id` and `supervisor_pid` are the caller's to know.
pub fn status(machine: &Machine, boot_id: &str, supervisor_pid: Option<i32>) -> PodStatus {
    let state = &machine.state;
    PodStatus {
        version: RECORD_VERSION,
        id: machine.spec.pod.clone(),
        phase: phase(machine),
        stopping: matches!(state.goal, Goal::Stop(_)),
        started: state.started,
        finished: state.finished,
        ips: state.ips.clone(),
        boot_id: boot_id.to_owned(),
        supervisor_pid,
        containers: (0..state.cells.len()).map(|index| container(machine, index)).collect(),
        message: state.message.clone(),
    }
}

fn phase(machine: &Machine) -> PodPhase {
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
    }
}

fn container_state(machine: &Machine, index: Index, cell: &Cell) -> ContainerState {
    if let (Some(process), Some(started_at)) = (cell.process, cell.started_at) {
        return ContainerState::Running { pid: process.pid, start_ticks: process.start_ticks, started_at };
    }
    match (cell.step, &cell.ended) {
        (Step::Ended, Some(ended)) => ContainerState::Terminated(ended.clone()),
        (Step::Waiting, Some(ended)) if cell.held => ContainerState::Terminated(ended.clone()),
        (Step::Waiting, Some(_)) => {
            let reason = match &cell.failure {
                Some(_) if !cell.again => "CreateContainerError",
                _ => "CrashLoopBackOff",
            };
            waiting(reason, cell.failure.as_ref().map(|f| f.message.clone()))
        }
        _ if machine.state.goal == Goal::Over => waiting("Stopped", None),
        _ if cell.held => waiting("Stopped", None),
        _ if machine.may_run(index) => waiting("ContainerCreating", None),
        _ => waiting("PodInitializing", None),
    }
}

fn waiting(reason: &str, message: Option<String>) -> ContainerState {
    ContainerState::Waiting { reason: reason.to_owned(), message }
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
