//! What a group has used.

use super::Hierarchies;
use std::fs;
use std::io;
use std::path::Path;

/// Use of one group and all below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Nanoseconds of CPU time since the group was made.
    pub cpu_ns: u64,
    /// Bytes that cannot be given back at once: without the inactive file cache.
    pub memory_bytes: u64,
    /// Bytes; `None` without a limit.
    pub memory_limit: Option<u64>,
    /// Processes and threads.
    pub pids: u64,
}

/// Reads the use of a group; a controller this machine does not have counts as 0.
pub fn stats(path: &str) -> io::Result<Stats> {
    let hierarchies = Hierarchies::detect()?;
    let file = |controller: &str, name: &str| {
        hierarchies.directory(controller, path).and_then(|d| fs::read_to_string(d.join(name)).ok()).unwrap_or_default()
    };
    let number = |text: String| text.trim().parse::<u64>().unwrap_or(0);
    let pids = number(file("pids", "pids.current"));
    let memory_stat = file("memory", "memory.stat");
    Ok(match hierarchies {
        Hierarchies::V1(_) => Stats {
            cpu_ns: number(file("cpuacct", "cpuacct.usage")),
            memory_bytes: number(file("memory", "memory.usage_in_bytes"))
                .saturating_sub(value(&memory_stat, "total_inactive_file").unwrap_or(0)),
            // "No limit" is the largest multiple of the page size there.
            memory_limit: Some(number(file("memory", "memory.limit_in_bytes"))).filter(|n| (1..1 << 62).contains(n)),
            pids,
        },
        Hierarchies::V2 => Stats {
            cpu_ns: value(&file("cpu", "cpu.stat"), "usage_usec").unwrap_or(0).saturating_mul(1000),
            memory_bytes: number(file("memory", "memory.current"))
                .saturating_sub(value(&memory_stat, "inactive_file").unwrap_or(0)),
            memory_limit: file("memory", "memory.max").trim().parse().ok(),
            pids,
        },
    })
}

/// Whether the kernel has killed a process of the group for want of memory since the group was made.
pub fn oom_killed(path: &str) -> io::Result<bool> {
    let hierarchies = Hierarchies::detect()?;
    let name = match hierarchies {
        Hierarchies::V1(_) => "memory.oom_control",
        Hierarchies::V2 => "memory.events",
    };
    let Some(directory) = hierarchies.directory("memory", path) else { return Ok(false) };
    Ok(read_optional(&directory.join(name))?.is_some_and(|text| value(&text, "oom_kill").is_some_and(|n| n > 0)))
}

fn read_optional(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number beside a key in a file of `key number` lines.
fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyed_numbers() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        assert_eq!(value(text, "oom_kill"), Some(2));
        assert_eq!(value(text, "oom"), None);
    }
}
