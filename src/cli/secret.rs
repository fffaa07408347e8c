//! Asking for a password: on the terminal without showing it, else a line of standard input.

use crate::sys::signal::{block_all, signalfd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Write};

/// A line that is not to be seen. On a terminal the question goes to standard error and the answer is not echoed.
pub fn ask(question: &str) -> io::Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&mut stdin.lock());
    }
    // A question that cannot be seen can still be answered.
    let _ = write!(io::stderr().lock(), "{question}");
    // A signal is to find the terminal as it was: it is let in after that.
    let blocked = block_all()?;
    let silent = Silent::begin()?;
    let answer = answer(&stdin);
    drop(silent);
    drop(blocked);
    let _ = writeln!(io::stderr().lock());
    answer
}

/// A line of the terminal, or an error when a signal comes first.
fn answer(stdin: &io::Stdin) -> io::Result<String> {
    let signals = signalfd(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT])?;
    let mut both = [PollFd::new(stdin, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
    // No signal interrupts it: they are blocked.
    poll(&mut both, None)?;
    if both[1].revents().contains(PollFlags::IN) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    line(&mut stdin.lock())
}

/// A line that may be seen.
pub fn ask_openly(question: &str) -> io::Result<String> {
    if io::stdin().is_terminal() {
        let _ = write!(io::stderr().lock(), "{question}");
    }
    line(&mut io::stdin().lock())
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    if from.read_line(&mut text)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// Standard input, a terminal, echoes nothing until this is dropped.
struct Silent {
    before: Termios,
}

impl Silent {
    fn begin() -> io::Result<Self> {
        let terminal = io::stdin();
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}
