//! What a pod as a whole requests and is limited to (Kubernetes, "Resource Management for Pods and Containers", "Pod Overhead").

use super::{Pod, Resources};

/// One kind of resource.
type Amount = fn(&Resources) -> Option<u64>;

impl Pod {
    /// What the pod's cgroup gets: its own `resources`, else those of its containers together, and its overhead on top.
    ///
    /// A limit holds only when every container has one. CPU in thousandths of a core, memory in bytes.
    pub fn total_resources(&self) -> Resources {
        Resources {
            cpu_request_milli: self.total(|r| r.cpu_request_milli, |r| r.cpu_request_milli),
            memory_request: self.total(|r| r.memory_request, |r| r.memory_request),
            cpu_limit_milli: self.total_limit(|r| r.cpu_limit_milli, |r| r.cpu_request_milli),
            memory_limit: self.total_limit(|r| r.memory_limit, |r| r.memory_request),
            ..Resources::default()
        }
    }

    /// Together what the containers ask for at the same time: those that run side by side, or an init container with the sidecars
    /// before it, whichever is more.
    pub fn of_containers(&self, amount: impl Fn(&Resources) -> Option<u64>) -> u64 {
        let of = |resources: &Resources| amount(resources).unwrap_or_default();
        let (mut sidecars, mut most) = (0_u64, 0_u64);
        for container in &self.init_containers {
            let own = of(&container.resources);
            most = most.max(sidecars.saturating_add(own));
            if container.sidecar {
                sidecars = sidecars.saturating_add(own);
            }
        }
        let regular = self.containers.iter().map(|c| of(&c.resources)).fold(sidecars, u64::saturating_add);
        most.max(regular)
    }

    /// Bytes that the pod may take of the disk: the limits of those containers that have one, together, and its overhead. Its
    /// `emptyDir` volumes count, too (Kubernetes, "Local ephemeral storage").
    pub fn storage_limit(&self) -> Option<u64> {
        let limits = Some(self.of_containers(|r| r.ephemeral_storage_limit)).filter(|limit| *limit > 0)?;
        self.with_overhead(limits, |r| r.ephemeral_storage_request)
    }

    fn total(&self, amount: Amount, overhead: Amount) -> Option<u64> {
        let own = self.resources.as_ref().and_then(amount);
        self.with_overhead(own.unwrap_or_else(|| self.of_containers(amount)), overhead)
    }

    fn total_limit(&self, limit: Amount, overhead: Amount) -> Option<u64> {
        let own = self.resources.as_ref().and_then(limit);
        let all = || self.all_containers().all(|c| limit(&c.resources).is_some()).then(|| self.of_containers(limit));
        self.with_overhead(own.or_else(all)?, overhead)
    }

    fn with_overhead(&self, amount: u64, overhead: Amount) -> Option<u64> {
        let overhead = self.overhead.as_ref().and_then(overhead).unwrap_or_default();
        Some(amount.saturating_add(overhead)).filter(|amount| *amount > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Container;

    fn container(cpu: u64, limit: Option<u64>) -> Container {
        let resources = Resources { cpu_request_milli: Some(cpu), cpu_limit_milli: limit, ..Resources::default() };
        Container { resources, ..Container::default() }
    }

    #[test]
    fn what_runs_at_the_same_time_is_added_up() {
        let sidecar = Container { sidecar: true, ..container(10, None) };
        let mut pod = Pod {
            init_containers: vec![container(50, None), sidecar, container(500, None)],
            containers: vec![container(100, Some(200)), container(200, Some(200))],
            ..Pod::default()
        };
        assert_eq!(pod.total_resources().cpu_request_milli, Some(510), "the last init container beside the sidecar");
        pod.init_containers.pop();
        assert_eq!(pod.total_resources().cpu_request_milli, Some(310));
        assert_eq!(pod.total_resources().cpu_limit_milli, None, "not every container has a limit");
        pod.init_containers.clear();
        assert_eq!(pod.total_resources().cpu_limit_milli, Some(400));
        pod.overhead = Some(Resources { cpu_request_milli: Some(7), ..Resources::default() });
        assert_eq!(pod.total_resources().cpu_limit_milli, Some(407));
        pod.resources = Some(Resources { cpu_request_milli: Some(1000), ..Resources::default() });
        assert_eq!(pod.total_resources().cpu_request_milli, Some(1007), "its own, and the overhead");
        assert_eq!(pod.total_resources().memory_limit, None);
    }

    #[test]
    fn of_the_disk_a_pod_may_take_what_its_containers_may() {
        let limited = |limit| {
            let resources = Resources { ephemeral_storage_limit: limit, ..Resources::default() };
            Container { resources, ..Container::default() }
        };
        let mut pod = Pod { containers: vec![limited(None)], ..Pod::default() };
        pod.overhead = Some(Resources { ephemeral_storage_request: Some(5), ..Resources::default() });
        assert_eq!(pod.storage_limit(), None);
        pod.containers.extend([limited(Some(100)), limited(Some(20))]);
        assert_eq!(pod.storage_limit(), Some(125), "one without a limit adds nothing");
    }
}
