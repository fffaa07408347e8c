//! Showing what became of a pod: its status file, the event log, followers.

use super::context::Context;
use super::launcher::chain;
use super::machine::{self, Occurrence};
use super::protocol::{Change, Event};
use super::records;
use crate::store::events::{self, LoggedEvent};
use crate::store::record::{ContainerRecord, ContainerState, PodPhase, PodRecord, PodStatus, Termination};

/// Writes the status, then tells what changed. Failures go to the supervisor's log: the pod lives on.
pub(super) fn publish(
    context: &Context,
    record: &PodRecord,
    old: Option<&PodStatus>,
    new: &PodStatus,
    time: jiff::Timestamp,
) {
    if let Err(error) = records::write_status(&context.layout, new) {
        tracing::error!(pod = %record.id, "{}", chain(&error));
    }
    let changes = machine::changes(old, new);
    log(context, record, old.map(|old| (old, new)), &changes);
    for change in changes {
        context.hub.send(Event { time, pod: record.id.clone(), change });
    }
}

/// Appends to the event log what people and tools look for there.
pub(super) fn log(
    context: &Context,
    record: &PodRecord,
    statuses: Option<(&PodStatus, &PodStatus)>,
    changes: &[Change],
) {
    let mut events: Vec<_> = changes.iter().filter_map(|change| logged(record, statuses, change)).collect();
    events.extend(changes.iter().filter_map(|change| unhealthy(record, change)));
    append(context, &events);
}

/// A probe that failed, as a kubelet tells it.
fn unhealthy(record: &PodRecord, change: &Change) -> Option<LoggedEvent> {
    let Change::Probe { id, probe, ok: false, message } = change else { return None };
    let container = record.containers.iter().find(|c| c.id == *id)?;
    let (first, rest) = probe.split_at_checked(1)?;
    let message = format!("{}{rest} probe failed: {message}", first.to_uppercase());
    Some(kube_event(record, Some(&container.container), true, "Unhealthy", &message))
}

/// Appends what a kubelet would tell.
pub(super) fn tell(context: &Context, record: &PodRecord, occurred: Vec<Occurrence>) {
    let event = |occurrence: Occurrence| {
        let Occurrence { container, warning, reason, message, time } = occurrence;
        let container = container.and_then(|index| record.containers.get(index)).map(|c| c.container.as_str());
        let event = kube_event(record, container, warning, reason, &message);
        LoggedEvent { time: time.unwrap_or(event.time), ..event }
    };
    append(context, &occurred.into_iter().map(event).collect::<Vec<_>>());
}

fn append(context: &Context, events: &[LoggedEvent]) {
    if events.is_empty() {
        return;
    }
    if let Err(error) = events::append(&context.layout, events) {
        tracing::error!(%error, "cannot write the event log");
    }
}

/// An event as an API server keeps it of a pod, or of one of its containers.
fn kube_event(record: &PodRecord, container: Option<&str>, warning: bool, reason: &str, message: &str) -> LoggedEvent {
    let pod = &record.pod;
    let event = LoggedEvent::now(events::KUBE, reason, &record.id, &pod.name)
        .with("namespace", &pod.namespace)
        .with("uid", record.uid())
        .with("type", if warning { "Warning" } else { "Normal" })
        .with("message", message);
    let Some(name) = container else { return event };
    let is_init = pod.init_containers.iter().any(|container| container.name == name);
    let is_ephemeral = record.ephemeral.iter().any(|added| added.spec.name == name);
    let list = match (is_init, is_ephemeral) {
        (true, _) => "spec.initContainers",
        (false, true) => "spec.ephemeralContainers",
        (false, false) => "spec.containers",
    };
    event.with("fieldPath", format!("{list}{{{name}}}"))
}

fn logged(record: &PodRecord, statuses: Option<(&PodStatus, &PodStatus)>, change: &Change) -> Option<LoggedEvent> {
    match change {
        Change::SandboxReady => None,
        Change::Container { id, state } => {
            let container = record.containers.iter().find(|c| c.id == *id)?;
            container_event(record, container, statuses, state)
        }
        Change::Ready { id, ready } => {
            let container = record.containers.iter().find(|c| c.id == *id)?;
            // Without a probe nobody has asked how it is.
            record.spec_of(id)?.readiness_probe.as_ref()?;
            let health = if *ready { "healthy" } else { "unhealthy" };
            Some(about(record, container, "health_status").with("healthStatus", health))
        }
        Change::Probe { id, probe, ok, message } => {
            let container = record.containers.iter().find(|c| c.id == *id)?;
            let event = about(record, container, if *ok { "probe_ok" } else { "probe_failed" });
            Some(event.with("probe", probe).with("message", message))
        }
        Change::Phase { phase } => {
            let action = match phase {
                PodPhase::Created | PodPhase::Pending | PodPhase::Unknown => return None,
                PodPhase::Running => "start",
                PodPhase::Succeeded | PodPhase::Failed | PodPhase::Stopped => "stop",
            };
            Some(LoggedEvent::now("pod", action, &record.id, &record.pod.name))
        }
        Change::Removed => Some(LoggedEvent::now("pod", "remove", &record.id, &record.pod.name)),
    }
}

fn container_event(
    record: &PodRecord,
    container: &ContainerRecord,
    statuses: Option<(&PodStatus, &PodStatus)>,
    state: &ContainerState,
) -> Option<LoggedEvent> {
    let find = |status: &PodStatus| status.containers.iter().find(|c| c.id == container.id).cloned();
    let (before, after) = (statuses.and_then(|s| find(s.0)), statuses.and_then(|s| find(s.1)));
    let ran = before.is_some_and(|b| matches!(b.state, ContainerState::Running { .. }));
    match state {
        ContainerState::Running { .. } => {
            let again = after.is_some_and(|a| a.restart_count > 0);
            Some(about(record, container, if again { "restart" } else { "start" }))
        }
        ContainerState::Terminated(ended) => Some(died(record, container, ended)),
        ContainerState::Waiting { .. } if ran => Some(died(record, container, after?.last.as_ref()?)),
        ContainerState::Waiting { .. } => None,
    }
}

fn died(record: &PodRecord, container: &ContainerRecord, ended: &Termination) -> LoggedEvent {
    let code = ended.exit_code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
    about(record, container, "died").with("containerExitCode", code).with("reason", &ended.reason)
}

fn about(record: &PodRecord, container: &ContainerRecord, action: &str) -> LoggedEvent {
    LoggedEvent::now("container", action, &container.id, &container.name)
        .with("image", &container.image.reference)
        .with("podId", &record.id)
        .with("podName", &record.pod.name)
}
