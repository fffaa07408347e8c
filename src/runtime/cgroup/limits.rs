//! Setting a group's limits.

use super::{DeviceAccess, DeviceRule, Hierarchies, write};
use crate::runtime::RuntimeError;
use crate::runtime::config::CgroupResources;
use std::path::Path;

/// Length of a CPU period in microseconds, to which quotas refer.
pub(super) const CPU_PERIOD_US: u64 = 100_000;

/// Processes and threads of a container when nothing else is asked for.
const DEFAULT_PIDS: i64 = 2048;

/// Files of a group and what to write into them, in order.
type Settings = Vec<(&'static str, &'static str, String)>;

pub(super) fn apply(hierarchies: &Hierarchies, path: &str, resources: &CgroupResources) -> Result<(), RuntimeError> {
    set(hierarchies, path, settings(hierarchies, resources))
}

/// As [`apply`], but that one container takes too much memory is not the end of the others; and what this machine cannot weigh or
/// limit stands back, since the containers have limits of their own.
pub(super) fn apply_to_pod(
    hierarchies: &Hierarchies,
    path: &str,
    resources: &CgroupResources,
) -> Result<(), RuntimeError> {
    let CgroupResources { cpu_shares: _, cpu_quota_us, memory_limit, memory_reservation: _, pids_limit: _ } = resources;
    let has = |controller: &str| hierarchies.directory(controller, path).is_some_and(|d| is_controlled(&d, controller));
    let mut settings = settings(hierarchies, resources);
    settings.retain(|(controller, file, _)| {
        let asked_for =
            matches!((*controller, cpu_quota_us, memory_limit), ("cpu", Some(_), _) | ("memory", _, Some(_)));
        *file != "memory.oom.group" && (asked_for || has(controller))
    });
    set(hierarchies, path, settings)
}

/// Whether the group in this directory has the controller's files.
fn is_controlled(directory: &Path, controller: &str) -> bool {
    std::fs::read_dir(directory).is_ok_and(|entries| {
        let prefix = format!("{controller}.");
        entries.flatten().any(|e| {
            let name = e.file_name();
            let name = name.to_string_lossy();
            // On v2 usage and pressure are there without the controller.
            name.starts_with(&prefix)
                && !matches!(&*name, "cpu.stat" | "cpu.stat.local" | "cpu.pressure" | "memory.pressure")
        })
    })
}

fn settings(hierarchies: &Hierarchies, resources: &CgroupResources) -> Settings {
    match hierarchies {
        Hierarchies::V1(_) => v1(resources),
        Hierarchies::V2 => v2(resources),
    }
}

fn set(hierarchies: &Hierarchies, path: &str, settings: Settings) -> Result<(), RuntimeError> {
    for (controller, file, value) in settings {
        let Some(directory) = hierarchies.directory(controller, path) else {
            if is_least_weight(file, &value) {
                continue;
            }
            return Err(RuntimeError::Refused(format!(
                "this machine has no cgroup controller `{controller}`, which a resource limit needs"
            )));
        };
        match write(&directory.join(file), &value) {
            Err(_) if is_optional(file, &value, &directory) => {}
            result => result?,
        }
    }
    Ok(())
}

/// Swap accounting may be compiled out or switched off, and a limit without it still holds for memory.
fn is_optional(file: &str, value: &str, directory: &Path) -> bool {
    match file {
        _ if is_least_weight(file, value) => !directory.join(file).exists(),
        "memory.memsw.limit_in_bytes" | "memory.swap.max" | "memory.oom.group" => !directory.join(file).exists(),
        // Only the default was to be set.
        "pids.max" => !directory.join(file).exists(),
        _ => false,
    }
}

/// What a container gets that asks for no CPU.
fn is_least_weight(file: &str, value: &str) -> bool {
    matches!((file, value), ("cpu.shares", "2") | ("cpu.weight", "1"))
}

fn pids(resources: &CgroupResources) -> String {
    match resources.pids_limit.unwrap_or(DEFAULT_PIDS) {
        limit if limit > 0 => limit.to_string(),
        _ => "max".to_owned(),
    }
}

fn v1(resources: &CgroupResources) -> Settings {
    let CgroupResources { cpu_shares, cpu_quota_us, memory_limit, memory_reservation, pids_limit: _ } = *resources;
    let mut settings = Settings::new();
    if let Some(shares) = cpu_shares {
        settings.push(("cpu", "cpu.shares", shares.to_string()));
    }
    if let Some(quota) = cpu_quota_us {
        settings.push(("cpu", "cpu.cfs_period_us", CPU_PERIOD_US.to_string()));
        settings.push(("cpu", "cpu.cfs_quota_us", quota.to_string()));
    }
    if let Some(limit) = memory_limit {
        settings.push(("memory", "memory.limit_in_bytes", limit.to_string()));
        // Memory and swap together: no swap, as the kubelet has it.
        settings.push(("memory", "memory.memsw.limit_in_bytes", limit.to_string()));
    }
    if let Some(reservation) = memory_reservation {
        settings.push(("memory", "memory.soft_limit_in_bytes", reservation.to_string()));
    }
    settings.push(("pids", "pids.max", pids(resources)));
    settings
}

fn v2(resources: &CgroupResources) -> Settings {
    let CgroupResources { cpu_shares, cpu_quota_us, memory_limit, memory_reservation, pids_limit: _ } = *resources;
    let mut settings = Settings::new();
    if let Some(shares) = cpu_shares {
        settings.push(("cpu", "cpu.weight", weight_of_shares(shares).to_string()));
    }
    if let Some(quota) = cpu_quota_us {
        let quota = if quota > 0 { quota.to_string() } else { "max".to_owned() };
        settings.push(("cpu", "cpu.max", format!("{quota} {CPU_PERIOD_US}")));
    }
    if let Some(limit) = memory_limit {
        settings.push(("memory", "memory.max", limit.to_string()));
        settings.push(("memory", "memory.swap.max", "0".to_owned()));
        settings.push(("memory", "memory.oom.group", "1".to_owned()));
    }
    if let Some(reservation) = memory_reservation {
        settings.push(("memory", "memory.low", reservation.to_string()));
    }
    settings.push(("pids", "pids.max", pids(resources)));
    settings
}

/// Shares run from 2 to 262144, weights from 1 to 10000.
pub(super) fn weight_of_shares(shares: u64) -> u64 {
    let shares = shares.clamp(2, 262_144);
    1 + (shares - 2) * 9_999 / 262_142
}

/// The v1 device controller: denies everything, then allows what is listed.
pub(super) fn apply_device_list(
    hierarchies: &Hierarchies,
    path: &str,
    devices: &DeviceAccess,
) -> Result<(), RuntimeError> {
    let Some(directory) = hierarchies.directory("devices", path) else { return Ok(()) };
    match devices {
        DeviceAccess::All => write(&directory.join("devices.allow"), "a"),
        DeviceAccess::Only(rules) => {
            write(&directory.join("devices.deny"), "a")?;
            let allow = directory.join("devices.allow");
            rules.iter().try_for_each(|rule| write(&allow, &v1_rule(rule)))
        }
    }
}

fn v1_rule(rule: &DeviceRule) -> String {
    let number = |n: Option<u32>| n.map_or("*".to_owned(), |n| n.to_string());
    format!("{} {}:{} {}", rule.kind, number(rule.major), number(rule.minor), rule.access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_both_versions() {
        let resources = CgroupResources {
            cpu_shares: Some(1024),
            cpu_quota_us: Some(50_000),
            memory_limit: Some(1 << 20),
            memory_reservation: None,
            pids_limit: None,
        };
        let lines = |settings: Settings| settings.into_iter().map(|(_, f, v)| format!("{f}={v}")).collect::<Vec<_>>();
        assert_eq!(
            lines(v1(&resources)),
            [
                "cpu.shares=1024",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "memory.limit_in_bytes=1048576",
                "memory.memsw.limit_in_bytes=1048576",
                "pids.max=2048",
            ]
        );
        assert_eq!(
            lines(v2(&resources)),
            [
                "cpu.weight=39",
                "cpu.max=50000 100000",
                "memory.max=1048576",
                "memory.swap.max=0",
                "memory.oom.group=1",
                "pids.max=2048",
            ]
        );
    }

    #[test]
    fn weights_stay_in_range() {
        assert_eq!(weight_of_shares(0), 1);
        assert_eq!(weight_of_shares(2), 1);
        assert_eq!(weight_of_shares(262_144), 10_000);
        assert_eq!(weight_of_shares(u64::MAX), 10_000);
    }

    #[test]
    fn an_unlimited_pids_limit_is_said() {
        assert_eq!(pids(&CgroupResources { pids_limit: Some(-1), ..CgroupResources::default() }), "max");
    }

    #[test]
    fn device_rules_as_the_kernel_reads_them() {
        let rule = DeviceRule { kind: 'c', major: Some(136), minor: None, access: "rwm" };
        assert_eq!(v1_rule(&rule), "c 136:* rwm");
    }
}
