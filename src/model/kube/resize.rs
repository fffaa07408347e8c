//! What becomes of a container whose CPU or memory changes: `resizePolicy` (Kubernetes, "Container resize policies").

use super::codes;
use super::spot::Spot;
use crate::model::ResizePolicy;
use k8s_openapi::api::core::v1 as core;

/// Lowers the policies at `at`; `is_restarted` says whether the container's restart policy ever has it started again.
pub(super) fn policy(at: &Spot<'_>, list: Vec<core::ContainerResizePolicy>, is_restarted: bool) -> ResizePolicy {
    let mut policy = ResizePolicy::default();
    let mut seen = Vec::new();
    for (i, core::ContainerResizePolicy { resource_name, restart_policy }) in list.into_iter().enumerate() {
        let at = at.index(i);
        let name = |policies: &[(&str, bool)], what, field: &str, value: &str| {
            if value.is_empty() {
                at.missing(field);
                return None;
            }
            at.field(field).one_of(what, value, policies)
        };
        let is_cpu = name(&[("cpu", true), ("memory", false)], "resource", "resourceName", &resource_name);
        let policies = [("NotRequired", false), ("RestartContainer", true)];
        let restarts = name(&policies, "resize policy", "restartPolicy", &restart_policy);
        if restarts == Some(true) && !is_restarted {
            let message = "a container with `restartPolicy: Never` is not restarted when it is resized";
            at.field("restartPolicy").wrong_hint(codes::CONFLICT, message, "use `NotRequired`");
        }
        let (Some(is_cpu), Some(restarts)) = (is_cpu, restarts) else { continue };
        if seen.contains(&is_cpu) {
            at.field("resourceName").wrong(codes::DUPLICATE, format!("two policies for `{resource_name}`"));
        }
        seen.push(is_cpu);
        match is_cpu {
            true => policy.restart_for_cpu = restarts,
            false => policy.restart_for_memory = restarts,
        }
    }
    policy
}
