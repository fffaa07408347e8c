//! What a command that failed says, and the exit code it ends with.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// How a command ends when it did not succeed. The numbers are podman's, plus 2 for input that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The answer is no: `exists`, `wait`, `check`; what `rmi` was to remove is not there.
    Negative,
    /// What `rmi` was to remove is in use.
    InUse,
    /// The command line, a file or a template is wrong; nothing was changed.
    InvalidInput,
    /// podkin failed.
    Engine,
    /// The program of `exec` cannot be executed.
    NotInvocable,
    /// The program of `exec` does not exist.
    NotFound,
    /// The exit code of a program that ran.
    Program(u8),
}

/// One line of the exit code table.
pub struct ExitCodeEntry {
    pub code: &'static str,
    pub meaning: &'static str,
}

/// The exit codes, as `--help` and the README show them.
pub const EXIT_CODES: &[ExitCodeEntry] = &[
    ExitCodeEntry { code: "0", meaning: "success" },
    ExitCodeEntry {
        code: "1",
        meaning: "the answer is no (`exists`), `system check` found damage, or no such image (`rmi`)",
    },
    ExitCodeEntry {
        code: "2",
        meaning: "invalid input: command line, YAML or template; nothing was changed. Image in use (`rmi`)",
    },
    ExitCodeEntry { code: "125", meaning: "podkin failed; what this run had made was taken back" },
    ExitCodeEntry { code: "126", meaning: "the program to run cannot be executed" },
    ExitCodeEntry { code: "127", meaning: "the program to run does not exist" },
    ExitCodeEntry { code: "128+n", meaning: "the program, or podkin itself, was ended by signal n" },
    ExitCodeEntry { code: "other", meaning: "the exit code of the program (`exec`)" },
];

/// The table of exit codes as it stands in `--help`.
pub fn exit_code_help() -> String {
    let mut text = String::from("Exit codes:\n");
    for entry in EXIT_CODES {
        text.push_str(&format!("  {:<6} {}\n", entry.code, entry.meaning));
    }
    text.pop();
    text
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Negative => 1,
            Exit::InvalidInput | Exit::InUse => 2,
            Exit::Engine => 125,
            Exit::NotInvocable => 126,
            Exit::NotFound => 127,
            Exit::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// A failed command: its exit code and what is said on standard error.
pub struct CommandError {
    exit: Exit,
    body: Body,
    hints: Vec<String>,
}

enum Body {
    /// Nothing more to say: everything has been printed, or the exit code is the answer.
    Silent,
    /// The reader of standard output went away: not an error.
    ClosedPipe,
    /// `error:` and the chain of causes.
    Failure(Box<dyn Error + Send + Sync>),
    /// Several, each with its own chain; all are said.
    Failures(Vec<Box<dyn Error + Send + Sync>>),
}

impl CommandError {
    /// podkin failed: exit code 125.
    pub fn engine(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Engine, error)
    }

    /// The input is wrong: exit code 2.
    pub fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::InvalidInput, error)
    }

    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, body: Body::Failure(error.into()), hints: Vec::new() }
    }

    /// Several failures, each with its own code; the first that is not podkin's own stands for all.
    pub fn each(errors: Vec<CommandError>) -> Self {
        let told = errors.iter().map(|error| error.exit).find(|exit| *exit != Exit::Engine);
        let mut all = Self { exit: told.unwrap_or(Exit::Engine), body: Body::Failures(Vec::new()), hints: Vec::new() };
        for error in errors {
            if let Body::Failures(list) = &mut all.body {
                match error.body {
                    Body::Failure(one) => list.push(one),
                    Body::Failures(several) => list.extend(several),
                    Body::Silent | Body::ClosedPipe => {}
                }
            }
            for hint in error.hints {
                if !all.hints.contains(&hint) {
                    all.hints.push(hint);
                }
            }
        }
        all
    }

    /// Ends with that code and says nothing more.
    pub fn silent(exit: Exit) -> Self {
        Self { exit, body: Body::Silent, hints: Vec::new() }
    }

    /// Adds what to try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what to try, when there is something.
    pub fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// The same failure with another exit code.
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The process's exit code; a closed pipe is success.
    pub fn exit_code(&self) -> u8 {
        match self.body {
            Body::ClosedPipe => 0,
            _ => self.exit.code(),
        }
    }

    /// What is printed on standard error; empty when there is nothing to say.
    pub fn render(&self, style: super::output::Style) -> String {
        let mut text = String::new();
        match &self.body {
            Body::Silent | Body::ClosedPipe => return text,
            Body::Failure(error) => render_chain(&mut text, error.as_ref(), style),
            Body::Failures(errors) => errors.iter().for_each(|e| render_chain(&mut text, e.as_ref(), style)),
        }
        for hint in &self.hints {
            text.push_str(&format!("{} {hint}\n", style.hint("hint:")));
        }
        text
    }
}

fn render_chain(text: &mut String, error: &(dyn Error + Send + Sync), style: super::output::Style) {
    text.push_str(&format!("{} {}\n", style.error("error:"), indent(&error.to_string(), 7)));
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("  {} {}\n", style.dim("caused by:"), indent(&cause.to_string(), 13)));
        source = cause.source();
    }
}

/// Keeps the lines after the first below the text and not below the label.
fn indent(text: &str, by: usize) -> String {
    text.trim_end().replace('\n', &format!("\n{:by$}", ""))
}

impl fmt::Debug for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(super::output::Style::plain()))
    }
}

/// Writing to standard output is what fails with a bare [`io::Error`] in a command.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Engine, body: Body::ClosedPipe, hints: Vec::new() };
        }
        Self::engine(OutputError(error))
    }
}

/// Standard output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the output")]
struct OutputError(#[source] io::Error);

#[cfg(test)]
mod tests {
    use super::super::output::Style;
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start pod `web`")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_chain_is_walked_and_hints_come_last() {
        let error = CommandError::engine(Outer(io::Error::other("port 80/tcp is in use"))).hint("stop `api`");
        assert_eq!(
            error.render(Style::plain()),
            "error: cannot start pod `web`\n  caused by: port 80/tcp is in use\nhint: stop `api`\n"
        );
        assert_eq!(error.exit_code(), 125);
    }

    #[test]
    fn a_closed_pipe_is_success_and_silent() {
        let error = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((error.exit_code(), error.render(Style::plain()).as_str()), (0, ""));
        assert_eq!(CommandError::from(io::Error::from(io::ErrorKind::StorageFull)).exit_code(), 125);
    }

    #[test]
    fn every_exit_has_a_line_in_the_table() {
        for exit in [Exit::Negative, Exit::InvalidInput, Exit::Engine, Exit::NotInvocable, Exit::NotFound] {
            let code = exit.code().to_string();
            assert!(EXIT_CODES.iter().any(|e| e.code == code), "{code} is missing");
        }
    }

    #[test]
    fn the_readme_has_the_table() {
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
        for entry in EXIT_CODES {
            let row = format!("| {} | {} |", entry.code, entry.meaning);
            assert!(readme.contains(&row), "README.md lacks {row:?}");
        }
    }
}
