//! Events of pods as an API server keeps them: the same thing told again is counted (Kubernetes API, `Event` v1 core).

use super::age::age;
use super::object::{Object, Resource};
use crate::store::events::{KUBE, LoggedEvent};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use std::collections::BTreeMap;

/// Who tells: `source.component`.
const COMPONENT: &str = "podkin";

/// Something that happened to a pod, once or more often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Id of the pod.
    pub pod_id: String,
    pub pod: String,
    pub namespace: String,
    pub uid: String,
    /// `spec.containers{app}`, when it is about one container.
    pub field: Option<String>,
    /// `Normal` or `Warning`.
    pub kind: String,
    pub reason: String,
    pub message: String,
    pub count: u32,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// Puts together what was logged; in order of the last time.
pub fn gather(logged: impl IntoIterator<Item = LoggedEvent>) -> Vec<Event> {
    let mut found: Vec<Event> = Vec::new();
    let mut known: BTreeMap<[String; 4], usize> = BTreeMap::new();
    for LoggedEvent { time, kind, action, id, name, mut attributes } in logged {
        if kind != KUBE {
            continue;
        }
        let mut take = |key: &str| attributes.remove(key);
        let (field, message) = (take("fieldPath"), take("message").unwrap_or_default());
        let key = [id.clone(), field.clone().unwrap_or_default(), action.clone(), message.clone()];
        if let Some(event) = known.get(&key).and_then(|index| found.get_mut(*index)) {
            event.count += 1;
            event.last = time;
            continue;
        }
        known.insert(key, found.len());
        found.push(Event {
            namespace: take("namespace").unwrap_or_default(),
            uid: take("uid").unwrap_or_default(),
            kind: take("type").unwrap_or_default(),
            pod_id: id,
            pod: name,
            field,
            reason: action,
            message,
            count: 1,
            first: time,
            last: time,
        });
    }
    found.sort_by_key(|event| event.last);
    found
}

impl Event {
    /// How long ago, and how often: `5s`, `2s (x3 over 40s)`.
    pub fn seen(&self, now: Timestamp) -> String {
        let last = age(Some(self.last), now);
        match self.count {
            1 => last,
            count => format!("{last} (x{count} over {})", age(Some(self.first), now)),
        }
    }

    /// The event as an object, and its row.
    pub fn object(&self, now: Timestamp) -> Object {
        let name = format!("{}.{:x}", self.pod, self.first.as_nanosecond());
        let whole = core::Event {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(self.namespace.clone()),
                creation_timestamp: Some(Time(self.first)),
                ..ObjectMeta::default()
            },
            count: i32::try_from(self.count).ok(),
            first_timestamp: Some(Time(self.first)),
            last_timestamp: Some(Time(self.last)),
            involved_object: core::ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(self.pod.clone()),
                namespace: Some(self.namespace.clone()),
                uid: Some(self.uid.clone()),
                field_path: self.field.clone(),
                resource_version: None,
            },
            message: Some(self.message.clone()),
            reason: Some(self.reason.clone()),
            source: Some(core::EventSource { component: Some(COMPONENT.to_owned()), host: None }),
            type_: Some(self.kind.clone()),
            ..core::Event::default()
        };
        Object {
            resource: Resource::Event,
            namespace: Some(self.namespace.clone()),
            labels: BTreeMap::new(),
            value: serde_json::to_value(whole).expect("an event has string keys only"),
            cells: vec![
                age(Some(self.last), now),
                self.kind.clone(),
                self.reason.clone(),
                format!("pod/{}", self.pod),
                self.field.clone().unwrap_or_default(),
                COMPONENT.to_owned(),
                self.message.clone(),
                age(Some(self.first), now),
                self.count.to_string(),
                name.clone(),
            ],
            name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(second: i64, reason: &str, message: &str) -> LoggedEvent {
        let mut event = LoggedEvent::now(KUBE, reason, "id", "web")
            .with("type", "Warning")
            .with("message", message)
            .with("uid", "u")
            .with("namespace", "default")
            .with("fieldPath", "spec.containers{a}");
        event.time = time(second);
        event
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn what_is_told_again_is_counted() {
        let other = LoggedEvent::now("container", "start", "id", "web");
        let all = [logged(0, "BackOff", "x"), logged(5, "Unhealthy", "y"), other, logged(20, "BackOff", "x")];
        let found = gather(all);
        let shown: Vec<_> = found.iter().map(|e| (e.reason.as_str(), e.count, e.seen(time(30)))).collect();
        assert_eq!(
            shown,
            [("Unhealthy", 1, "25s".to_owned()), ("BackOff", 2, "10s (x2 over 30s)".to_owned())],
            "the latest comes last"
        );
        let object = found[1].object(time(30));
        assert_eq!(object.cells[..7], ["10s", "Warning", "BackOff", "pod/web", "spec.containers{a}", "podkin", "x"]);
        assert_eq!(object.value["count"], 2);
        assert_eq!(object.value["involvedObject"]["fieldPath"], "spec.containers{a}");
        assert_eq!(object.value["lastTimestamp"], "2023-11-14T22:13:40Z");
    }
}
