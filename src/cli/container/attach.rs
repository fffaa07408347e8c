//! `attach`.
//!
//! What the container prints comes from its log, where the supervisor puts it at once: any number of sessions see all of it, and none
//! takes anything from another. Input goes straight to the container.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::{CommandError, Exit};
use super::super::output::{Style, warn};
use super::detach::DetachKeys;
use super::log_view::{Source, show};
use super::logs::ensure_supervisor;
use super::session::{self, Channel, Ended, Program};
use crate::engine::{ContainerView, Engine};
use crate::store::layout::Layout;
use crate::store::record::{ContainerState, LogDriver};
use crate::supervisor::{self, logs};
use crate::sys::process;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;

/// Join the input and output of a running container
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Name, id, or unique beginning of an id
    #[arg(value_name = "CONTAINER", required_unless_present = "latest", add = ArgValueCompleter::new(complete::containers))]
    pub name: Option<String>,
    /// The container that was made last
    #[arg(short, long, conflicts_with = "name")]
    pub latest: bool,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// How a session goes.
#[derive(Debug, Args)]
pub struct SessionArgs {
    /// Keys that end the session and leave the container running
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    pub detach_keys: String,
    /// Leave the container's standard input alone
    #[arg(long)]
    pub no_stdin: bool,
    /// Pass signals on to the container, or let them end the session
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1,
          default_missing_value = "true", require_equals = true)]
    pub sig_proxy: bool,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error("container `{name}` is not running, it is {state}")]
    NotRunning { name: String, state: &'static str },
    #[error("cannot reach the input of container `{name}`")]
    Input {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("lost the session with the container")]
    Session(#[source] io::Error),
}

fn lost(error: io::Error) -> CommandError {
    CommandError::engine(AttachError::Session(error))
}

pub fn run(globals: &Globals, args: &AttachArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => super::latest(&mut engine)?,
    };
    let container = engine.container(&name).map_err(|error| explain(&mut engine, error))?;
    // The state is not needed any more, and a long session shall not hold it.
    let layout = engine.layout().clone();
    drop(engine);
    let run = running(&container)?;
    let ended = join(&layout, &container, run, &args.session, From::Now)?;
    finish(globals, &container, &ended)
}

/// Joins a container that has just been started, and misses nothing of it; one that has ended already is shown as it was.
pub fn join_from_its_start(
    globals: &Globals,
    mut engine: Engine,
    id: &str,
    args: &SessionArgs,
) -> Result<(), CommandError> {
    let container = engine.container(id).map_err(|error| explain(&mut engine, error))?;
    let Ok(run) = running(&container) else {
        return super::logs::attach(&mut engine, &[id.to_owned()]);
    };
    let layout = engine.layout().clone();
    drop(engine);
    let ended = join(&layout, &container, run, args, From::Start)?;
    finish(globals, &container, &ended)
}

/// Ends as the container has, unless the user left it.
fn finish(globals: &Globals, container: &ContainerView, ended: &Ended) -> Result<(), CommandError> {
    if matches!(ended, Ended::Detached(_)) {
        return Ok(());
    }
    // One that is gone by now says no more.
    let Ok(container) = globals.engine()?.ended_container(container.id()) else { return Ok(()) };
    match container.termination().and_then(|ended| ended.exit_code) {
        Some(0) | None => Ok(()),
        Some(code) => Err(CommandError::silent(Exit::Program(code as u8))),
    }
}

/// From where on output is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Start,
    Now,
}

/// Carries input and output until the container's present run has ended, or the user leaves.
fn join(
    layout: &Layout,
    container: &ContainerView,
    run: Run,
    args: &SessionArgs,
    from: From,
) -> Result<Ended, CommandError> {
    let keys = DetachKeys::parse(&args.detach_keys).map_err(CommandError::invalid)?;
    let Run { process, started_at } = run;
    let channel = channel(layout, container, args.no_stdin)?;
    // Before there is a second thread, which would else be told of them.
    let signals = session::signals(args.sig_proxy).map_err(lost)?;
    let (over, output_is_open) = io::pipe().map_err(lost)?;
    let output = {
        let (layout, app) = (layout.clone(), container.pod.app.id.clone());
        ensure_supervisor(&layout, &app)?;
        let options = logs::Options {
            tail: (from == From::Now).then_some(0),
            follow: true,
            run: Some(started_at),
            ..logs::Options::default()
        };
        let reader = logs::open(&layout, container.pod.id(), container.id(), options).map_err(CommandError::engine)?;
        let source = Source::new(reader, None, Style::stdout());
        std::thread::spawn(move || {
            let _open = output_is_open;
            show(vec![source], false, &|| ensure_supervisor(&layout, &app))
        })
    };
    let interactive =
        matches!(&channel, Channel::Input { to: Some(_), .. }) && !args.no_stdin && container.spec().stdin;
    let program = Program::Other { process: &process, over: &OwnedFd::from(over) };
    let ended = session::run(channel, program, interactive, keys, &signals).map_err(lost)?;
    if matches!(ended, Ended::Over) {
        output.join().unwrap_or_else(|_| Err(lost(io::Error::other("the output's thread panicked"))))?;
    }
    Ok(ended)
}

/// A container's process, and when its run began.
struct Run {
    process: OwnedFd,
    started_at: jiff::Timestamp,
}

/// The run of a container that has not ended yet: its status may say so a moment later than its process.
fn running(container: &ContainerView) -> Result<Run, CommandError> {
    let not_running = |state| {
        let name = container.name().to_owned();
        CommandError::engine(AttachError::NotRunning { name, state })
    };
    let ContainerState::Running { pid, start_ticks, started_at } = container.status().state else {
        return Err(not_running(container.state().as_str()));
    };
    let opened = process::pidfd_open(pid).and_then(|pidfd| Ok((pidfd, process::start_ticks(pid)?)));
    match opened {
        Ok((process, ticks)) if ticks == start_ticks => Ok(Run { process, started_at }),
        _ => Err(not_running("gone")),
    }
}

/// Where input goes. Says what the user may wonder about: input or output that there is none of.
fn channel(layout: &Layout, container: &ContainerView, no_stdin: bool) -> Result<Channel, CommandError> {
    let (spec, app) = (container.spec(), container.pod.app.id.as_str());
    let failed = |source| CommandError::engine(AttachError::Input { name: container.name().to_owned(), source });
    if container.pod.record.log.driver != LogDriver::K8sFile {
        warn("the container's output is not kept, so none is shown");
    }
    let input = match spec.stdin && !no_stdin {
        true => supervisor::standard_input(layout, app, container.id(), spec.stdin_once).map_err(failed)?,
        false => None,
    };
    if input.is_none() && !no_stdin && io::stdin().is_terminal() {
        warn(match spec.stdin {
            true => "the container's input was closed after an earlier session: nothing is sent to it",
            false => "the container has no open standard input: nothing is sent to it",
        });
    }
    Ok(match (spec.tty, input) {
        // Without input it still has the size of the user's window.
        (true, None) => {
            let console = supervisor::console(layout, app, container.id()).map_err(failed)?;
            Channel::Input { to: console, terminal: true }
        }
        (terminal, input) => Channel::Input { to: input, terminal },
    })
}
