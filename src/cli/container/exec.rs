//! `exec`.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::{CommandError, Exit};
use super::super::output::warn;
use super::detach::DetachKeys;
use super::session::{self, Channel, Ended, Program};
use crate::engine::ContainerView;
use crate::runtime::Stdio;
use crate::runtime::exec::{ExecError, ExecRequest, ExecTarget, Executed, exec};
use crate::store::record::ContainerState;
use crate::sys::process;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// Run a program in a running container
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Do not wait for the program
    #[arg(short, long)]
    pub detach: bool,
    /// Set a variable; a name alone takes its value from here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_delimiter = ',', value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// User and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// All capabilities
    #[arg(long)]
    pub privileged: bool,
    /// Keys that end the session and leave the program running
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    pub detach_keys: String,
    /// The container that was made last
    #[arg(short, long)]
    pub latest: bool,
    #[arg(long, hide = true, value_name = "N", default_value_t = 0)]
    pub preserve_fds: u32,
    /// Container, then the program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CONTAINER COMMAND",
          add = ArgValueCompleter::new(complete::containers))]
    pub command: Vec<String>,
}

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("no command to run in container `{0}`")]
    NoCommand(String),
    #[error("container `{name}` is not running, it is {state}")]
    NotRunning { name: String, state: &'static str },
    #[error("cannot run `{command}` in container `{container}`")]
    Exec {
        command: String,
        container: String,
        #[source]
        source: ExecError,
    },
    #[error("cannot read variables from `{}`", path.display())]
    EnvFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{0}` is no variable: it must be NAME=VALUE or NAME")]
    Variable(String),
    #[error("`{0}` is not an absolute path")]
    Workdir(String),
    #[error("`--preserve-fds` is not supported: descriptors of this machine are not given to containers")]
    PreserveFds,
    #[error("cannot set up input and output")]
    Stdio(#[source] io::Error),
    #[error("lost the session with the program")]
    Session(#[source] io::Error),
}

pub fn run(globals: &Globals, args: ExecArgs) -> Result<(), CommandError> {
    if args.preserve_fds != 0 {
        return Err(CommandError::invalid(RunError::PreserveFds));
    }
    let keys = DetachKeys::parse(&args.detach_keys).map_err(CommandError::invalid)?;
    let mut engine = globals.engine()?;
    let (name, command) = match args.latest {
        true => (super::latest(&mut engine)?, args.command.as_slice()),
        false => (args.command[0].clone(), &args.command[1..]),
    };
    let request = request(&args, &name, command)?;
    let container = engine.container(&name).map_err(|error| explain(&mut engine, error))?;
    let target = target(engine.layout(), &container)?;
    // The state is not needed any more, and a long session shall not hold it.
    drop(engine);

    let (stdio, channel) = streams(&args).map_err(|error| CommandError::engine(RunError::Stdio(error)))?;
    let failed = |source| exec_failure(&command[0], &container, source);
    let Executed { child, console } = exec(&target, &request, stdio).map_err(failed)?;
    let channel = match (args.detach, console, channel) {
        // A detached program with a terminal loses it with us.
        (true, _, _) => return Ok(()),
        (false, Some(console), _) => Channel::Terminal(console),
        (false, None, channel) => channel,
    };
    let lost = |error| CommandError::engine(RunError::Session(error));
    let signals = session::signals(true).map_err(lost)?;
    let ended = session::run(channel, Program::Child(&child.pidfd), args.interactive, keys, &signals);
    match ended.map_err(lost)? {
        Ended::Exit(exit) => match exit.shell_code() {
            0 => Ok(()),
            code => Err(CommandError::silent(Exit::Program(code as u8))),
        },
        Ended::Detached(console) => console.map_or(Ok(()), keep_terminal).map_err(lost),
        Ended::Over => Ok(()),
    }
}

fn request(args: &ExecArgs, name: &str, command: &[String]) -> Result<ExecRequest, CommandError> {
    if command.is_empty() {
        return Err(CommandError::invalid(RunError::NoCommand(name.to_owned())));
    }
    if let Some(directory) = args.workdir.as_ref().filter(|directory| !directory.starts_with('/')) {
        return Err(CommandError::invalid(RunError::Workdir(directory.clone())));
    }
    let mut env = Vec::new();
    for path in &args.env_file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CommandError::invalid(RunError::EnvFile { path: path.clone(), source }))?;
        let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            env.extend(variable(line)?);
        }
    }
    for text in &args.env {
        env.extend(variable(text)?);
    }
    Ok(ExecRequest {
        args: command.to_vec(),
        env,
        cwd: args.workdir.clone(),
        user: args.user.clone(),
        privileged: args.privileged,
    })
}

/// `NAME=VALUE`, or `NAME` with the value it has here; nothing when it has none.
fn variable(text: &str) -> Result<Option<(String, String)>, CommandError> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, std::env::var(text).ok()),
    };
    if name.is_empty() || name.contains('\0') {
        return Err(CommandError::invalid(RunError::Variable(text.to_owned())));
    }
    Ok(value.map(|value| (name.to_owned(), value)))
}

fn target(layout: &crate::store::layout::Layout, container: &ContainerView) -> Result<ExecTarget, CommandError> {
    let name = container.name().to_owned();
    match container.status().state {
        ContainerState::Running { pid, start_ticks, .. } => {
            let run_dir = layout.container_run(container.id());
            ExecTarget::open(run_dir, pid, start_ticks).map_err(|source| exec_failure("", container, source))
        }
        ContainerState::Waiting { .. } | ContainerState::Terminated(_) => {
            Err(CommandError::engine(RunError::NotRunning { name, state: container.state().as_str() }))
        }
    }
}

/// 126 and 127 for a program that cannot be run, 125 for everything else.
fn exec_failure(command: &str, container: &ContainerView, source: ExecError) -> CommandError {
    let name = container.name().to_owned();
    match source {
        ExecError::NotRunning => CommandError::engine(RunError::NotRunning { name, state: "gone" }),
        source => {
            let exit = match &source {
                ExecError::Command(failure) => match failure.kind.exit_code() {
                    127 => Exit::NotFound,
                    _ => Exit::NotInvocable,
                },
                _ => Exit::Engine,
            };
            CommandError::new(exit, RunError::Exec { command: command.to_owned(), container: name, source })
        }
    }
}

/// The program's standard streams, and our side of them.
///
/// A terminal of this machine is never given to a container: whoever has it can type into it (TIOCSTI) and reopen it.
fn streams(args: &ExecArgs) -> io::Result<(Stdio, Channel)> {
    let none = Channel::Pipes { stdin: None, stdout: None, stderr: None };
    if args.detach {
        let null = || open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(io::Error::from);
        return Ok((Stdio::Descriptors { stdin: null()?, stdout: null()?, stderr: null()? }, none));
    }
    if args.tty {
        if args.interactive && !io::stdin().is_terminal() {
            warn("standard input is no terminal");
        }
        return Ok((Stdio::Terminal, none));
    }
    let (stdin, our_stdin) = match args.interactive {
        true => input(&io::stdin())?,
        false => (open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?, None),
    };
    let (stdout, our_stdout) = output(&io::stdout())?;
    let (stderr, our_stderr) = output(&io::stderr())?;
    let channel = Channel::Pipes { stdin: our_stdin, stdout: our_stdout, stderr: our_stderr };
    Ok((Stdio::Descriptors { stdin, stdout, stderr }, channel))
}

/// A pipe is handed on as it is: nothing but its data can be reached through it. Everything else is copied through a new one.
fn is_pipe(fd: impl AsFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode) == FileType::Fifo)
}

/// The program's end and ours, of a stream that it reads.
fn input(user: &impl AsFd) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    if is_pipe(user)? {
        return Ok((user.as_fd().try_clone_to_owned()?, None));
    }
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), Some(writer.into())))
}

/// The program's end and ours, of a stream that it writes.
fn output(user: &impl AsFd) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    if is_pipe(user)? {
        return Ok((user.as_fd().try_clone_to_owned()?, None));
    }
    let (reader, writer) = io::pipe()?;
    Ok((writer.into(), Some(reader.into())))
}

/// Leaves a process behind that holds the terminal of a program the user has detached from, and reads what comes: without one
/// the program would be hung up on.
fn keep_terminal(console: OwnedFd) -> io::Result<()> {
    let (mut ready, out_of_session) = io::pipe()?;
    let mut out_of_session = Some(out_of_session);
    process::fork_child(|| {
        let _ = rustix::process::setsid();
        out_of_session.take();
        if let Ok(null) = open("/dev/null", OFlags::RDWR, Mode::empty()) {
            let _ = process::install_stdio([null.as_fd(), null.as_fd(), null.as_fd()]);
        }
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(&console, &mut buffer[..]) {
                Ok(0) => return 0,
                Err(rustix::io::Errno::INTR) | Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    use rustix::event::{PollFd, PollFlags, poll};
                    let _ = poll(&mut [PollFd::new(&console, PollFlags::IN)], None);
                }
                Err(_) => return 0,
            }
        }
    })?;
    drop(out_of_session);
    // Our own end may hang the session up, and the keeper must not be part of it any more.
    ready.read_to_end(&mut Vec::new())?;
    warn("detached; the program goes on");
    Ok(())
}
