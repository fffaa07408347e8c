//! What a kubelet would tell of a pod's containers between two states, in its words (Kubernetes API, `Event` v1 core).

use super::waiting::{never_pulled, pulled_later, span};
use super::{Goal, spec::ContainerSpec, state::Cell};
use super::{Index, Moment, Spec, StartFailure, State, Step, StopReason};
use crate::model::PullPolicy;
use crate::store::record::ImagePull;
use crate::supervisor::protocol::FailureKind;

/// Something to be known of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// The container it is about, when it is not the whole pod.
    pub container: Option<Index>,
    /// Type `Warning` rather than `Normal`.
    pub warning: bool,
    /// One word: `Started`.
    pub reason: &'static str,
    pub message: String,
    /// When it happened, if it is told later.
    pub time: Option<jiff::Timestamp>,
}

/// What happened between two states of one pod, in order.
pub fn occurrences(spec: &Spec, before: &State, after: &State, now: Moment) -> Vec<Occurrence> {
    let mut found: Vec<_> = assigned(spec, before, after).into_iter().collect();
    for (index, of) in spec.containers.iter().enumerate() {
        if let (Some(before), Some(after)) = (before.cells.get(index), after.cells.get(index)) {
            let container = Container { index, of, spec, before, after };
            container.creation(&mut found);
            container.start(&mut found);
            container.end(&mut found, now);
        }
    }
    found.extend(of_pod(before, after));
    found
}

/// A pod that starts for the first time has found its machine: this one.
fn assigned(spec: &Spec, before: &State, after: &State) -> Option<Occurrence> {
    let message = format!("Successfully assigned {} to {}", spec.name, spec.node);
    let is_new = before.started.is_none() && after.started.is_some();
    // Images are pulled for it before it is there to be started.
    let time = spec.containers.iter().filter_map(|container| container.pulled).map(|pull| pull.began).min();
    is_new.then_some(Occurrence { container: None, warning: false, reason: "Scheduled", message, time })
}

/// What becomes of the pod as a whole.
fn of_pod(before: &State, after: &State) -> Option<Occurrence> {
    let (Goal::Run, Goal::Stop(stop)) = (&before.goal, &after.goal) else { return None };
    let (warning, reason, message) = match &stop.reason {
        StopReason::ActiveDeadline => {
            let message = "Pod was active on the node longer than the specified deadline".to_owned();
            (false, "DeadlineExceeded", message)
        }
        StopReason::Evicted => (true, "Evicted", after.message.clone().unwrap_or_default()),
        StopReason::Sandbox(failure) if failure.kind == FailureKind::Volume => {
            (true, "FailedMount", failure.message.clone())
        }
        StopReason::Sandbox(failure) => {
            (true, "FailedCreatePodSandBox", format!("Failed to create pod sandbox: {}", failure.message))
        }
        StopReason::Asked | StopReason::Finished | StopReason::InitFailed { .. } => return None,
    };
    Some(Occurrence { container: None, warning, reason, message, time: None })
}

struct Container<'a> {
    index: Index,
    of: &'a ContainerSpec,
    spec: &'a Spec,
    before: &'a Cell,
    after: &'a Cell,
}

impl Container<'_> {
    fn tell(&self, found: &mut Vec<Occurrence>, warning: bool, reason: &'static str, message: String) {
        found.push(Occurrence { container: Some(self.index), warning, reason, message, time: None });
    }

    /// How its image came to be here.
    fn pulled(&self, found: &mut Vec<Occurrence>) {
        let image = &self.of.image;
        match self.of.pulled.filter(|_| self.after.attempt <= 1) {
            Some(ImagePull { began, ended, size }) => {
                let took = span(u64::try_from(ended.duration_since(began).as_millis()).unwrap_or(0));
                let message = format!(
                    "Successfully pulled image \"{image}\" in {took} ({took} including waiting). Image size: {size} bytes."
                );
                let times = [("Pulling", format!("Pulling image \"{image}\""), began), ("Pulled", message, ended)];
                found.extend(times.map(|(reason, message, time)| Occurrence {
                    container: Some(self.index),
                    warning: false,
                    reason,
                    message,
                    time: Some(time),
                }));
            }
            None => {
                let message = format!("Container image \"{image}\" already present on machine");
                self.tell(found, false, "Pulled", message);
            }
        }
    }

    fn creation(&self, found: &mut Vec<Occurrence>) {
        let ContainerSpec { name, image, .. } = self.of;
        if self.before.process.is_none() && self.after.process.is_some() {
            self.pulled(found);
            self.tell(found, false, "Created", format!("Created container: {name}"));
        }
        match &self.after.failure {
            Some(failure) if self.before.failure.is_none() => {
                if self.is_never_pulled(failure) {
                    self.tell(found, true, "ErrImageNeverPull", never_pulled(image));
                }
                self.tell(found, true, "Failed", format!("Error: {}", failure.message));
            }
            _ => {}
        }
    }

    fn start(&self, found: &mut Vec<Occurrence>) {
        if self.before.started_at.is_none() && self.after.started_at.is_some() {
            self.tell(found, false, "Started", format!("Started container {}", self.of.name));
        }
        let failed = match &self.after.outcome {
            Some(Err(failure)) if failure.kind == FailureKind::PostStart => Some(failure),
            _ => None,
        };
        if let Some(failure) = failed.filter(|_| self.before.outcome != self.after.outcome) {
            self.tell(found, true, "FailedPostStartHook", failure.message.clone());
        }
    }

    fn end(&self, found: &mut Vec<Occurrence>, now: Moment) {
        let name = &self.of.name;
        // One that could not be started is only cleared away.
        if self.before.kill.is_none() && self.after.kill.is_some() && self.after.failure.is_none() {
            let unhealthy = self.before.healthy != Some(false) && self.after.healthy == Some(false);
            let probe = if self.after.started { "liveness" } else { "startup" };
            let resized = self.after.wanted && !self.before.wanted && self.after.size.differs(&self.of.resources);
            let message = match (unhealthy, resized) {
                (true, _) => format!("Container {name} failed {probe} probe, will be restarted"),
                (false, true) => format!("Container {name} resize requires restart"),
                (false, false) => format!("Stopping container {name}"),
            };
            self.tell(found, false, "Killing", message);
        }
        let waits = self.after.step == Step::Waiting && self.after.not_before.is_some_and(|moment| moment > now);
        if self.before.step != Step::Deleting || !waits {
            return;
        }
        match &self.before.failure {
            Some(failure) if self.before.process.is_none() => {
                if failure.kind == FailureKind::ImageMissing && !self.is_never_pulled(failure) {
                    self.tell(found, false, "BackOff", pulled_later(&self.of.image));
                }
            }
            _ => {
                let pod = &self.spec.full_name;
                let message = format!("Back-off restarting failed container {name} in pod {pod}");
                self.tell(found, true, "BackOff", message);
            }
        }
    }

    fn is_never_pulled(&self, failure: &StartFailure) -> bool {
        failure.kind == FailureKind::ImageMissing && self.of.pull == Some(PullPolicy::Never)
    }
}
