//! What is true of a pod now: the supervisor's last word, judged by whether it can still be true.
//!
//! ```text
//! no status.json                       never started: Created
//! written in another boot              whatever ran has ended; its exit codes are unknown
//! says Running, supervisor lives       as it says
//! says Running, no supervisor lives    a new supervisor takes the application over and says (R5)
//!                                      none can be started: Unknown, for who only looks; an error for who wants to change it
//! says it ended                        as it says
//! ```
//!
//! A kubelet starts again after a reboot what its policies say. Here nothing runs until somebody asks for it: a pod of another
//! boot has ended, for Kubernetes as `Failed`, and `kube play` or `pod start` starts it, the same pod, as any that has stopped.

use super::Engine;
use super::EngineError;
use super::machine;
use super::supervisor::Supervisors;
use crate::model::diagnostic::with_causes;
use crate::store::record::{
    ContainerState, ContainerStatus, PodPhase, PodRecord, PodStatus, RECORD_VERSION, Termination,
};
use std::io;

/// Answers for one command: what it asked of the machine is asked once.
pub(super) struct Statuses<'a> {
    engine: &'a Engine,
    boot_id: String,
    supervisors: Supervisors<'a>,
}

impl<'a> Statuses<'a> {
    pub fn new(engine: &'a Engine) -> Result<Self, EngineError> {
        Ok(Self { engine, boot_id: machine::boot_id()?, supervisors: Supervisors::new(engine) })
    }

    /// The present status of a pod; takes its application over when it has lost its supervisor.
    pub fn of(&mut self, record: &PodRecord) -> Result<PodStatus, EngineError> {
        let Some(status) = self.read(record)? else { return Ok(never_started(record)) };
        if !is_alive(&status) {
            return Ok(status);
        }
        if status.boot_id != self.boot_id {
            return Ok(ended_with_the_machine(status));
        }
        if self.supervisors.take_over(&record.app)? {
            return Ok(self.read(record)?.unwrap_or(status));
        }
        Ok(status)
    }

    /// As [`Statuses::of`], for who only looks: that a pod cannot be looked after is no reason to say nothing of the others.
    pub fn shown(&mut self, record: &PodRecord) -> Result<PodStatus, EngineError> {
        self.of(record).or_else(|error| match (error, self.read(record)?) {
            (error @ (EngineError::Client(_) | EngineError::SupervisorEnded { .. }), Some(mut status)) => {
                status.lost(format!("no supervisor looks after the pod: {}", with_causes(&error)));
                Ok(status)
            }
            (error, _) => Err(error),
        })
    }

    /// `status.json` as it stands; `None` before the first start, and when the power took it.
    fn read(&self, record: &PodRecord) -> Result<Option<PodStatus>, EngineError> {
        let path = self.engine.layout().pod_status(&record.id);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(EngineError::File { attempt: "read", path, source }),
        };
        match serde_json::from_slice::<PodStatus>(&text) {
            Ok(status) if status.version > RECORD_VERSION => {
                Err(EngineError::NewerStatus { pod: record.pod.name.clone(), found: status.version })
            }
            Ok(mut status) if status.containers.len() <= record.containers.len() => {
                // One that was just added to the pod.
                let added = never_started(record).containers.split_off(status.containers.len());
                status.containers.extend(added);
                Ok(Some(status))
            }
            // Not synced when written, so a power loss may leave anything; then nothing runs either.
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

fn is_alive(status: &PodStatus) -> bool {
    matches!(status.phase, PodPhase::Pending | PodPhase::Running)
}

/// The status of a pod that only exists on disk.
pub(super) fn never_started(record: &PodRecord) -> PodStatus {
    let waiting = |container: &crate::store::record::ContainerRecord| ContainerStatus {
        id: container.id.clone(),
        name: container.container.clone(),
        state: ContainerState::Waiting { reason: "PodInitializing".to_owned(), message: None },
        restart_count: 0,
        started: false,
        ready: false,
        healthy: None,
        last: None,
        resources: None,
    };
    PodStatus {
        version: RECORD_VERSION,
        id: record.id.clone(),
        phase: PodPhase::Created,
        stopping: None,
        started: None,
        finished: None,
        ips: Vec::new(),
        boot_id: String::new(),
        supervisor_pid: None,
        containers: record.containers.iter().map(waiting).collect(),
        message: None,
        reason: None,
        deletion: None,
        conditions: Vec::new(),
        host_ips: Vec::new(),
    }
}

/// What became of a pod that ran when the machine went down.
fn ended_with_the_machine(mut status: PodStatus) -> PodStatus {
    const MESSAGE: &str = "the machine was restarted";
    for container in &mut status.containers {
        let ended = |started_at| Termination {
            exit_code: None,
            signal: None,
            reason: "Error".to_owned(),
            message: Some(MESSAGE.to_owned()),
            started_at: Some(started_at),
            finished_at: started_at,
        };
        if let ContainerState::Running { started_at, .. } = container.state {
            container.state = ContainerState::Terminated(ended(started_at));
        }
        (container.started, container.ready, container.healthy) = (false, false, None);
    }
    let ends = status.containers.iter().filter_map(|container| match &container.state {
        ContainerState::Terminated(ended) => Some(ended.finished_at),
        ContainerState::Waiting { .. } | ContainerState::Running { .. } => None,
    });
    if let Some(last) = ends.max().or(status.started) {
        status.conditions_ended(last);
    }
    status.phase = PodPhase::Stopped;
    status.stopping = None;
    status.deletion = None;
    status.ips.clear();
    status.supervisor_pid = None;
    status.message = Some(MESSAGE.to_owned());
    status
}
