//! The pid namespace that the containers of a pod share, and the process that holds it (`shareProcessNamespace`).
//!
//! Such a namespace ends with its first process, so that one must be there which no container is. All of it is pinned, for later
//! containers and later supervisors.

use super::lower;
use crate::runtime::{RuntimeError, pause};
use crate::store::layout::Layout;
use crate::store::record::PodRecord;
use crate::sys::lock::FileLock;
use crate::sys::{namespace, process};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pins of the namespace and of the process that holds it.
const NAMESPACE: &str = "pid";
const HOLDER: &str = "holder";

/// Makes the namespace. In the mount namespace of the supervisor, where its pins are to be seen.
pub(super) fn make(layout: &Layout, record: &PodRecord) -> Result<(), RuntimeError> {
    let pin = |name| layout.pod_namespace(&record.id, name);
    let users = record.first_user_id.map(|_| pin(lower::USER_NAMESPACE));
    pause::spawn(users.as_deref(), &pin(NAMESPACE), |pidfd| namespace::pin_pidfd(pidfd, &pin(HOLDER))).map(drop)
}

/// Makes it again when its holder was ended, which a container with the right to signal it can do: as with a kubelet, the containers
/// that went with it start again, in a namespace that takes them. Several may come for that at once.
pub(super) fn revive(layout: &Layout, record: &PodRecord) -> Result<(), RuntimeError> {
    if !record.pod.share_process_namespace || record.pod.host_pid {
        return Ok(());
    }
    let lock = layout.pod_run(&record.id).join("ns/lock");
    let _lock = FileLock::acquire(&lock).map_err(failed("lock", &lock))?;
    let pin = layout.pod_namespace(&record.id, HOLDER);
    if is_alive(&pin).map_err(failed("look at the holder of the pid namespace at", &pin))? {
        return Ok(());
    }
    for name in [HOLDER, NAMESPACE] {
        let pin = layout.pod_namespace(&record.id, name);
        namespace::unpin(&pin).map_err(failed("take away", &pin))?;
    }
    make(layout, record)
}

/// Ends the holder, and with it whatever is left in the namespace; the pin of the namespace stays.
pub(super) fn end(layout: &Layout, record: &PodRecord) -> io::Result<()> {
    let pin = layout.pod_namespace(&record.id, HOLDER);
    if record.pod.share_process_namespace && pin.exists() {
        process::pidfd_kill(holder(&pin)?)?;
    }
    namespace::unpin(&pin)
}

fn holder(pin: &Path) -> io::Result<OwnedFd> {
    namespace::open_pinned_pidfd(pin)
}

fn is_alive(pin: &Path) -> io::Result<bool> {
    Ok(pin.exists() && !process::wait_within(holder(pin)?, Some(Duration::ZERO))?)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RuntimeError {
    let path: PathBuf = path.to_owned();
    move |source| RuntimeError::Path { action, path, source }
}
