//! Control groups of containers and pods, on cgroup v1 (also beside an empty v2 tree) and v2.
//!
//! libcontainer's own handling is passed by: it reads the mount table two dozen times a container, and attaches processes in a
//! way that waits for every CPU (8 ms on an idle machine). Here a process moves *itself*: on v1 by writing 0 to `tasks`, which
//! takes no global lock.
//!
//! Paths are relative to the cgroup root, as in `podkin/<pod id>/<container id>`.

mod cpu_set;
mod device_filter;
mod huge_pages;
mod limits;
mod remove;
mod resize;
mod stats;
mod view;

pub(crate) use huge_pages::limit_huge_pages;
pub use remove::{kill_cgroup, remove_cgroup};
pub use resize::{resize_cpu, resize_memory};
pub use stats::{Stats, oom_killed, stats};
pub(crate) use view::{mount_view, stand_in};

use super::config::CgroupResources;
use crate::model::CpuSet;
use crate::runtime::RuntimeError;
use rustix::fs::{CWD, Mode, OFlags};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// The v1 controllers a container gets a group in, [`CPUSET`] only when it asks for that. No named hierarchy: nothing there limits a
/// container.
const V1_CONTROLLERS: [&str; 9] =
    ["cpu", "cpuacct", "memory", "pids", "devices", "freezer", "blkio", "hugetlb", CPUSET];
/// The controller whose v1 groups need their parents' settings copied before a process may be in them.
const CPUSET: &str = "cpuset";

/// How this machine mounts cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hierarchies {
    V1(Vec<Controller>),
    V2,
}

/// A v1 controller and where its tree is mounted; controllers mounted together share the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Controller {
    pub name: &'static str,
    pub mount: PathBuf,
    /// Another controller's tree is the same one.
    pub shared: bool,
}

impl Hierarchies {
    pub(crate) fn detect() -> io::Result<Self> {
        if rustix::fs::statfs(ROOT)?.f_type as u64 == CGROUP2_MAGIC {
            return Ok(Self::V2);
        }
        let mut seen = Vec::new();
        let mut controllers = Vec::new();
        for name in V1_CONTROLLERS {
            let mount = Path::new(ROOT).join(name);
            let Ok(stat) = rustix::fs::stat(&mount) else { continue };
            // An unmounted directory lies on the tmpfs of the root; it has no `tasks`.
            if !mount.join("tasks").exists() {
                continue;
            }
            let shared = seen.contains(&stat.st_dev);
            seen.push(stat.st_dev);
            controllers.push(Controller { name, mount, shared });
        }
        Ok(Self::V1(controllers))
    }

    /// The directories of the group at `path`, one a tree; that of [`CPUSET`] may be none.
    pub(crate) fn directories(&self, path: &str) -> Vec<PathBuf> {
        match self {
            Self::V1(controllers) => controllers.iter().filter(|c| !c.shared).map(|c| c.mount.join(path)).collect(),
            Self::V2 => vec![Path::new(ROOT).join(path)],
        }
    }

    /// The directory that has a controller's files.
    pub(crate) fn directory(&self, controller: &str, path: &str) -> Option<PathBuf> {
        match self {
            Self::V1(controllers) => controllers.iter().find(|c| c.name == controller).map(|c| c.mount.join(path)),
            Self::V2 => Some(Path::new(ROOT).join(path)),
        }
    }

    /// The directory of a v1 controller that has a tree for itself.
    fn own_directory(&self, controller: &str, path: &str) -> Option<PathBuf> {
        match self {
            Self::V1(controllers) => {
                controllers.iter().find(|c| c.name == controller && !c.shared).map(|c| c.mount.join(path))
            }
            Self::V2 => None,
        }
    }
}

/// A device a container may use: `c` or `b`, major and minor number (`None` is every one), access as in `rwm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceRule {
    pub kind: char,
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub access: &'static str,
}

/// What a container may do with devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeviceAccess {
    All,
    Only(Vec<DeviceRule>),
}

impl DeviceAccess {
    /// The devices every container has (OCI runtime specification, "Default Devices"), making any node, and these.
    pub(crate) fn with_defaults(extra: impl IntoIterator<Item = DeviceRule>) -> Self {
        let any = |kind| DeviceRule { kind, major: None, minor: None, access: "m" };
        let node = |major, minor| DeviceRule { kind: 'c', major: Some(major), minor, access: "rwm" };
        let mut rules = vec![any('c'), any('b')];
        // null, zero, full, random, urandom; tty, console, ptmx; the terminals of devpts.
        rules.extend([3, 5, 7, 8, 9].map(|minor| node(1, Some(minor))));
        rules.extend([0, 1, 2].map(|minor| node(5, Some(minor))));
        rules.push(node(136, None));
        rules.extend(extra);
        Self::Only(rules)
    }
}

fn make(path: &str) -> Result<Hierarchies, RuntimeError> {
    let hierarchies = Hierarchies::detect()
        .map_err(|source| RuntimeError::System { action: "find the cgroup file systems", source })?;
    if hierarchies == Hierarchies::V2 {
        enable_controllers(path);
    }
    let optional = hierarchies.own_directory(CPUSET, path);
    for directory in hierarchies.directories(path).into_iter().filter(|d| Some(d) != optional.as_ref()) {
        make_directories(&directory).map_err(|source| RuntimeError::Path {
            action: "create cgroup",
            path: directory.clone(),
            source,
        })?;
    }
    Ok(hierarchies)
}

/// Makes the group in every tree, sets its limits, and leaves membership to [`join`].
pub(crate) fn create(
    path: &str,
    resources: &CgroupResources,
    cpu_set: &CpuSet,
    devices: &DeviceAccess,
) -> Result<(), RuntimeError> {
    let system = |action, source| RuntimeError::System { action, source };
    let hierarchies = make(path)?;
    limits::apply(&hierarchies, path, resources)?;
    cpu_set::apply(&hierarchies, path, cpu_set)?;
    match &hierarchies {
        Hierarchies::V1(_) => limits::apply_device_list(&hierarchies, path, devices),
        Hierarchies::V2 => device_filter::attach(&Path::new(ROOT).join(path), devices)
            .map_err(|e| system("attach the cgroup's device filter", e)),
    }
}

/// Makes the group of a pod in every tree, with the limits that hold for its containers together.
pub fn create_pod(path: &str, resources: &CgroupResources) -> Result<(), RuntimeError> {
    let hierarchies = make(path)?;
    limits::apply_to_pod(&hierarchies, path, resources)
}

/// A concurrent removal of an empty parent may come between two steps: then the whole is tried again.
fn make_directories(directory: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..5 {
        result = fs::create_dir_all(directory);
        match &result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => break,
        }
    }
    result
}

/// Lets the parents of a v2 group hand their controllers down; what is missing shows when a limit is set.
fn enable_controllers(path: &str) {
    let Ok(available) = fs::read_to_string(Path::new(ROOT).join("cgroup.controllers")) else { return };
    let mut directory = PathBuf::from(ROOT);
    for component in Path::new(path).components() {
        let control = directory.join("cgroup.subtree_control");
        for name in available.split_ascii_whitespace() {
            // One by one: a controller that cannot be enabled must not keep the others back.
            let _ = fs::write(&control, format!("+{name}"));
        }
        directory.push(component);
        let _ = fs::create_dir(&directory);
    }
}

/// Moves the calling process, which has one thread, into the group.
pub(crate) fn join(path: &str) -> Result<(), RuntimeError> {
    let hierarchies = Hierarchies::detect()
        .map_err(|source| RuntimeError::System { action: "find the cgroup file systems", source })?;
    let file = match hierarchies {
        Hierarchies::V1(_) => "tasks",
        Hierarchies::V2 => "cgroup.procs",
    };
    let optional = hierarchies.own_directory(CPUSET, path);
    for directory in hierarchies.directories(path) {
        if Some(&directory) == optional.as_ref() && !directory.exists() {
            continue;
        }
        write(&directory.join(file), "0")?;
    }
    Ok(())
}

/// Moves the calling process into the groups that another process is in.
pub(crate) fn join_process(pid: i32) -> io::Result<()> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let v2 = Hierarchies::detect()? == Hierarchies::V2;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let relative = path.trim_start_matches('/');
        if controllers.is_empty() {
            if v2 {
                write_raw(&Path::new(ROOT).join(relative).join("cgroup.procs"), "0")?;
            }
            continue;
        }
        // One name of those mounted together is enough; named hierarchies limit nothing.
        let Some(name) = controllers.split(',').find(|name| V1_CONTROLLERS.contains(name)) else { continue };
        write_raw(&Path::new(ROOT).join(name).join(relative).join("tasks"), "0")?;
    }
    Ok(())
}

pub(crate) fn write(path: &Path, value: &str) -> Result<(), RuntimeError> {
    write_raw(path, value).map_err(|source| RuntimeError::Path { action: "write", path: path.to_owned(), source })
}

fn write_raw(path: &Path, value: &str) -> io::Result<()> {
    let file = rustix::fs::openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, value.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_devices_are_character_devices_that_may_be_used() {
        let DeviceAccess::Only(rules) = DeviceAccess::with_defaults([]) else { panic!("restricted") };
        assert!(rules.iter().filter(|r| r.access == "rwm").all(|r| r.kind == 'c' && r.major.is_some()));
        assert!(rules.iter().filter(|r| r.major.is_none()).all(|r| r.access == "m"));
    }

    #[test]
    fn directories_of_trees_mounted_together_are_named_once() {
        let controller = |name, shared| Controller { name, mount: Path::new("/cg").join(name), shared };
        let hierarchies = Hierarchies::V1(vec![controller("cpu", false), controller("cpuacct", true)]);
        assert_eq!(hierarchies.directories("a/b"), [Path::new("/cg/cpu/a/b")]);
        assert_eq!(hierarchies.directory("cpuacct", "a").as_deref(), Some(Path::new("/cg/cpuacct/a")));
    }
}
