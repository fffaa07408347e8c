//! What `info` shows.

use super::{Engine, EngineError, machine};
use crate::store::apps;
use serde::Serialize;
use std::path::PathBuf;

/// The machine, the store and what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Info {
    pub version: &'static str,
    pub hostname: String,
    pub kernel: String,
    pub architecture: &'static str,
    pub cpus: usize,
    /// Bytes.
    pub memory_total: u64,
    /// Bytes.
    pub memory_available: u64,
    pub boot_id: String,
    /// `v1`, `v2` or `hybrid`.
    pub cgroup_version: &'static str,
    pub cgroup_manager: &'static str,
    pub root: PathBuf,
    pub run: PathBuf,
    pub applications: usize,
    pub pods: usize,
    pub containers: usize,
    pub containers_running: usize,
    pub images: usize,
    pub volumes: usize,
    /// Registries that are searched for a name without one, in that order.
    pub search_registries: Vec<String>,
}

impl Engine {
    pub fn info(&mut self) -> Result<Info, EngineError> {
        let pods = self.pods()?;
        let containers: Vec<_> = pods.iter().flat_map(|pod| pod.containers()).collect();
        let uname = rustix::system::uname();
        Ok(Info {
            version: env!("CARGO_PKG_VERSION"),
            hostname: uname.nodename().to_string_lossy().into_owned(),
            kernel: uname.release().to_string_lossy().into_owned(),
            architecture: std::env::consts::ARCH,
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_total: memory("MemTotal:"),
            memory_available: memory("MemAvailable:"),
            boot_id: machine::boot_id()?,
            cgroup_version: cgroup_version(),
            cgroup_manager: self.config.cgroup_manager.as_str(),
            root: self.layout().root.clone(),
            run: self.layout().run.clone(),
            applications: apps::names(self.database.connection())?.len(),
            pods: pods.len(),
            containers: containers.len(),
            containers_running: containers.iter().filter(|container| container.is_running()).count(),
            images: self.images().list()?.len(),
            volumes: self.volume_store().list()?.len(),
            search_registries: self.search_registries()?,
        })
    }
}

/// A value of `/proc/meminfo` in bytes; 0 when it is not there.
fn memory(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kibibytes: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok());
    kibibytes.unwrap_or_default() * 1024
}

fn cgroup_version() -> &'static str {
    let unified = |path: &str| std::path::Path::new(path).join("cgroup.controllers").exists();
    if unified("/sys/fs/cgroup") {
        "v2"
    } else if unified("/sys/fs/cgroup/unified") {
        "hybrid"
    } else {
        "v1"
    }
}
