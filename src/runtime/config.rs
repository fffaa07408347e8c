//! What one container needs to be made: resolved, so that nothing is looked up while it is created.

use crate::model::device::{Access, DeviceNumber};
use crate::model::{CpuSet, UserIds};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// One container, ready to be created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Directory of its own below `<run>/containers`: bundle, runtime state, `exec.json` for later execs.
    pub run_dir: PathBuf,
    pub rootfs: Rootfs,
    pub process: Process,
    pub namespaces: Namespaces,
    /// The user namespace of a pod that has one of its own.
    pub users: Option<Users>,
    /// Written to the UTS namespace by whoever made it; here for `/etc/hostname` and `HOSTNAME`.
    pub hostname: String,
    /// In mount order, beside the standard ones (`/proc`, `/dev`, `/sys`, `/dev/shm`, `/dev/mqueue`, `/dev/pts`, cgroup).
    pub mounts: Vec<Mount>,
    pub devices: Vec<Device>,
    pub hooks: Vec<Hook>,
    pub sysctls: Vec<(String, String)>,
    pub resources: CgroupResources,
    /// Bytes by size of huge page; what is not listed has no limit.
    pub huge_pages: Vec<(u64, u64)>,
    pub cpu_set: CpuSet,
    /// Relative to the cgroup root: `podkin/<pod id>/<container id>`.
    pub cgroup_path: String,
    pub readonly_rootfs: bool,
    /// `user:role:type:level` of all files in its root and `/dev`, for a machine with SELinux.
    pub se_linux_file_label: Option<String>,
    /// All devices, no masked or read-only paths, writable sysfs and cgroupfs.
    pub privileged: bool,
    /// `procMount: Unmasked`: no masked or read-only paths.
    pub unmasked_proc: bool,
}

/// An overlay of unpacked layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rootfs {
    /// Directories of the image's layers, lowest first.
    pub layers: Vec<PathBuf>,
    /// Where the layers are that podkin makes (`/dev`, `/proc`, `/sys`, `/etc/hosts`...) and puts between the image and `upper`;
    /// containers share them.
    pub init_layers: PathBuf,
    pub upper: PathBuf,
    pub work: PathBuf,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// What messages call the program: its first argument as it was written, before values were filled in, which may be secret.
    pub name: String,
    /// At least one; the first is looked up in the container's `PATH` when it has no slash.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Absolute.
    pub cwd: String,
    pub user: UserSpec,
    pub terminal: bool,
    /// The program is the child of an init process, which is the container's first one.
    #[serde(default)]
    pub init: bool,
    /// Names without `CAP_`; cut to what this process holds.
    pub capabilities: BTreeSet<String>,
    pub no_new_privileges: bool,
    pub seccomp: Seccomp,
    pub app_armor: AppArmor,
    /// `user:role:type:level`, for a machine with SELinux.
    pub se_linux_label: Option<String>,
    /// Name (`nofile`), soft, hard; cut to our own hard limits.
    pub rlimits: Vec<(String, u64, u64)>,
    /// Best effort.
    pub oom_score_adj: Option<i32>,
}

/// Who the process runs as; names are looked up in the container's own `/etc/passwd` and `/etc/group`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UserSpec {
    /// `user`, `uid`, `user:group`, `uid:gid` as an image or `exec -u` gives it; empty is root.
    pub spec: String,
    /// From `runAsUser`: replaces the user of `spec`.
    pub uid: Option<u32>,
    /// From `runAsGroup`: replaces the group of `spec`.
    pub gid: Option<u32>,
    /// `supplementalGroups` and `fsGroup`, beside those the image's `/etc/group` gives the user.
    pub additional_gids: Vec<u32>,
    /// Only `additional_gids`: those of the image's `/etc/group` are left out.
    #[serde(default)]
    pub strict_groups: bool,
    /// `runAsNonRoot`: refuse uid 0, and a user that is not numeric.
    pub must_not_be_root: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Seccomp {
    /// The built-in profile.
    #[default]
    Default,
    Unconfined,
    /// A profile in the OCI or containers JSON form.
    Profile(PathBuf),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum AppArmor {
    #[default]
    Unconfined,
    /// Name of a profile that is used where it is loaded.
    Default(String),
    /// Name of a profile that must be loaded.
    Profile(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Namespaces {
    /// Paths of namespaces to join; `None` is the host's.
    pub network: Option<PathBuf>,
    pub ipc: Option<PathBuf>,
    pub uts: Option<PathBuf>,
    pub pid: PidNamespace,
}

/// A pinned user namespace, which owns the pod's other namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    pub namespace: PathBuf,
    /// The host's id of its root.
    pub first: u32,
    /// How many ids it has.
    #[serde(default = "Users::usual")]
    pub count: u32,
}

impl Users {
    fn usual() -> u32 {
        UserIds::USUAL
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PidNamespace {
    /// One of its own.
    Private,
    Host,
    Join(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute, cleaned path in the container.
    pub target: String,
    pub kind: MountKind,
    pub read_only: bool,
    /// Also what is mounted below the source.
    pub recursive_read_only: bool,
    pub propagation: MountPropagation,
    pub options: MountOptions,
}

/// What a mount forbids beyond what its source does; for it alone, not for mounts below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountOptions {
    pub no_exec: bool,
    pub no_dev: bool,
    pub no_suid: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MountKind {
    /// A host file or directory. `sub_path` is resolved below `source` without leaving it (openat2), made when absent, and mounted
    /// by descriptor.
    Bind {
        source: PathBuf,
        sub_path: Option<String>,
    },
    Tmpfs {
        size: Option<u64>,
        mode: u32,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum MountPropagation {
    #[default]
    Private,
    HostToContainer,
    Bidirectional,
}

/// A device node, or those below a directory; what is not said is as the host has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    pub host: PathBuf,
    pub container: String,
    pub access: Access,
    pub number: Option<DeviceNumber>,
    /// Permission bits.
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

impl Device {
    /// The host's own.
    pub fn of_host(host: impl Into<PathBuf>, container: impl Into<String>, access: Access) -> Self {
        Self { host: host.into(), container: container.into(), access, number: None, mode: None, uid: None, gid: None }
    }
}

/// A program of the machine that is run before the container has its root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    pub path: PathBuf,
    /// The first is the name it is called by.
    pub args: Vec<String>,
    /// All of its environment.
    pub env: Vec<(String, String)>,
    pub timeout_seconds: u32,
}

/// Limits of one container; `None` is unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CgroupResources {
    /// cgroup v1 `cpu.shares`; turned into a weight on v2.
    pub cpu_shares: Option<u64>,
    /// Microseconds per 100 ms period.
    pub cpu_quota_us: Option<i64>,
    /// Bytes.
    pub memory_limit: Option<i64>,
    /// Bytes.
    pub memory_reservation: Option<i64>,
    pub pids_limit: Option<i64>,
}
