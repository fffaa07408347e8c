//! Annotations that change what runs, as podman reads them.

use super::spot::{Spot, did_you_mean};
use super::{codes, profile};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Pod, Ulimit};

const PREFIX: &str = "io.podman.annotations.";

/// Limits of `setrlimit(2)`.
const LIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Annotations of podman and of old Kubernetes that are not obeyed, with what to do instead.
const NOT_OBEYED: [(&str, &str); 7] = [
    ("io.podman.annotations.userns", "set `hostUsers: false` of the pod"),
    ("io.podman.annotations.volumes-from", "mount the same volume in both containers"),
    ("io.podman.annotations.kube.image.volumes.mount", "copy from the image in an init container"),
    ("io.podman.annotations.init.container.type", "init containers run at every start of the pod"),
    ("io.podman.annotations.cpuset", "use `resources`"),
    ("io.podman.annotations.memory-nodes", "use `resources`"),
    ("io.podman.annotations.label", "SELinux labels are not set"),
];

/// Applies the annotations of a pod; `at` is its `spec`.
pub(super) fn apply(at: &Spot<'_>, pod: &mut Pod) {
    let Some(meta) = at.sibling("metadata") else { return };
    let at = meta.field("annotations");
    for (key, value) in pod.annotations.clone() {
        let at = at.field(&key);
        let (base, container) = key.strip_prefix(PREFIX).and_then(|k| k.split_once('/')).unwrap_or((&key, ""));
        match base {
            "pids-limit" => apply_pids(&at, pod, container, &value),
            _ if key == "io.podman.annotations.ulimit" => {
                let limits = parse_ulimits(&at, &value);
                pod.init_containers.iter_mut().chain(&mut pod.containers).for_each(|c| c.ulimits.clone_from(&limits));
            }
            _ if profile::annotation(&at, pod, &key, &value) => {}
            _ => {
                let known = NOT_OBEYED.iter().find(|(name, _)| key == *name || key.starts_with(&format!("{name}/")));
                if let Some((_, hint)) = known {
                    let warning = Diagnostic::warning(codes::PARTLY, format!("annotation `{key}` is not obeyed"));
                    at.on_key(warning.hint(*hint), "");
                }
            }
        }
    }
}

fn apply_pids(at: &Spot<'_>, pod: &mut Pod, container: &str, value: &str) {
    let names: Vec<_> = pod.all_containers().map(|c| c.name.clone()).collect();
    let limit = value.parse::<i64>().ok().filter(|n| *n == -1 || *n > 0);
    if limit.is_none() {
        at.wrong(codes::VALUE, "a limit of processes is a number above 0, or -1 for none");
    }
    match pod.init_containers.iter_mut().chain(&mut pod.containers).find(|c| c.name == container) {
        Some(container) => container.resources.pids_limit = limit,
        None => {
            let error = Diagnostic::error(codes::TARGET, format!("the pod has no container `{container}`"));
            at.on_key(error, did_you_mean(container, names.iter().map(String::as_str)).unwrap_or_default());
        }
    }
}

/// Reads `name=soft[:hard],...`; -1 is unlimited.
fn parse_ulimits(at: &Spot<'_>, value: &str) -> Vec<Ulimit> {
    let mut limits = Vec::new();
    for part in value.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        match parse_ulimit(part) {
            Some(limit) if LIMITS.contains(&limit.name.as_str()) => limits.push(limit),
            Some(Ulimit { name, .. }) => {
                let error = Diagnostic::error(codes::VALUE, format!("there is no limit `{name}`"));
                at.on_value(error, did_you_mean(&name, LIMITS.into_iter()).unwrap_or_default());
            }
            None => {
                let message = format!("`{}` is no limit", super::spot::shown(part));
                at.wrong_hint(codes::FORM, message, "write name=soft:hard, as in nofile=1024:4096");
            }
        }
    }
    limits
}

fn parse_ulimit(part: &str) -> Option<Ulimit> {
    let (name, values) = part.split_once('=')?;
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let number = |text: &str| match text {
        "-1" | "unlimited" => Some(u64::MAX),
        digits => digits.parse().ok(),
    };
    let (soft, hard) = (number(soft)?, number(hard)?);
    let name = name.to_ascii_lowercase();
    (soft <= hard).then(|| Ulimit { name: name.strip_prefix("rlimit_").unwrap_or(&name).to_owned(), soft, hard })
}
