//! One container: from a resolved configuration to a running process, by libcontainer behind a small trait.
//!
//! ```text
//! launcher (forked, one thread)                          container's init (child of the launcher's parent)
//!   create: cgroups, overlay, /dev, volumes ── libcontainer ──> namespaces, pivot_root, user
//!   reads the pid, exits                                        waits on its socket
//! anybody
//!   start: connects to the socket ─────────────────────────────> signals, seccomp, capabilities, execve
//!   the report pipe ends: it runs; or says why it does not <───── report
//! ```
//!
//! `create` leaves nothing mounted outside: the launcher's mount namespace ends with the launcher, and the container keeps its
//! own. `exec` runs further processes, `pause` holds a shared pid namespace. Signals go by pidfd and waiting is the parent's affair: neither is here.

pub mod cdi;
pub mod cgroup;
pub mod config;
mod confinement;
mod entry;
pub mod exec;
mod hook;
mod init;
mod libcontainer;
pub mod pause;
mod record;
pub mod report;
mod rootfs;
mod seccomp;
mod spec;
mod sysctl;
pub mod users;

pub use libcontainer::Libcontainer;
pub use record::{FirstUser, first_user};

use config::ContainerConfig;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What makes and removes containers.
pub trait Runtime {
    /// Makes the container and its first process, which waits for [`Runtime::start`].
    ///
    /// To be called in a child of the container's future parent that was forked for this one call and has one thread; it moves
    /// itself into the container's cgroups and a mount namespace of its own. The container's process is a child of the
    /// *caller's parent*, which also finds a short-lived helper of the same making to reap. `report` is the write end of a
    /// [`report::pipe`]: the process keeps it until it has executed its program.
    fn create(&self, config: &ContainerConfig, stdio: Stdio, report: OwnedFd) -> Result<Created, RuntimeError>;

    /// Lets a created container execute its program. Any process may call it, once.
    fn start(&self, run_dir: &Path) -> Result<(), RuntimeError>;

    /// Kills what is left in the container's cgroups and takes them and the runtime's files below `run_dir` away. The
    /// container's process must be dead or doomed; a container that is not there is a success.
    fn delete(&self, run_dir: &Path) -> Result<(), RuntimeError>;
}

/// Standard input, output and error of a process in a container.
#[derive(Debug)]
pub enum Stdio {
    Descriptors {
        stdin: OwnedFd,
        stdout: OwnedFd,
        stderr: OwnedFd,
    },
    /// A new pseudo-terminal of the container's own devpts, so that `/dev/tty` and ttyname(3) work there; the caller gets the
    /// other side.
    Terminal,
}

/// A container whose process waits to be started.
#[derive(Debug)]
pub struct Created {
    /// As seen by the caller.
    pub pid: i32,
    /// The controlling side of the terminal, for [`Stdio::Terminal`].
    pub console: Option<OwnedFd>,
}

/// Why a container could not be created, started or deleted.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The image or the specification asks for what is refused; the text says what.
    #[error("{0}")]
    Refused(String),
    #[error("cannot {action} `{path}`")]
    Path {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot {action}")]
    System {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    /// `cwd` of the process.
    #[error("cannot use working directory `{path}`")]
    WorkingDirectory {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot run as user `{user}`: {reason}")]
    User { user: String, reason: String },
    /// `runAsNonRoot` is violated, or nobody can tell; in the kubelet's words, by which scripts know them.
    #[error("{0}")]
    NonRoot(String),
    #[error("cannot use seccomp profile `{profile}`: {reason}")]
    Seccomp { profile: String, reason: String },
    /// What libcontainer said, causes joined by `: `.
    #[error("cannot create container: {0}")]
    Create(String),
}
