//! Containers by libcontainer 0.7, with its known defects kept out of the way.
//!
//! libcontainer makes namespaces, switches root and user and keeps the process waiting. The file tree and the cgroups are made
//! before it, in the launcher (`rootfs`, `cgroup`); signals, limits, seccomp and capabilities after it, in the container's
//! process (`entry`), because it gets those wrong or makes them slow. What it reads is a `config.json` that asks for no
//! more than the rest (`spec`).
//!
//! ```text
//! <run_dir>/cgroup.path     where the container's cgroups are, for delete
//! <run_dir>/config.json     for libcontainer
//! <run_dir>/exec.json       for exec: what the container was started with
//! <run_dir>/merged          mount point of the root, in the launcher's mount namespace only
//! <run_dir>/runtime         libcontainer's state, with the socket that `start` connects to
//! <run_dir>/cgroup          stand-in for libcontainer
//! ```

use super::config::{ContainerConfig, PidNamespace};
use super::entry::{Entry, EntryOptions};
use super::init::InitProgram;
use super::record::ExecRecord;
use super::rootfs::{self, LateMount};
use super::{Created, Runtime, RuntimeError, Stdio, cgroup, confinement, hook, seccomp, spec, sysctl, users};
use crate::store::atomic::{self, Durability};
use crate::sys::capability::{self, Capabilities};
use crate::sys::namespace::{self, Kinds};
use crate::sys::process;
use ::libcontainer::container::builder::ContainerBuilder;
use ::libcontainer::oci_spec::runtime::Spec;
use ::libcontainer::syscall::syscall::SyscallType;
use ::libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Name of libcontainer's container, and so of its state directory below the run directory.
const STATE: &str = "runtime";
const CGROUP_FILE: &str = "cgroup.path";

/// The [`Runtime`] podkin uses.
#[derive(Debug, Clone)]
pub struct Libcontainer {
    seccomp_cache: PathBuf,
}

impl Libcontainer {
    /// `seccomp_cache` is a directory for compiled filters, made when absent.
    pub fn new(seccomp_cache: impl Into<PathBuf>) -> Self {
        Self { seccomp_cache: seccomp_cache.into() }
    }
}

impl Runtime for Libcontainer {
    fn create(&self, config: &ContainerConfig, stdio: Stdio, report: OwnedFd) -> Result<Created, RuntimeError> {
        process::assert_single_threaded();
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let inherited = inherited_descriptors(&stdio, &report)?;
        rootfs::make_host_directory(&config.run_dir)?;
        let capabilities = capabilities_of(config)?;
        let devices = rootfs::devices_of(config)?;
        let label = confinement::exec_label(&config.process)?;
        let filter = seccomp::filter(&self.seccomp_cache, &config.process.seccomp, capabilities)?;

        write_file(config, CGROUP_FILE, config.cgroup_path.as_bytes())?;
        cgroup::create(&config.cgroup_path, &config.resources, &config.cpu_set, &devices.access)?;
        cgroup::limit_huge_pages(&config.cgroup_path, &config.huge_pages)?;
        enter(config)?;
        users::as_root_of(config.users.as_ref(), || sysctl::apply(config))?;
        let terminal = matches!(stdio, Stdio::Terminal);
        let assembled = rootfs::assemble(config, &devices, terminal)?;
        let identity = rootfs::resolve(&assembled.tree, &config.process.user)?;
        capability::set_groups(&host_groups(config, &identity)?)
            .map_err(|source| RuntimeError::System { action: "set the supplementary groups", source })?;

        let record = ExecRecord::new(config, identity, label, &self.seccomp_cache);
        let options = EntryOptions {
            name: &config.process.name,
            args: &config.process.args,
            env: &record.env,
            limits: &config.process.rlimits,
            capabilities,
            no_new_privileges: config.process.no_new_privileges,
            label: record.label.clone(),
            filter,
            terminal,
            init: config.process.init.then(InitProgram::new).transpose()?,
        };
        let entry = Entry::new(options, report).map_err(RuntimeError::Refused)?;
        let cgroup_path = cgroup::stand_in(&config.run_dir)?;
        write_file(config, ExecRecord::FILE, &record.to_json())?;
        write_file(config, "config.json", &spec::write(config, &assembled, &record, &cgroup_path))?;
        hook::run_all(config)?;

        let (stdio, console) = stdio_of(stdio, assembled.terminal)?;
        let executor = Finish { entry: Rc::new(entry), late: Rc::new(assembled.late), inherited };
        let pid = build(&config.run_dir, executor, stdio)?;
        Ok(Created { pid, console })
    }

    fn start(&self, run_dir: &Path) -> Result<(), RuntimeError> {
        let path = run_dir.join(STATE);
        let fail = |source| RuntimeError::Path { action: "start the container at", path: path.clone(), source };
        // A socket's path has at most 108 bytes: the directory goes by descriptor.
        let directory = fs::File::open(&path).map_err(fail)?;
        let number = directory.as_raw_fd();
        let mut socket = UnixStream::connect(format!("/proc/self/fd/{number}/notify.sock")).map_err(fail)?;
        socket.write_all(b"start").map_err(fail)
    }

    fn delete(&self, run_dir: &Path) -> Result<(), RuntimeError> {
        let fail = |path: &Path, source| RuntimeError::Path { action: "remove", path: path.to_owned(), source };
        let cgroup_file = run_dir.join(CGROUP_FILE);
        match fs::read_to_string(&cgroup_file) {
            // A machine that lost its power may have kept the name of the file only; what was made is gone then.
            Ok(path) if path.is_empty() => {}
            Ok(path) => cgroup::remove_cgroup(&path).map_err(|source| RuntimeError::Path {
                action: "remove cgroup",
                path: path.into(),
                source,
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(&cgroup_file, error)),
        }
        for directory in [STATE, "cgroup"] {
            let path = run_dir.join(directory);
            ignore_absent(fs::remove_dir_all(&path)).map_err(|error| fail(&path, error))?;
        }
        let merged = run_dir.join("merged");
        // Never recursively: should anything still be mounted there, it is not to be emptied.
        ignore_absent(fs::remove_dir(&merged)).map_err(|error| fail(&merged, error))?;
        // Last, because it is what a delete that was interrupted starts from.
        for file in ["config.json", ExecRecord::FILE, CGROUP_FILE] {
            let path = run_dir.join(file);
            ignore_absent(fs::remove_file(&path)).map_err(|error| fail(&path, error))?;
        }
        Ok(())
    }
}

fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// What is open before anything is made, without what the container's process needs.
fn inherited_descriptors(stdio: &Stdio, report: &OwnedFd) -> Result<Vec<i32>, RuntimeError> {
    let mut needed = vec![0, 1, 2, report.as_raw_fd()];
    if let Stdio::Descriptors { stdin, stdout, stderr } = stdio {
        needed.extend([stdin, stdout, stderr].map(AsRawFd::as_raw_fd));
    }
    let open = process::open_descriptors()
        .map_err(|source| RuntimeError::System { action: "list the open descriptors", source })?;
    Ok(open.into_iter().filter(|number| !needed.contains(number)).collect())
}

/// The supplementary groups as this process, which is not in the container's user namespace, has to set them.
fn host_groups(config: &ContainerConfig, identity: &rootfs::Identity) -> Result<Vec<u32>, RuntimeError> {
    let Some(users) = &config.users else { return Ok(identity.groups.clone()) };
    // The user and the group are libcontainer's affair; ids that it could not set are better named here.
    users.host_id(identity.uid)?;
    users.host_id(identity.gid)?;
    identity.groups.iter().map(|group| users.host_id(*group)).collect()
}

/// What the configuration names, or everything for a privileged container; the process's own set cuts it later.
pub(super) fn capabilities_of(config: &ContainerConfig) -> Result<Capabilities, RuntimeError> {
    if config.privileged {
        return Ok(Capabilities::all());
    }
    Capabilities::from_names(config.process.capabilities.iter().map(String::as_str))
        .map_err(|name| RuntimeError::Refused(format!("unknown capability `{name}`")))
}

/// Moves this process to where the container will be: cgroups first, as its memory is charged there, then the pod's namespaces
/// and a mount namespace.
fn enter(config: &ContainerConfig) -> Result<(), RuntimeError> {
    cgroup::join(&config.cgroup_path)?;
    if let Some(score) = config.process.oom_score_adj {
        // Lowering it needs a privilege that even root may lack.
        if let Err(error) = fs::write("/proc/self/oom_score_adj", score.to_string()) {
            tracing::debug!(%error, score, "cannot set oom_score_adj");
        }
    }
    let namespaces = &config.namespaces;
    let joined = [(&namespaces.network, Kinds::NETWORK), (&namespaces.ipc, Kinds::IPC), (&namespaces.uts, Kinds::UTS)];
    for (path, kind) in joined {
        let Some(path) = path else { continue };
        namespace::setns_path(path, kind).map_err(|source| RuntimeError::Path {
            action: "join the namespace at",
            path: path.clone(),
            source,
        })?;
    }
    if let PidNamespace::Join(path) = &namespaces.pid
        && !path.exists()
    {
        return Err(RuntimeError::Path {
            action: "join the namespace at",
            path: path.clone(),
            source: io::ErrorKind::NotFound.into(),
        });
    }
    namespace::unshare(Kinds::MOUNT).map_err(|source| RuntimeError::System { action: "make a mount namespace", source })
}

/// As a whole, because `delete` may find what a launcher left that was killed on its way. Only for the user: the environment may
/// hold secrets.
fn write_file(config: &ContainerConfig, name: &str, content: &[u8]) -> Result<(), RuntimeError> {
    atomic::replace(&config.run_dir.join(name), content, Durability::Relaxed).map_err(|error| RuntimeError::Path {
        action: "write",
        path: error.path,
        source: error.source,
    })
}

type Descriptors = [OwnedFd; 3];

fn stdio_of(
    stdio: Stdio,
    terminal: Option<(OwnedFd, OwnedFd)>,
) -> Result<(Descriptors, Option<OwnedFd>), RuntimeError> {
    let fail = |source| RuntimeError::System { action: "pass the terminal on", source };
    match (stdio, terminal) {
        (Stdio::Descriptors { stdin, stdout, stderr }, _) => Ok(([stdin, stdout, stderr], None)),
        (Stdio::Terminal, Some((far, near))) => {
            let copy = || near.try_clone().map_err(fail);
            Ok(([copy()?, copy()?, near], Some(far)))
        }
        (Stdio::Terminal, None) => Err(fail(io::ErrorKind::NotFound.into())),
    }
}

fn build(run_dir: &Path, executor: Finish, [stdin, stdout, stderr]: Descriptors) -> Result<i32, RuntimeError> {
    let container = ContainerBuilder::new(STATE.to_owned(), SyscallType::default())
        .with_root_path(run_dir)
        .map_err(create_error)?
        .with_executor(executor)
        .with_stdin(stdin)
        .with_stdout(stdout)
        .with_stderr(stderr)
        .as_init(run_dir)
        .with_systemd(false)
        .with_detach(true)
        .as_sibling(true)
        .build()
        .map_err(create_error)?;
    let pid = container.pid().ok_or_else(|| RuntimeError::Create("libcontainer gave no process id".to_owned()))?;
    Ok(pid.as_raw())
}

fn create_error(error: ::libcontainer::error::LibcontainerError) -> RuntimeError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    RuntimeError::Create(text)
}

/// What libcontainer calls in the container's process.
#[derive(Clone)]
struct Finish {
    entry: Rc<Entry>,
    late: Rc<Vec<LateMount>>,
    /// Numbers of descriptors of the launcher that the container's process has no use for.
    inherited: Vec<i32>,
}

impl Executor for Finish {
    /// Runs when everything is in place and privileges are still held, before `create` returns.
    fn validate(&self, _spec: &Spec) -> Result<(), ExecutorValidationError> {
        // Until it executes its program, which may be long after, the process would keep them open: pipes and sockets of others
        // would not end.
        process::close_inherited(&self.inherited);
        for mount in self.late.iter() {
            mount.attach().map_err(|error| {
                ExecutorValidationError::ArgValidationError(format!("cannot mount `{}`: {error}", mount.target))
            })?;
        }
        Ok(())
    }

    /// The environment is the entry's affair: that of this process is never touched.
    fn setup_envs(&self, _envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }

    fn exec(&self, _spec: &Spec) -> Result<(), ExecutorError> {
        self.entry.run()
    }
}
