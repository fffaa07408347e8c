//! A further process in a running container.
//!
//! ```text
//! caller (one thread)                     child, born in the container's pid namespace
//!   pid namespace for children <- target
//!   fork ──────────────────────────────>  own session, the target's cgroups
//!   pid namespace for children <- own     user, mount, network, ipc, uts, cgroup namespaces
//!   reads the report to its end           directory, standard streams, user, then `entry` as for the first process
//! ```
//!
//! The child is the caller's own, its exit code is the command's, and nothing else is left. It gets seccomp filter, capabilities,
//! limits, no-new-privileges and environment of the container. libcontainer's way is not taken: it leaves out the user
//! namespace and the filter, and leaks processes when a command does not exist.

use super::config::UserSpec;
use super::entry::{Entry, EntryOptions};
use super::record::ExecRecord;
use super::report::{self, ExecFailure, ExecFailureKind};
use super::rootfs::{self, Identity, Tree};
use super::{RuntimeError, Stdio, cgroup, seccomp};
use crate::sys::capability::{self, Capabilities};
use crate::sys::namespace::{self, Kinds};
use crate::sys::process::{self, Child};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A running container.
#[derive(Debug)]
pub struct ExecTarget {
    /// [`ContainerConfig::run_dir`](super::config::ContainerConfig::run_dir).
    pub run_dir: PathBuf,
    /// The container's first process, as seen by the caller.
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// Of that process; tells it from a later one with the same number.
    pub start_ticks: u64,
}

/// What to run, and what differs from the container's first process.
#[derive(Clone, Default)]
pub struct ExecRequest {
    pub args: Vec<String>,
    /// Replaces or adds variables.
    pub env: Vec<(String, String)>,
    /// Absolute; else the container's.
    pub cwd: Option<String>,
    /// As in [`UserSpec::spec`]; else the container's.
    pub user: Option<String>,
    /// All capabilities, no seccomp filter.
    pub privileged: bool,
}

/// A process that has executed its program.
#[derive(Debug)]
pub struct Executed {
    pub child: Child,
    /// The controlling side of the terminal, for [`Stdio::Terminal`].
    pub console: Option<OwnedFd>,
}

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error("the container is not running")]
    NotRunning,
    #[error("cannot read what the container was started with at `{path}`")]
    Record {
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
    /// The command could not be executed; its kind has the exit code.
    #[error(transparent)]
    Command(#[from] ExecFailure),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl ExecTarget {
    /// Takes hold of a container's first process by what its record says.
    pub fn open(run_dir: impl Into<PathBuf>, pid: i32, start_ticks: u64) -> Result<Self, ExecError> {
        let pidfd = process::pidfd_open(pid).map_err(|_| ExecError::NotRunning)?;
        let target = Self { run_dir: run_dir.into(), pid, pidfd, start_ticks };
        target.check()?;
        Ok(target)
    }

    /// Fails unless the process lives and is the one that was meant.
    fn check(&self) -> Result<(), ExecError> {
        let same = process::start_ticks(self.pid).is_ok_and(|ticks| ticks == self.start_ticks);
        let alive = process::has_ended(&self.pidfd).is_ok_and(|ended| !ended);
        if same && alive { Ok(()) } else { Err(ExecError::NotRunning) }
    }

    /// The container's root, as the container sees it.
    fn root(&self) -> Result<Tree, ExecError> {
        let tree = Tree::open(Path::new(&format!("/proc/{}/root", self.pid))).map_err(|_| ExecError::NotRunning)?;
        // Now the path cannot have meant another process's root.
        self.check()?;
        Ok(tree)
    }

    fn record(&self) -> Result<ExecRecord, ExecError> {
        let path = || self.run_dir.join(ExecRecord::FILE);
        ExecRecord::read(&self.run_dir).map_err(|source| ExecError::Record { path: path(), source })
    }
}

/// Runs a command in the container, and returns when its program has been executed or could not be.
///
/// To be called in a process with one thread. The child outlives the caller when that ends first.
///
/// # Panics
/// When the calling process has more than one thread.
pub fn exec(target: &ExecTarget, request: &ExecRequest, stdio: Stdio) -> Result<Executed, ExecError> {
    process::assert_single_threaded();
    target.check()?;
    let record = target.record()?;
    let root = target.root()?;
    let identity = identity(&root, &record, request)?;
    let (reader, writer) = report::pipe().map_err(|source| ExecError::System { action: "make a pipe", source })?;
    let terminal = matches!(stdio, Stdio::Terminal);
    let entry = entry(&record, request, &identity, terminal, writer)?;
    let owner = record.users.as_ref().map_or(Ok(identity.uid), |users| users.host_id(identity.uid))?;
    let (streams, console) = streams(&root, stdio, owner)?;

    let plan = Plan {
        target,
        cwd: request.cwd.as_deref().unwrap_or(&record.cwd),
        oom_score_adj: record.oom_score_adj,
        identity: &identity,
        streams: streams.each_ref().map(OwnedFd::as_fd),
        entry: &entry,
    };
    let child = fork_into(target, || plan.run())?;
    drop(entry);
    let failure = report::receive(reader).map_err(|source| ExecError::System { action: "read the report", source });
    match failure {
        Ok(None) => Ok(Executed { child, console }),
        Ok(Some(failure)) => {
            // It is about to exit; its code says less than the report.
            let _ = process::wait(&child.pidfd);
            Err(failure.into())
        }
        Err(error) => {
            let _ = process::pidfd_kill(&child.pidfd);
            let _ = process::wait(&child.pidfd);
            Err(error)
        }
    }
}

fn identity(root: &Tree, record: &ExecRecord, request: &ExecRequest) -> Result<Identity, ExecError> {
    match &request.user {
        Some(spec) => {
            let strict_groups = record.user.strict_groups;
            Ok(rootfs::resolve(root, &UserSpec { spec: spec.clone(), strict_groups, ..UserSpec::default() })?)
        }
        None => Ok(record.identity.clone()),
    }
}

fn entry(
    record: &ExecRecord,
    request: &ExecRequest,
    identity: &Identity,
    terminal: bool,
    report: OwnedFd,
) -> Result<Entry, ExecError> {
    let privileged = request.privileged || record.privileged;
    let capabilities = if privileged {
        Capabilities::all()
    } else {
        let names = record.capabilities.iter().map(String::as_str);
        Capabilities::from_names(names).map_err(|name| RuntimeError::Refused(format!("unknown capability `{name}`")))?
    };
    let filter =
        if request.privileged { None } else { seccomp::filter(&record.seccomp_cache, &record.seccomp, capabilities)? };
    let options = EntryOptions {
        name: request.args.first().map_or("", String::as_str),
        args: &request.args,
        env: &environment(record, request, identity, terminal),
        limits: &record.rlimits,
        capabilities,
        no_new_privileges: record.no_new_privileges && !request.privileged,
        label: record.label.clone().filter(|_| !request.privileged),
        filter,
        terminal,
        init: None,
    };
    Ok(Entry::new(options, report).map_err(RuntimeError::Refused)?)
}

fn environment(
    record: &ExecRecord,
    request: &ExecRequest,
    identity: &Identity,
    terminal: bool,
) -> Vec<(String, String)> {
    let mut env = record.env.clone();
    let mut set = |name: &str, value: &str, replace: bool| match env.iter_mut().find(|(n, _)| n == name) {
        Some((_, old)) if replace => value.clone_into(old),
        Some(_) => {}
        None => env.push((name.to_owned(), value.to_owned())),
    };
    if terminal {
        set("TERM", "xterm", false);
    }
    // Another user has another home, unless somebody had set it.
    if request.user.is_some() {
        let was_looked_up = record.env.iter().any(|(n, v)| n == "HOME" && *v == record.identity.home);
        set("HOME", &identity.home, was_looked_up);
    }
    for (name, value) in &request.env {
        set(name, value, true);
    }
    env
}

type Streams = [OwnedFd; 3];

fn streams(root: &Tree, stdio: Stdio, owner: u32) -> Result<(Streams, Option<OwnedFd>), ExecError> {
    let fail = |source| ExecError::System { action: "open a terminal in the container", source };
    match stdio {
        Stdio::Descriptors { stdin, stdout, stderr } => Ok(([stdin, stdout, stderr], None)),
        Stdio::Terminal => {
            let (far, near) = rootfs::open_pair(root).map_err(fail)?;
            let owner = Some(rustix::fs::Uid::from_raw(owner));
            rustix::fs::fchown(&near, owner, None).map_err(|error| fail(error.into()))?;
            let copy = || near.try_clone().map_err(fail);
            Ok(([copy()?, copy()?, near], Some(far)))
        }
    }
}

/// Forks a child into the target's pid namespace, leaving this process's later children where they were.
fn fork_into(target: &ExecTarget, body: impl FnOnce() -> i32) -> Result<Child, ExecError> {
    let system = |action| move |source| ExecError::System { action, source };
    let own = File::open("/proc/self/ns/pid").map_err(system("open own pid namespace"))?;
    namespace::setns_pidfd(&target.pidfd, Kinds::PID).map_err(|error| match error.raw_os_error() {
        Some(libc::ESRCH) => ExecError::NotRunning,
        _ => ExecError::System { action: "join the pid namespace", source: error },
    })?;
    let child = process::fork_child(body);
    namespace::setns_fd(&own, Kinds::PID).map_err(system("return to own pid namespace"))?;
    child.map_err(|error| match error.raw_os_error() {
        // The namespace's first process has ended.
        Some(libc::ENOMEM) if target.check().is_err() => ExecError::NotRunning,
        _ => ExecError::System { action: "fork", source: error },
    })
}

/// What the child has to do, prepared by its parent.
struct Plan<'a> {
    target: &'a ExecTarget,
    cwd: &'a str,
    oom_score_adj: Option<i32>,
    identity: &'a Identity,
    streams: [BorrowedFd<'a>; 3],
    entry: &'a Entry,
}

impl Plan<'_> {
    fn run(&self) -> i32 {
        match self.enter() {
            Ok(()) => self.entry.run(),
            Err((action, error)) => {
                let failure = ExecFailure {
                    kind: ExecFailureKind::Other,
                    message: format!("cannot {action}: {error}"),
                    errno: error.raw_os_error(),
                };
                self.entry.fail(&failure)
            }
        }
    }

    fn enter(&self) -> Result<(), (String, io::Error)> {
        let step = |action: &'static str| move |error: io::Error| (action.to_owned(), error);
        // Before anything of the container can see this process.
        process::set_not_dumpable().map_err(step("hide the process"))?;
        rustix::process::setsid().map_err(|e| ("start a session".to_owned(), e.into()))?;
        cgroup::join_process(self.target.pid).map_err(step("join the cgroups"))?;
        if let Some(score) = self.oom_score_adj {
            // As for the first process: an attempt.
            let _ = fs::write("/proc/self/oom_score_adj", score.to_string());
        }
        let mut kinds = Kinds::MOUNT | Kinds::NETWORK | Kinds::IPC | Kinds::UTS | Kinds::CGROUP;
        if self.has_own_users().map_err(step("compare user namespaces"))? {
            kinds = kinds | Kinds::USER;
        }
        namespace::setns_pidfd(&self.target.pidfd, kinds).map_err(step("join the namespaces"))?;
        rustix::process::chdir(self.cwd)
            .map_err(|error| (format!("use working directory `{}`", self.cwd), error.into()))?;
        process::install_stdio(self.streams).map_err(step("set up standard streams"))?;
        let Identity { uid, gid, groups, home: _ } = self.identity;
        capability::change_user(*uid, *gid, groups).map_err(step("change to the user"))
    }

    /// Joining the user namespace one is in is an error.
    fn has_own_users(&self) -> io::Result<bool> {
        let theirs = PathBuf::from(format!("/proc/{}/ns/user", self.target.pid));
        Ok(!namespace::is_same(Path::new("/proc/self/ns/user"), &theirs)?)
    }
}
