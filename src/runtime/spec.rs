//! The OCI runtime specification of a container as libcontainer is to see it.
//!
//! It asks for little: a mount, a cgroup and perhaps a pid namespace, `/proc`, the user, and paths to hide. Left out, with the
//! reason: `linux.seccomp` (compiled anew each time), `process.capabilities` (one we lack fails), `rlimits` and `oomScoreAdj`
//! (likewise), `noNewPrivileges` (`false` is not the same as absent), `resources` and the other namespaces (the launcher
//! is there already), and `mounts` beside `/proc` (made by descriptor before).

use super::config::{ContainerConfig, PidNamespace};
use super::record::ExecRecord;
use super::rootfs::Assembled;
use serde_json::{Value, json};
use std::path::Path;

/// Files and directories that say too much about the machine.
const MASKED: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/fs/selinux",
    "/sys/devices/virtual/powercap",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

pub(super) fn write(
    config: &ContainerConfig,
    assembled: &Assembled,
    record: &ExecRecord,
    cgroup_path: &Path,
) -> Vec<u8> {
    spec(config, assembled, record, cgroup_path).to_string().into_bytes()
}

fn spec(config: &ContainerConfig, assembled: &Assembled, record: &ExecRecord, cgroup_path: &Path) -> Value {
    let hide = !config.privileged && !config.unmasked_proc;
    let masked = if hide { masked_paths() } else { Vec::new() };
    let read_only: &[&str] = if hide { &READ_ONLY } else { &[] };
    json!({
        "ociVersion": "1.0.2",
        "root": { "path": assembled.merged, "readonly": config.readonly_rootfs },
        "process": {
            "terminal": false,
            "user": { "uid": record.identity.uid, "gid": record.identity.gid },
            // Set by the entry, which has them; libcontainer would look up `HOME` in the image with the host's C library.
            "args": ["container"],
            "env": ["HOME=/", "PATH=/"],
            "cwd": record.cwd,
        },
        "mounts": [{
            "destination": "/proc",
            "type": "proc",
            "source": "proc",
            "options": ["nosuid", "noexec", "nodev"],
        }],
        "linux": {
            "namespaces": namespaces(config, assembled),
            "cgroupsPath": cgroup_path,
            "maskedPaths": masked,
            "readonlyPaths": read_only,
        },
    })
}

fn namespaces(config: &ContainerConfig, assembled: &Assembled) -> Vec<Value> {
    let mut namespaces = vec![json!({ "type": "mount" }), json!({ "type": "cgroup" })];
    if let Some(users) = &config.users {
        namespaces.push(json!({ "type": "user", "path": users.namespace }));
    }
    match &config.namespaces.pid {
        PidNamespace::Private => namespaces.push(json!({ "type": "pid" })),
        PidNamespace::Join(path) => {
            let path = assembled.pid_namespace.as_ref().unwrap_or(path);
            namespaces.push(json!({ "type": "pid", "path": path }));
        }
        PidNamespace::Host => {}
    }
    namespaces
}

fn masked_paths() -> Vec<String> {
    let mut paths: Vec<String> = MASKED.iter().map(|path| (*path).to_owned()).collect();
    // One for each processor, and on many machines none.
    for number in 0.. {
        let processor = format!("/sys/devices/system/cpu/cpu{number}");
        if !Path::new(&processor).exists() {
            break;
        }
        let throttle = format!("{processor}/thermal_throttle");
        if Path::new(&throttle).exists() {
            paths.push(throttle);
        }
    }
    paths
}
