//! Pseudo-terminals (pty(7)).

use rustix::fs::FileType;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

const DEVPTS_MAGIC: u64 = 0x1cd1;

/// Fails unless the descriptor is the multiplexer of a devpts: device 5:2 on that file system.
pub fn check_multiplexer(fd: impl AsFd) -> io::Result<()> {
    let fd = fd.as_fd();
    let stat = rustix::fs::fstat(fd)?;
    let is_multiplexer = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == rustix::fs::makedev(5, 2)
        && rustix::fs::fstatfs(fd)?.f_type as u64 == DEVPTS_MAGIC;
    if is_multiplexer { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "not a terminal multiplexer")) }
}

/// Unlocks and opens the near side of a terminal by its multiplexer, without looking up any path.
pub fn open_peer(multiplexer: impl AsFd) -> io::Result<OwnedFd> {
    let multiplexer = multiplexer.as_fd();
    rustix::pty::unlockpt(multiplexer)?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the request takes open flags by value; a fresh descriptor (>= 0) has no other owner.
    unsafe {
        match libc::ioctl(multiplexer.as_raw_fd(), libc::TIOCGPTPEER, flags) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Makes the terminal on standard input the controlling one of this process, which leads a session that has none.
pub fn take_controlling() -> io::Result<()> {
    // SAFETY: integers only.
    let result = unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
