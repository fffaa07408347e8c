//! Annotations that change what runs, as podman reads them: those of pods (`io.podman.annotations.*` and a few older ones) and
//! of claims (`volume.podman.io/*`); and those that give a pod's containers devices (`cdi.k8s.io/*`).
//!
//! The value for a container belongs to that container alone. Annotations of a workload count for its pods; where the pod
//! template has the same one, the template's. None is passed over in silence: what is not obeyed is told, and so is a key that
//! podman does not have.

mod claim;
mod cpu_set;
mod image_mounts;
mod ulimit;
mod volumes_from;

pub(super) use claim::check as check_claim;

use super::spot::{Spot, did_you_mean};
use super::{codes, device, host_users, profile};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Container, Pod};
use k8s_openapi::api::core::v1 as core;
use std::collections::BTreeMap;
use volumes_from::VolumesFrom;

const PREFIX: &str = "io.podman.annotations.";

/// What an annotation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The pod: `KEY`.
    Pod,
    /// One container: `KEY/CONTAINER`.
    Container,
}

/// What becomes of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Read with the other profiles.
    AppArmor,
    AutoRemove,
    /// Shown by `inspect`, and nothing else.
    CidFile,
    Cpus,
    ImageMounts,
    InitContainers,
    InitProcess,
    Label,
    MemoryNodes,
    PidsLimit,
    /// Shown by `inspect`, and nothing else.
    PublishAll,
    Seccomp,
    Ulimit,
    UserNamespace,
    VolumesFrom,
    /// It changes nothing, there or here.
    NoEffect(&'static str),
}

/// Podman's annotations behind [`PREFIX`].
const KNOWN: &[(&str, Scope, Use)] = &[
    ("apparmor", Scope::Container, Use::AppArmor),
    ("autoremove", Scope::Container, Use::AutoRemove),
    ("cid-file", Scope::Container, Use::CidFile),
    ("cpuset", Scope::Container, Use::Cpus),
    ("infra.name", Scope::Pod, Use::NoEffect("a pod has no infra container")),
    ("init", Scope::Container, Use::InitProcess),
    ("init.container.type", Scope::Pod, Use::InitContainers),
    // The first is the name in podman's manual, the second that in its program.
    ("kube.image.automount", Scope::Container, Use::ImageMounts),
    ("kube.image.volumes.mount", Scope::Container, Use::ImageMounts),
    ("label", Scope::Container, Use::Label),
    ("memory-nodes", Scope::Container, Use::MemoryNodes),
    ("pids-limit", Scope::Container, Use::PidsLimit),
    ("publish-all", Scope::Container, Use::PublishAll),
    ("seccomp", Scope::Container, Use::Seccomp),
    ("ulimit", Scope::Pod, Use::Ulimit),
    ("userns", Scope::Pod, Use::UserNamespace),
    ("volumes-from", Scope::Container, Use::VolumesFrom),
];

/// Podman's annotations with other names: of the pod, or with `/CONTAINER`.
const OTHERS: &[(&str, &str)] = &[
    ("bind-mount-options", "files of the machine are not relabelled"),
    ("io.containers.autoupdate", "images are not updated by themselves"),
    ("io.containers.autoupdate.authfile", "images are not updated by themselves"),
    ("io.containers.sdnotify", "no message is sent to systemd; a unit can wait with `podkin wait`"),
];

/// The user namespace of a pod; with `/POD` behind it that of the pod of this name, which says less.
pub(super) const USER_NAMESPACE: &str = "io.podman.annotations.userns";

/// Applies the annotations of a pod; `at` is its `spec`.
pub(super) fn apply(at: &Spot<'_>, pod: &mut Pod) {
    let Some(meta) = at.sibling("metadata") else { return };
    let annotations = pod.annotations.clone();
    apply_all(&meta.field("annotations"), annotations.iter(), pod, Source::Pod);
}

/// Applies podman's annotations of a workload that its pod template does not have; `at` is `metadata.annotations` of the workload.
pub(super) fn inherit(at: &Spot<'_>, annotations: &BTreeMap<String, String>, pod: &mut Pod) {
    let own = pod.annotations.clone();
    let is_new = |(key, _): &(&String, &String)| key.starts_with(PREFIX) && !own.contains_key(*key);
    apply_all(at, annotations.iter().filter(is_new), pod, Source::Outside);
}

/// Whether an annotation is for a container that this pod does not have.
pub(super) fn is_of_other(key: &str, pod: &Pod) -> bool {
    let container = key.strip_prefix(PREFIX).and_then(|key| key.split_once('/')).map(|(_, container)| container);
    container.is_some_and(|name| pod.all_containers().all(|c| c.name != name))
}

/// Applies one annotation of the command line, which wins over those of the files; `at` has it as a field.
pub(super) fn apply_given(at: &Spot<'_>, key: &String, value: &String, pod: &mut Pod) {
    apply_all(at, std::iter::once((key, value)), pod, Source::Outside);
}

/// Where annotations are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// In the pod's own text, which is checked as a whole after them.
    Pod,
    /// In a workload or on the command line.
    Outside,
}

fn apply_all<'m>(
    at: &Spot<'_>,
    annotations: impl Iterator<Item = (&'m String, &'m String)>,
    pod: &mut Pod,
    source: Source,
) {
    let mut volumes_from = Vec::new();
    for (key, value) in annotations {
        let at = at.field(key);
        if profile::annotation(&at, pod, key, value) || device::annotation(&at, pod, key, value) {
            continue;
        }
        match key.strip_prefix(PREFIX) {
            Some(name) => volumes_from.extend(apply_podman(&at, name, value, pod, source)),
            None => tell_other(&at, key),
        }
    }
    volumes_from::apply(at, volumes_from, pod);
}

/// Applies one annotation behind [`PREFIX`]; those that need all containers are given back.
fn apply_podman(at: &Spot<'_>, key: &str, value: &str, pod: &mut Pod, source: Source) -> Option<VolumesFrom> {
    let (name, container) = key.split_once('/').map_or((key, None), |(name, container)| (name, Some(container)));
    let Some((_, scope, use_)) = KNOWN.iter().find(|(known, _, _)| *known == name) else {
        let message = format!("podman has no annotation `{PREFIX}{}`", super::spot::shown(key));
        let label = did_you_mean(name, KNOWN.iter().map(|(known, _, _)| *known)).unwrap_or_default();
        at.on_key(Diagnostic::warning(codes::SUSPICIOUS, message), label);
        return None;
    };
    if !fits_scope(at, *scope, name, container) {
        return None;
    }
    match use_ {
        Use::AppArmor => {}
        Use::NoEffect(reason) => at.no_effect(true, reason),
        Use::ImageMounts => {
            let container = profile::find_container(at, pod, container?)?.name.clone();
            image_mounts::apply(at, pod, &container, value);
        }
        Use::AutoRemove => {
            let container = profile::find_container(at, pod, container?)?;
            container.auto_remove = truth(at, value).unwrap_or_default();
        }
        Use::CidFile => {
            let container = profile::find_container(at, pod, container?)?;
            container.shown_only.cid_file = Some(value.to_owned());
            at.no_effect(true, "`inspect` shows it, and nothing is written; `ps -q` has the container's id");
        }
        Use::PublishAll => {
            let container = profile::find_container(at, pod, container?)?;
            container.shown_only.publish_all_ports = truth(at, value)?;
            at.no_effect(true, "`inspect` shows it; to publish ports use `kube play --publish-all`, or `hostPort`");
        }
        Use::InitProcess => {
            let container = profile::find_container(at, pod, container?)?;
            container.init_process = truth(at, value).unwrap_or_default();
        }
        Use::InitContainers => check_init_containers(at, value),
        Use::Ulimit => {
            let limits = ulimit::parse(at, value);
            pod.init_containers.iter_mut().chain(&mut pod.containers).for_each(|c| c.ulimits.clone_from(&limits));
        }
        Use::Cpus => cpu_set::apply_cpus(at, profile::find_container(at, pod, container?)?, value),
        Use::MemoryNodes => cpu_set::apply_memory_nodes(at, profile::find_container(at, pod, container?)?, value),
        Use::Label => profile::find_container(at, pod, container?).into_iter().for_each(|c| apply_label(at, c, value)),
        Use::PidsLimit => {
            profile::find_container(at, pod, container?).into_iter().for_each(|c| apply_pids(at, c, value))
        }
        Use::Seccomp => profile::container_seccomp(at, pod, container?, value),
        Use::UserNamespace => apply_user_namespace(at, container, value, pod, source),
        Use::VolumesFrom => {
            let target = profile::find_container(at, pod, container?)?.name.clone();
            return Some(VolumesFrom { target, key: at.name().to_owned(), sources: value.to_owned() });
        }
    }
    None
}

/// Whether a key names a container when it must, and only then.
fn fits_scope(at: &Spot<'_>, scope: Scope, name: &str, container: Option<&str>) -> bool {
    let (fits, message, hint) = match scope {
        Scope::Container => (
            container.is_some_and(|name| !name.is_empty()),
            "this annotation is for one container",
            format!("write `{PREFIX}{name}/CONTAINER`"),
        ),
        // Podman takes the name of the pod behind this one.
        Scope::Pod => (
            container.is_none() || name == "userns",
            "this annotation is for the whole pod",
            format!("write `{PREFIX}{name}`"),
        ),
    };
    if !fits {
        at.on_key(Diagnostic::error(codes::FORM, message).hint(hint), "");
    }
    fits
}

fn apply_user_namespace(at: &Spot<'_>, name: Option<&str>, value: &str, pod: &mut Pod, source: Source) {
    match name {
        Some(name) if name != pod.name => {
            let error =
                Diagnostic::error(codes::TARGET, format!("the pod is not named `{}`", super::spot::shown(name)));
            at.on_key(error, did_you_mean(name, std::iter::once(pod.name.as_str())).unwrap_or_default());
        }
        Some(_) if pod.annotations.contains_key(USER_NAMESPACE) => {
            at.no_effect(true, "the annotation without the pod's name comes before it");
        }
        _ if source == Source::Pod => host_users::apply(at, pod, value),
        _ => host_users::apply_from_outside(at, pod, value),
    }
}

fn tell_other(at: &Spot<'_>, key: &str) {
    let name = key.split_once('/').map_or(key, |(name, _)| name);
    if let Some((_, reason)) = OTHERS.iter().find(|(known, _)| *known == name) {
        at.no_effect(true, reason);
    }
}

/// Podman writes `TRUE`.
fn truth(at: &Spot<'_>, value: &str) -> Option<bool> {
    at.one_of("truth value", value, &[("TRUE", true), ("FALSE", false), ("true", true), ("false", false)])
}

fn check_init_containers(at: &Spot<'_>, value: &str) {
    if at.one_of("type of init containers", value, &[("always", false), ("once", true)]) == Some(true) {
        let warning = Diagnostic::warning(codes::PARTLY, "init containers run at every start of the pod, not `once`");
        at.on_value(warning.hint("let them end early when their work is done"), "");
    }
}

fn apply_pids(at: &Spot<'_>, container: &mut Container, value: &str) {
    let limit = value.parse::<i64>().ok().filter(|n| *n == -1 || *n > 0);
    if limit.is_none() {
        at.wrong(codes::VALUE, "a limit of processes is a number above 0, or -1 for none");
    }
    container.resources.pids_limit = limit;
}

/// Parts of an SELinux label as podman writes them: `type:NAME`, `level:s0:c1,c2`, `disable`.
fn apply_label(at: &Spot<'_>, container: &mut Container, value: &str) {
    let text = |text: &str| Some(text.to_owned());
    let options = match value.split_once(':') {
        // What the policy does not confine.
        None if value == "disable" => core::SELinuxOptions { type_: text("spc_t"), ..Default::default() },
        Some(("type", kind)) => core::SELinuxOptions { type_: text(kind), ..Default::default() },
        Some(("level", level)) => core::SELinuxOptions { level: text(level), ..Default::default() },
        Some(("user", user)) => core::SELinuxOptions { user: text(user), ..Default::default() },
        Some(("role", role)) => core::SELinuxOptions { role: text(role), ..Default::default() },
        _ => {
            let message = format!("`{}` is no part of a label", super::spot::shown(value));
            return at.wrong_hint(
                codes::VALUE,
                message,
                "write `type:NAME`, `level:LEVEL`, `user:NAME`, `role:NAME` or `disable`",
            );
        }
    };
    let label = profile::se_linux(at, options);
    profile::settle(at, &mut container.security.se_linux, label);
}
