//! Other limits for a group that has processes.

use super::limits::{CPU_PERIOD_US, weight_of_shares};
use super::{Hierarchies, write};
use crate::runtime::RuntimeError;
use crate::runtime::config::CgroupResources;
use std::fs;
use std::path::Path;

const V1_LIMIT: &str = "memory.limit_in_bytes";
/// Memory and swap together, never less than memory alone.
const V1_BOTH: &str = "memory.memsw.limit_in_bytes";
const UNLIMITED: i64 = -1;

/// Gives a group other CPU shares and another quota; what is unset is unlimited from now on.
pub fn resize_cpu(path: &str, resources: &CgroupResources) -> Result<(), RuntimeError> {
    let CgroupResources { cpu_shares, cpu_quota_us, memory_limit: _, memory_reservation: _, pids_limit: _ } =
        *resources;
    let hierarchies = detect()?;
    let least = cpu_quota_us.is_none();
    let Some(directory) = directory(&hierarchies, "cpu", path, least)? else { return Ok(()) };
    let shares = cpu_shares.unwrap_or_default();
    let settings = match hierarchies {
        Hierarchies::V1(_) => vec![
            ("cpu.shares", shares.max(2).to_string()),
            ("cpu.cfs_period_us", CPU_PERIOD_US.to_string()),
            ("cpu.cfs_quota_us", cpu_quota_us.unwrap_or(UNLIMITED).to_string()),
        ],
        Hierarchies::V2 => {
            let quota = cpu_quota_us.map_or("max".to_owned(), |quota| quota.to_string());
            vec![("cpu.weight", weight_of_shares(shares).to_string()), ("cpu.max", format!("{quota} {CPU_PERIOD_US}"))]
        }
    };
    settings.into_iter().filter(|(file, _)| !least || directory.join(file).exists()).try_for_each(|(file, value)| {
        let same = fs::read_to_string(directory.join(file)).is_ok_and(|present| present.trim() == value);
        if same { Ok(()) } else { write(&directory.join(file), &value) }
    })
}

/// Gives a group another memory limit and reservation; what is unset is unlimited from now on.
///
/// # Errors
/// Its processes use more than the limit, and the kernel could not take it from them.
pub fn resize_memory(path: &str, resources: &CgroupResources) -> Result<(), RuntimeError> {
    let CgroupResources { memory_limit, memory_reservation, cpu_shares: _, cpu_quota_us: _, pids_limit: _ } =
        *resources;
    let hierarchies = detect()?;
    let least = memory_limit.is_none();
    let Some(directory) = directory(&hierarchies, "memory", path, least)? else { return Ok(()) };
    if least && !directory.join("memory.stat").exists() {
        return Ok(());
    }
    match hierarchies {
        Hierarchies::V1(_) => {
            set_v1_limit(&directory, memory_limit)?;
            let reservation = memory_reservation.unwrap_or(UNLIMITED).to_string();
            write(&directory.join("memory.soft_limit_in_bytes"), &reservation)
        }
        Hierarchies::V2 => {
            // A limit below that would be taken, and the processes be killed.
            if let (Some(limit), Some(used)) = (memory_limit, read(&directory, "memory.current"))
                && limit < used
            {
                return Err(RuntimeError::Refused(format!("{used} bytes are in use, more than {limit}")));
            }
            let limit = memory_limit.map_or("max".to_owned(), |limit| limit.to_string());
            write(&directory.join("memory.max"), &limit)?;
            let swap = directory.join("memory.swap.max");
            if swap.exists() {
                write(&swap, if least { "max" } else { "0" })?;
            }
            write(&directory.join("memory.low"), &memory_reservation.unwrap_or_default().to_string())
        }
    }
}

/// The one that is in the way of the other goes first.
fn set_v1_limit(directory: &Path, limit: Option<i64>) -> Result<(), RuntimeError> {
    let value = limit.unwrap_or(UNLIMITED).to_string();
    // Swap may not be accounted for.
    let set = |file: &str| match file == V1_LIMIT || directory.join(file).exists() {
        true => write(&directory.join(file), &value),
        false => Ok(()),
    };
    let grows = limit.is_none_or(|limit| read(directory, V1_LIMIT).is_some_and(|old| old < limit));
    let [first, second] = if grows { [V1_BOTH, V1_LIMIT] } else { [V1_LIMIT, V1_BOTH] };
    let before = read(directory, first);
    set(first)?;
    set(second).inspect_err(|_| {
        if let Some(before) = before {
            // It held a moment ago; the error that is told is the first.
            let _ = write(&directory.join(first), &before.to_string());
        }
    })
}

fn detect() -> Result<Hierarchies, RuntimeError> {
    Hierarchies::detect().map_err(|source| RuntimeError::System { action: "find the cgroup file systems", source })
}

/// The directory with the controller's files; a machine without the controller has none, which is well if no limit is wanted.
fn directory(
    hierarchies: &Hierarchies,
    controller: &str,
    path: &str,
    least: bool,
) -> Result<Option<std::path::PathBuf>, RuntimeError> {
    match hierarchies.directory(controller, path) {
        None if !least => Err(RuntimeError::Refused(format!(
            "this machine has no cgroup controller `{controller}`, which a resource limit needs"
        ))),
        directory => Ok(directory),
    }
}

fn read(directory: &Path, file: &str) -> Option<i64> {
    fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok()
}
