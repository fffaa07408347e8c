//! What a test left on the machine: mounts, processes, cgroups, network interfaces, nftables tables.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One line for each thing that belongs to the directories below `base` or to one of the pods.
pub fn find(base: &Path, pods: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(mounts(base).into_iter().map(|m| format!("mount {}", m.display())));
    found.extend(processes(base).into_iter().map(|(pid, what)| format!("process {pid} {what}")));
    found.extend(cgroups(pods).into_iter().map(|c| format!("cgroup {}", c.display())));
    found.extend(network(base));
    found.sort();
    found
}

/// The default bridge of the root, what hangs on it, and the root's rules.
fn network(base: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let bridge = PathBuf::from("/sys/class/net").join(format!("pkb{}", root_hash(base, "podkin")));
    if bridge.exists() {
        found.push(format!("bridge {}", bridge.display()));
        let ports = fs::read_dir(bridge.join("brif")).into_iter().flatten().flatten();
        found.extend(ports.map(|port| format!("link {}", port.path().display())));
    }
    let table = format!("podkin_{}", root_hash(base, ""));
    let tables = Command::new("nft").args(["list", "tables"]).output().map(|out| out.stdout).unwrap_or_default();
    if String::from_utf8_lossy(&tables).contains(&table) {
        found.push(format!("nftables table {table}"));
    }
    found
}

/// What names the networks of a root on the machine.
fn root_hash(base: &Path, salt: &str) -> String {
    use sha2::{Digest, Sha256};
    let directory = base.join("root/networks");
    let path = directory.canonicalize().unwrap_or(directory);
    let mut digest = Sha256::new();
    digest.update(path.as_os_str().as_encoded_bytes());
    digest.update([0]);
    digest.update(salt);
    digest.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Takes all of it away: processes, then mounts, then cgroups, then the network.
pub fn remove(base: &Path, pods: &BTreeSet<String>) {
    for cgroup in cgroups(pods) {
        for pid in pids_of(&cgroup) {
            kill(pid);
        }
    }
    for (pid, _) in processes(base) {
        kill(pid);
    }
    for mount in mounts(base).into_iter().rev() {
        let _ = Command::new("umount").arg("-l").arg(mount).output();
    }
    for _ in 0..50 {
        let left = cgroups(pods);
        if left.is_empty() {
            break;
        }
        for cgroup in left.iter().rev() {
            let _ = fs::remove_dir(cgroup);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // Absent ones are what is hoped for.
    let _ = Command::new("ip").args(["link", "del", &format!("pkb{}", root_hash(base, "podkin"))]).output();
    let table = format!("podkin_{}", root_hash(base, ""));
    let _ = Command::new("nft").args(["delete", "table", "inet", &table]).output();
}

/// Mount points below `base` in this mount namespace, outer ones first.
pub fn mounts(base: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    points.filter(|p| p.starts_with(base)).collect()
}

/// Processes that name `base` in their arguments, or live in a mount namespace that shows it as part of an overlay.
pub fn processes(base: &Path) -> Vec<(i32, String)> {
    let needle = base.as_os_str().to_string_lossy().into_owned();
    let own = fs::read_link("/proc/self/ns/mnt").ok();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        if pid == std::process::id() as i32 {
            continue;
        }
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let elsewhere = || fs::read_link(entry.path().join("ns/mnt")).ok() != own;
        let rooted = || fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default().contains(&needle);
        if arguments.contains(&needle) || (elsewhere() && rooted()) {
            found.push((pid, arguments.trim().to_owned()));
        }
    }
    found
}

/// Cgroup directories of these pods in every hierarchy, outer ones first.
pub fn cgroups(pods: &BTreeSet<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut roots = vec![PathBuf::from("/sys/fs/cgroup")];
    roots.extend(fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|e| e.path()));
    for root in roots {
        for entry in fs::read_dir(root.join("podkin")).into_iter().flatten().flatten() {
            if pods.contains(&*entry.file_name().to_string_lossy()) {
                walk(&entry.path(), &mut found);
            }
        }
    }
    found
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    found.push(directory.to_owned());
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            walk(&entry.path(), found);
        }
    }
}

fn pids_of(cgroup: &Path) -> Vec<i32> {
    let text = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // It may have ended meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}
