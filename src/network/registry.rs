//! Who is set up: `<run>/networks/pods/<pod id>.json` holds the request of each pod that setup has begun for and teardown has
//! not ended for. Written before anything is done, so that whatever a killed setup left can be found; gone with a reboot, as is
//! everything it describes.

use super::{NetworkError, Networks, SetupRequest, file};
use crate::sys::lock::FileLock;
use std::io;
use std::path::PathBuf;

/// The lock on everything below `<run>/networks` and on the machine's links and rules of this root.
///
/// Roots share nothing that would need a wider one: links, tables and subnets differ by root, and ports are decided by the
/// kernel ([`super::reserve`]). A lock on the host's namespace file would span roots, but any user of the machine could hold it.
pub(super) struct NetworkLock {
    _lock: FileLock,
}

impl Networks {
    pub(super) fn lock(&self) -> Result<NetworkLock, NetworkError> {
        let take = || {
            std::fs::create_dir_all(self.run.join("pods"))?;
            FileLock::acquire(&self.run.join("lock"))
        };
        Ok(NetworkLock { _lock: take().map_err(NetworkError::while_("lock the networks"))? })
    }

    pub(super) fn register(&self, _lock: &NetworkLock, request: &SetupRequest) -> Result<(), NetworkError> {
        let text =
            serde_json::to_vec(request).map_err(NetworkError::while_("write what a pod needs of the network"))?;
        file::replace(&self.entry(&request.pod_id), &self.run.join("pods.new"), &text, false)
            .map_err(NetworkError::while_(format!("record the network of pod `{}`", request.pod_name)))
    }

    /// Whether something of the pod's network may be there: its setup has begun, and its teardown not ended.
    pub fn is_set_up(&self, pod_id: &str) -> bool {
        self.entry(pod_id).exists()
    }

    /// The request of a pod; `None` when it is not set up.
    pub(super) fn registered(&self, pod_id: &str) -> Result<Option<SetupRequest>, NetworkError> {
        let text = match std::fs::read(self.entry(pod_id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(NetworkError::while_(format!("read the network record of pod {pod_id}")))?,
        };
        let request = serde_json::from_slice(&text);
        request.map(Some).map_err(NetworkError::while_(format!("read the network record of pod {pod_id}")))
    }

    pub(super) fn unregister(&self, _lock: &NetworkLock, pod_id: &str) -> Result<(), NetworkError> {
        file::remove(&self.entry(pod_id)).map_err(NetworkError::while_(format!("forget the network of pod {pod_id}")))
    }

    /// Every pod that is set up.
    pub(super) fn all_registered(&self) -> Result<Vec<SetupRequest>, NetworkError> {
        let action = "list the pods with a network";
        let entries = match std::fs::read_dir(self.run.join("pods")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.map_err(NetworkError::while_(action))?,
        };
        let mut requests = Vec::new();
        for entry in entries {
            let name = entry.map_err(NetworkError::while_(action))?.file_name();
            if let Some(id) = name.to_str().and_then(|n| n.strip_suffix(".json")) {
                requests.extend(self.registered(id)?);
            }
        }
        Ok(requests)
    }

    fn entry(&self, pod_id: &str) -> PathBuf {
        self.run.join("pods").join(format!("{pod_id}.json"))
    }
}
