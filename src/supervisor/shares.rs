//! A pod's part of the machine: cgroup values and out-of-memory scores, by the kubelet's formulas; pure.

use crate::model::{Container, Pod, QosClass, Resources};
use crate::runtime::config::CgroupResources;

/// Processes and threads of a container that sets no limit (podman's).
const DEFAULT_PIDS: i64 = 2048;
const UNLIMITED: i64 = -1;
/// Scheduler shares of one core, and the least and most the kernel takes.
const SHARES_PER_CORE: u64 = 1024;
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;
/// Least quota the kernel takes, in microseconds per 100 ms.
const MIN_QUOTA: i64 = 1_000;
const GUARANTEED: i32 = -997;
const BEST_EFFORT: i32 = 1000;

/// The limits of a container, whose resources are those of [`Pod::resources_of`].
pub(super) fn of_container(resources: &Resources) -> CgroupResources {
    CgroupResources {
        pids_limit: match resources.pids_limit {
            Some(limit) if limit <= 0 => None,
            Some(limit) => Some(limit),
            None => Some(DEFAULT_PIDS),
        },
        ..values(resources)
    }
}

/// The limits of all containers of a pod together, whose resources are those of [`Pod::total_resources`].
pub(super) fn of_pod(total: &Resources, priority: i32) -> CgroupResources {
    let total = values(total);
    let weighted = total.cpu_shares.map(|shares| {
        let tenths = 10 + i64::from(weight(priority));
        let shares = shares.saturating_mul(tenths.unsigned_abs()) / 10;
        shares.clamp(*SHARES.start(), *SHARES.end())
    });
    CgroupResources { cpu_shares: weighted, pids_limit: Some(UNLIMITED), ..total }
}

fn values(r: &Resources) -> CgroupResources {
    let bytes = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let shares = |milli: u64| (milli.saturating_mul(SHARES_PER_CORE) / 1000).clamp(*SHARES.start(), *SHARES.end());
    CgroupResources {
        // Who asks for nothing gets what others leave.
        cpu_shares: Some(shares(r.cpu_request_milli.or(r.cpu_limit_milli).unwrap_or_default())),
        cpu_quota_us: r.cpu_limit_milli.filter(|m| *m > 0).map(|milli| bytes(milli.saturating_mul(100)).max(MIN_QUOTA)),
        memory_limit: r.memory_limit.filter(|m| *m > 0).map(bytes),
        memory_reservation: r.memory_request.filter(|m| *m > 0).map(bytes),
        pids_limit: None,
    }
}

/// What a priority counts for here: its decimal digits, with its sign; from -9 to 9 for those that are not the system's.
///
/// The kubelet uses priorities to choose whom to evict, which nobody does on one machine. Here each digit is worth a tenth of the
/// pod's CPU shares, and ten points of the out-of-memory score.
fn weight(priority: i32) -> i32 {
    let digits = priority.unsigned_abs().checked_ilog10().map_or(0, |power| power as i32 + 1);
    priority.signum() * digits.min(9)
}

/// By quality of service class, requested memory and priority (Kubernetes, "Node out of memory behavior").
pub(super) fn oom_score_adj(pod: &Pod, spec: &Container, machine_memory: u64) -> i32 {
    if pod.priority_class.as_deref() == Some("system-node-critical") {
        return GUARANTEED;
    }
    let score = match QosClass::of(pod) {
        QosClass::Guaranteed => return GUARANTEED,
        QosClass::BestEffort => BEST_EFFORT,
        QosClass::Burstable => burstable(pod, spec, machine_memory),
    };
    let most = if QosClass::of(pod) == QosClass::BestEffort { BEST_EFFORT } else { BEST_EFFORT - 1 };
    (score - 10 * weight(pod.priority)).clamp(BEST_EFFORT + GUARANTEED, most)
}

fn burstable(pod: &Pod, spec: &Container, machine_memory: u64) -> i32 {
    let request = |c: &Container| c.resources.memory_request.or(c.resources.memory_limit).unwrap_or_default();
    // What the pod requests beyond its containers is shared out evenly.
    let of_pod = pod.resources.as_ref().and_then(|r| r.memory_request).unwrap_or_default();
    let asked = pod.of_containers(|r| r.memory_request);
    let count = pod.all_containers().count().max(1) as u64;
    let rest = of_pod.saturating_sub(asked) / count;
    let score = |bytes: u64| {
        let part = u128::from(bytes.saturating_add(rest)) * 1000 / u128::from(machine_memory.max(1));
        1000 - i32::try_from(part).unwrap_or(1000)
    };
    let own = score(request(spec));
    // A sidecar goes no sooner than the containers it serves.
    let least = pod.containers.iter().map(request).min().filter(|_| spec.sidecar);
    least.map_or(own, |least| own.min(score(least)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(bytes: u64) -> Resources {
        Resources { memory_request: Some(bytes), ..Resources::default() }
    }

    fn container(resources: Resources) -> Container {
        Container { resources, ..Container::default() }
    }

    #[test]
    fn scores_follow_class_request_and_priority() {
        let (gib, half) = (1 << 30, container(memory(1 << 29)));
        let pod = Pod { containers: vec![half.clone()], ..Pod::default() };
        assert_eq!(oom_score_adj(&pod, &half, gib), 500);
        let important = Pod { priority: 1000, ..pod.clone() };
        assert_eq!(oom_score_adj(&important, &half, gib), 460);
        let critical = Pod { priority_class: Some("system-node-critical".into()), ..pod.clone() };
        assert_eq!(oom_score_adj(&critical, &half, gib), -997);
        let sidecar = Container { sidecar: true, ..container(memory(1 << 20)) };
        let with_sidecar = Pod { init_containers: vec![sidecar.clone()], ..pod.clone() };
        assert_eq!(oom_score_adj(&with_sidecar, &sidecar, gib), 500, "as the container it serves");
        let whole = Pod { resources: Some(memory(3 << 28)), containers: vec![half.clone()], ..pod };
        assert_eq!(oom_score_adj(&whole, &half, gib), 250, "the pod's own request counts");
        let idle = Pod { containers: vec![Container::default()], priority: -5, ..Pod::default() };
        assert_eq!(oom_score_adj(&idle, &idle.containers[0], gib), 1000);
    }

    #[test]
    fn shares_of_pods() {
        let cpu = |milli| container(Resources { cpu_request_milli: Some(milli), ..Resources::default() });
        let mut pod = Pod { containers: vec![cpu(500), cpu(250)], ..Pod::default() };
        let of_pod = |pod: &Pod| super::of_pod(&pod.total_resources(), pod.priority);
        assert_eq!((of_pod(&pod).cpu_shares, of_pod(&pod).pids_limit), (Some(768), Some(-1)));
        pod.priority = 1_000_000;
        assert_eq!(of_pod(&pod).cpu_shares, Some(1305));
        assert_eq!(of_pod(&Pod::default()).cpu_shares, Some(2));
        assert_eq!([i32::MAX, 10, 1, 0, -1, i32::MIN].map(weight), [9, 2, 1, 0, -1, -9]);
    }
}
