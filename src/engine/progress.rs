//! What an operation says while it works.

use crate::graph::StepKind;
use crate::image::transfer::TransferEvent;
use crate::store::record::{ContainerState, PodRecord};
use crate::supervisor::protocol::{Change, Event};

/// One thing that happened during an operation, for showing; the result says it again as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    Step {
        kind: StepKind,
        state: StepState,
    },
    /// A container waits, and why: `CrashLoopBackOff`, an image that is being unpacked.
    Waiting {
        pod: String,
        container: String,
        reason: String,
    },
    /// Images come here.
    Transfer(TransferEvent),
    /// The run failed, and this is being taken back.
    Undo {
        what: String,
    },
    /// A fact worth a line: a dead supervisor was replaced, a run that died was rolled back.
    Notice(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    Started,
    Done,
    Failed { message: String },
}

/// Receives [`Progress`].
pub type Report<'a> = &'a mut dyn FnMut(Progress);

/// What an event of a supervisor means for the steps of a plan; nothing when it is about another pod.
pub(super) fn from_event(event: &Event, records: &[&PodRecord]) -> Option<Progress> {
    let record = records.iter().find(|record| record.id == event.pod)?;
    let pod = record.pod.name.clone();
    match &event.change {
        Change::SandboxReady => Some(Progress::Step { kind: StepKind::Sandbox { pod }, state: StepState::Done }),
        Change::Container { id, state } => {
            let index = record.containers.iter().position(|container| &container.id == id)?;
            let init = record.containers[index].init;
            let sidecar = record.spec(index)?.sidecar;
            let container = record.containers[index].container.clone();
            container_progress(pod, container, init, sidecar, state)
        }
        Change::Ready { .. } | Change::Probe { .. } | Change::Phase { .. } | Change::Removed => None,
    }
}

fn container_progress(
    pod: String,
    container: String,
    init: bool,
    sidecar: bool,
    state: &ContainerState,
) -> Option<Progress> {
    let kind = |pod, container| match (init, sidecar) {
        (true, true) => StepKind::Sidecar { pod, container },
        (true, false) => StepKind::InitContainer { pod, container },
        (false, _) => StepKind::StartContainer { pod, container },
    };
    let runs_to_its_end = init && !sidecar;
    let state = match state {
        ContainerState::Waiting { reason, .. }
            if matches!(&**reason, "PodInitializing" | "ContainerCreating" | "Stopped") =>
        {
            return None;
        }
        ContainerState::Waiting { reason, .. } => {
            return Some(Progress::Waiting { pod, container, reason: reason.clone() });
        }
        ContainerState::Running { .. } if runs_to_its_end => StepState::Started,
        ContainerState::Running { .. } => StepState::Done,
        ContainerState::Terminated(ended) if runs_to_its_end && ended.exit_code == Some(0) => StepState::Done,
        ContainerState::Terminated(ended) => {
            let code = ended.exit_code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
            StepState::Failed { message: format!("{}, exit code {code}", ended.reason) }
        }
    };
    Some(Progress::Step { kind: kind(pod, container), state })
}
