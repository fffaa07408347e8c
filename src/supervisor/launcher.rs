//! Short-lived children that do what must not be done in the supervisor: what blocks, changes namespaces or leaves threads.
//!
//! A launcher is forked, not executed: it finds everything it needs in its copy of memory, reports as JSON lines over a pipe
//! and exits. It dies with the supervisor, so that a half-made thing is never finished behind the next supervisor's back.

use super::reaper::Reaper;
pub(super) use crate::model::diagnostic::with_causes as chain;
use crate::sys::process::{self, Exit};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

/// The launcher's end of the report.
pub(super) struct Reporter {
    pipe: File,
}

impl Reporter {
    /// Sends one value. The reader is the supervisor, without which this process is dead: there is nobody to tell of an error.
    pub fn send(&mut self, value: &impl Serialize) {
        if let Ok(mut line) = serde_json::to_vec(value) {
            line.push(b'\n');
            let _ = self.pipe.write_all(&line);
        }
    }
}

/// The supervisor's end.
pub(super) struct Launched {
    reports: BufReader<pipe::Receiver>,
    exit: oneshot::Receiver<Exit>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum LaunchError {
    #[error("cannot start a launcher")]
    Fork(#[source] io::Error),
    #[error("cannot read what the launcher reports")]
    Read(#[source] io::Error),
    #[error("the launcher reports what is no report")]
    Report(#[source] serde_json::Error),
    #[error("the launcher ended without a report ({0:?})")]
    Silent(Option<Exit>),
}

/// Forks a launcher that keeps only `keep` of the descriptors.
pub(super) fn launch(
    reaper: &Reaper,
    keep: &[BorrowedFd<'_>],
    body: impl FnOnce(&mut Reporter) -> i32,
) -> Result<Launched, LaunchError> {
    let (reader, writer) = process::pipe().map_err(LaunchError::Fork)?;
    let supervisor = rustix::process::getpid();
    let begin = Instant::now();
    let child = process::fork_child(|| {
        let _ = rustix::thread::set_name(c"podkin-launcher");
        let die = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        // The supervisor may have died before that took effect.
        if die.is_err() || rustix::process::getppid() != Some(supervisor) {
            return 1;
        }
        let mut kept = keep.to_vec();
        kept.push(writer.as_fd());
        if process::close_all_but(&kept).is_err() {
            return 1;
        }
        body(&mut Reporter { pipe: File::from(writer) })
    })
    .map_err(LaunchError::Fork)?;
    let exit = reaper.watch(child.pid, begin);
    let reports = pipe::Receiver::from_owned_fd(reader).map_err(LaunchError::Read)?;
    Ok(Launched { reports: BufReader::new(reports), exit })
}

impl Launched {
    /// The next report.
    pub async fn report<T: DeserializeOwned>(&mut self) -> Result<T, LaunchError> {
        let mut line = Vec::new();
        match self.reports.read_until(b'\n', &mut line).await {
            Ok(0) => Err(LaunchError::Silent((&mut self.exit).await.ok())),
            Ok(_) => serde_json::from_slice(&line).map_err(LaunchError::Report),
            Err(error) => Err(LaunchError::Read(error)),
        }
    }
}
