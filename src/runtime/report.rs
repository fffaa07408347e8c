//! How the parent of a process learns whether its program was executed.
//!
//! The process holds the write end of a pipe that execve closes. The reader sees the end of the stream: the program runs; or one
//! JSON object: it does not, and why.

use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

/// Most that is read of a report; a longer one is cut by nobody honest.
const LIMIT: u64 = 16 * 1024;

/// Why a program was not executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ExecFailure {
    pub kind: ExecFailureKind,
    /// Names the program and the reason.
    pub message: String,
    /// The system's error number, where it has one.
    pub errno: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecFailureKind {
    /// Exit code 127.
    CommandNotFound,
    /// Exists, but cannot be executed: exit code 126.
    CommandNotInvocable,
    /// Something before the execution failed, such as a limit or the seccomp filter.
    Other,
}

impl ExecFailureKind {
    /// The code a shell, and podman, exit with.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::CommandNotFound => 127,
            Self::CommandNotInvocable | Self::Other => 126,
        }
    }
}

/// A pipe for one report: the reader's end, the process's end.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    crate::sys::process::pipe()
}

/// Writes the failure; an error is of no use to a process about to exit, and is ignored.
pub(crate) fn send(mut pipe: impl Write, failure: &ExecFailure) {
    if let Ok(bytes) = serde_json::to_vec(failure) {
        let _ = pipe.write_all(&bytes);
    }
}

/// Waits for the report: `None` when the program was executed (or the process died before it could say anything: its exit status
/// tells).
pub fn receive(pipe: OwnedFd) -> io::Result<Option<ExecFailure>> {
    let mut bytes = Vec::new();
    std::fs::File::from(pipe).take(LIMIT).read_to_end(&mut bytes)?;
    parse(&bytes)
}

/// What the bytes of a finished pipe say.
pub fn parse(bytes: &[u8]) -> io::Result<Option<ExecFailure>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_round_trips() {
        let failure = ExecFailure {
            kind: ExecFailureKind::CommandNotFound,
            message: "`nope` was not found in PATH".into(),
            errno: Some(2),
        };
        let (reader, writer) = pipe().unwrap();
        send(std::fs::File::from(writer), &failure);
        assert_eq!(receive(reader).unwrap(), Some(failure));
        assert_eq!(parse(b"").unwrap(), None);
        assert!(parse(b"garbage").is_err());
    }
}
