//! `hostUsers: false`: a pod with a user namespace of its own (Kubernetes, "User Namespaces", Limitations).

use super::codes;
use super::spot::Spot;
use crate::model::Pod;
use crate::model::container::Propagation;
use crate::model::diagnostic::Diagnostic;

/// Ids that the namespace has.
const IDS: u32 = 1 << 16;

/// Checks a lowered pod; `at` is its `spec`.
pub(super) fn check(at: &Spot<'_>, pod: &Pod) {
    let containers = || {
        let init = pod.init_containers.iter().enumerate().map(|(i, c)| ("initContainers", i, c));
        init.chain(pod.containers.iter().enumerate().map(|(i, c)| ("containers", i, c)))
    };
    if !pod.user_namespace {
        for (list, index, _) in containers().filter(|(_, _, c)| c.security.unmasked_proc) {
            let at = at.field(list);
            let at = at.index(index);
            let at = at.field("securityContext");
            let message = "`procMount: Unmasked` is not supported: the pod has no user namespace of its own";
            at.field("procMount").wrong_hint(codes::UNSUPPORTED, message, "set `hostUsers: false` of the pod");
        }
        return;
    }
    let shared = [("hostNetwork", pod.host_network), ("hostPID", pod.host_pid), ("hostIPC", pod.host_ipc)];
    for (field, _) in shared.into_iter().filter(|(_, set)| *set) {
        let first = at.field("hostUsers").key_mark();
        let error = Diagnostic::error(codes::CONFLICT, format!("`{field}` and `hostUsers: false` exclude each other"));
        at.field(field).on_key(error.also(first.span, "the other"), "");
    }
    let context = at.field("securityContext");
    check_id(&context.field("runAsUser"), pod.security.run_as_user);
    check_id(&context.field("runAsGroup"), pod.security.run_as_group);
    check_id(&context.field("fsGroup"), pod.security.fs_group);
    let groups = context.field("supplementalGroups");
    for (index, group) in pod.security.supplemental_groups.iter().enumerate() {
        check_id(&groups.index(index), Some(*group));
    }
    for (list, index, container) in containers() {
        let at = at.field(list);
        let at = at.index(index);
        let context = at.field("securityContext");
        check_id(&context.field("runAsUser"), container.security.run_as_user);
        check_id(&context.field("runAsGroup"), container.security.run_as_group);
        let mounts = at.field("volumeMounts");
        for (index, _) in
            container.mounts.iter().enumerate().filter(|(_, m)| m.propagation == Propagation::Bidirectional)
        {
            let message = "mounts made in a user namespace do not reach the machine";
            let at = mounts.index(index);
            at.field("mountPropagation").wrong_hint(
                codes::CONFLICT,
                message,
                "use `HostToContainer`, or remove `hostUsers`",
            );
        }
    }
}

fn check_id(at: &Spot<'_>, id: Option<u32>) {
    if let Some(id) = id.filter(|id| *id >= IDS) {
        at.wrong(codes::VALUE, format!("with `hostUsers: false` ids end at {}, {id} is beyond", IDS - 1));
    }
}
