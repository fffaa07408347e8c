//! What one pod needs of the network, and what it got.

use super::{Definition, NetworkError, Networks, PublishedPort, address};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Everything setup and teardown need to know of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupRequest {
    /// 64 hexadecimal digits.
    pub pod_id: String,
    pub pod_name: String,
    /// None: the pod has a loopback device only.
    pub attachments: Vec<Attachment>,
    pub ports: Vec<PublishedPort>,
    /// Whether it is in the host's network and only asks for names, see [`Networks::setup_names`].
    #[serde(default)]
    pub host_network: bool,
}

/// What a pod in the host's network asks for: to resolve names, and to be found by its own.
#[derive(Debug, Clone, Copy)]
pub struct HostRequest<'a> {
    /// 64 hexadecimal digits.
    pub pod_id: &'a str,
    pub pod_name: &'a str,
    pub names: &'a [String],
}

/// One network of the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Name of the network.
    pub network: String,
    /// Interface in the pod: `eth0`.
    pub interface: String,
    /// From [`address::allocate`]: one of each subnet.
    pub ips: Vec<IpAddr>,
    /// Chosen from pod and network when unset.
    pub mac: Option<String>,
    /// Names that resolve to the pod on this network: the pod's, its containers', aliases.
    pub names: Vec<String>,
}

/// The network of a pod as its containers see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// In the order of [`SetupRequest::attachments`].
    pub interfaces: Vec<InterfaceStatus>,
    /// For `/etc/resolv.conf`: the gateways of networks with DNS. Empty without such a network.
    pub nameservers: Vec<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    pub network: String,
    pub interface: String,
    pub mac: String,
    pub addresses: Vec<AddressStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressStatus {
    pub address: IpAddr,
    pub prefix: u8,
    /// The host's address on that network; `None` on an internal one without.
    pub gateway: Option<IpAddr>,
}

impl NetworkStatus {
    /// Every address of the pod, in order; the first is "the" address of the pod.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.interfaces.iter().flat_map(|i| &i.addresses).map(|a| a.address)
    }

    /// The first gateway: where the pod reaches the host.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.interfaces.iter().flat_map(|i| &i.addresses).find_map(|a| a.gateway)
    }
}

impl Networks {
    /// What [`Networks::setup`] will answer, without touching the machine: files that go into containers can be written while
    /// the network is being set up.
    pub fn expected_status(&self, request: &SetupRequest) -> Result<NetworkStatus, NetworkError> {
        let mut status = NetworkStatus::default();
        for attachment in &request.attachments {
            let definition = self.get(&attachment.network)?;
            status.add(&definition, attachment, &request.pod_id);
        }
        Ok(status)
    }
}

impl NetworkStatus {
    pub(super) fn add(&mut self, definition: &Definition, attachment: &Attachment, pod_id: &str) {
        let ranges = definition.ranges();
        let address = |&address: &IpAddr| {
            let range = ranges.iter().find(|r| r.subnet.contains(&address));
            let prefix = range.map_or(if address.is_ipv4() { 32 } else { 128 }, |r| r.subnet.prefix_len());
            AddressStatus { address, prefix, gateway: range.and_then(|r| r.gateway) }
        };
        self.interfaces.push(InterfaceStatus {
            network: attachment.network.clone(),
            interface: attachment.interface.clone(),
            mac: attachment.mac_for(pod_id),
            addresses: attachment.ips.iter().map(address).collect(),
        });
        if definition.dns() {
            self.nameservers.extend(ranges.iter().filter_map(|r| r.gateway));
        }
    }
}

impl Attachment {
    pub(super) fn mac_for(&self, pod_id: &str) -> String {
        self.mac.clone().unwrap_or_else(|| address::mac(pod_id, &self.network))
    }
}
