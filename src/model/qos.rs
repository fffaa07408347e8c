//! Quality of service class of a pod (Kubernetes, "Pod Quality of Service Classes").

use super::{Pod, Resources};
use serde::{Deserialize, Serialize};

/// `status.qosClass`: how a pod's requests and limits relate, from which follows who is killed first when memory runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QosClass {
    /// Every container has CPU and memory limits, and requests equal to them.
    Guaranteed,
    /// Something is requested or limited.
    Burstable,
    /// Nothing is.
    BestEffort,
}

impl QosClass {
    /// The class of a pod. Its own `resources` decide when it has some, else those of all its containers, init containers
    /// among them.
    pub fn of(pod: &Pod) -> Self {
        let own: Vec<&Resources> = pod.resources.iter().filter(|r| is_set(r)).collect();
        let decisive = if own.is_empty() { pod.all_containers().map(|c| &c.resources).collect() } else { own };
        if !decisive.iter().any(|r| is_set(r)) {
            Self::BestEffort
        } else if decisive.iter().all(|r| is_guaranteed(r)) {
            Self::Guaranteed
        } else {
            Self::Burstable
        }
    }

    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// Whether CPU or memory is requested or limited; nothing else decides.
fn is_set(r: &Resources) -> bool {
    [r.cpu_request_milli, r.cpu_limit_milli, r.memory_request, r.memory_limit].iter().any(Option::is_some)
}

fn is_guaranteed(r: &Resources) -> bool {
    let equal = |request: Option<u64>, limit: Option<u64>| limit.is_some() && (request.is_none() || request == limit);
    equal(r.cpu_request_milli, r.cpu_limit_milli) && equal(r.memory_request, r.memory_limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Container;

    fn resources(request: Option<u64>, limit: Option<u64>) -> Resources {
        Resources {
            cpu_request_milli: request,
            cpu_limit_milli: limit,
            memory_request: request,
            memory_limit: limit,
            ..Resources::default()
        }
    }

    fn pod(own: Option<Resources>, containers: &[Resources]) -> Pod {
        let container = |r: &Resources| Container { resources: *r, ..Container::default() };
        Pod { resources: own, containers: containers.iter().map(container).collect(), ..Pod::default() }
    }

    #[test]
    fn every_container_counts() {
        let (none, some) = (Resources::default(), resources(Some(1), None));
        let (full, unequal) = (resources(Some(2), Some(2)), resources(Some(1), Some(2)));
        let storage = Resources { ephemeral_storage_limit: Some(1), ..Resources::default() };
        let memory = Resources { memory_request: Some(1), memory_limit: Some(1), ..Resources::default() };
        for (containers, class) in [
            (vec![&none, &storage], QosClass::BestEffort),
            (vec![&none, &some], QosClass::Burstable),
            (vec![&full, &full], QosClass::Guaranteed),
            (vec![&full, &none], QosClass::Burstable),
            (vec![&unequal], QosClass::Burstable),
            (vec![&memory], QosClass::Burstable),
        ] {
            let containers: Vec<_> = containers.into_iter().cloned().collect();
            assert_eq!(QosClass::of(&pod(None, &containers)), class, "{containers:?}");
        }
        let with_init = Pod { init_containers: pod(None, &[none]).containers, ..pod(None, &[full]) };
        assert_eq!(QosClass::of(&with_init), QosClass::Burstable, "an init container counts, too");
    }

    #[test]
    fn the_pods_own_resources_decide() {
        let full = resources(Some(2), Some(2));
        assert_eq!(QosClass::of(&pod(Some(full), &[Resources::default()])), QosClass::Guaranteed);
        assert_eq!(QosClass::of(&pod(Some(resources(Some(1), Some(2))), &[full])), QosClass::Burstable);
        assert_eq!(QosClass::of(&pod(Some(Resources::default()), &[full])), QosClass::Guaranteed);
    }
}
