//! Waiting for the files of a log to change (inotify(7)).

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Watch {
    inotify: OwnedFd,
}

impl Watch {
    /// Watches the directory of the log and the one that holds the pod's status. Watch first, read then: nothing is missed.
    pub fn new(log: &Path, status: Option<&Path>) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let files = WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::DELETE_SELF;
        inotify::add_watch(&inotify, log, files)?;
        if let Some(status) = status.filter(|s| s.exists()) {
            inotify::add_watch(&inotify, status, WatchFlags::MOVED_TO | WatchFlags::DELETE_SELF)?;
        }
        Ok(Self { inotify })
    }

    /// Waits for a change, for ever without `timeout`; false when the time ran out.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let limit = timeout.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: i64::from(t.subsec_nanos()) });
        let mut fds = [PollFd::new(&self.inotify, PollFlags::IN)];
        match poll(&mut fds, limit.as_ref()) {
            Ok(0) => Ok(false),
            Ok(_) => self.drain().map(|()| true),
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn drain(&self) -> io::Result<()> {
        let mut buffer = [0u8; 4096];
        loop {
            match rustix::io::read(&self.inotify, &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
