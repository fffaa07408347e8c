//! Doing something in another network namespace and coming back.

use super::namespace::{Kinds, setns_fd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Runs `body` in the network namespace `netns` and returns to the one before.
///
/// `/proc/sys/net` and new sockets are those of `netns` meanwhile.
///
/// # Panics
/// When this process has more than one thread (the others would not move along), and when the way back is barred: everything
/// after would happen in the wrong place.
pub fn in_netns<T>(netns: BorrowedFd<'_>, body: impl FnOnce() -> T) -> io::Result<T> {
    super::process::assert_single_threaded();
    let home = File::open("/proc/self/ns/net")?;
    setns_fd(netns, Kinds::NETWORK)?;
    let result = body();
    setns_fd(&home, Kinds::NETWORK).expect("a process can return to the network namespace it came from");
    Ok(result)
}

/// A socket that lives in `netns`, close-on-exec and non-blocking: for probes, which need nothing in the pod but its addresses.
pub fn socket_in_netns(netns: BorrowedFd<'_>, domain: AddressFamily, kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(in_netns(netns.as_fd(), || socket_with(domain, kind, flags, None))??)
}
