//! What a listing shows of a pod, as the API server computes it for kubectl's tables.

use super::age::age;
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;

/// Stands where there is nothing to show.
pub const NONE: &str = "<none>";
/// Stands where a field is not set, in newer columns.
pub const UNSET: &str = "<unset>";

/// What a listing says of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSummary {
    pub ready: usize,
    pub total: usize,
    /// `Running`, `Init:0/1`, `CrashLoopBackOff`, `Completed`...
    pub status: String,
    /// `3`, or `3 (5m ago)`.
    pub restarts: String,
}

/// What the columns of a pod have to say; `node` is the machine's name.
pub fn pod(pod: &core::Pod, node: &str, now: Timestamp) -> Vec<String> {
    let summary = summarize(pod, now);
    let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let none = || NONE.to_owned();
    let status = pod.status.as_ref();
    vec![
        pod.metadata.name.clone().unwrap_or_default(),
        format!("{}/{}", summary.ready, summary.total),
        summary.status,
        summary.restarts,
        age(created, now),
        status.and_then(|status| status.pod_ip.clone()).unwrap_or_else(none),
        node.to_owned(),
        status.and_then(|status| status.nominated_node_name.clone()).unwrap_or_else(none),
        gates(pod).unwrap_or_else(none),
    ]
}

/// How many of the readiness gates hold: `1/2`.
fn gates(pod: &core::Pod) -> Option<String> {
    let gates = pod.spec.as_ref()?.readiness_gates.as_ref().filter(|gates| !gates.is_empty())?;
    let holds = |gate: &&core::PodReadinessGate| has_condition(pod, &gate.condition_type);
    Some(format!("{}/{}", gates.iter().filter(holds).count(), gates.len()))
}

/// Whether a condition is there and `True`.
fn has_condition(pod: &core::Pod, kind: &str) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == kind && condition.status == "True")
}

/// Ready containers, status and restarts of a pod.
pub fn summarize(pod: &core::Pod, now: Timestamp) -> PodSummary {
    let (spec, status) = (pod.spec.clone().unwrap_or_default(), pod.status.clone().unwrap_or_default());
    let init_specs = spec.init_containers.unwrap_or_default();
    let is_sidecar = |name: &str| {
        init_specs.iter().any(|spec| spec.name == name && spec.restart_policy.as_deref() == Some("Always"))
    };
    let phase = status.phase.unwrap_or_default();
    let mut reason = status.reason.unwrap_or_else(|| phase.clone());
    let sidecars = init_specs.iter().filter(|spec| is_sidecar(&spec.name)).count();
    let total = spec.containers.len() + sidecars;
    let (mut all, mut of_sidecars) = (Restarts::default(), Restarts::default());
    let (mut ready, mut initializing) = (0, false);
    let init = status.init_container_statuses.unwrap_or_default();
    for (index, container) in init.iter().enumerate() {
        all.count(container);
        let sidecar = is_sidecar(&container.name);
        if sidecar {
            of_sidecars.count(container);
        }
        let (ended, waiting) = ended_or_waiting(container);
        reason = match (ended, waiting) {
            (Some(ended), _) if ended.exit_code == 0 => continue,
            _ if sidecar && container.started == Some(true) => {
                ready += usize::from(container.ready);
                continue;
            }
            (Some(ended), _) => format!("Init:{}", ended_reason(ended)),
            (None, Some(reason)) if reason != "PodInitializing" => format!("Init:{reason}"),
            _ => format!("Init:{index}/{}", init_specs.len()),
        };
        initializing = true;
        break;
    }
    if !initializing || has_condition(pod, "Initialized") {
        all = of_sidecars;
        let mut has_running = false;
        for container in status.container_statuses.iter().flatten().rev() {
            all.count(container);
            match ended_or_waiting(container) {
                (_, Some(waiting)) => reason = waiting.to_owned(),
                (Some(ended), _) => reason = ended_reason(ended),
                _ if container.ready => {
                    has_running = true;
                    ready += 1;
                }
                _ => {}
            }
        }
        // Some are through and others run on.
        if reason == "Completed" && has_running {
            reason = if has_condition(pod, "Ready") { "Running" } else { "NotReady" }.to_owned();
        }
    }
    let over = matches!(phase.as_str(), "Succeeded" | "Failed");
    if pod.metadata.deletion_timestamp.is_some() && !over {
        reason = "Terminating".to_owned();
    }
    PodSummary { ready, total, status: reason, restarts: all.shown(now) }
}

/// How a container ended, or why it waits.
fn ended_or_waiting(container: &core::ContainerStatus) -> (Option<&core::ContainerStateTerminated>, Option<&str>) {
    let state = container.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref()).and_then(|waiting| waiting.reason.as_deref());
    (state.and_then(|state| state.terminated.as_ref()), waiting.filter(|reason| !reason.is_empty()))
}

fn ended_reason(ended: &core::ContainerStateTerminated) -> String {
    match (ended.reason.as_deref(), ended.signal) {
        (Some(reason), _) if !reason.is_empty() => reason.to_owned(),
        (_, Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", ended.exit_code),
    }
}

#[derive(Debug, Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn count(&mut self, container: &core::ContainerStatus) {
        self.count += i64::from(container.restart_count);
        let last = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
        let ended = last.and_then(|ended| ended.finished_at.as_ref()).map(|time| time.0);
        self.last = self.last.max(ended);
    }

    fn shown(&self, now: Timestamp) -> String {
        match self.last {
            Some(_) if self.count > 0 => format!("{} ({} ago)", self.count, age(self.last, now)),
            _ => self.count.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::{pod_status, tests::pod as made};
    use super::*;
    use crate::model::RestartPolicy::{self, Always, Never};

    fn summary(policy: RestartPolicy, containers: &[&str], change: impl Fn(&mut core::Pod)) -> PodSummary {
        let (record, status) = made(policy, containers);
        let mut pod = super::super::played::pod(&[], &record.pod);
        for (spec, model) in
            pod.spec.iter_mut().flat_map(|s| s.init_containers.iter_mut().flatten()).zip(&record.pod.init_containers)
        {
            spec.restart_policy = model.sidecar.then(|| "Always".to_owned());
        }
        pod.status = Some(pod_status(&record, &status, None));
        change(&mut pod);
        let now = jiff::Timestamp::from_second(1_700_000_000 + 303).unwrap();
        summarize(&pod, now)
    }

    #[test]
    fn the_status_column_is_kubectls() {
        for (policy, containers, ready, status, restarts) in [
            (Always, &["a=run"][..], "1/1", "Running", "0"),
            (Always, &["a=run", "b=again"], "1/2", "CrashLoopBackOff", "1 (5m ago)"),
            (Always, &["a=wait"], "0/1", "ContainerCreating", "0"),
            (Never, &["a=0"], "0/1", "Completed", "0"),
            (Never, &["a=1"], "0/1", "Error", "0"),
            (Never, &["a=0", "b=1"], "0/2", "Completed", "0"),
            (Never, &["a=0", "b=run"], "1/2", "NotReady", "0"),
            (Always, &["+i=run", "a=wait"], "0/1", "Init:0/1", "0"),
            (Always, &["+i=0", "+j=run", "a=wait"], "0/1", "Init:1/2", "0"),
            (Always, &["+i=again", "a=wait"], "0/1", "Init:CrashLoopBackOff", "1 (5m ago)"),
            (Never, &["+i=1", "a=wait"], "0/1", "Init:Error", "0"),
            (Always, &["+i=0", "a=wait"], "0/1", "PodInitializing", "0"),
            (Always, &["*s=run", "a=run"], "2/2", "Running", "0"),
            (Always, &["*s=run", "a=wait"], "1/2", "PodInitializing", "0"),
        ] {
            let found = summary(policy, containers, |_| {});
            let shown = (format!("{}/{}", found.ready, found.total), found.status, found.restarts);
            assert_eq!(shown, (ready.to_owned(), status.to_owned(), restarts.to_owned()), "{policy:?} {containers:?}");
        }
    }

    #[test]
    fn what_a_pod_is_as_a_whole_counts_too() {
        let time = || k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
        let deleting = |pod: &mut core::Pod| pod.metadata.deletion_timestamp = Some(time());
        assert_eq!(summary(Always, &["a=run"], deleting).status, "Terminating");
        assert_eq!(summary(Never, &["a=0"], deleting).status, "Completed");
        let ready = |pod: &mut core::Pod| {
            let condition = core::PodCondition { type_: "Ready".into(), status: "True".into(), ..Default::default() };
            pod.status.as_mut().unwrap().conditions = Some(vec![condition]);
        };
        assert_eq!(summary(Never, &["a=0", "b=run"], ready).status, "Running");
        let unnamed = |signal| {
            move |pod: &mut core::Pod| {
                let statuses = pod.status.as_mut().unwrap().container_statuses.as_mut().unwrap();
                let ended = statuses[0].state.as_mut().unwrap().terminated.as_mut().unwrap();
                (ended.reason, ended.signal) = (None, signal);
            }
        };
        assert_eq!(summary(Never, &["a=1"], unnamed(None)).status, "ExitCode:1");
        assert_eq!(summary(Never, &["a=1"], unnamed(Some(9))).status, "Signal:9");
    }
}
