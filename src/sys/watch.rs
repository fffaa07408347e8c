//! Waiting for files to change (inotify(7)).

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Watch first, look then, wait last: nothing is missed.
#[derive(Debug)]
pub struct Watch {
    inotify: OwnedFd,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self { inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)? })
    }

    /// Watches a directory for files that come into being or are replaced, and for its own end.
    pub fn names_in(&self, directory: &Path) -> io::Result<()> {
        self.add(directory, WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::DELETE_SELF)
    }

    /// Watches what [`Watch::names_in`] does, and files in the directory for what is written to them.
    pub fn writes_in(&self, directory: &Path) -> io::Result<()> {
        self.add(directory, WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::DELETE_SELF)
    }

    /// Watches one file for what is written to it. Doing so again, after the name was given to another file, watches that too.
    pub fn writes_to(&self, file: &Path) -> io::Result<()> {
        self.add(file, WatchFlags::MODIFY | WatchFlags::MOVE_SELF)
    }

    /// What does not exist is not watched.
    fn add(&self, path: &Path, flags: WatchFlags) -> io::Result<()> {
        match inotify::add_watch(&self.inotify, path, flags) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            result => Ok(result.map(drop)?),
        }
    }

    /// Waits for a change, for ever without `timeout`; false when the time ran out. A signal counts as a change.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn changes_wake_and_nothing_does_not() -> io::Result<()> {
        let directory = std::env::temp_dir().join(format!("podkin-watch-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let file = directory.join("file");
        let soon = Some(Duration::from_millis(1));
        let (names, writes, one) = (Watch::new()?, Watch::new()?, Watch::new()?);
        names.names_in(&directory)?;
        writes.writes_in(&directory)?;
        one.writes_to(&file)?;
        fs::write(&file, "a")?;
        assert!(names.wait(soon)? && writes.wait(soon)?);
        assert!(!one.wait(soon)?, "it did not exist yet");
        one.writes_to(&file)?;
        fs::write(&file, "b")?;
        assert!(one.wait(soon)? && writes.wait(soon)?);
        assert!(!names.wait(soon)?, "no name changed");
        fs::rename(&file, directory.join("other"))?;
        assert!(one.wait(soon)? && names.wait(soon)?);
        fs::remove_dir_all(&directory)
    }
}
