//! Carrying out what the machine decides about one container.

use super::context::Context;
use super::keeper::{CONSOLE, STDIN};
use super::launcher::{LaunchError, Reporter, chain, launch};
use super::logs::pump::Pump;
use super::logs::writer::Writer;
use super::logs::{self, Stream};
use super::lower::{self, Source};
use super::machine::{Exit, Process, StartFailure};
use super::protocol::FailureKind;
use super::{pid_namespace, sandbox};
use crate::model::Container;
use crate::model::environment::PodFacts;
use crate::runtime::report::{self, ExecFailureKind};
use crate::runtime::{RuntimeError, Stdio};
use crate::storage;
use crate::store::layout::Layout;
use crate::store::record::{ContainerRecord, LogDriver, PodRecord};
use crate::sys::{self, failpoint, namespace, pipe};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::io::AsyncReadExt;

/// Longest termination message that is kept (kubelet).
const MESSAGE_LIMIT: u64 = 4096;
/// Most that the messages of a pod may be together, to equal parts (kubelet).
const POD_MESSAGE_LIMIT: usize = 12 * 1024;
/// What of the log stands in for one (kubelet).
const MESSAGE_LINES: usize = 80;
const MESSAGE_LOG_LIMIT: usize = 2048;
/// Asked for each FIFO: what may be printed while no supervisor lives, before the container has to wait.
const FIFO_SIZE: usize = 1 << 20;

/// What the supervisor holds of a container while it may have a process.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub pidfd: Option<Rc<OwnedFd>>,
    pub pumps: Vec<Pump>,
    /// Where the process says whether it executed its program.
    pub report: Option<OwnedFd>,
}

/// Where the container's pidfd is pinned.
pub(super) fn pidfd_pin(layout: &Layout, container: &str) -> PathBuf {
    layout.container_run(container).join("pidfd")
}

#[derive(Debug, Serialize, Deserialize)]
enum CreateReport {
    Created { pid: i32, start_ticks: u64 },
    Failed(StartFailure),
}

#[derive(Debug, thiserror::Error)]
enum CreateError {
    #[error("cannot {action} `{}`", path.display())]
    Path { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot {action}")]
    System { action: &'static str, source: io::Error },
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Lower(#[from] lower::LowerError),
    #[error(transparent)]
    Objects(#[from] super::records::ReadError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("image `{image}` is not here any more: its layer `{}` is gone", layer.display())]
    NoImage { image: String, layer: PathBuf },
    #[error("its target, container `{0}`, is not running")]
    Target(String),
    #[error("{0}")]
    Failpoint(String),
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CreateError {
    let path = path.to_owned();
    move |source| CreateError::Path { action, path, source }
}

/// A container of a pod, with what is needed to act on it.
#[derive(Clone)]
pub(super) struct Subject {
    pub context: Rc<Context>,
    pub record: Rc<PodRecord>,
    pub index: usize,
    /// The container's first process, while it has one.
    pub process: Option<Process>,
    /// That of the container whose processes it sees, when it has such a target and that runs.
    pub target: Option<Process>,
}

impl Subject {
    /// A container of which nothing is known but its record.
    pub fn new(context: &Rc<Context>, record: &Rc<PodRecord>, index: usize) -> Self {
        Self { context: context.clone(), record: record.clone(), index, process: None, target: None }
    }

    pub fn container(&self) -> &ContainerRecord {
        &self.record.containers[self.index]
    }

    pub fn spec(&self) -> Option<&Container> {
        lower::find(&self.record, &self.container().id).ok()
    }

    pub fn run_dir(&self) -> PathBuf {
        self.context.layout.container_run(&self.container().id)
    }

    pub fn cgroup(&self) -> String {
        format!("{}/{}", lower::pod_cgroup(&self.record.id), self.container().id)
    }

    /// Creates the container; its process then waits to be started.
    pub async fn create(&self, fresh: bool) -> Result<(Process, Live), StartFailure> {
        // A closed semaphore cannot be: nobody closes it.
        let _slot = self.context.slots.acquire().await;
        self.try_create(fresh).await.map_err(|error| self.failure(error))?
    }

    async fn try_create(&self, fresh: bool) -> Result<Result<(Process, Live), StartFailure>, CreateError> {
        failpoint::reach("supervisor.container.create").map_err(CreateError::Failpoint)?;
        self.prepare_run_dir()?;
        let is_terminal = self.spec().is_some_and(|s| s.tty);
        let mut pumps = if is_terminal { Vec::new() } else { self.start_pumps()? };
        let has_input = self.spec().is_some_and(|s| s.stdin);
        if has_input && !is_terminal {
            let fifo = self.run_dir().join(STDIN);
            self.keep(STDIN, &pipe::open_both(&fifo).map_err(at("open", &fifo))?);
        }
        let system = |action| move |source| CreateError::System { action, source };
        let (reader, writer) = report::pipe().map_err(system("make a pipe"))?;
        let (console, console_far) = std::os::unix::net::UnixStream::pair().map_err(system("make a socket pair"))?;
        // The launcher sends before it reports; a terminal that is not there must not be waited for.
        console.set_nonblocking(true).map_err(system("make a socket pair"))?;
        let facts = self.context.pod_facts(&self.record);
        let mut launched = {
            let writer = writer;
            let body = |reporter: &mut Reporter| {
                let result = self.create_in_launcher(fresh, &facts, writer.as_fd(), console_far.as_fd());
                let code = i32::from(result.is_err());
                reporter.send(&match result {
                    Ok(Process { pid, start_ticks }) => CreateReport::Created { pid, start_ticks },
                    Err(error) => CreateReport::Failed(self.failure(error)),
                });
                code
            };
            launch(&self.context.reaper, &[writer.as_fd(), console_far.as_fd()], body)?
        };
        match launched.report().await? {
            CreateReport::Failed(failure) => Ok(Err(failure)),
            CreateReport::Created { pid, start_ticks } => {
                failpoint::reach("supervisor.container.created").map_err(CreateError::Failpoint)?;
                if is_terminal {
                    let console = sys::pass::receive(&console).map_err(system("take the terminal over"))?;
                    self.keep(CONSOLE, &console);
                    if has_input {
                        self.keep(STDIN, &console);
                    }
                    pumps.push(self.start_terminal_pump(console)?);
                }
                // Not reaped before somebody asked for its end, so the pid is still its own.
                let pidfd = sys::process::pidfd_open(pid).ok().map(Rc::new);
                if let Some(pidfd) = &pidfd {
                    self.pin(pidfd);
                }
                Ok(Ok((Process { pid, start_ticks }, Live { pidfd, pumps, report: Some(reader) })))
            }
        }
    }

    /// In the kubelet's terms: what the file asks for cannot be put together, or the container cannot be made of it.
    fn failure(&self, error: CreateError) -> StartFailure {
        let kind = match &error {
            CreateError::Lower(lower::LowerError::Environment(_)) => FailureKind::Config,
            CreateError::Runtime(RuntimeError::NonRoot(reason)) => {
                let (pod, container) = (self.record.full_name(), &self.container().container);
                let message = format!("{reason} (pod: \"{pod}\", container: {container})");
                return StartFailure { kind: FailureKind::Config, message };
            }
            CreateError::NoImage { .. } => FailureKind::ImageMissing,
            _ => FailureKind::Other,
        };
        StartFailure { kind, message: format!("cannot create container: {}", chain(&error)) }
    }

    /// Keeps the pidfd for a later supervisor. Here and not in the launcher, whose mounts nobody else sees.
    fn pin(&self, pidfd: &OwnedFd) {
        let pin = pidfd_pin(&self.context.layout, &self.container().id);
        if let Err(error) = namespace::unpin(&pin).and_then(|()| namespace::pin_pidfd(pidfd, &pin)) {
            // Before Linux 6.14: a later supervisor finds the process by its pid and start time.
            tracing::debug!(%error, "cannot pin the pidfd");
        }
    }

    fn prepare_run_dir(&self) -> Result<(), CreateError> {
        let run = self.run_dir();
        for directory in [&run, &self.context.layout.container_log(&self.container().id)] {
            let result = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
            result.map_err(at("make the directory", directory))?;
        }
        let message = lower::termination_file(&self.context.layout, &self.container().id);
        File::create(&message).map_err(at("make", &message))?;
        // Written by whatever user the container runs as; the directory keeps others out.
        fs::set_permissions(&message, fs::Permissions::from_mode(0o666)).map_err(at("set the mode of", &message))?;
        for stream in Stream::ALL.into_iter().filter(|_| self.keeps_log()) {
            let fifo = run.join(stream.name());
            pipe::make_fifo(&fifo, 0o666).map_err(at("make a pipe at", &fifo))?;
        }
        if self.spec().is_some_and(|s| s.stdin) {
            let fifo = run.join(STDIN);
            pipe::make_fifo(&fifo, 0o666).map_err(at("make a pipe at", &fifo))?;
        }
        Ok(())
    }

    fn keeps_log(&self) -> bool {
        self.record.log.driver == LogDriver::K8sFile
    }

    /// Starts to move what the container prints to its log.
    fn start_pumps(&self) -> Result<Vec<Pump>, CreateError> {
        let mut pumps = Vec::new();
        for stream in Stream::ALL.into_iter().filter(|_| self.keeps_log()) {
            pumps.push(self.start_pump(stream)?);
        }
        Ok(pumps)
    }

    fn start_terminal_pump(&self, console: OwnedFd) -> Result<Pump, CreateError> {
        let pump = match self.keeps_log() {
            true => Pump::start_terminal(console, self.writer(Stream::Stdout)?),
            false => Pump::discard_terminal(console),
        };
        pump.map_err(|source| CreateError::System { action: "watch the terminal", source })
    }

    /// Has a pipe or terminal kept open for the next supervisor. Without that the container runs all the same.
    fn keep(&self, name: &str, descriptor: &OwnedFd) {
        if let Err(error) = self.context.keeper.keep(&self.container().id, name, descriptor.as_fd()) {
            tracing::error!(container = %self.container().name, %error, "cannot have its output kept");
        }
    }

    fn start_pump(&self, stream: Stream) -> Result<Pump, CreateError> {
        let fifo = self.run_dir().join(stream.name());
        let writer = self.writer(stream)?;
        let source = pipe::open_both(&fifo).map_err(at("open", &fifo))?;
        rustix::io::ioctl_fionbio(&source, true).map_err(|e| at("open", &fifo)(e.into()))?;
        pipe::set_size(&source, FIFO_SIZE).map_err(at("size", &fifo))?;
        self.keep(stream.name(), &source);
        Pump::start(source, writer).map_err(at("watch", &fifo))
    }

    fn writer(&self, stream: Stream) -> Result<Writer, CreateError> {
        let log = self.context.layout.container_log(&self.container().id);
        let config = &self.record.log;
        let copy = config.path.as_deref().map(Path::new);
        Writer::open(&log, stream, config.max_size, copy).map_err(at("open the log in", &log))
    }

    fn create_in_launcher(
        &self,
        fresh: bool,
        facts: &PodFacts,
        report: BorrowedFd<'_>,
        console: BorrowedFd<'_>,
    ) -> Result<Process, CreateError> {
        failpoint::reach("supervisor.launcher.begin").map_err(CreateError::Failpoint)?;
        let Context { layout, runtime, .. } = &*self.context;
        let objects = super::records::objects(layout, &self.record.id)?;
        let target = self.target_pid()?;
        let source = Source { layout, record: &self.record, objects: &objects, facts, target };
        let config = lower::lower(source, self.container())?;
        let system = |action| move |source| CreateError::System { action, source };
        pid_namespace::revive(layout, &self.record)?;
        for directory in [&config.rootfs.upper, &config.rootfs.work] {
            if fresh {
                sys::dir::remove_tree(directory).map_err(at("empty", directory))?;
            }
            let result = fs::DirBuilder::new().recursive(true).mode(0o755).create(directory);
            result.map_err(at("make the directory", directory))?;
        }
        let report = report.try_clone_to_owned().map_err(system("pass the report on"))?;
        let created = runtime.create(&config, self.stdio()?, report).map_err(|error| {
            match config.rootfs.layers.iter().find(|layer| !layer.exists()) {
                Some(layer) => {
                    CreateError::NoImage { image: self.container().image.reference.clone(), layer: layer.clone() }
                }
                None => error.into(),
            }
        })?;
        failpoint::reach("supervisor.launcher.created").map_err(CreateError::Failpoint)?;
        if let Some(terminal) = &created.console {
            sys::pass::send(console, terminal.as_fd()).map_err(system("hand the terminal over"))?;
        }
        let start_ticks = sys::process::start_ticks(created.pid).map_err(system("look at the new process"))?;
        Ok(Process { pid: created.pid, start_ticks })
    }

    /// The process of the container's target, which must be there.
    fn target_pid(&self) -> Result<Option<i32>, CreateError> {
        let Some(name) = self.record.ephemeral(self.index).and_then(|added| added.target.as_ref()) else {
            return Ok(None);
        };
        let is_alive =
            |target: &Process| sys::process::start_ticks(target.pid).is_ok_and(|ticks| ticks == target.start_ticks);
        let target = self.target.filter(is_alive).ok_or_else(|| CreateError::Target(name.clone()))?;
        Ok(Some(target.pid))
    }

    /// Whether its process is one of others in their namespace, so that its end is not theirs.
    fn shares_processes(&self) -> bool {
        let pod = &self.record.pod;
        let has_target = self.record.ephemeral(self.index).is_some_and(|added| added.target.is_some());
        pod.host_pid || pod.share_process_namespace || has_target
    }

    fn stdio(&self) -> Result<Stdio, CreateError> {
        if self.spec().is_some_and(|s| s.tty) {
            return Ok(Stdio::Terminal);
        }
        let run = self.run_dir();
        let null = || {
            let path = Path::new("/dev/null");
            File::options().read(true).write(true).open(path).map(OwnedFd::from).map_err(at("open", path))
        };
        let fifo = |name: &str| {
            let path = run.join(name);
            pipe::open_both(&path).map_err(at("open", &path))
        };
        let stdin = match self.spec() {
            // Held by nobody but the keeper, so that it ends when that lets go of it.
            Some(spec) if spec.stdin && spec.stdin_once => {
                let path = run.join(STDIN);
                let reader = pipe::open_reader(&path).map_err(at("open", &path))?;
                rustix::io::ioctl_fionbio(&reader, false).map_err(|e| at("open", &path)(e.into()))?;
                reader
            }
            Some(spec) if spec.stdin => fifo(STDIN)?,
            _ => null()?,
        };
        let output = |stream: Stream| if self.keeps_log() { fifo(stream.name()) } else { null() };
        Ok(Stdio::Descriptors { stdin, stdout: output(Stream::Stdout)?, stderr: output(Stream::Stderr)? })
    }

    /// Lets the process execute its program, and waits until it has.
    pub async fn start(&self, report: Option<OwnedFd>) -> Result<(), StartFailure> {
        let other = |message: String| StartFailure { kind: FailureKind::Other, message };
        failpoint::reach("supervisor.container.start").map_err(other)?;
        let started = self.context.runtime.start(&self.run_dir());
        started.map_err(|error| other(format!("cannot start container: {}", chain(&error))))?;
        let Some(report) = report else { return Ok(()) };
        let read = async {
            let mut bytes = Vec::new();
            let mut pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(report)?;
            pipe.read_to_end(&mut bytes).await?;
            report::parse(&bytes)
        };
        match read.await {
            Ok(None) => Ok(()),
            Ok(Some(failed)) => Err(StartFailure {
                kind: match failed.kind {
                    ExecFailureKind::CommandNotFound => FailureKind::CommandNotFound,
                    ExecFailureKind::CommandNotInvocable => FailureKind::CommandNotInvocable,
                    ExecFailureKind::Other => FailureKind::Other,
                },
                message: failed.message,
            }),
            Err(error) => Err(other(format!("cannot learn whether the container was started: {error}"))),
        }
    }

    /// Takes up the streams of a container that an earlier supervisor started.
    pub fn resume_pumps(&self) -> Vec<Pump> {
        let is_terminal = self.spec().is_some_and(|s| s.tty);
        let pumps = match is_terminal {
            true => self.resume_terminal().map(|pump| pump.into_iter().collect()),
            false => self.start_pumps(),
        };
        match pumps {
            Ok(pumps) => pumps,
            Err(error) => {
                tracing::error!(container = %self.container().name, "{}", chain(&error));
                Vec::new()
            }
        }
    }

    fn resume_terminal(&self) -> Result<Option<Pump>, CreateError> {
        let kept = self.context.keeper.take(&self.container().id, CONSOLE);
        let kept = kept.map_err(|source| CreateError::System { action: "take the terminal over", source })?;
        kept.map(|console| self.start_terminal_pump(console)).transpose()
    }

    /// Takes away what is left of an ended process: output still in pipes, cgroups, the runtime's files.
    pub async fn delete(&self, live: Live, exit: Option<Exit>) -> Deleted {
        let mut problems = Vec::new();
        if self.shares_processes() {
            // What it leaves behind in its cgroup would go on writing.
            problems.extend(self.kill_rest().await);
        }
        for pump in live.pumps {
            if let Err(error) = pump.drain().await {
                // The container is as gone as it would be without.
                tracing::error!(container = %self.container().name, %error, "cannot keep the last of its output");
            }
        }
        if let Err(error) = self.context.keeper.forget(&self.container().id) {
            problems.push(format!("cannot let go of the pipes of `{}`: {error}", self.container().name));
        }
        let out_of_memory = crate::runtime::cgroup::oom_killed(&self.cgroup()).unwrap_or(false);
        let message = self.message(exit);
        problems.extend(self.delete_from_runtime().await);
        let pin = pidfd_pin(&self.context.layout, &self.container().id);
        if let Err(error) = namespace::unpin(&pin) {
            problems.push(format!("cannot take `{}` away: {error}", pin.display()));
        }
        Deleted { out_of_memory, message, problems }
    }

    /// The end of a process that had a pid namespace of its own was the end of all in it; else what is left must be killed,
    /// which takes a while and so a launcher.
    async fn delete_from_runtime(&self) -> Vec<String> {
        let run = self.run_dir();
        let delete = || match failpoint::reach("supervisor.container.delete") {
            Ok(()) => self.context.runtime.delete(&run).map_err(|error| chain(&error)).err(),
            Err(text) => Some(text),
        };
        let problem = match self.shares_processes() {
            false => delete(),
            true => {
                let body = |reporter: &mut Reporter| {
                    reporter.send(&delete());
                    0
                };
                match launch(&self.context.reaper, &[], body) {
                    Ok(mut launched) => launched.report().await.unwrap_or_else(|error| Some(chain(&error))),
                    Err(error) => Some(chain(&error)),
                }
            }
        };
        problem.map(|p| format!("cannot delete container `{}`: {p}", self.container().name)).into_iter().collect()
    }

    /// Removes what a killed launcher or supervisor left of a container that never ran; whatever is in its cgroup is killed.
    pub async fn clean_up(&self) -> Vec<String> {
        let run = self.run_dir();
        let cgroup = self.cgroup();
        let body = |reporter: &mut Reporter| {
            let killed = crate::runtime::cgroup::kill_cgroup(&cgroup).map_err(|e| e.to_string());
            let deleted = self.context.runtime.delete(&run).map_err(|e| chain(&e));
            let removed = crate::runtime::cgroup::remove_cgroup(&cgroup).map_err(|e| e.to_string());
            let problems: Vec<String> = [killed, deleted, removed].into_iter().filter_map(Result::err).collect();
            reporter.send(&problems);
            0
        };
        match launch(&self.context.reaper, &[], body) {
            Ok(mut launched) => launched.report().await.unwrap_or_else(|error| vec![chain(&error)]),
            Err(error) => vec![chain(&error)],
        }
    }

    /// Kills all that is in the container's cgroup, and waits until it is gone.
    async fn kill_rest(&self) -> Option<String> {
        let cgroup = self.cgroup();
        let body = |reporter: &mut Reporter| {
            reporter.send(&crate::runtime::cgroup::kill_cgroup(&cgroup).err().map(|e| e.to_string()));
            0
        };
        match launch(&self.context.reaper, &[], body) {
            Ok(mut launched) => launched.report().await.unwrap_or_else(|error| Some(chain(&error))),
            Err(error) => Some(chain(&error)),
        }
    }

    /// Kills all that is in the container's cgroup; what comes of it shows when the process ends, or does not.
    pub fn kill_all(&self) {
        let cgroup = self.cgroup();
        let body = |_: &mut Reporter| i32::from(crate::runtime::cgroup::kill_cgroup(&cgroup).is_err());
        if let Err(error) = launch(&self.context.reaper, &[], body) {
            tracing::error!("{}", chain(&error));
        }
    }

    /// The termination message (Kubernetes, "Determine the Reason for Pod Failure").
    fn message(&self, exit: Option<Exit>) -> Option<String> {
        let path = lower::termination_file(&self.context.layout, &self.container().id);
        let text = read_end(&path, MESSAGE_LIMIT).unwrap_or_default(); // not there: no message
        let from_log = self.spec().is_some_and(|s| s.termination_message_from_logs) && exit != Some(Exit::Code(0));
        let message = match (text.is_empty(), from_log) {
            (false, _) => text,
            (true, true) => self.last_lines()?,
            (true, false) => return None,
        };
        Some(cut(message, POD_MESSAGE_LIMIT / self.record.containers.len().max(1)))
    }

    fn last_lines(&self) -> Option<String> {
        let options = logs::Options { tail: Some(MESSAGE_LINES), ..logs::Options::default() };
        let mut reader = logs::open(&self.context.layout, &self.record.id, &self.container().id, options).ok()?;
        let mut text = String::new();
        while let Ok(Some(line)) = reader.next_line() {
            text.push_str(&String::from_utf8_lossy(line.bytes));
            text.push('\n');
        }
        let mut from = text.len().saturating_sub(MESSAGE_LOG_LIMIT);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        Some(text.split_off(from)).filter(|t| !t.is_empty())
    }

    /// Removes what the ended container wrote, its log too. It is out of the way at once, for the next run has its place; what is
    /// slow about it is a launcher's work.
    pub fn discard(&self) -> io::Result<()> {
        let Some(doomed) = storage::set_aside(&self.context.layout.container(&self.container().id))? else {
            return Ok(());
        };
        let body = |_: &mut Reporter| i32::from(sys::dir::remove_tree(&doomed).is_err());
        launch(&self.context.reaper, &[], body).map(drop).map_err(|error| io::Error::other(chain(&error)))
    }

    /// Removes the run directory; the process must be gone.
    pub fn remove_run_dir(&self) -> Vec<String> {
        sandbox::remove_container_run(&self.context.layout, &self.container().id)
    }
}

/// What was left of a container.
#[derive(Debug)]
pub(super) struct Deleted {
    pub out_of_memory: bool,
    pub message: Option<String>,
    pub problems: Vec<String>,
}

/// The first bytes of a text, and no half character.
fn cut(mut text: String, limit: usize) -> String {
    text.truncate((0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
    text
}

fn read_end(path: &Path, limit: u64) -> io::Result<String> {
    // The container could have put a FIFO there, had it the directory; the mount gives it the file only.
    let mut file = File::options().read(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32).open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_between_characters() {
        assert_eq!(cut("short".into(), 100), "short");
        assert_eq!(cut("äää".into(), 3), "ä");
        assert_eq!(cut("äää".into(), 0), "");
    }

    #[test]
    fn the_end_of_a_long_message_is_read() -> io::Result<()> {
        let path = std::env::temp_dir().join(format!("podkin-message-{}", std::process::id()));
        fs::write(&path, "x".repeat(5_000) + "end")?;
        let text = read_end(&path, MESSAGE_LIMIT)?;
        fs::remove_file(&path)?;
        assert!(text.len() == 4096 && text.ends_with("xend"));
        Ok(())
    }
}
