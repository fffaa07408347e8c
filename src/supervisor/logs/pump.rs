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

async fn run(source: AsyncFd<OwnedFd>, mut writer: Writer, mut stop: oneshot::Receiver<()>) -> io::Result<u64> {
    loop {
        let mut guard = tokio::select! {
            biased;
            guard = source.readable() => guard?,
            _ = &mut stop => {
                while let Moved::Bytes(_) = writer.take(&source, now())? {}
                return Ok(writer.offset());
            }
        };
        match writer.take(&source, now())? {
            Moved::Bytes(count) if count < SMALL => tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = &mut stop => {
                    while let Moved::Bytes(_) = writer.take(&source, now())? {}
                    return Ok(writer.offset());
                }
            },
            Moved::Bytes(_) => tokio::task::yield_now().await,
            Moved::Empty | Moved::End => guard.clear_ready(),
        }
    }
}

async fn run_terminal(
    source: AsyncFd<OwnedFd>,
    mut writer: Option<Writer>,
    mut stop: oneshot::Receiver<()>,
) -> io::Result<u64> {
    let mut stopping = false;
    let mut buffer = vec![0; SMALL];
    loop {
        match rustix::io::read(&source, &mut buffer) {
            // EIO: nobody has the other side open any more.
            Ok(0) | Err(Errno::IO) => return Ok(writer.map_or(0, |w| w.offset())),
            Ok(count) => writer.as_mut().map_or(Ok(()), |w| w.append(&buffer[..count], now()))?,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if stopping => return Ok(writer.map_or(0, |w| w.offset())),
            Err(Errno::AGAIN) => tokio::select! {
                guard = source.readable() => guard?.clear_ready(),
                _ = &mut stop, if !stopping => stopping = true,
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// Nanoseconds since the epoch.
fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
