//! The traffic between the user and a program that runs in a container: keys and output, window size, signals, its end.

use super::detach::DetachKeys;
use crate::sys::process::{self, Exit};
use crate::sys::signal::{read_signalfd, signalfd};
use crate::sys::tty::{RawMode, copy_size};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const CHUNK: usize = 64 * 1024;
/// End of transmission: what Ctrl-D sends.
const EOT: u8 = 4;

/// Our side of the program's input and output.
#[derive(Debug)]
pub enum Channel {
    /// The controlling side of its terminal.
    Terminal(OwnedFd),
    /// Pipes; `None` for a stream that the program got straight from us.
    Pipes { stdin: Option<OwnedFd>, stdout: Option<OwnedFd>, stderr: Option<OwnedFd> },
    /// Its input, or the terminal it comes through; what it prints is shown by somebody else.
    Input { to: Option<OwnedFd>, terminal: bool },
}

/// What the session is about.
#[derive(Debug, Clone, Copy)]
pub enum Program<'a> {
    /// A child of ours: its end is the session's.
    Child(&'a OwnedFd),
    /// Somebody else's. The session ends when `over` has.
    Other { process: &'a OwnedFd, over: &'a OwnedFd },
}

/// How a session ended.
#[derive(Debug)]
pub enum Ended {
    /// The program ended.
    Exit(Exit),
    /// It is over with a program that is no child of ours: others know how it ended.
    Over,
    /// The user typed the detach keys; a terminal that only we hold is given back, since the program dies when its last holder is
    /// gone.
    Detached(Option<OwnedFd>),
}

/// Descriptors of the user's side.
struct User<'a> {
    stdin: Option<BorrowedFd<'a>>,
    stdout: BorrowedFd<'a>,
    stderr: BorrowedFd<'a>,
}

/// One session in progress.
struct Session<'a> {
    user: User<'a>,
    /// Where input goes; `None` when there is none, or it has ended.
    input: Option<OwnedFd>,
    /// Input that was read and not yet written.
    unwritten: Vec<u8>,
    /// The user's input has ended.
    input_ended: bool,
    outputs: Vec<Output<'a>>,
    terminal: bool,
    keys: Option<DetachKeys>,
}

struct Output<'a> {
    from: OwnedFd,
    to: BorrowedFd<'a>,
}

/// What one round of a session led to.
enum Step {
    Go,
    Detach,
}

/// Signals that are passed on to the program when the user's terminal does not make keys of them.
const FORWARDED: [i32; 6] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];

/// Has the signals that a session cares about wait for it, in threads that are started from now on, too. With `forward` those that
/// go on to the program are among them; else they mean us.
pub fn signals(forward: bool) -> io::Result<OwnedFd> {
    let forwarded = if forward { &FORWARDED[..] } else { &[] };
    signalfd(&[forwarded, &[libc::SIGWINCH]].concat())
}

/// Carries input and output until the program ends. `interactive`: the user's standard input goes to it.
pub fn run(
    channel: Channel,
    program: Program<'_>,
    interactive: bool,
    keys: DetachKeys,
    signals: &OwnedFd,
) -> io::Result<Ended> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let user = User { stdin: interactive.then(|| stdin.as_fd()), stdout: stdout.as_fd(), stderr: stderr.as_fd() };
    let terminal = channel.is_terminal();
    let raw = match (terminal, &user.stdin) {
        (true, Some(stdin)) => RawMode::enter(stdin)?,
        _ => None,
    };
    let keys = raw.is_some().then_some(keys);
    let mut session = Session::new(user, channel, keys)?;
    session.resize()?;
    let ended = session.carry(program, signals);
    drop(raw);
    ended
}

impl Channel {
    fn is_terminal(&self) -> bool {
        match self {
            Channel::Terminal(_) => true,
            Channel::Pipes { .. } => false,
            Channel::Input { terminal, .. } => *terminal,
        }
    }
}

impl Program<'_> {
    fn process(&self) -> &OwnedFd {
        match self {
            Program::Child(process) | Program::Other { process, .. } => process,
        }
    }

    /// Readable when it is over.
    fn end(&self) -> &OwnedFd {
        match self {
            Program::Child(process) => process,
            Program::Other { over, .. } => over,
        }
    }
}

impl<'a> Session<'a> {
    fn new(user: User<'a>, channel: Channel, keys: Option<DetachKeys>) -> io::Result<Self> {
        let terminal = channel.is_terminal();
        let (input, outputs) = match channel {
            Channel::Terminal(console) => {
                set_nonblocking(&console)?;
                (Some(console.try_clone()?), vec![Output { from: console, to: user.stdout }])
            }
            Channel::Pipes { stdin, stdout, stderr } => {
                let output = |from: Option<OwnedFd>, to| from.map(|from| Output { from, to });
                let outputs = [output(stdout, user.stdout), output(stderr, user.stderr)];
                (stdin, outputs.into_iter().flatten().collect())
            }
            Channel::Input { to, .. } => (to, Vec::new()),
        };
        if let Some(input) = &input {
            set_nonblocking(input)?;
        }
        // A program that has the user's input itself must find all of it there.
        let input_ended = user.stdin.is_none() || input.is_none();
        let mut session = Self { user, input, unwritten: Vec::new(), input_ended, outputs, terminal, keys };
        session.close_input_when_done();
        Ok(session)
    }

    fn carry(&mut self, program: Program<'_>, signals: &OwnedFd) -> io::Result<Ended> {
        loop {
            let ready = self.wait(program, signals)?;
            if ready.signals {
                self.signals(signals, program.process())?;
            }
            for at in ready.outputs.into_iter().rev() {
                self.copy_output(at)?;
            }
            if ready.user && matches!(self.read_input()?, Step::Detach) {
                return Ok(Ended::Detached(self.outputs.pop().map(|console| console.from)));
            }
            if ready.input {
                self.write_input()?;
            }
            if ready.program {
                let Program::Child(child) = program else { return Ok(Ended::Over) };
                let exit = process::wait(child)?;
                self.drain()?;
                return Ok(Ended::Exit(exit));
            }
        }
    }

    fn wait(&self, program: Program<'_>, signals: &OwnedFd) -> io::Result<Ready> {
        let mut fds = vec![PollFd::new(program.end(), PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        fds.extend(self.outputs.iter().map(|output| PollFd::new(&output.from, PollFlags::IN)));
        let reads_user = !self.input_ended && self.unwritten.is_empty();
        if let (true, Some(stdin)) = (reads_user, &self.user.stdin) {
            fds.push(PollFd::new(stdin, PollFlags::IN));
        }
        if let (false, Some(input)) = (self.unwritten.is_empty(), &self.input) {
            fds.push(PollFd::new(input, PollFlags::OUT));
        }
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let after = 2 + self.outputs.len();
        Ok(Ready {
            program: is_ready(0),
            signals: is_ready(1),
            outputs: (0..self.outputs.len()).filter(|at| is_ready(2 + at)).collect(),
            user: reads_user && self.user.stdin.is_some() && is_ready(after),
            input: !self.unwritten.is_empty() && is_ready(after),
        })
    }

    /// Moves what there is from one output to the user; an output that has ended, or whose reader has gone, is dropped.
    fn copy_output(&mut self, at: usize) -> io::Result<bool> {
        let mut buffer = [0; CHUNK];
        let output = &self.outputs[at];
        let count = match rustix::io::read(&output.from, &mut buffer[..]) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            // A terminal without a program on its other side.
            Err(Errno::IO) => 0,
            Err(error) => return Err(error.into()),
        };
        if count == 0 || write_all(output.to, &buffer[..count])?.is_gone() {
            self.outputs.remove(at);
            return Ok(false);
        }
        Ok(true)
    }

    /// After the program's end: shows what it had still written.
    fn drain(&mut self) -> io::Result<()> {
        for output in &self.outputs {
            set_nonblocking(&output.from)?;
        }
        while let Some(last) = self.outputs.len().checked_sub(1) {
            if !self.copy_output(last)? {
                self.outputs.truncate(last);
            }
        }
        Ok(())
    }

    fn read_input(&mut self) -> io::Result<Step> {
        let Some(stdin) = &self.user.stdin else { return Ok(Step::Go) };
        let mut buffer = [0; 4096];
        let count = match rustix::io::read(stdin, &mut buffer[..]) {
            Ok(count) => count,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(Step::Go),
            Err(Errno::IO) => 0,
            Err(error) => return Err(error.into()),
        };
        if count == 0 {
            self.input_ended = true;
            if self.terminal {
                self.unwritten.push(EOT);
            }
            self.close_input_when_done();
            return Ok(Step::Go);
        }
        let typed = &buffer[..count];
        let (through, detach) = match &mut self.keys {
            Some(keys) => keys.filter(typed),
            None => (typed.to_vec(), false),
        };
        self.unwritten.extend(through);
        self.write_input()?;
        Ok(if detach { Step::Detach } else { Step::Go })
    }

    fn write_input(&mut self) -> io::Result<()> {
        let Some(input) = &self.input else {
            self.unwritten.clear();
            return Ok(());
        };
        match rustix::io::write(input, &self.unwritten) {
            Ok(count) => {
                self.unwritten.drain(..count);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            // The program reads no more.
            Err(Errno::PIPE | Errno::IO) => {
                self.unwritten.clear();
                self.input = None;
                self.input_ended = true;
            }
            Err(error) => return Err(error.into()),
        }
        self.close_input_when_done();
        Ok(())
    }

    /// The end of the user's input is the end of the program's; a terminal stays, since output comes through it.
    fn close_input_when_done(&mut self) {
        if self.input_ended && self.unwritten.is_empty() && !self.terminal {
            self.input = None;
        }
    }

    fn signals(&mut self, signals: &OwnedFd, program: &OwnedFd) -> io::Result<()> {
        while let Some(signal) = read_signalfd(signals)? {
            if signal == libc::SIGWINCH {
                self.resize()?;
            } else {
                match process::pidfd_send_signal(program, signal) {
                    Err(error) if error.raw_os_error() != Some(libc::ESRCH) => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn resize(&self) -> io::Result<()> {
        if let (true, Some(console)) = (self.terminal, &self.input) {
            let sized = match &self.user.stdin {
                Some(stdin) => copy_size(stdin, console)?,
                None => false,
            };
            if !sized {
                copy_size(self.user.stdout, console)?;
            }
        }
        Ok(())
    }
}

/// What can be done now.
#[derive(Default)]
struct Ready {
    program: bool,
    signals: bool,
    outputs: Vec<usize>,
    user: bool,
    input: bool,
}

/// Whether the reader of what was written is still there.
#[derive(PartialEq, Eq)]
enum Reader {
    There,
    Gone,
}

impl Reader {
    fn is_gone(&self) -> bool {
        *self == Reader::Gone
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<Reader> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Somebody else made the user's terminal or pipe non-blocking.
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None)?;
            }
            Err(Errno::PIPE | Errno::IO) => return Ok(Reader::Gone),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Reader::There)
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?)
}
