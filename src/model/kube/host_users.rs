//! User namespaces of pods: `hostUsers: false` (Kubernetes, "User Namespaces", Limitations), the annotation
//! `io.podman.annotations.userns` and `--userns`, which has podman's values.

use super::codes;
use super::spot::{Spot, shown};
use crate::model::container::Propagation;
use crate::model::diagnostic::Diagnostic;
use crate::model::{Pod, UserIds};

const ONLY_ROOT: &str = "pods run as root, and `nomap` is for other users";
const OTHERS: &str = "a pod's namespace is its own";
const NO_MAPPING: &str = "which of the machine's ids a pod gets is not for its file to choose";

/// What does not go together with a user namespace, or without one.
struct Conflict {
    /// Below the pod's `spec`.
    place: Vec<Step>,
    code: &'static str,
    message: String,
    hint: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Field(&'static str),
    Index(usize),
}

use Step::{Field, Index};

/// Checks a lowered pod with its annotations; `at` is its `spec`.
pub(super) fn check(at: &Spot<'_>, pod: &Pod) {
    for Conflict { place, code, message, hint } in conflicts(pod) {
        at_place(at, &place, &|found| {
            let mut error = Diagnostic::error(code, message.clone());
            let own = at.field("hostUsers");
            if own.exists() && code == codes::CONFLICT {
                error = error.also(own.key_mark().span, "the other");
            }
            found.on_value(hint.into_iter().fold(error, Diagnostic::hint), "");
        });
    }
}

fn at_place(at: &Spot<'_>, place: &[Step], report: &dyn Fn(&Spot<'_>)) {
    match place {
        [] => report(at),
        [Field(name), rest @ ..] => at_place(&at.field(name), rest, report),
        [Index(index), rest @ ..] => at_place(&at.index(*index), rest, report),
    }
}

fn conflicts(pod: &Pod) -> Vec<Conflict> {
    let mut found = Vec::new();
    let mut add = |place: &[Step], code, message: String, hint| {
        found.push(Conflict { place: place.to_vec(), code, message, hint });
    };
    let init = pod.init_containers.iter().enumerate().map(|(i, c)| ("initContainers", i, c));
    let containers: Vec<_> = init.chain(pod.containers.iter().enumerate().map(|(i, c)| ("containers", i, c))).collect();
    let context = Field("securityContext");
    if !pod.user_namespace {
        for (list, index, _) in containers.into_iter().filter(|(_, _, c)| c.security.unmasked_proc) {
            let message = "`procMount: Unmasked` is not supported: the pod has no user namespace of its own".to_owned();
            let place = [Field(list), Index(index), context, Field("procMount")];
            add(&place, codes::UNSUPPORTED, message, Some("set `hostUsers: false` of the pod"));
        }
        return found;
    }
    let shared = [("hostNetwork", pod.host_network), ("hostPID", pod.host_pid), ("hostIPC", pod.host_ipc)];
    for (field, _) in shared.into_iter().filter(|(_, set)| *set) {
        let message =
            format!("`{field}` and a user namespace of the pod's own (`hostUsers: false`) exclude each other");
        add(&[Field(field)], codes::CONFLICT, message, None);
    }
    let last = pod.user_ids.last();
    let mut id = |place: &[Step], id: Option<u32>| {
        if let Some(id) = id.filter(|id| *id > last) {
            add(place, codes::VALUE, format!("in its user namespace ids end at {last}, {id} is beyond"), None);
        }
    };
    id(&[context, Field("runAsUser")], pod.security.run_as_user);
    id(&[context, Field("runAsGroup")], pod.security.run_as_group);
    id(&[context, Field("fsGroup")], pod.security.fs_group);
    for (index, group) in pod.security.supplemental_groups.iter().enumerate() {
        id(&[context, Field("supplementalGroups"), Index(index)], Some(*group));
    }
    for (list, index, container) in &containers {
        let own = [Field(list), Index(*index), context];
        id(&[&own[..], &[Field("runAsUser")]].concat(), container.security.run_as_user);
        id(&[&own[..], &[Field("runAsGroup")]].concat(), container.security.run_as_group);
    }
    for (list, index, container) in &containers {
        let mounts = container.mounts.iter().enumerate();
        for (mount, _) in mounts.filter(|(_, mount)| mount.propagation == Propagation::Bidirectional) {
            let place = [Field(list), Index(*index), Field("volumeMounts"), Index(mount), Field("mountPropagation")];
            let message = "mounts made in a user namespace do not reach the machine".to_owned();
            add(&place, codes::CONFLICT, message, Some("use `HostToContainer`, or remove `hostUsers`"));
        }
    }
    found
}

/// Gives a pod the namespace that a value of podman's asks for; says where it is no such value.
pub(super) fn apply(at: &Spot<'_>, pod: &mut Pod, value: &str) {
    let (mode, options) = value.split_once(':').map_or((value, ""), |(mode, options)| (mode, options));
    let ids = match mode {
        "host" => None,
        "auto" => Some(auto(at, options)),
        "private" => Some(UserIds::default()),
        "keep-id" => Some(UserIds::Machine),
        "nomap" => return refuse(at, mode, ONLY_ROOT, "use `auto`"),
        "ns" | "container" => return refuse(at, mode, OTHERS, "use `auto`"),
        _ => {
            at.one_of("user namespace", mode, &["host", "auto", "private", "keep-id"].map(|mode| (mode, ())));
            return;
        }
    };
    if mode != "auto" && !options.is_empty() {
        let message = format!("`{}` takes no options here", shown(mode));
        return at.wrong_hint(codes::VALUE, message, "`auto:size=N` has that many ids");
    }
    (pod.user_namespace, pod.user_ids) = (ids.is_some(), ids.unwrap_or_default());
}

/// As [`apply`], of an annotation that is not in the pod's own text: what does not go together with it is told at its place.
pub(super) fn apply_from_outside(at: &Spot<'_>, pod: &mut Pod, value: &str) {
    apply(at, pod, value);
    for Conflict { place: _, code, message, hint } in conflicts(pod) {
        at.on_value(hint.into_iter().fold(Diagnostic::error(code, message), Diagnostic::hint), "");
    }
}

fn refuse(at: &Spot<'_>, mode: &str, reason: &str, hint: &str) {
    let message = format!("user namespace `{mode}` is not supported: {reason}");
    at.wrong_hint(codes::UNSUPPORTED, message, hint);
}

/// `size=N`, the only option that a pod has a say in.
fn auto(at: &Spot<'_>, options: &str) -> UserIds {
    let mut count = UserIds::default();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "size" => match value.parse() {
                Ok(size) if (1..=UserIds::MOST).contains(&size) => count = UserIds::Own { count: size },
                _ => {
                    let message = format!("`{}` is no number of ids from 1 to {}", shown(value), UserIds::MOST);
                    at.wrong(codes::VALUE, message);
                }
            },
            "uidmapping" | "gidmapping" => {
                at.wrong(codes::UNSUPPORTED, format!("`{name}` is not supported: {NO_MAPPING}"));
            }
            _ => drop(at.one_of("option of `auto`", name, &[("size", ())])),
        }
    }
    count
}
