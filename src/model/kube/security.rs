//! `securityContext` of pods and containers (Kubernetes, "Configure a Security Context").

use super::spot::{Spot, did_you_mean, list};
use super::{codes, form};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Capabilities, ContainerSecurity, PodSecurity, SeccompProfile};
use k8s_openapi::api::core::v1 as core;

/// Lowers the pod's context.
pub(super) fn pod(at: &Spot<'_>, context: core::PodSecurityContext, host_network: bool, host_ipc: bool) -> PodSecurity {
    let core::PodSecurityContext {
        app_armor_profile,
        fs_group,
        fs_group_change_policy,
        run_as_group,
        run_as_non_root,
        run_as_user,
        se_linux_change_policy,
        se_linux_options,
        seccomp_profile,
        supplemental_groups,
        supplemental_groups_policy,
        sysctls,
        windows_options,
    } = context;
    at.field("seLinuxChangePolicy").no_effect(se_linux_change_policy.is_some(), "volumes are not relabelled");
    other_systems(at, app_armor_profile, se_linux_options, windows_options);
    let policies = [("Always", false), ("OnRootMismatch", true)];
    let policy_at = at.field("fsGroupChangePolicy");
    let on_mismatch = fs_group_change_policy.and_then(|p| policy_at.one_of("policy", &p, &policies));
    if let Some(policy) = supplemental_groups_policy {
        let at = at.field("supplementalGroupsPolicy");
        if at.one_of("policy", &policy, &[("Merge", false), ("Strict", true)]) == Some(true) {
            let reason = "groups that the image gives its user are kept";
            at.refused(true, reason, "use `Merge`, or remove the groups from the image's /etc/group");
        }
    }
    let groups_at = at.field("supplementalGroups");
    let groups = supplemental_groups.unwrap_or_default().into_iter().enumerate();
    let sysctls_at = at.field("sysctls");
    let sysctls = sysctls.unwrap_or_default().into_iter().enumerate();
    check_non_root(at, run_as_user, run_as_non_root);
    PodSecurity {
        run_as_user: id(&at.field("runAsUser"), run_as_user),
        run_as_group: id(&at.field("runAsGroup"), run_as_group),
        run_as_non_root,
        fs_group: id(&at.field("fsGroup"), fs_group),
        fs_group_on_root_mismatch: on_mismatch.unwrap_or_default(),
        supplemental_groups: groups.filter_map(|(i, group)| id(&groups_at.index(i), Some(group))).collect(),
        sysctls: sysctls.filter_map(|(i, s)| sysctl(&sysctls_at.index(i), s, host_network, host_ipc)).collect(),
        seccomp: seccomp_profile.and_then(|p| seccomp(&at.field("seccompProfile"), p)),
    }
}

/// Lowers a container's context.
pub(super) fn container(at: &Spot<'_>, context: core::SecurityContext) -> ContainerSecurity {
    let core::SecurityContext {
        allow_privilege_escalation,
        app_armor_profile,
        capabilities,
        privileged,
        proc_mount,
        read_only_root_filesystem,
        run_as_group,
        run_as_non_root,
        run_as_user,
        se_linux_options,
        seccomp_profile,
        windows_options,
    } = context;
    other_systems(at, app_armor_profile, se_linux_options, windows_options);
    let privileged = privileged.unwrap_or_default();
    let capabilities = capabilities.map(|c| self::capabilities(&at.field("capabilities"), c)).unwrap_or_default();
    if allow_privilege_escalation == Some(false) {
        let gains =
            [(privileged, "`privileged: true`"), (capabilities.add.iter().any(|c| c == "SYS_ADMIN"), "SYS_ADMIN")];
        for (_, what) in gains.iter().filter(|(given, _)| *given) {
            let message = format!("`allowPrivilegeEscalation: false` contradicts {what}");
            at.field("allowPrivilegeEscalation").wrong(codes::CONFLICT, message);
        }
    }
    let mounts = [("Default", false), ("Unmasked", true)];
    let proc_at = at.field("procMount");
    check_non_root(at, run_as_user, run_as_non_root);
    ContainerSecurity {
        run_as_user: id(&at.field("runAsUser"), run_as_user),
        run_as_group: id(&at.field("runAsGroup"), run_as_group),
        run_as_non_root,
        privileged,
        read_only_root_filesystem: read_only_root_filesystem.unwrap_or_default(),
        allow_privilege_escalation,
        capabilities,
        seccomp: seccomp_profile.and_then(|p| seccomp(&at.field("seccompProfile"), p)),
        unmasked_proc: proc_mount.and_then(|p| proc_at.one_of("proc mount", &p, &mounts)).unwrap_or_default(),
    }
}

/// What other security modules and systems have.
fn other_systems(
    at: &Spot<'_>,
    app_armor: Option<core::AppArmorProfile>,
    se_linux: Option<core::SELinuxOptions>,
    windows: Option<core::WindowsSecurityContextOptions>,
) {
    at.field("seLinuxOptions").refused(se_linux.is_some(), "SELinux labels are not set", "remove it");
    at.field("windowsOptions").refused(windows.is_some(), "this is Linux", "remove it");
    let Some(core::AppArmorProfile { localhost_profile: _, type_ }) = app_armor else { return };
    let at = at.field("appArmorProfile");
    let types = [("RuntimeDefault", true), ("Unconfined", false), ("Localhost", false)];
    match at.field("type").one_of("AppArmor profile type", &type_, &types) {
        Some(true) => at.no_effect(true, "AppArmor profiles are not applied; seccomp and capabilities are"),
        Some(false) if type_ == "Localhost" => at.refused(true, "AppArmor profiles are not applied", "remove it"),
        Some(false) | None => {}
    }
}

fn check_non_root(at: &Spot<'_>, user: Option<i64>, non_root: Option<bool>) {
    if user == Some(0) && non_root == Some(true) {
        let first = at.field("runAsNonRoot").key_mark();
        let error = Diagnostic::error(codes::CONFLICT, "`runAsUser: 0` contradicts `runAsNonRoot: true`");
        at.field("runAsUser").on_value(error.also(first.span, "the other"), "");
    }
}

/// Ids end at 2^31 - 1: larger ones have wrapped to root in more than one runtime.
fn id(at: &Spot<'_>, id: Option<i64>) -> Option<u32> {
    let id = id?;
    let valid = u32::try_from(id).ok().filter(|id| *id <= i32::MAX as u32);
    if valid.is_none() {
        at.wrong(codes::VALUE, format!("a user or group id is a number from 0 to {}, not {id}", i32::MAX));
    }
    valid
}

pub(super) fn seccomp(at: &Spot<'_>, profile: core::SeccompProfile) -> Option<SeccompProfile> {
    let core::SeccompProfile { localhost_profile, type_ } = profile;
    if type_.is_empty() {
        at.missing("type");
        return None;
    }
    let types = [("RuntimeDefault", 0), ("Unconfined", 1), ("Localhost", 2)];
    let kind = at.field("type").one_of("seccomp profile type", &type_, &types)?;
    match (kind, localhost_profile) {
        (0, None) => Some(SeccompProfile::RuntimeDefault),
        (1, None) => Some(SeccompProfile::Unconfined),
        (2, Some(path)) if !path.is_empty() => {
            let valid = at.field("localhostProfile").check("profile path", &path, form::path_below);
            valid.then_some(SeccompProfile::Localhost(path))
        }
        // An empty name must never mean "no filter".
        (2, _) => {
            at.missing("localhostProfile");
            None
        }
        (_, _) => {
            let message = format!("`localhostProfile` needs `type: Localhost`, not `{type_}`");
            at.field("localhostProfile").wrong(codes::CONFLICT, message);
            None
        }
    }
}

pub(crate) const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

fn capabilities(at: &Spot<'_>, capabilities: core::Capabilities) -> Capabilities {
    let core::Capabilities { add, drop } = capabilities;
    let read = |field: &str, names: Option<Vec<String>>| {
        let at = at.field(field);
        let names = names.unwrap_or_default().into_iter().enumerate();
        names.filter_map(|(i, name)| capability(&at.index(i), &name)).collect()
    };
    Capabilities { add: read("add", add), drop: read("drop", drop) }
}

fn capability(at: &Spot<'_>, name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let plain = upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned();
    if plain == "ALL" || CAPABILITIES.contains(&plain.as_str()) {
        return Some(plain);
    }
    let label = did_you_mean(&plain, CAPABILITIES.into_iter().chain(["ALL"])).unwrap_or_default();
    at.on_value(Diagnostic::error(codes::VALUE, format!("`{}` is no capability", super::spot::shown(name))), label);
    None
}

/// Namespaced and harmless to other pods (Kubernetes, "Using sysctls in a Kubernetes Cluster").
const SAFE_SYSCTLS: [&str; 12] = [
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

fn sysctl(at: &Spot<'_>, sysctl: core::Sysctl, host_network: bool, host_ipc: bool) -> Option<(String, String)> {
    let core::Sysctl { name, value } = sysctl;
    if name.is_empty() {
        at.missing("name");
        return None;
    }
    let name = name.replace('/', ".");
    let at_name = at.field("name");
    if !SAFE_SYSCTLS.contains(&name.as_str()) {
        let message = format!("sysctl `{}` is not among those that are safe for a pod", super::spot::shown(&name));
        let label = did_you_mean(&name, SAFE_SYSCTLS.into_iter()).unwrap_or_default();
        at_name
            .on_value(Diagnostic::error(codes::UNSAFE, message).hint(format!("safe: {}", list(&SAFE_SYSCTLS))), label);
        return None;
    }
    if (host_network && name.starts_with("net.")) || (host_ipc && name.starts_with("kernel.shm")) {
        let which = if name.starts_with("net.") { "hostNetwork" } else { "hostIPC" };
        at_name.wrong(codes::CONFLICT, format!("with `{which}` sysctl `{name}` would change the machine"));
        return None;
    }
    // Some runtimes have taken control characters and `+` in values for more settings.
    if value.is_empty() || !value.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '\t' | '-' | ',')) {
        at.field("value").wrong(codes::FORM, "the value of this sysctl consists of numbers");
        return None;
    }
    Some((name, value))
}
