//! Moving what containers print from their FIFOs to their logs, without copying it through this process.

use super::writer::Writer;
use crate::sys::pipe::Moved;
use crate::sys::readiness;
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// A batch smaller than this lets the pump sleep a moment, so that many small writes cost one wake-up.
const SMALL: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_millis(1);
/// Before a log that could not be written is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// More than a pipe or terminal holds of what was written before its last reader was told to end.
const LARGEST_PIPE: usize = 2 << 20;

/// The pump of one stream; dropping it stops it where it is.
#[derive(Debug)]
pub(crate) struct Pump {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<io::Result<u64>>,
}

impl Pump {
    /// Starts to move from `fifo`, which must be open for both ways so that it never ends by itself.
    pub fn start(fifo: OwnedFd, writer: Writer) -> io::Result<Self> {
        let source = readiness::readable(fifo)?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { stop, task: tokio::task::spawn_local(run(source, writer, stopped)) })
    }

    /// Starts to keep what the other side of a terminal prints. It ends with the last process that has the terminal open.
    pub fn start_terminal(console: OwnedFd, writer: Writer) -> io::Result<Self> {
        Self::of_terminal(console, Some(writer))
    }

    /// Keeps a terminal open and its buffer empty.
    pub fn discard_terminal(console: OwnedFd) -> io::Result<Self> {
        Self::of_terminal(console, None)
    }

    fn of_terminal(console: OwnedFd, writer: Option<Writer>) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&console, true)?;
        let source = readiness::readable(console)?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { stop, task: tokio::task::spawn_local(run_terminal(source, writer, stopped)) })
    }

    /// Moves what is still in the pipe and ends; returns where the file ends.
    pub async fn drain(self) -> io::Result<u64> {
        let _ = self.stop.send(()); // a pump that failed is gone already, and its result says why
        self.task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// A log that cannot be written (a full disk) is tried again: the container waits meanwhile, and goes on when there is room.
async fn run(source: AsyncFd<OwnedFd>, mut writer: Writer, mut stop: oneshot::Receiver<()>) -> io::Result<u64> {
    let mut failing = false;
    loop {
        let mut guard = tokio::select! {
            biased;
            // First, or a process that never pauses would keep it from ending.
            _ = &mut stop => return drain(&source, &mut writer),
            guard = source.readable() => guard?,
        };
        let pause = match writer.take(&source, now()) {
            Ok(Moved::Bytes(count)) => {
                failing = false;
                (count < SMALL).then_some(PAUSE)
            }
            Ok(Moved::Empty | Moved::End) => {
                guard.clear_ready();
                continue;
            }
            Err(error) => Some(complain(&mut failing, &error)),
        };
        tokio::select! {
            _ = &mut stop => return drain(&source, &mut writer),
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            () = tokio::task::yield_now(), if pause.is_none() => {}
        }
    }
}

/// What the pipe holds, and no more than it can hold: others may go on writing.
fn drain(source: &AsyncFd<OwnedFd>, writer: &mut Writer) -> io::Result<u64> {
    let mut left = LARGEST_PIPE;
    while let Moved::Bytes(count) = writer.take(source, now())? {
        left = left.saturating_sub(count);
        if left == 0 {
            break;
        }
    }
    Ok(writer.offset())
}

/// Says once what is wrong until it is right again; how long to wait before the next try.
fn complain(failing: &mut bool, error: &io::Error) -> Duration {
    if !std::mem::replace(failing, true) {
        tracing::warn!(%error, "cannot write a log, the container has to wait");
    }
    RETRY
}

async fn run_terminal(
    source: AsyncFd<OwnedFd>,
    mut writer: Option<Writer>,
    mut stop: oneshot::Receiver<()>,
) -> io::Result<u64> {
    let mut stopping = false;
    let mut failing = false;
    let mut left = LARGEST_PIPE;
    let mut buffer = vec![0; SMALL];
    while left > 0 {
        match rustix::io::read(&source, &mut buffer) {
            // EIO: nobody has the other side open any more.
            Ok(0) | Err(Errno::IO) => break,
            Ok(count) => {
                while let Some(Err(error)) = writer.as_mut().map(|w| w.append(&buffer[..count], now())) {
                    if stopping {
                        return Err(error);
                    }
                    let pause = complain(&mut failing, &error);
                    tokio::select! {
                        _ = &mut stop => stopping = true,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                failing = false;
                if stopping {
                    left = left.saturating_sub(count);
                }
                tokio::task::yield_now().await;
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if stopping => break,
            Err(Errno::AGAIN) => tokio::select! {
                guard = source.readable() => guard?.clear_ready(),
                _ = &mut stop, if !stopping => stopping = true,
            },
            Err(error) => return Err(error.into()),
        }
        stopping = stopping || stop.try_recv() != Err(oneshot::error::TryRecvError::Empty);
    }
    Ok(writer.map_or(0, |w| w.offset()))
}

/// Nanoseconds since the epoch.
fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
