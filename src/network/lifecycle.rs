//! Setting up and tearing down the network of one pod.

use super::bridge::{self, Links};
use super::firewall::{Firewall, PodRules};
use super::registry::NetworkLock;
use super::{Attachment, Definition, HostRequest, NetworkError, NetworkStatus, Networks, SetupRequest};
use crate::sys::failpoint;
use std::path::Path;

const OWN_NAMESPACE: &str = "/proc/self/ns/net";

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
        check_families(request)?;
        let lock = self.lock()?;
        self.clear(&lock, &request.pod_id)?;
        self.register(&lock, request)?;
        let made = self.make(&lock, &mut links, request, &definitions);
        drop(lock);
        let ready = made.and_then(|status| {
            links.wait_until_usable(&definitions)?;
            self.wait_for_names(request, &definitions)?;
            Ok(status)
        });
        if ready.is_err() {
            self.undo(&mut links, request);
        }
        ready
    }

    /// What a pod in the host's network needs to resolve the names of a network: its bridge and the name server, which stand while
    /// the pod is set up. Its own names resolve to the host's addresses on the network; it has neither links nor rules.
    ///
    /// To be called in the host's network namespace by a process with one thread; it blocks (lock, netlink).
    ///
    /// # Panics
    /// When the process has several threads.
    pub fn setup_names(&self, network: &str, request: &HostRequest<'_>) -> Result<NetworkStatus, NetworkError> {
        crate::sys::process::assert_single_threaded();
        let request = self.names_request(network, request)?;
        let definitions = self.definitions_of(&request)?;
        let lock = self.lock()?;
        self.clear(&lock, &request.pod_id)?;
        self.register(&lock, &request)?;
        let made = Links::open(Path::new(OWN_NAMESPACE)).and_then(|mut links| {
            definitions.iter().try_for_each(|definition| links.ensure_bridge(definition))?;
            self.publish_names(&lock, &request, &definitions)
        });
        drop(lock);
        let ready = made.and_then(|()| self.wait_for_names(&request, &definitions));
        if let Err(error) = ready {
            // What cannot be undone now stays registered for the next teardown.
            let _ = self.teardown(&request.pod_id);
            return Err(error);
        }
        self.expected_status(&request)
    }

    /// What [`Networks::setup_names`] will answer. The default network is made when it does not exist yet.
    pub fn expected_names(&self, network: &str, request: &HostRequest<'_>) -> Result<NetworkStatus, NetworkError> {
        self.expected_status(&self.names_request(network, request)?)
    }

    fn names_request(&self, network: &str, request: &HostRequest<'_>) -> Result<SetupRequest, NetworkError> {
        let HostRequest { pod_id, pod_name, names } = request;
        let attachment = Attachment {
            network: network.to_owned(),
            interface: String::new(),
            ips: self.get_or_create(network)?.gateways().collect(),
            mac: None,
            names: names.to_vec(),
        };
        let (pod_id, pod_name) = ((*pod_id).to_owned(), (*pod_name).to_owned());
        Ok(SetupRequest { pod_id, pod_name, attachments: vec![attachment], ports: Vec::new(), host_network: true })
    }

    /// Leaves nothing of a setup that failed. The first error is the one to tell; what could not be undone stays registered for
    /// the next teardown, or goes with the pod's namespace.
    fn undo(&self, links: &mut Links, request: &SetupRequest) {
        let _ = self.teardown(&request.pod_id);
        for index in 0..request.attachments.len() {
            let _ = links.detach(index);
        }
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

    /// Id and name of every pod that is set up: those of pods that do not exist any more are to be torn down.
    pub fn pods(&self) -> Result<Vec<(String, String)>, NetworkError> {
        let requests = self.all_registered()?;
        Ok(requests.into_iter().map(|request| (request.pod_id, request.pod_name)).collect())
    }

    /// Removes every bridge that no pod is set up on, and with the last one the rules. Answers how many went. Takes tens of
    /// milliseconds for each: for when nobody waits.
    pub fn remove_idle_bridges(&self) -> Result<usize, NetworkError> {
        let lock = self.lock()?;
        let used = self.all_registered()?;
        let is_used = |name: &str| used.iter().flat_map(|r| &r.attachments).any(|a| a.network == name);
        let idle: Vec<_> = self.list()?.into_iter().filter(|definition| !is_used(definition.name())).collect();
        let mut count = 0;
        for definition in &idle {
            count += usize::from(self.take_away(&lock, definition)?);
        }
        if used.is_empty() {
            self.with_firewall(Firewall::remove_table)?;
        }
        Ok(count)
    }

    pub(super) fn remove_bridge(&self, lock: &NetworkLock, definition: &Definition) -> Result<(), NetworkError> {
        let user = self
            .all_registered()?
            .into_iter()
            .find(|request| request.attachments.iter().any(|attachment| attachment.network == definition.name()));
        if let Some(request) = user {
            return Err(NetworkError::InUse { network: definition.name().to_owned(), pod: request.pod_name });
        }
        self.take_away(lock, definition).map(|_| ())
    }

    /// Adds the rules of every pod that is set up: for when somebody has flushed the machine's rules.
    pub fn reload(&self) -> Result<(), NetworkError> {
        let lock = self.lock()?;
        let requests = self.all_registered()?;
        if requests.is_empty() {
            return Ok(());
        }
        self.with_firewall(|firewall| {
            firewall.remove_table()?;
            self.add_rules(&lock, firewall, &requests)
        })
    }

    fn take_away(&self, _lock: &NetworkLock, definition: &Definition) -> Result<bool, NetworkError> {
        let existed = bridge::remove_bridge(definition)?;
        self.with_firewall(|firewall| firewall.remove_network(definition))?;
        Ok(existed)
    }

    fn with_firewall<T>(&self, body: impl FnOnce(&mut Firewall) -> Result<T, NetworkError>) -> Result<T, NetworkError> {
        self.firewall.with(&self.hash(""), body)
    }

    /// Adds the rules of one pod; of all when the table is gone, which is when the first pod comes or when somebody flushed it.
    fn protect(&self, lock: &NetworkLock, request: &SetupRequest) -> Result<(), NetworkError> {
        let alone = std::slice::from_ref(request);
        self.with_firewall(|firewall| {
            let result = match firewall.exists()? {
                true => self.add_rules(lock, firewall, alone),
                false => self.add_rules(lock, firewall, &self.all_registered()?),
            };
            result.map_err(|error| self.name_holder(firewall, request, error))
        })
    }

    fn add_rules(
        &self,
        _lock: &NetworkLock,
        firewall: &mut Firewall,
        requests: &[SetupRequest],
    ) -> Result<(), NetworkError> {
        let requests: Vec<_> = requests.iter().filter(|request| !request.host_network).collect();
        let definitions: Result<Vec<_>, _> = requests.iter().map(|request| self.definitions_of(request)).collect();
        let definitions = definitions?;
        let rules: Result<Vec<_>, _> = requests.iter().zip(&definitions).map(|(r, d)| rules_of(r, d)).collect();
        firewall.add(&rules?)
    }

    /// Says which pod has the port that this one cannot have.
    fn name_holder(&self, firewall: &mut Firewall, request: &SetupRequest, error: NetworkError) -> NetworkError {
        let NetworkError::PortInUse { port, protocol, address, .. } = error else { return error };
        let asked = request.ports.iter().find(|p| p.host_port == port && p.protocol == protocol);
        let holder = asked.and_then(|port| firewall.holder(port));
        let pods = self.all_registered().unwrap_or_default();
        let has = |pod: &SetupRequest| pod.attachments.iter().flat_map(|a| &a.ips).any(|ip| Some(*ip) == holder);
        let by = pods.into_iter().find(has).map(|pod| pod.pod_name);
        NetworkError::PortInUse { port, protocol, address, by }
    }

    fn definitions_of(&self, request: &SetupRequest) -> Result<Vec<Definition>, NetworkError> {
        request.attachments.iter().map(|attachment| self.get(&attachment.network)).collect()
    }

    fn make(
        &self,
        lock: &NetworkLock,
        links: &mut Links,
        request: &SetupRequest,
        definitions: &[Definition],
    ) -> Result<NetworkStatus, NetworkError> {
        let mut status = NetworkStatus::default();
        for definition in definitions {
            links.ensure_bridge(definition)?;
        }
        point("network.bridge")?;
        // Early, so that a server starts while the rest is being made.
        self.publish_names(lock, request, definitions)?;
        point("network.names")?;
        for (index, (attachment, definition)) in request.attachments.iter().zip(definitions).enumerate() {
            links.attach(definition, attachment, request, index)?;
            status.add(definition, attachment, &request.pod_id);
        }
        point("network.links")?;
        self.protect(lock, request)?;
        point("network.rules")?;
        Ok(status)
    }

    /// Undoes a setup, whole or in part.
    fn clear(&self, lock: &NetworkLock, pod_id: &str) -> Result<(), NetworkError> {
        let Some(request) = self.registered(pod_id)? else { return Ok(()) };
        let addresses = request.attachments.iter().flat_map(|a| &a.ips).copied().collect();
        let rules = PodRules { addresses, ports: &request.ports, networks: Vec::new() };
        let rules = match request.host_network {
            true => Ok(()),
            false => self.with_firewall(|firewall| firewall.remove(&rules)),
        };
        let names = self.withdraw_names(lock, &request);
        rules.and(names)?;
        self.unregister(lock, pod_id)
    }
}

/// # Errors
/// When ports are to be published and every network is internal.
fn rules_of<'a>(request: &'a SetupRequest, definitions: &'a [Definition]) -> Result<PodRules<'a>, NetworkError> {
    let open = request.attachments.iter().zip(definitions).filter(|(_, definition)| !definition.internal());
    let addresses: Vec<_> = open.flat_map(|(attachment, _)| &attachment.ips).copied().collect();
    match request.attachments.first() {
        Some(attachment) if addresses.is_empty() && !request.ports.is_empty() => Err(NetworkError::InvalidOption {
            option: attachment.network.clone(),
            reason: "ports cannot be published from an internal network".into(),
        }),
        _ => Ok(PodRules { networks: definitions.iter().collect(), addresses, ports: &request.ports }),
    }
}

fn point(name: &str) -> Result<(), NetworkError> {
    failpoint::reach(name)
        .map_err(|text| NetworkError::System { action: format!("pass {name}"), source: super::Cause::text(text) })
}

/// A port on an address of a family that the pod has no address of would be published to nobody.
fn check_families(request: &SetupRequest) -> Result<(), NetworkError> {
    let has = |v4: bool| request.attachments.iter().flat_map(|a| &a.ips).any(|ip| ip.is_ipv4() == v4);
    let lost = request.ports.iter().find(|port| port.host_ip.is_some_and(|ip| !has(ip.is_ipv4())));
    match lost.and_then(|port| Some((port, port.host_ip?))) {
        None => Ok(()),
        Some((port, address)) => Err(NetworkError::PortUnreachable { port: port.host_port, address }),
    }
}
