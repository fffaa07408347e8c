//! The supervisor as a process: its arguments, what it is before it does anything, and when it ends.

use super::context::{Context, MachineFacts, boot_id};
use super::hub::Hub;
use super::keeper::Keeper;
use super::launcher::{Reporter, chain, launch};
use super::machine::BackOffRule;
use super::network_queue::NetworkQueue;
use super::protocol::Operation;
use super::reaper::Reaper;
use super::{EXIT_BUSY, adopt, housekeeping, requests, server};
use crate::network::Networks;
use crate::runtime::Libcontainer;
use crate::store::layout::Layout;
use crate::store::lock::{FileLock, LockError};
use crate::sys::{self, failpoint};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore};

/// After the last pod: whoever plays again at once finds the bridge still there and need not wait for its removal.
const BRIDGE_LINGER: Duration = Duration::from_millis(250);

const LOG_LEVEL: &str = "--log-level";

#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error("missing argument `{0}`")]
    Missing(&'static str),
    #[error("unknown argument `{}`", .0.display())]
    Unknown(OsString),
    #[error("argument `{name}` must be a number")]
    Number { name: &'static str },
    #[error("cannot {action}")]
    System { action: &'static str, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("another supervisor lives")]
    Busy,
}

fn system(action: &'static str) -> impl Fn(io::Error) -> ProcessError {
    move |source| ProcessError::System { action, source }
}

struct Arguments {
    layout: Layout,
    app: String,
    /// The connection of whoever started this process.
    connection: Option<i32>,
    back_off: BackOffRule,
    housekeeping: Duration,
}

/// Runs the supervisor of one application until none of its pods is left to look after; returns the exit code.
///
/// `args` are those after the sub-command: `--root R --runroot X --app ID [--fd N] [--back-off-ms BASE] [--housekeeping-ms
/// INTERVAL] [--log-level LEVEL]`. Must be called before any thread was started.
pub fn run(args: &[OsString]) -> i32 {
    start_logging(args);
    match try_run(args) {
        Ok(()) => 0,
        Err(ProcessError::Busy) => EXIT_BUSY,
        Err(error) => {
            // Standard error is the supervisor's log.
            eprintln!("error: {}", chain(&error));
            1
        }
    }
}

/// Warnings and errors, or what `--log-level` asks for, go to standard error, which is the supervisor's log. Forked children stay silent: what is their standard
/// error may be a container's already, and they report in other ways.
fn start_logging(args: &[OsString]) {
    let level = args.iter().skip_while(|arg| *arg != LOG_LEVEL).nth(1);
    let level = level.and_then(|level| level.to_str()?.parse().ok()).unwrap_or(tracing::Level::WARN);
    let supervisor = std::process::id();
    let writer = move || -> Box<dyn io::Write> {
        if std::process::id() == supervisor { Box::new(io::stderr()) } else { Box::new(io::sink()) }
    };
    let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false);
    // A subscriber that is there already serves as well.
    let _ = subscriber.with_max_level(level).try_init();
}

fn try_run(args: &[OsString]) -> Result<(), ProcessError> {
    sys::process::assert_single_threaded();
    let arguments = parse(args)?;
    let connection =
        arguments.connection.map(take_connection).transpose().map_err(system("take the connection over"))?;
    // A session of its own: no terminal's signals reach it. Fails for a process group's leader only, which is as good.
    let _ = rustix::process::setsid();
    let lock = FileLock::try_acquire(&arguments.layout.supervisor_lock(&arguments.app))?.ok_or(ProcessError::Busy)?;
    become_supervisor().map_err(system("prepare the process"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("start"))?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, supervise(arguments, connection, lock))
}

fn parse(args: &[OsString]) -> Result<Arguments, ProcessError> {
    let mut values: HashMap<&str, &OsStr> = HashMap::new();
    let names = ["--root", "--runroot", "--app", "--fd", "--back-off-ms", "--housekeeping-ms", LOG_LEVEL];
    let mut rest = args.iter();
    while let Some(argument) = rest.next() {
        let name = names.iter().find(|n| argument == **n).ok_or_else(|| ProcessError::Unknown(argument.clone()))?;
        values.insert(name, rest.next().ok_or(ProcessError::Missing(name))?);
    }
    let value = |name: &'static str| values.get(name).copied().ok_or(ProcessError::Missing(name));
    let number = |name: &'static str| match values.get(name) {
        None => Ok(None),
        Some(text) => match text.to_str().and_then(|t| t.parse::<u64>().ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(ProcessError::Number { name }),
        },
    };
    let back_off = match number("--back-off-ms")? {
        Some(base) => BackOffRule { base, longest: base.saturating_mul(30), ..BackOffRule::default() },
        None => BackOffRule::default(),
    };
    let housekeeping = number("--housekeeping-ms")?.map_or(housekeeping::INTERVAL, Duration::from_millis);
    let app = value("--app")?.to_str().ok_or(ProcessError::Missing("--app"))?.to_owned();
    let layout = Layout::new(PathBuf::from(value("--root")?), PathBuf::from(value("--runroot")?));
    Ok(Arguments { layout, app, connection: number("--fd")?.map(|n| n as i32), back_off, housekeeping })
}

/// The descriptor of the connection, out of the way of standard input.
fn take_connection(number: i32) -> io::Result<OwnedFd> {
    if number != 0 {
        return sys::process::adopt_descriptor(number);
    }
    let connection = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(connection)
}

fn become_supervisor() -> io::Result<()> {
    sys::process::set_child_subreaper()?;
    rustix::thread::set_name(c"podkin-super")?;
    // Containers must not be able to reach this process through /proc (CVE-2019-5736); nor is it to be starved or moved about.
    sys::process::set_not_dumpable()?;
    // Each container costs seven, each published port one; not having more is no reason not to begin.
    if let Err(error) = sys::rlimit::raise_descriptors() {
        tracing::warn!(%error, "cannot raise the limit of open descriptors");
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    std::env::set_current_dir("/")
}

async fn supervise(arguments: Arguments, connection: Option<OwnedFd>, lock: FileLock) -> Result<(), ProcessError> {
    let context = Rc::new(context(arguments).map_err(system("look at the machine"))?);
    let listener = server::listen(&context).map_err(system("listen at the control socket"))?;
    reach("supervisor.listening");
    // From the first child on, or its end is missed.
    let reaper = tokio::task::spawn_local(context.reaper.clone().run());
    let busy = context.keep_alive();
    adopt::take_over(&context).await.map_err(system("take over from an earlier supervisor"))?;
    reach("supervisor.adopted");
    tokio::task::spawn_local(terminate(context.clone()));
    if let Some(connection) = connection {
        let stream = std::os::unix::net::UnixStream::from(connection);
        stream.set_nonblocking(true).map_err(system("take the connection over"))?;
        server::serve(&context, tokio::net::UnixStream::from_std(stream).map_err(system("take the connection over"))?);
    }
    drop(busy);
    serve_until_idle(&context, listener).await.map_err(system("listen at the control socket"))?;
    end(&context, lock).await;
    reaper.abort();
    Ok(())
}

/// Takes connections until nothing is left to live for.
async fn serve_until_idle(context: &Rc<Context>, mut listener: UnixListener) -> io::Result<()> {
    loop {
        tokio::select! {
            stream = server::accept(&listener) => server::serve(context, stream),
            () = context.idle.notified() => {}
        }
        if !context.is_idle() {
            continue;
        }
        // Without the socket nobody connects any more; who did before is still served.
        match std::fs::remove_file(context.layout.control_socket(&context.app)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        while let Ok(stream) = tokio::time::timeout(Duration::ZERO, server::accept(&listener)).await {
            server::serve(context, stream);
        }
        if context.is_idle() {
            return Ok(());
        }
        listener = server::listen(context)?;
    }
}

fn context(arguments: Arguments) -> io::Result<Context> {
    let Arguments { layout, app, connection: _, back_off, housekeeping } = arguments;
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    Ok(Context {
        boot_id: boot_id()?,
        back_off,
        housekeeping,
        reaper: Rc::new(Reaper::default()),
        runtime: Box::new(Libcontainer::new(layout.seccomp_cache())),
        networks: Networks::new(layout.networks(), layout.network_run()),
        network_queue: NetworkQueue::default(),
        slots: Semaphore::new(cores),
        machine: MachineFacts::read(&layout),
        hub: Hub::default(),
        keeper: Keeper::new(&layout, &app),
        pods: RefCell::new(HashMap::new()),
        busy: Cell::new(0),
        idle: Notify::new(),
        app,
        layout,
    })
}

/// SIGTERM and SIGINT stop every pod, after which the process ends by itself.
async fn terminate(context: Rc<Context>) {
    let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return;
    };
    loop {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _busy = context.keep_alive();
        let pods = context.pods.borrow().keys().cloned().collect();
        for failure in requests::carry_out(&context, Operation::StopPods { pods, grace_seconds: None }).await {
            tracing::error!(subject = %failure.subject, "{}", failure.message);
        }
    }
}

/// Leaves nothing behind but bridges in use. The lock goes first: a new supervisor need not wait for bridges.
async fn end(context: &Rc<Context>, lock: FileLock) {
    reach("supervisor.end");
    if let Err(error) = context.keeper.end() {
        tracing::error!(%error, "cannot end the process that keeps pipes open");
    }
    let run = context.layout.app_run(&context.app);
    // What cannot be removed is empty or in use by a successor that is just starting.
    let _ = std::fs::remove_file(context.layout.supervisor_log(&context.app));
    let _ = std::fs::remove_dir(run.join("pods"));
    drop(lock.removing());
    let _ = std::fs::remove_dir(&run);
    tokio::time::sleep(BRIDGE_LINGER).await;
    let body = |reporter: &mut Reporter| {
        reporter.send(&context.networks.remove_idle_bridges().err().map(|e| chain(&e)));
        0
    };
    match launch(&context.reaper, &[], body) {
        Ok(mut launched) => match launched.report::<Option<String>>().await {
            Ok(None) => {}
            Ok(Some(error)) => tracing::error!("cannot remove idle bridges: {error}"),
            Err(error) => tracing::error!("{}", chain(&error)),
        },
        Err(error) => tracing::error!("{}", chain(&error)),
    }
}

fn reach(name: &str) {
    if let Err(text) = failpoint::reach(name) {
        tracing::warn!("{name}: {text}");
    }
}
