//! Names of pods: one name server (aardvark-dns) per root, a process of its own that starts with the first pod on a network with
//! DNS and ends with the last.
//!
//! ```text
//! <run>/networks/names/<network>[%int]   gateways, then a line for each pod: id, IPv4, IPv6, names (aardvark's own form)
//! <run>/networks/names.lock              locked by the living server; its pid, start time, namespace and complaint
//! ```
//!
//! [`entries`] changes the files, [`process`] finds, starts and wakes the server, [`server`] is the server, [`question`] asks it.

mod entries;
mod process;
mod question;
mod server;

use super::registry::NetworkLock;
use super::{Definition, NetworkError, Networks, SEARCH_DOMAIN, SetupRequest};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use server::run;

/// The hidden sub-command by which our own binary becomes the name server: [`run`] takes the arguments behind it.
pub const COMMAND: &str = "aardvark-dns";

/// After which a complaint of the server is taken for final.
const PATIENCE: Duration = Duration::from_millis(500);
/// Generous: on an idle machine a server answers after a few milliseconds.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Where the files are.
#[derive(Debug, Clone)]
struct Place {
    /// `<run>/networks`.
    run: PathBuf,
}

impl Place {
    fn entries(&self) -> PathBuf {
        self.run.join("names")
    }

    fn lock(&self) -> PathBuf {
        self.run.join("names.lock")
    }

    /// Of everything below `<run>/networks`.
    fn networks_lock(&self) -> PathBuf {
        self.run.join("lock")
    }
}

impl Networks {
    fn names(&self) -> Place {
        Place { run: self.run.clone() }
    }

    /// Makes the pod's names known; a server is there afterwards, and may still have to read them.
    ///
    /// The bridges stand, or the server would have no address to listen on.
    pub(super) fn publish_names(
        &self,
        _lock: &NetworkLock,
        request: &SetupRequest,
        definitions: &[Definition],
    ) -> Result<(), NetworkError> {
        let place = self.names();
        let mut some = false;
        for (attachment, definition) in request.attachments.iter().zip(definitions).filter(|(_, d)| d.dns()) {
            entries::add(&place, definition, attachment, &request.pod_id)
                .map_err(NetworkError::while_(format!("publish the names of pod `{}`", request.pod_name)))?;
            some = true;
        }
        if some {
            process::wake_or_start(&place).map_err(NetworkError::while_("start the name server"))?;
        }
        Ok(())
    }

    pub(super) fn withdraw_names(&self, _lock: &NetworkLock, request: &SetupRequest) -> Result<(), NetworkError> {
        let place = self.names();
        let networks = request.attachments.iter().map(|attachment| attachment.network.as_str());
        let changed = entries::remove(&place, networks, &request.pod_id)
            .map_err(NetworkError::while_(format!("withdraw the names of pod `{}`", request.pod_name)))?;
        if changed {
            process::wake(&place).map_err(NetworkError::while_("wake the name server"))?;
        }
        Ok(())
    }

    /// Waits until the server knows the pod.
    ///
    /// # Errors
    /// When it does not within seconds, which is when another program has port 53 of the gateway.
    pub(super) fn wait_for_names(
        &self,
        request: &SetupRequest,
        definitions: &[Definition],
    ) -> Result<(), NetworkError> {
        let begin = Instant::now();
        for (attachment, definition) in request.attachments.iter().zip(definitions).filter(|(_, d)| d.dns()) {
            // Below our domain: a name the server does not know yet would be passed on to the host's servers else.
            let Some(name) = entries::names(&attachment.names).next().map(|n| format!("{n}.{SEARCH_DOMAIN}")) else {
                continue;
            };
            let ip = attachment.ips.first();
            let same_family = |gateway: &IpAddr| ip.is_some_and(|ip| ip.is_ipv4() == gateway.is_ipv4());
            let (Some(&ip), Some(gateway)) = (ip, definition.gateways().find(same_family)) else { continue };
            while !question::has(gateway, &name, ip).map_err(NetworkError::while_("ask the name server"))? {
                let complaint = process::complaint(&self.names());
                if begin.elapsed() > ANSWERS_WITHIN || (complaint.is_some() && begin.elapsed() > PATIENCE) {
                    return Err(unanswered(gateway, complaint));
                }
                std::thread::sleep(Duration::from_micros(500));
            }
        }
        Ok(())
    }

    /// Starts the name server again when it is needed and does not run, as after it was killed. Answers whether it did.
    ///
    /// # Panics
    /// When this process has several threads.
    pub fn revive_names(&self) -> Result<bool, NetworkError> {
        let _lock = self.lock()?;
        let place = self.names();
        let revive = || Ok(entries::any(&place)? && process::start(&place)?);
        revive().map_err(NetworkError::while_::<std::io::Error>("start the name server"))
    }
}

fn unanswered(gateway: IpAddr, complaint: Option<String>) -> NetworkError {
    let said = complaint.unwrap_or_else(|| "the name server does not answer".to_owned());
    NetworkError::System { action: format!("resolve names at {gateway}"), source: super::Cause::text(said) }
}
