//! `securityContext` of pods and containers (Kubernetes, "Configure a Security Context").

use super::spot::{Spot, did_you_mean};
use super::{codes, profile, sysctl};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Capabilities, ContainerSecurity, PodSecurity};
use k8s_openapi::api::core::v1 as core;

/// Lowers the pod's context.
pub(super) fn pod(at: &Spot<'_>, context: core::PodSecurityContext, shared: sysctl::Shared) -> PodSecurity {
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
    let policies = [("Recursive", ()), ("MountOption", ())];
    let policy_at = at.field("seLinuxChangePolicy");
    if se_linux_change_policy.is_some_and(|p| policy_at.one_of("policy", &p, &policies).is_some()) {
        let reason = match at.session.machine.se_linux {
            true => "volumes in memory get their label when they are mounted, the files of others one by one",
            false => "this machine has no SELinux",
        };
        policy_at.no_effect(true, reason);
    }
    refuse_windows(at, windows_options);
    let policies = [("Always", false), ("OnRootMismatch", true)];
    let policy_at = at.field("fsGroupChangePolicy");
    let on_mismatch = fs_group_change_policy.and_then(|p| policy_at.one_of("policy", &p, &policies));
    let groups_policy_at = at.field("supplementalGroupsPolicy");
    let strict = supplemental_groups_policy
        .and_then(|p| groups_policy_at.one_of("policy", &p, &[("Merge", false), ("Strict", true)]));
    let groups_at = at.field("supplementalGroups");
    let groups = supplemental_groups.unwrap_or_default().into_iter().enumerate();
    check_non_root(at, run_as_user, run_as_non_root);
    PodSecurity {
        run_as_user: id(&at.field("runAsUser"), run_as_user),
        run_as_group: id(&at.field("runAsGroup"), run_as_group),
        run_as_non_root,
        fs_group: id(&at.field("fsGroup"), fs_group),
        fs_group_on_root_mismatch: on_mismatch.unwrap_or_default(),
        supplemental_groups: groups.filter_map(|(i, group)| id(&groups_at.index(i), Some(group))).collect(),
        strict_groups: strict.unwrap_or_default(),
        sysctls: sysctl::lower(&at.field("sysctls"), sysctls.unwrap_or_default(), shared),
        seccomp: seccomp_profile.and_then(|p| profile::seccomp(&at.field("seccompProfile"), p)),
        app_armor: app_armor_profile.and_then(|p| profile::app_armor(&at.field("appArmorProfile"), p)),
        se_linux: se_linux_options.and_then(|o| profile::se_linux(&at.field("seLinuxOptions"), o)),
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
    refuse_windows(at, windows_options);
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
        seccomp: seccomp_profile.and_then(|p| profile::seccomp(&at.field("seccompProfile"), p)),
        app_armor: app_armor_profile.and_then(|p| profile::app_armor(&at.field("appArmorProfile"), p)),
        se_linux: se_linux_options.and_then(|o| profile::se_linux(&at.field("seLinuxOptions"), o)),
        unmasked_proc: proc_mount.and_then(|p| proc_at.one_of("proc mount", &p, &mounts)).unwrap_or_default(),
    }
}

fn refuse_windows(at: &Spot<'_>, options: Option<core::WindowsSecurityContextOptions>) {
    at.field("windowsOptions").refused(options.is_some(), "this is Linux", "remove it");
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
