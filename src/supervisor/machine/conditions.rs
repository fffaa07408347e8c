//! The conditions of a pod, and when each changed (Kubernetes, "Pod Lifecycle", "Pod conditions").

use super::{Goal, Machine, Now, Role, Sandbox, status};
use crate::store::record::{Condition, ConditionStatus, ContainerState, ContainerStatus, PodPhase};

/// A condition as it is now, whenever that began.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    status: ConditionStatus,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Verdict {
    fn holds() -> Self {
        Self { status: ConditionStatus::True, reason: None, message: None }
    }

    fn fails(reason: &'static str, message: String) -> Self {
        let message = (!message.is_empty()).then_some(message);
        Self { status: ConditionStatus::False, reason: Some(reason), message }
    }
}

impl Machine {
    /// Looks at the pod's conditions again; the time of one that is as it was stays.
    pub(super) fn observe_conditions(&mut self, now: Now) {
        if self.state.started.is_none() {
            return;
        }
        let containers = status::containers(self);
        let phase = status::phase(self);
        let containers_ready = self.containers_ready(&containers, phase);
        let observed = [
            self.ready_to_start(),
            self.initialized(&containers, phase),
            self.ready(&containers_ready),
            containers_ready,
            Verdict::holds(),
        ];
        let kinds = Condition::OF_THE_SUPERVISOR;
        let old = std::mem::take(&mut self.state.conditions);
        let is_known = |condition: &Condition| {
            let kind = condition.kind.as_str();
            kinds.contains(&kind) || kind == Condition::RESIZE
        };
        let (known, from_outside): (Vec<_>, Vec<_>) = old.into_iter().partition(is_known);
        let resize = self.resize_in_progress().map(|verdict| (Condition::RESIZE, verdict));
        let conditions =
            kinds.into_iter().zip(observed).chain(resize).map(|(kind, Verdict { status, reason, message })| {
                let before = known.iter().find(|c| c.kind == kind && c.status == status);
                let since = before.map_or(now.wall, |c| c.since);
                Condition { kind: kind.to_owned(), status, reason: reason.map(str::to_owned), message, since }
            });
        self.state.conditions = conditions.chain(from_outside).collect();
    }

    /// Takes in what somebody outside says of conditions other than [`Condition::OF_THE_SUPERVISOR`].
    pub(super) fn set_conditions(&mut self, conditions: Vec<(String, ConditionStatus)>, now: Now) {
        for (kind, status) in conditions {
            match self.state.conditions.iter_mut().find(|c| c.kind == kind) {
                Some(known) if known.status == status => {}
                Some(known) => (known.status, known.since) = (status, now.wall),
                None => {
                    let (reason, message, since) = (None, None, now.wall);
                    self.state.conditions.push(Condition { kind, status, reason, message, since });
                }
            }
        }
    }

    /// CPU and memory are being changed, or could not be; no condition otherwise.
    fn resize_in_progress(&self) -> Option<Verdict> {
        if self.state.goal != Goal::Run {
            return None;
        }
        let failures: Vec<_> = self.resize_failures().into_iter().map(|failure| failure.message).collect();
        match failures.is_empty() {
            true => self.is_resizing().then(Verdict::holds),
            false => Some(Verdict { reason: Some("Error"), message: Some(failures.join("; ")), ..Verdict::holds() }),
        }
    }

    fn ready_to_start(&self) -> Verdict {
        let status = ConditionStatus::from(self.state.sandbox == Sandbox::Up);
        Verdict { status, reason: None, message: None }
    }

    fn initialized(&self, containers: &[ContainerStatus], phase: PodPhase) -> Verdict {
        if phase == PodPhase::Succeeded {
            return Verdict { reason: Some(COMPLETED), ..Verdict::holds() };
        }
        let is_incomplete = |role: Role, container: &ContainerStatus| match role {
            Role::Init => !container.state.succeeded(),
            Role::Sidecar => !container.started,
            Role::Regular | Role::Ephemeral => false,
        };
        let incomplete = self.names(containers, is_incomplete);
        if incomplete.is_empty() || self.regulars().iter().any(|index| has_started(&containers[*index])) {
            return Verdict::holds();
        }
        Verdict::fails("ContainersNotInitialized", format!("containers with incomplete status: [{incomplete}]"))
    }

    fn containers_ready(&self, containers: &[ContainerStatus], phase: PodPhase) -> Verdict {
        match phase {
            PodPhase::Succeeded => return Verdict::fails(COMPLETED, String::new()),
            PodPhase::Failed => return Verdict::fails("PodFailed", String::new()),
            PodPhase::Created | PodPhase::Pending | PodPhase::Running | PodPhase::Stopped | PodPhase::Unknown => {}
        }
        let counts = |role| matches!(role, Role::Regular | Role::Sidecar);
        let unready = self.names(containers, |role, container| counts(role) && !container.ready);
        if unready.is_empty() {
            return Verdict::holds();
        }
        Verdict::fails("ContainersNotReady", format!("containers with unready status: [{unready}]"))
    }

    /// Its containers are, and everything its readiness gates ask for holds.
    fn ready(&self, containers_ready: &Verdict) -> Verdict {
        if containers_ready.status != ConditionStatus::True {
            return containers_ready.clone();
        }
        let missing = self.spec.readiness_gates.iter().filter_map(|gate| {
            match self.state.conditions.iter().find(|condition| condition.kind == *gate) {
                None => Some(format!("corresponding condition of pod readiness gate \"{gate}\" does not exist.")),
                Some(Condition { status: ConditionStatus::True, .. }) => None,
                Some(Condition { status, .. }) => {
                    let status = status.as_str();
                    Some(format!("the status of pod readiness gate \"{gate}\" is not \"True\", but {status}"))
                }
            }
        });
        let missing: Vec<_> = missing.collect();
        match missing.is_empty() {
            true => Verdict::holds(),
            false => Verdict::fails("ReadinessGatesNotReady", missing.join(", ")),
        }
    }

    /// Names of the containers of which something is true, separated by blanks.
    fn names(&self, containers: &[ContainerStatus], which: impl Fn(Role, &ContainerStatus) -> bool) -> String {
        let pairs = self.spec.containers.iter().zip(containers);
        let chosen = pairs.filter(|(spec, container)| which(spec.role, container));
        chosen.map(|(spec, _)| spec.name.as_str()).collect::<Vec<_>>().join(" ")
    }
}

const COMPLETED: &str = "PodCompleted";

fn has_started(container: &ContainerStatus) -> bool {
    container.last.is_some() || !matches!(container.state, ContainerState::Waiting { .. })
}
