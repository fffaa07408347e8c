//! The process that holds a pid namespace shared by the containers of a pod (`shareProcessNamespace`).

use super::{RuntimeError, users};
use crate::sys::capability::{self, Capabilities};
use crate::sys::namespace::{self, Kinds};
use crate::sys::process::{self, Child};
use crate::sys::signal;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Forks a process that is pid 1 of a new pid namespace, and pins that at `pin`, and the process itself where `pin_process` does.
///
/// It ends by itself when this process dies before that: nobody would find it again.
///
/// With the path of a user namespace, that owns the pid namespace.
///
/// It reaps what the namespace orphans, ends on SIGTERM or SIGINT (and with it everything in the namespace), has no
/// capabilities and no descriptors. It is a fork of the caller, so it costs the few pages that it writes to.
///
/// # Panics
/// When the calling process has more than one thread.
pub fn spawn(
    users: Option<&Path>,
    pin: &Path,
    pin_process: impl FnOnce(&OwnedFd) -> io::Result<()>,
) -> Result<Child, RuntimeError> {
    let fail = |action| move |source| RuntimeError::System { action, source };
    let (ready, held) = process::pipe().map_err(fail("make a pipe"))?;
    let (waits, found) = process::pipe().map_err(fail("make a pipe"))?;
    let body = || match hold(held, waits) {
        Ok(()) => 0,
        Err(_) => 1,
    };
    let child = match users {
        None => fork_here(body)?,
        Some(users) => fork_in(users, body).map_err(fail("fork the holder of a pid namespace"))?,
    };
    let source = PathBuf::from(format!("/proc/{}/ns/pid", child.pid));
    let pinned = namespace::pin(&source, pin).and_then(|()| pin_process(&child.pidfd));
    let pinned = pinned.and_then(|()| Ok(rustix::io::write(&found, b"f").map(drop)?));
    if let Err(source) = pinned {
        let _ = process::pidfd_kill(&child.pidfd);
        let _ = process::wait(&child.pidfd);
        return Err(RuntimeError::Path { action: "pin the pid namespace at", path: pin.to_owned(), source });
    }
    // Ends when the holder lets go of its end, the last thing it does before it waits.
    let _ = rustix::io::read(&ready, &mut [0_u8; 1]);
    Ok(child)
}

fn fork_here(body: impl FnOnce() -> i32) -> Result<Child, RuntimeError> {
    let fail = |action| move |source| RuntimeError::System { action, source };
    let own = File::open("/proc/self/ns/pid").map_err(fail("open own pid namespace"))?;
    namespace::unshare(Kinds::PID).map_err(fail("make a pid namespace"))?;
    let child = process::fork_child(body);
    namespace::setns_fd(&own, Kinds::PID).map_err(fail("return to own pid namespace"))?;
    child.map_err(fail("fork the holder of a pid namespace"))
}

/// By way of a child, as there is no way back from a user namespace; what it makes belongs to that.
fn fork_in(users: &Path, body: impl FnOnce() -> i32) -> io::Result<Child> {
    let (reader, writer) = process::pipe()?;
    let between = process::fork_child(move || {
        let forked = users::enter(users)
            .and_then(|()| namespace::unshare(Kinds::PID))
            .and_then(|()| process::fork_child(body))
            .and_then(|child| Ok(rustix::io::write(&writer, &child.pid.to_ne_bytes()).map(drop)?));
        i32::from(forked.is_err())
    })?;
    let mut pid = [0_u8; 4];
    let read = rustix::io::read(&reader, &mut pid)?;
    process::wait(&between.pidfd)?;
    if read != pid.len() {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    let pid = i32::from_ne_bytes(pid);
    // It waits to be found, so the number is its own.
    Ok(Child { pid, pidfd: process::pidfd_open(pid)? })
}

fn hold(held: OwnedFd, waits: OwnedFd) -> io::Result<()> {
    process::set_not_dumpable()?;
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    process::set_title("podkin-pause")?;
    rustix::thread::set_name(c"podkin-pause")?;
    signal::ignore(libc::SIGCHLD)?;
    capability::limit_bounding(Capabilities::NONE)?;
    capability::set(Capabilities::NONE)?;
    let open = process::open_descriptors()?;
    let own = [held.as_raw_fd(), waits.as_raw_fd()];
    process::close_inherited(&open.into_iter().filter(|number| !own.contains(number)).collect::<Vec<_>>());
    if rustix::io::read(&waits, &mut [0_u8; 1])? == 0 {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    drop(waits);
    drop(held);
    signal::wait_for(&[libc::SIGTERM, libc::SIGINT])?;
    Ok(())
}
