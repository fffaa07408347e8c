//! Other CPU and memory for a pod that runs (Kubernetes, "Resize CPU and Memory Resources assigned to Containers").

use super::{Container, Pod, QosClass, Resources};
use serde::{Deserialize, Serialize};

/// `resizePolicy` of a container: whether it is restarted when that resource changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResizePolicy {
    pub restart_for_cpu: bool,
    pub restart_for_memory: bool,
}

impl ResizePolicy {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a container that has `old` is restarted to get `new`.
    pub fn restarts(self, old: &Resources, new: &Resources) -> bool {
        self.restart_for_cpu && !old.same_cpu(new) || self.restart_for_memory && !old.same_memory(new)
    }
}

/// Why a pod does not get other resources without being made anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResizeRefusal {
    #[error("its QoS class would become {} instead of {}", new.as_str(), old.as_str())]
    Class { old: QosClass, new: QosClass },
    /// The container, or the pod as a whole.
    #[error("a {amount} that was set cannot be taken away from {}", container.as_ref().map_or("it".to_owned(), |name| format!("container `{name}`")))]
    Removed { container: Option<String>, amount: &'static str },
}

impl Resources {
    pub fn same_cpu(&self, other: &Self) -> bool {
        (self.cpu_request_milli, self.cpu_limit_milli) == (other.cpu_request_milli, other.cpu_limit_milli)
    }

    pub fn same_memory(&self, other: &Self) -> bool {
        (self.memory_request, self.memory_limit) == (other.memory_request, other.memory_limit)
    }

    pub fn set_cpu(&mut self, of: &Self) {
        (self.cpu_request_milli, self.cpu_limit_milli) = (of.cpu_request_milli, of.cpu_limit_milli);
    }

    pub fn set_memory(&mut self, of: &Self) {
        (self.memory_request, self.memory_limit) = (of.memory_request, of.memory_limit);
    }

    /// What has room for one who has `present` still and is counted with `wanted`; without a limit there is room for all.
    pub fn with_room_for(&self, present: &Self, wanted: &Self) -> Self {
        let request = |own: Option<u64>, present: Option<u64>, wanted: Option<u64>| {
            let more = present.unwrap_or_default().saturating_sub(wanted.unwrap_or_default());
            Some(own.unwrap_or_default().saturating_add(more)).filter(|amount| *amount > 0)
        };
        let limit = |own: Option<u64>, present: Option<u64>, wanted: Option<u64>| {
            let more = match (present, wanted) {
                (None, Some(_)) => return None,
                (None, None) => 0,
                (Some(present), wanted) => present.saturating_sub(wanted.unwrap_or(present)),
            };
            Some(own?.saturating_add(more))
        };
        Self {
            cpu_request_milli: request(self.cpu_request_milli, present.cpu_request_milli, wanted.cpu_request_milli),
            cpu_limit_milli: limit(self.cpu_limit_milli, present.cpu_limit_milli, wanted.cpu_limit_milli),
            memory_request: request(self.memory_request, present.memory_request, wanted.memory_request),
            memory_limit: limit(self.memory_limit, present.memory_limit, wanted.memory_limit),
            ..*self
        }
    }

    fn resize(&mut self, to: &Self) {
        self.set_cpu(to);
        self.set_memory(to);
    }

    /// What is set here and not there.
    fn lost(&self, new: &Self) -> Option<&'static str> {
        let amounts = [
            (self.cpu_request_milli, new.cpu_request_milli, "CPU request"),
            (self.cpu_limit_milli, new.cpu_limit_milli, "CPU limit"),
            (self.memory_request, new.memory_request, "memory request"),
            (self.memory_limit, new.memory_limit, "memory limit"),
        ];
        amounts.into_iter().find(|(old, new, _)| old.is_some() && new.is_none()).map(|(_, _, amount)| amount)
    }
}

impl Pod {
    /// The containers whose resources may change while they run: init containers end by themselves.
    fn resizable(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().filter(|container| container.sidecar).chain(&self.containers)
    }

    /// Takes over CPU and memory of the pod and of its containers.
    pub fn resize(&mut self, by: &Self) {
        if let (Some(own), Some(new)) = (&mut self.resources, &by.resources) {
            own.resize(new);
        }
        let sidecars = self.init_containers.iter_mut().filter(|container| container.sidecar);
        for container in sidecars.chain(&mut self.containers) {
            if let Some(new) = by.resizable().find(|new| new.name == container.name) {
                container.resources.resize(&new.resources);
            }
        }
    }

    /// Why this pod, which is the same otherwise, may not get the resources of that one; by the rules of the API server.
    pub fn resize_refusal(&self, new: &Self) -> Option<ResizeRefusal> {
        let classes = (QosClass::of(self), QosClass::of(new));
        if classes.0 != classes.1 {
            return Some(ResizeRefusal::Class { old: classes.0, new: classes.1 });
        }
        let own = self.resources.as_ref().zip(new.resources.as_ref()).and_then(|(old, new)| old.lost(new));
        let of_containers = || {
            let mut pairs =
                self.resizable().filter_map(|old| Some((old, new.resizable().find(|c| c.name == old.name)?)));
            pairs.find_map(|(old, new)| Some((Some(old.name.clone()), old.resources.lost(&new.resources)?)))
        };
        let (container, amount) = own.map(|amount| (None, amount)).or_else(of_containers)?;
        Some(ResizeRefusal::Removed { container, amount })
    }

    /// Names of the containers that run with other CPU or memory in `new`, and whether each is restarted for that.
    pub fn resized<'a>(&'a self, new: &'a Self) -> impl Iterator<Item = (&'a str, bool)> {
        self.resizable().filter_map(|old| {
            let (before, after) =
                (self.resources_of(old), new.resources_of(new.resizable().find(|c| c.name == old.name)?));
            let same = before.same_cpu(&after) && before.same_memory(&after);
            (!same).then(|| (old.name.as_str(), old.resize_policy.restarts(&before, &after)))
        })
    }

    /// What the container's cgroup gets: a limit that it does not have itself is the pod's own (Kubernetes, "Assign Pod-level CPU
    /// and memory resources").
    pub fn resources_of(&self, container: &Container) -> Resources {
        let own = self.resources.unwrap_or_default();
        Resources {
            cpu_limit_milli: container.resources.cpu_limit_milli.or(own.cpu_limit_milli),
            memory_limit: container.resources.memory_limit.or(own.memory_limit),
            ..container.resources
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pod::spec_hash;

    fn container(name: &str, request: Option<u64>, limit: Option<u64>) -> Container {
        let resources = Resources { memory_request: request, memory_limit: limit, ..Resources::default() };
        Container { name: name.into(), resources, ..Container::default() }
    }

    fn pod(containers: Vec<Container>) -> Pod {
        Pod { containers, ..Pod::default() }
    }

    #[test]
    fn resources_of_what_runs_are_taken_over_and_nothing_else() {
        let with_init = |memory: u64| {
            let sidecar = Container { sidecar: true, ..container("side", Some(memory), None) };
            let init_containers = vec![container("init", Some(memory), None), sidecar];
            Pod { init_containers, ..pod(vec![container("app", Some(memory), Some(9))]) }
        };
        let (mut old, mut new) = (with_init(1), with_init(2));
        new.containers[0].resources.ephemeral_storage_limit = Some(5);
        old.amend(&new);
        let memory = |c: &Container| c.resources.memory_request;
        assert_eq!(old.all_containers().map(memory).collect::<Vec<_>>(), [Some(1), Some(2), Some(2)]);
        assert_eq!(old.containers[0].resources.ephemeral_storage_limit, None);
    }

    #[test]
    fn the_class_stays_and_nothing_is_taken_away() {
        let burstable = pod(vec![container("a", Some(1), Some(2))]);
        let refused = |new: Container| burstable.resize_refusal(&pod(vec![new])).map(|r| r.to_string());
        assert_eq!(refused(container("a", Some(5), Some(9))), None);
        assert_eq!(
            refused(container("a", Some(5), None)).as_deref(),
            Some("a memory limit that was set cannot be taken away from container `a`")
        );
        let class = "its QoS class would become BestEffort instead of Burstable";
        assert_eq!(refused(container("a", None, None)).as_deref(), Some(class));
        let own = |limit| Pod {
            resources: Some(Resources { memory_request: Some(1), memory_limit: limit, ..Resources::default() }),
            ..Pod::default()
        };
        assert!(own(Some(1)).resize_refusal(&own(None)).is_some() && own(None).resize_refusal(&own(Some(1))).is_none());
    }

    #[test]
    fn the_policy_decides_by_resource() {
        let policy = ResizePolicy { restart_for_memory: true, ..ResizePolicy::default() };
        let with = |memory, cpu| {
            let mut container = Container { resize_policy: policy, ..container("a", Some(memory), None) };
            container.resources.cpu_request_milli = Some(cpu);
            pod(vec![container])
        };
        let resized = |new: Pod| with(1, 1).resized(&new).map(|(_, restarts)| restarts).collect::<Vec<_>>();
        assert_eq!((resized(with(1, 2)), resized(with(2, 1))), (vec![false], vec![true]));
        assert!(resized(with(1, 1)).is_empty());
        let limited = |limit| Pod {
            resources: Some(Resources { memory_limit: Some(limit), ..Resources::default() }),
            ..with(1, 1)
        };
        let restarts: Vec<_> = limited(8).resized(&limited(9)).map(|(_, restarts)| restarts).collect();
        assert_eq!(restarts, [true], "the pod's limit is the container's");
    }

    #[test]
    fn room_for_what_is_there_still() {
        let of = |request, limit| container("a", request, limit).resources;
        let pod = of(Some(10), Some(20));
        assert_eq!(pod.with_room_for(&of(Some(3), Some(9)), &of(Some(4), Some(5))), of(Some(10), Some(24)));
        assert_eq!(pod.with_room_for(&of(Some(5), None), &of(Some(4), Some(5))), of(Some(11), None));
        assert_eq!(pod.with_room_for(&of(None, None), &of(None, None)), pod);
        assert_eq!(of(None, None).with_room_for(&of(None, Some(2)), &of(None, Some(1))), of(None, None));
    }

    #[test]
    fn a_policy_that_is_not_written_changes_no_digest() {
        let json = serde_json::to_value(Container::default()).expect("serializes");
        assert!(json.get("resize_policy").is_none());
        let mut other = pod(vec![Container::default()]);
        other.containers[0].resize_policy.restart_for_cpu = true;
        assert_ne!(spec_hash(&other), spec_hash(&pod(vec![Container::default()])));
    }
}
