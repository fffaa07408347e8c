//! A user namespace of a pod's own (`hostUsers: false`; Kubernetes, "Use a User Namespace With a Pod").
//!
//! ```text
//! launcher (host's root)                     maker, a short-lived child
//!                                              new user namespace
//!   uid_map, gid_map <──────────────────────  asks for its ids
//!   ────────────────────────────────────────> root of the namespace: new network, ipc, uts namespaces, owned by it
//!   pins them while the maker waits <───────
//! ```
//!
//! Nothing on disk is chowned: layers, volumes and what the container writes keep ids from 0 on and are seen through mounts
//! that map them (`mount_setattr(2)`, `MOUNT_ATTR_IDMAP`). What a launcher makes in a container's tree it makes as the
//! namespace's root ([`as_root_of`]).

use super::RuntimeError;
use super::config::Users;
use crate::sys::capability;
use crate::sys::namespace::{self, Kinds};
use crate::sys::process;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Makes a user namespace of `count` ids whose root is the host's `first`, and namespaces of `kinds` that it owns, with `hostname` when one of
/// them is the uts namespace. `keep` gets `/proc/<pid>/ns` of a process in all of them.
///
/// # Panics
/// When the calling process has more than one thread.
pub fn make(
    (first, count): (u32, u32),
    kinds: Kinds,
    hostname: Option<&str>,
    keep: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let (asks, asked) = process::pipe()?;
    let (told, tells) = process::pipe()?;
    let child = process::fork_child(|| {
        // Without the other ends, so that the end of this process's parent is heard.
        if process::close_all_but(&[asked.as_fd(), told.as_fd()]).is_err() {
            return 1;
        }
        let (mut asked, mut told) = (File::from(asked), File::from(told));
        let made = (|| -> io::Result<()> {
            namespace::unshare(Kinds::USER)?;
            say(&mut asked)?;
            hear(&mut told)?;
            capability::change_user(0, 0, &[])?;
            namespace::unshare(kinds)?;
            if let Some(name) = hostname {
                rustix::system::sethostname(name.as_bytes())?;
            }
            say(&mut asked)
        })();
        // Its end of the pipe tells an error; the namespaces last as long as it waits for the end of the other.
        match made.and_then(|()| hear(&mut told)) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(1),
        }
    })?;
    let (mut asks, mut tells) = (File::from(asks), File::from(tells));
    let result = (|| -> io::Result<()> {
        hear(&mut asks)?;
        let map = format!("0 {first} {count}");
        for file in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{}/{file}", child.pid), &map)?;
        }
        say(&mut tells)?;
        hear(&mut asks)?;
        keep(&PathBuf::from(format!("/proc/{}/ns", child.pid)))?;
        say(&mut tells)
    })();
    if result.is_err() {
        let _ = process::pidfd_kill(&child.pidfd);
    }
    match (process::wait(&child.pidfd)?, result) {
        (_, Ok(())) => Ok(()),
        // What it died of says more than the pipe that ended.
        (process::Exit::Code(code @ 2..), Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(io::Error::from_raw_os_error(code))
        }
        (_, Err(error)) => Err(error),
    }
}

fn say(pipe: &mut File) -> io::Result<()> {
    pipe.write_all(b".")
}

fn hear(pipe: &mut File) -> io::Result<()> {
    pipe.read_exact(&mut [0_u8; 1])
}

/// Makes this process the root of a user namespace, for good.
pub(super) fn enter(namespace: &Path) -> io::Result<()> {
    namespace::setns_path(namespace, Kinds::USER)?;
    capability::change_user(0, 0, &[])
}

/// Does something as the namespace's root, as far as owners of files and kernel parameters are concerned; all capabilities on
/// the host are kept. Without a namespace just does it.
pub(super) fn as_root_of<T>(
    users: Option<&Users>,
    body: impl FnOnce() -> Result<T, RuntimeError>,
) -> Result<T, RuntimeError> {
    let Some(users) = users else { return body() };
    let system = |source| RuntimeError::System { action: "act as the root of a user namespace", source };
    let _owner = capability::ActingAs::user(users.first).map_err(system)?;
    body()
}

impl Users {
    /// The host's id for one inside.
    pub(super) fn host_id(&self, id: u32) -> Result<u32, RuntimeError> {
        if id < self.count {
            return Ok(self.first + id);
        }
        let reason = format!("in its user namespace ids end at {}", self.count.saturating_sub(1));
        Err(RuntimeError::User { user: id.to_string(), reason })
    }
}
