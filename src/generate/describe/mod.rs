//! Objects for reading, in the form of `kubectl describe`; most of it is about pods.

mod container;
mod object;
mod tabs;
mod volume;

pub use object::{claim, object};

use super::events::Event;
use crate::store::record::PodRecord;
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;
use tabs::Sheet;

/// What is described.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// With its status.
    pub pod: &'a core::Pod,
    pub record: &'a PodRecord,
    /// The machine's name.
    pub node: &'a str,
    /// What happened to it, the latest last.
    pub events: &'a [Event],
}

/// Everything about a pod, in sections.
pub fn pod(subject: &Subject<'_>, now: Timestamp) -> String {
    let Subject { pod, record, events, .. } = subject;
    let mut sheet = Sheet::default();
    let (spec, status) = (pod.spec.clone().unwrap_or_default(), pod.status.clone().unwrap_or_default());
    head(&mut sheet, subject, &spec, &status);
    let init_statuses = status.init_container_statuses.unwrap_or_default();
    if let Some(init) = spec.init_containers.as_ref().filter(|init| !init.is_empty()) {
        sheet.line(0, "Init Containers:");
        init.iter().for_each(|container| container::describe(&mut sheet, container, &init_statuses));
    }
    sheet.line(0, "Containers:");
    let statuses = status.container_statuses.unwrap_or_default();
    spec.containers.iter().for_each(|container| container::describe(&mut sheet, container, &statuses));
    if let Some(added) = spec.ephemeral_containers.as_ref().filter(|added| !added.is_empty()) {
        sheet.line(0, "Ephemeral Containers:");
        let statuses = status.ephemeral_container_statuses.unwrap_or_default();
        added.iter().for_each(|added| container::describe(&mut sheet, &as_container(added), &statuses));
    }
    conditions(&mut sheet, &record.pod.readiness_gates, &status.conditions.unwrap_or_default());
    volume::describe_all(&mut sheet, spec.volumes.as_deref().unwrap_or_default());
    sheet.pair(0, "QoS Class", status.qos_class.as_deref());
    sheet.list(0, "Node-Selectors", lines(spec.node_selector.as_ref(), "="));
    sheet.list(0, "Tolerations", spec.tolerations.iter().flatten().map(toleration));
    tell(&mut sheet, events, now);
    sheet.finish()
}

fn head(sheet: &mut Sheet, subject: &Subject<'_>, spec: &core::PodSpec, status: &core::PodStatus) {
    let Subject { pod, record, node, .. } = subject;
    let metadata = &pod.metadata;
    sheet.pair(0, "Name", metadata.name.as_deref());
    sheet.pair(0, "Namespace", metadata.namespace.as_deref());
    if let Some(priority) = spec.priority {
        sheet.pair(0, "Priority", Some(&priority.to_string()));
    }
    sheet.pair(0, "Service Account", Some(&record.pod.service_account));
    let node = status.host_ip.as_ref().map(|ip| format!("{node}/{ip}"));
    sheet.pair(0, "Node", node.as_deref());
    if let Some(time) = &status.start_time {
        sheet.pair(0, "Start Time", Some(&date(time)));
    }
    sheet.list(0, "Labels", lines(metadata.labels.as_ref(), "="));
    sheet.list(0, "Annotations", lines(metadata.annotations.as_ref(), ": "));
    match metadata.deletion_grace_period_seconds {
        Some(seconds) => {
            sheet.pair(0, "Status", Some("Terminating"));
            sheet.pair(0, "Termination Grace Period", Some(&format!("{seconds}s")));
        }
        None => sheet.pair(0, "Status", status.phase.as_deref()),
    }
    for (key, value) in [("Reason", &status.reason), ("Message", &status.message)] {
        if let Some(value) = value {
            sheet.pair(0, key, Some(value));
        }
    }
    sheet.line(0, format!("IP:\t{}", status.pod_ip.as_deref().unwrap_or_default()));
    match status.pod_ips.as_deref() {
        None | Some([]) => sheet.pair(0, "IPs", None),
        Some(ips) => {
            sheet.line(0, "IPs:");
            ips.iter().for_each(|ip| sheet.pair(1, "IP", Some(&ip.ip)));
        }
    }
    if let Some(workload) = &record.pod.workload {
        sheet.pair(0, "Controlled By", Some(&format!("Deployment/{workload}")));
    }
}

/// An ephemeral container as far as it is a container: it has the same fields and one more.
fn as_container(added: &core::EphemeralContainer) -> core::Container {
    let value = serde_json::to_value(added).expect("a container has string keys only");
    serde_json::from_value(value).expect("the fields of an ephemeral container are those of a container")
}

fn conditions(sheet: &mut Sheet, gates: &[String], conditions: &[core::PodCondition]) {
    if !gates.is_empty() {
        sheet.line(0, "Readiness Gates:");
        sheet.line(1, "Type\tStatus");
        for gate in gates {
            let condition = conditions.iter().find(|condition| condition.type_ == *gate);
            let status = condition.map_or(super::columns::NONE, |condition| condition.status.as_str());
            sheet.line(1, format!("{gate}\t{status}"));
        }
    }
    if !conditions.is_empty() {
        sheet.line(0, "Conditions:");
        sheet.line(1, "Type\tStatus");
        conditions.iter().for_each(|c| sheet.line(1, format!("{}\t{}", c.type_, c.status)));
    }
}

fn tell(sheet: &mut Sheet, events: &[Event], now: Timestamp) {
    if events.is_empty() {
        return sheet.pair(0, "Events", None);
    }
    sheet.line(0, "Events:");
    sheet.line(1, "Type\tReason\tAge\tFrom\tMessage");
    sheet.line(1, "----\t------\t----\t----\t-------");
    for event in events {
        let message = event.message.trim_end().replace('\n', " ");
        sheet.line(1, format!("{}\t{}\t{}\tpodkin\t{message}", event.kind, event.reason, event.seen(now)));
    }
}

fn toleration(toleration: &core::Toleration) -> String {
    let core::Toleration { effect, key, operator, toleration_seconds, value } = toleration;
    let mut text = key.clone().unwrap_or_default();
    text.extend(value.iter().flat_map(|value| ["=", value.as_str()]));
    text.extend(effect.iter().flat_map(|effect| [":", effect.as_str()]));
    if operator.as_deref() == Some("Exists") {
        text.push_str(" op=Exists");
    }
    if let Some(seconds) = toleration_seconds {
        text.push_str(&format!(" for {seconds}s"));
    }
    text
}

/// Key and value of each entry, by key.
fn lines(map: Option<&BTreeMap<String, String>>, between: &str) -> Vec<String> {
    map.into_iter().flatten().map(|(key, value)| format!("{key}{between}{value}")).collect()
}

/// A time as mail writes it (RFC 1123).
fn date(time: &Time) -> String {
    time.0.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::super::status::{pod_status, tests::pod as made};
    use super::*;
    use crate::model::RestartPolicy;

    #[test]
    fn a_pod_is_described_as_kubectl_does() {
        let (mut record, status) = made(RestartPolicy::Always, &["+i=0", "a=again"]);
        record.pod.service_account = "default".into();
        let mut pod: core::Pod = serde_json::from_value(serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web", "tier": "front"}},
            "spec": {
                "initContainers": [{"name": "i", "image": "demo"}],
                "containers": [{
                    "name": "a", "image": "demo", "command": ["/run", "--fast"],
                    "ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 53, "protocol": "UDP"}],
                    "resources": {"limits": {"memory": "64Mi"}},
                    "env": [
                        {"name": "A", "value": "1"},
                        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k", "optional": true}}},
                        {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    ],
                    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "m"}}],
                    "livenessProbe": {"httpGet": {"path": "/ok", "port": 80}, "periodSeconds": 5},
                    "readinessProbe": {"exec": {"command": ["true"]}},
                    "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": true, "subPath": "x"}],
                }],
                "volumes": [
                    {"name": "v", "emptyDir": {}},
                    {"name": "c", "configMap": {"name": "m"}},
                    {"name": "h", "hostPath": {"path": "/srv"}},
                    {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
                ],
            },
        }))
        .unwrap();
        pod.status = Some(pod_status(&record, &status, pod.spec.as_ref()));
        let now = Timestamp::from_second(1_700_000_100).unwrap();
        let event = Event {
            pod_id: record.id.clone(),
            pod: "web".into(),
            namespace: "default".into(),
            uid: "u".into(),
            field: None,
            kind: "Warning".into(),
            reason: "BackOff".into(),
            message: "Back-off restarting".into(),
            count: 3,
            first: Timestamp::from_second(1_700_000_010).unwrap(),
            last: Timestamp::from_second(1_700_000_095).unwrap(),
        };
        let described = super::pod(&Subject { pod: &pod, record: &record, node: "vm", events: &[event] }, now);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/describe/pod.txt");
        if std::env::var_os("PODKIN_BLESS").is_some() {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, &described).unwrap();
        }
        assert_eq!(described, std::fs::read_to_string(path).unwrap_or_default());
    }
}
