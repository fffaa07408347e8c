//! Setting up and tearing down the network of one pod.

use super::bridge::{self, Links};
use super::registry::NetworkLock;
use super::{Definition, NetworkError, NetworkStatus, Networks, SetupRequest};
use crate::sys::failpoint;
use std::path::Path;

impl Networks {
    /// Makes the network of a pod in the namespace at `netns`: loopback, one link for each attachment, rules for its ports,
    /// its names. Undoes what it did when it fails.
    ///
    /// To be called in the host's network namespace by a process with one thread; it blocks (lock, netlink).
    ///
    /// # Panics
    /// When the process has several threads.
    pub fn setup(&self, netns: &Path, request: &SetupRequest) -> Result<NetworkStatus, NetworkError> {
        crate::sys::process::assert_single_threaded();
        let mut links = Links::open(netns)?;
        links.loopback_up()?;
        if request.attachments.is_empty() {
            return Ok(NetworkStatus::default());
        }
        let definitions = self.definitions_of(request)?;
        let lock = self.lock()?;
        self.clear(&lock, &request.pod_id)?;
        self.register(&lock, request)?;
        let result = self.make(&lock, &mut links, request, &definitions);
        if result.is_err() {
            // The first error is the one to tell; what could not be undone stays registered for the next teardown.
            let _ = self.clear(&lock, &request.pod_id);
        }
        result
    }

    /// Takes the pod's rules and names away. Its links go with its namespace, which the caller unpins; bridges stay (see
    /// [`Networks::remove_idle_bridges`]). A pod that is not set up is a success, and so is one whose setup was killed.
    ///
    /// Blocks on the lock; makes no threads or processes.
    pub fn teardown(&self, pod_id: &str) -> Result<(), NetworkError> {
        if self.registered(pod_id)?.is_none() {
            return Ok(());
        }
        let lock = self.lock()?;
        self.clear(&lock, pod_id)
    }

    /// Removes every bridge that no pod is set up on, and with the last one the rules. Answers how many went. Takes tens of
    /// milliseconds for each: for when nobody waits.
    pub fn remove_idle_bridges(&self) -> Result<usize, NetworkError> {
        let lock = self.lock()?;
        let used = self.all_registered()?;
        let is_used = |name: &str| used.iter().flat_map(|r| &r.attachments).any(|a| a.network == name);
        let idle: Vec<_> = self.list()?.into_iter().filter(|definition| !is_used(definition.name())).collect();
        for definition in &idle {
            bridge::remove_bridge(definition)?;
        }
        drop(lock);
        Ok(idle.len())
    }

    pub(super) fn remove_bridge(&self, _lock: &NetworkLock, definition: &Definition) -> Result<(), NetworkError> {
        let user = self
            .all_registered()?
            .into_iter()
            .find(|request| request.attachments.iter().any(|attachment| attachment.network == definition.name()));
        if let Some(request) = user {
            return Err(NetworkError::InUse { network: definition.name().to_owned(), pod: request.pod_name });
        }
        bridge::remove_bridge(definition)
    }

    fn definitions_of(&self, request: &SetupRequest) -> Result<Vec<Definition>, NetworkError> {
        request.attachments.iter().map(|attachment| self.get(&attachment.network)).collect()
    }

    fn make(
        &self,
        _lock: &NetworkLock,
        links: &mut Links,
        request: &SetupRequest,
        definitions: &[Definition],
    ) -> Result<NetworkStatus, NetworkError> {
        let mut status = NetworkStatus::default();
        for definition in definitions {
            links.ensure_bridge(definition)?;
        }
        point("network.bridge")?;
        for (index, (attachment, definition)) in request.attachments.iter().zip(definitions).enumerate() {
            links.attach(definition, attachment, request, index)?;
            status.add(definition, attachment, &request.pod_id);
        }
        point("network.links")?;
        Ok(status)
    }

    /// Undoes a setup, whole or in part.
    fn clear(&self, lock: &NetworkLock, pod_id: &str) -> Result<(), NetworkError> {
        self.unregister(lock, pod_id)
    }
}

fn point(name: &str) -> Result<(), NetworkError> {
    failpoint::reach(name)
        .map_err(|text| NetworkError::System { action: format!("pass {name}"), source: super::Cause::text(text) })
}
