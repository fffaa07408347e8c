//! What of a pod's record decides about its life.

use super::{BackOffRule, ProbeKind};
use crate::model::{
    Container, Pod, Probe, PullPolicy, ResizePolicy, Resources, RestartAction, RestartPolicy, RestartRule,
};
use crate::store::record::{ImagePull, PodRecord};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Id.
    pub pod: String,
    /// `<namespace>/<name>`, for messages.
    pub name: String,
    /// [`PodRecord::full_name`], for messages.
    pub full_name: String,
    /// Name of the machine.
    pub node: String,
    /// Condition types that must be `True` before the pod is ready.
    pub readiness_gates: Vec<String>,
    /// In the record's order: init containers first, ephemeral ones last.
    pub containers: Vec<ContainerSpec>,
    /// What its cgroup gets.
    pub resources: Resources,
    /// Milliseconds.
    pub grace: u64,
    /// Milliseconds after the pod's start.
    pub active_deadline: Option<u64>,
    pub back_off: BackOffRule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    pub id: String,
    /// Name in the pod's spec.
    pub name: String,
    /// As written.
    pub image: String,
    pub pull: Option<PullPolicy>,
    /// What was pulled for its first run.
    pub pulled: Option<ImagePull>,
    pub role: Role,
    pub restart: RestartPolicy,
    /// The first that matches decides before the policy does.
    pub rules: Vec<RestartRule>,
    pub post_start: bool,
    pub pre_stop: bool,
    /// Its files go when it has ended for good.
    pub auto_remove: bool,
    /// What its cgroup gets.
    pub resources: Resources,
    pub resize: ResizePolicy,
    /// By [`ProbeKind`].
    pub probes: [Option<Timing>; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next starts.
    Init,
    /// An init container that keeps running.
    Sidecar,
    Regular,
    /// Added to the running pod, which does not depend on it in any way.
    Ephemeral,
}

/// A probe's figures; times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    pub initial_delay: u64,
    pub period: u64,
    pub success_threshold: u32,
    pub failure_threshold: u32,
    /// Replaces the pod's grace when this probe has the container killed.
    pub grace: Option<u64>,
}

impl Spec {
    pub fn of(record: &PodRecord, node: &str, back_off: BackOffRule) -> Self {
        let containers = record.containers.iter().enumerate().filter_map(|(index, c)| {
            let spec = record.spec(index)?;
            Some(ContainerSpec {
                id: c.id.clone(),
                name: c.container.clone(),
                image: spec.image.clone(),
                pull: spec.pull_policy,
                pulled: c.pull,
                role: match (c.init, spec.sidecar) {
                    _ if record.ephemeral(index).is_some() => Role::Ephemeral,
                    (false, _) => Role::Regular,
                    (true, false) => Role::Init,
                    (true, true) => Role::Sidecar,
                },
                restart: spec.restart_policy(&record.pod, c.init),
                rules: spec.restart_rules.clone(),
                post_start: spec.lifecycle.post_start.is_some(),
                pre_stop: spec.lifecycle.pre_stop.is_some(),
                auto_remove: spec.auto_remove,
                resources: record.pod.resources_of(spec),
                resize: spec.resize_policy,
                probes: ProbeKind::ALL.map(|kind| kind.of(spec).map(Timing::of)),
            })
        });
        Self {
            pod: record.id.clone(),
            full_name: record.full_name(),
            name: format!("{}/{}", record.pod.namespace, record.pod.name),
            node: node.to_owned(),
            readiness_gates: record.pod.readiness_gates.clone(),
            containers: containers.collect(),
            resources: record.pod.total_resources(),
            grace: record.pod.termination_grace_seconds.saturating_mul(1_000),
            active_deadline: active_deadline(&record.pod),
            back_off,
        }
    }

    /// Takes up what changed of a pod that runs.
    pub fn amend(&mut self, pod: &Pod) {
        self.active_deadline = active_deadline(pod);
        self.resources = pod.total_resources();
        for container in &mut self.containers {
            if let Some(spec) = pod.all_containers().find(|spec| spec.name == container.name) {
                container.resources = pod.resources_of(spec);
            }
        }
    }
}

fn active_deadline(pod: &Pod) -> Option<u64> {
    Some(pod.active_deadline_seconds?.saturating_mul(1_000))
}

impl ContainerSpec {
    /// What is to be done after an end, `None` for nothing. The code is `None` when nobody knows it.
    pub fn after_end(&self, code: Option<i32>) -> Option<RestartAction> {
        if self.role == Role::Init && code == Some(0) {
            return None;
        }
        let rule = code.and_then(|code| self.rules.iter().find(|rule| rule.exit_codes.contains(code)));
        let by_policy = match self.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => code != Some(0),
            RestartPolicy::Never => false,
        };
        rule.map(|rule| rule.action).or(by_policy.then_some(RestartAction::Restart))
    }
}

impl Timing {
    fn of(probe: &Probe) -> Self {
        Self {
            initial_delay: u64::from(probe.initial_delay_seconds) * 1_000,
            period: u64::from(probe.period_seconds.max(1)) * 1_000,
            success_threshold: probe.success_threshold.max(1),
            failure_threshold: probe.failure_threshold.max(1),
            grace: probe.termination_grace_seconds.map(|s| s.saturating_mul(1_000)),
        }
    }
}

impl ProbeKind {
    /// The container's probe of that kind.
    pub fn of(self, container: &Container) -> Option<&Probe> {
        match self {
            ProbeKind::Startup => container.startup_probe.as_ref(),
            ProbeKind::Readiness => container.readiness_probe.as_ref(),
            ProbeKind::Liveness => container.liveness_probe.as_ref(),
        }
    }
}
