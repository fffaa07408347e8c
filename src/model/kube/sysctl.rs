//! `securityContext.sysctls` (Kubernetes, "Using sysctls in a Kubernetes Cluster").

use super::codes;
use super::spot::{Spot, did_you_mean, list, shown};
use crate::model::diagnostic::Diagnostic;
use k8s_openapi::api::core::v1 as core;

/// Namespaced and harmless to other pods.
const SAFE: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Namespaced parameters: of the network namespace, and of the ipc namespace.
const OF_NETWORK: &str = "net.";
const OF_IPC: [&str; 4] = ["fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm"];

/// Which namespaces of the machine the pod shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared {
    pub network: bool,
    pub ipc: bool,
}

/// Lowers the list; each name may be there once.
pub(super) fn lower(at: &Spot<'_>, sysctls: Vec<core::Sysctl>, shared: Shared) -> Vec<(String, String)> {
    let mut lowered: Vec<(String, String)> = Vec::new();
    for (i, sysctl) in sysctls.into_iter().enumerate() {
        let at = at.index(i);
        let Some((name, value)) = one(&at, sysctl, shared) else { continue };
        if lowered.iter().any(|(known, _)| *known == name) {
            at.field("name").wrong(codes::DUPLICATE, format!("sysctl `{name}` is set twice"));
        } else {
            lowered.push((name, value));
        }
    }
    lowered
}

fn one(at: &Spot<'_>, sysctl: core::Sysctl, shared: Shared) -> Option<(String, String)> {
    let core::Sysctl { name, value } = sysctl;
    if name.is_empty() {
        at.missing("name");
        return None;
    }
    let name = with_dots(&name);
    let name_at = at.field("name");
    let is_plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-/".contains(c));
    if !name.split('.').all(is_plain) || name.split('.').any(|part| part.starts_with('/')) {
        name_at.wrong(codes::FORM, format!("`{}` is no name of a sysctl", shown(&name)));
        return None;
    }
    let of_network = name.starts_with(OF_NETWORK);
    let of_ipc = OF_IPC.iter().any(|prefix| name.starts_with(prefix));
    if !of_network && !of_ipc {
        let message = format!("sysctl `{}` is the machine's, not a pod's", shown(&name));
        let label = did_you_mean(&name, SAFE.into_iter()).unwrap_or_default();
        name_at.on_value(Diagnostic::error(codes::UNSAFE, message).hint("set it with `sysctl`, as root"), label);
        return None;
    }
    if (of_network && shared.network) || (of_ipc && shared.ipc) {
        let which = if of_network { "hostNetwork" } else { "hostIPC" };
        name_at.wrong(codes::CONFLICT, format!("with `{which}` sysctl `{name}` would change the machine"));
        return None;
    }
    let is_safe = SAFE.contains(&name.as_str());
    if !is_safe && !at.session.unsafe_sysctls.iter().any(|pattern| matches(pattern, &name)) {
        let message = format!("sysctl `{}` is not among those that are safe for a pod", shown(&name));
        let label = did_you_mean(&name, SAFE.into_iter()).unwrap_or_default();
        let hint = format!("safe: {}; others are allowed by `--allowed-unsafe-sysctls {}`", list(&SAFE), shown(&name));
        name_at.on_value(Diagnostic::error(codes::UNSAFE, message).hint(hint), label);
        return None;
    }
    // Some runtimes have taken control characters and `+` in values for more settings.
    let allowed =
        |c: char| if is_safe { c.is_ascii_digit() || " \t-,".contains(c) } else { !c.is_control() && c != '+' };
    if value.is_empty() || !value.chars().all(allowed) {
        let form = if is_safe { "consists of numbers" } else { "is one line without `+`" };
        at.field("value").wrong(codes::FORM, format!("the value of this sysctl {form}"));
        return None;
    }
    Some((name, value))
}

/// Names with slashes are the same with dots and slashes exchanged (sysctl.d(5)): `net/ipv4/conf/eth0.1/x` keeps its dot as a
/// slash.
fn with_dots(name: &str) -> String {
    if name.find(['.', '/']).is_none_or(|first| name[first..].starts_with('.')) {
        return name.to_owned();
    }
    let exchanged = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    name.chars().map(exchanged).collect()
}

/// `net.core.somaxconn`, or a prefix as in `net.ipv4.*`.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern = with_dots(pattern);
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        assert_eq!(with_dots("net/ipv4/conf/eth0.1/forwarding"), "net.ipv4.conf.eth0/1.forwarding");
        assert_eq!(with_dots("net.ipv4.conf.eth0/1.forwarding"), "net.ipv4.conf.eth0/1.forwarding");
        assert!(matches("net.core.*", "net.core.somaxconn") && matches("net/core/*", "net.core.somaxconn"));
        assert!(matches("net.core.somaxconn", "net.core.somaxconn") && !matches("net.core", "net.core.somaxconn"));
    }
}
