//! Asking for a password: on the terminal without showing it, else a line of standard input.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};

/// A line that is not to be seen. On a terminal the question goes to standard error and the answer is not echoed.
pub fn ask(question: &str) -> io::Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&mut stdin.lock());
    }
    // A question that cannot be seen can still be answered.
    let _ = write!(io::stderr().lock(), "{question}");
    let silent = Silent::begin()?;
    let answer = line(&mut stdin.lock());
    drop(silent);
    let _ = writeln!(io::stderr().lock());
    answer
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

/// A terminal that echoes nothing until this is dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn begin() -> io::Result<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}
