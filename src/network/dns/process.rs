//! Finding, waking and starting the name server.
//!
//! The server is the process that holds the lock on `names.lock`, which it inherited locked, as its standard input, from the
//! one that started it: there is no moment in which two could start, and no stale pid can be mistaken for a server.

use super::{COMMAND, Place};
use crate::sys::lock::FileLock;
use crate::sys::process::{exec, exit_now, fork_child, install_stdio, pidfd_open, pidfd_send_signal, start_ticks};
use std::ffi::{CString, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;

const SIGHUP: i32 = 1;
const SIGKILL: i32 = 9;
/// How often and how long a server in the wrong namespace is waited for.
const FAREWELLS: u32 = 200;

/// Who the server is, as it wrote into its lock file.
pub(super) struct Identity {
    pub pid: i32,
    /// Tells the process from a later one of the same number.
    pub start: u64,
    /// Inode of its network namespace.
    pub netns: u64,
}

impl Identity {
    pub fn own() -> io::Result<Self> {
        let pid = std::process::id() as i32;
        Ok(Self { pid, start: start_ticks(pid)?, netns: own_netns()? })
    }

    pub fn to_text(&self) -> String {
        format!("{} {} {}\n", self.pid, self.start, self.netns)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.lines().next()?.split(' ');
        let identity = Self {
            pid: words.next()?.parse().ok()?,
            start: words.next()?.parse().ok()?,
            netns: words.next()?.parse().ok()?,
        };
        Some(identity)
    }

    /// Sends a signal to that very process; one that is gone is a success.
    fn signal(&self, signal: i32) -> io::Result<()> {
        let send = || {
            let pidfd = pidfd_open(self.pid)?;
            // Compared after opening: what the descriptor stands for cannot change any more.
            if start_ticks(self.pid)? != self.start {
                return Ok(());
            }
            pidfd_send_signal(&pidfd, signal)
        };
        match send() {
            Err(error) if is_gone(&error) => Ok(()),
            result => result,
        }
    }
}

/// Makes the server read its files again, if there is one.
pub(super) fn wake(place: &Place) -> io::Result<()> {
    match identity(place) {
        Some(identity) if FileLock::is_held(&place.lock())? => identity.signal(SIGHUP),
        // One that has not said yet who it is has not read its files yet.
        _ => Ok(()),
    }
}

/// Makes sure that there is a server which reads the files as they are now.
pub(super) fn wake_or_start(place: &Place) -> io::Result<()> {
    if start(place)? {
        return Ok(());
    }
    match identity(place) {
        Some(identity) if identity.netns != own_netns()? => replace(place, &identity),
        Some(identity) => identity.signal(SIGHUP),
        None => Ok(()),
    }
}

/// Starts the server unless there is one; answers whether it did.
pub(super) fn start(place: &Place) -> io::Result<bool> {
    let Some(lock) = FileLock::try_acquire(&place.lock())? else { return Ok(false) };
    let lock = lock.as_fd().try_clone_to_owned()?;
    File::from(lock.try_clone()?).set_len(0)?;
    spawn(place, lock)?;
    Ok(true)
}

/// What the server had to complain of last.
pub(super) fn complaint(place: &Place) -> Option<String> {
    let text = std::fs::read_to_string(place.lock()).ok()?;
    text.lines().nth(1).map(str::to_owned)
}

fn identity(place: &Place) -> Option<Identity> {
    std::fs::read_to_string(place.lock()).ok().and_then(|text| Identity::parse(&text))
}

/// A server in another network namespace (of a machine that was restarted around us) serves nobody here.
fn replace(place: &Place, identity: &Identity) -> io::Result<()> {
    identity.signal(SIGKILL)?;
    for _ in 0..FAREWELLS {
        if start(place)? {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "a name server of another network namespace does not end"))
}

/// Runs this binary again. The child is not waited for: whoever adopts it reaps it.
fn spawn(place: &Place, lock: OwnedFd) -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let program = c"/proc/self/exe";
    let argument = |text: OsString| CString::new(text.into_vec()).map_err(io::Error::other);
    let arguments =
        [argument("podkin".into())?, argument(COMMAND.into())?, argument(place.run.clone().into_os_string())?];
    fork_child(|| {
        // The second fork's parent ends, so that the server is no child of one who would have to wait for it.
        let grandchild = fork_child(|| {
            let installed = install_stdio([lock.as_fd(), null.as_fd(), null.as_fd()]);
            if installed.is_ok() {
                exec(program, &arguments, &[]);
            }
            exit_now(127)
        });
        i32::from(grandchild.is_err())
    })
    .and_then(|child| crate::sys::process::wait(&child.pidfd))
    .map(|_| ())
}

pub(super) fn own_netns() -> io::Result<u64> {
    Ok(std::fs::metadata("/proc/self/ns/net")?.ino())
}

fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESRCH) || error.kind() == io::ErrorKind::NotFound
}
