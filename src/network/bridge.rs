//! Links, addresses and routes, by netavark's netlink sockets and its bridge driver.

use super::{Attachment, Cause, Definition, NetworkError, SetupRequest, address, subnet};
use netavark::error::NetavarkError;
use netavark::firewall::fwnone;
use netavark::network::constants::{OPTION_HOST_INTERFACE_NAME, OPTION_METRIC, OPTION_MODE};
use netavark::network::core_utils::{
    self, NamespaceOptions, get_default_route_interface, get_mtu_from_iface_attributes,
};
use netavark::network::driver::{DriverInfo, get_network_driver};
use netavark::network::netlink::Socket;
use netavark::network::netlink_route::{CreateLinkOptions, LinkID, NetlinkRoute};
use netavark::network::types::PerNetworkOptions;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridgePort, InfoKind, InfoPortData, InfoPortKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State,
};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Loopback in a fresh namespace.
const LOOPBACK: u32 = 1;
const USABLE_WITHIN: Duration = Duration::from_millis(100);
/// `NLM_F_ACK` of netlink(7).
const ACK: u16 = 4;

/// Netlink sockets in the host's namespace and in a pod's.
pub(super) struct Links {
    host: NamespaceOptions,
    pod: NamespaceOptions,
    netns: String,
    /// Inode of the pod's namespace: no two living namespaces share it.
    inode: u64,
}

impl Links {
    /// Opens both; the caller is in the host's network namespace.
    pub fn open(netns: &Path) -> Result<Self, NetworkError> {
        let path = netns.display().to_string();
        let inode = std::fs::metadata(netns).map_err(NetworkError::while_(format!("open namespace `{path}`")))?.ino();
        let (host, pod) = core_utils::open_netlink_sockets(&path).map_err(failed("open the namespaces"))?;
        Ok(Self { host, pod, netns: path, inode })
    }

    pub fn loopback_up(&mut self) -> Result<(), NetworkError> {
        self.pod.netlink.set_up(LinkID::ID(LOOPBACK)).map_err(failed("set up the loopback device"))
    }

    /// Makes the bridge of a network, or finishes one whose maker was killed.
    ///
    /// # Errors
    /// [`NetworkError::SubnetInUse`] when the host has come to use the network's addresses.
    pub fn ensure_bridge(&mut self, definition: &Definition) -> Result<(), NetworkError> {
        let action = || format!("make the bridge of network `{}`", definition.name());
        let host = &mut self.host.netlink;
        let link = match find(host, definition.bridge()).map_err(failed(action()))? {
            // Being up is the last step.
            Some(link) if link.header.flags.contains(LinkFlags::Up) => return Ok(()),
            Some(link) => link,
            None => {
                subnet::check_free(definition)?;
                create_bridge(host, definition).map_err(failed(action()))?
            }
        };
        configure_bridge(host, definition, link.header.index).map_err(failed(action()))
    }

    /// Connects the pod to the network by a pair of links; `index` counts the pod's networks.
    ///
    /// The bridge stands.
    pub fn attach(
        &mut self,
        definition: &Definition,
        attachment: &Attachment,
        request: &SetupRequest,
        index: usize,
    ) -> Result<(), NetworkError> {
        let host_link = self.host_link(index);
        self.prepare(definition)?;
        self.connect(definition, attachment, request, index, &host_link)
            .and_then(|()| set_hairpin(&mut self.host.netlink, &host_link))
            .map_err(failed(format!("connect pod `{}` to network `{}`", request.pod_name, definition.name())))
    }

    /// Undoes [`Links::attach`]: the pair disappears with its host's end. For a setup that failed; else links go with the pod's
    /// namespace, for which nobody has to wait.
    pub fn detach(&mut self, index: usize) -> Result<(), NetworkError> {
        let name = self.host_link(index);
        match self.host.netlink.del_link(LinkID::Name(name)) {
            Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(()),
            result => result.map_err(failed("remove a pod's link")),
        }
    }

    /// Waits until packets pass: the kernel makes a link and its bridge usable a moment after they were set up, and what is sent
    /// before is lost and sent again a second later.
    ///
    /// Returns after a short while in any case: the rest is a slow start and no failure.
    pub fn wait_until_usable(&mut self, definitions: &[Definition]) -> Result<(), NetworkError> {
        let links = (0..definitions.len()).map(|index| self.host_link(index));
        let names: Vec<String> = links.chain(definitions.iter().map(|d| d.bridge().to_owned())).collect();
        let deadline = Instant::now() + USABLE_WITHIN;
        for name in &names {
            while !is_up(&mut self.host.netlink, name).map_err(failed("look at the pod's links"))? {
                if Instant::now() > deadline {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        Ok(())
    }

    /// Name of the host's end of a pair: 3 + 8 + at most 3 characters of 15.
    fn host_link(&self, index: usize) -> String {
        format!("pkv{:08x}{index}", self.inode as u32)
    }

    /// What the pod's link is to inherit at its birth: later would leave a moment in which the kernel believes what it hears.
    fn prepare(&self, definition: &Definition) -> Result<(), NetworkError> {
        let v6 = definition.has_ipv6();
        let settings = [
            // Neighbours learn at once who has the address now.
            ("ipv4/conf/default/arp_notify", "1"),
            // Answers may come by another link than the route back would take.
            ("ipv4/conf/default/rp_filter", "2"),
            // Without an IPv6 subnet there is nothing to speak IPv6 with; and nobody may teach the pod routes.
            ("ipv6/conf/default/disable_ipv6", if v6 { "0" } else { "1" }),
            ("ipv6/conf/default/accept_ra", "0"),
            ("ipv6/conf/default/autoconf", "0"),
            // Addresses are unique already; waiting for that takes a second.
            ("ipv6/conf/default/accept_dad", "0"),
        ];
        let count = if v6 { settings.len() } else { 3 };
        let set = || settings[..count].iter().try_for_each(|(key, value)| set_sysctl(key, value));
        crate::sys::net::in_netns(self.pod.file.as_fd(), set)
            .and_then(|result| result)
            .map_err(NetworkError::while_("prepare the pod's network namespace"))
    }

    fn connect(
        &mut self,
        definition: &Definition,
        attachment: &Attachment,
        request: &SetupRequest,
        index: usize,
        host_link: &str,
    ) -> Result<(), NetavarkError> {
        let mut network = definition.network.clone();
        // The first of several networks is the way out.
        let metric = (100 + index).to_string();
        let mode = "unmanaged".to_owned();
        network.options = Some(HashMap::from([(OPTION_MODE.to_owned(), mode), (OPTION_METRIC.to_owned(), metric)]));
        network.dns_enabled = false;
        let link_name = HashMap::from([(OPTION_HOST_INTERFACE_NAME.to_owned(), host_link.to_owned())]);
        let options = PerNetworkOptions {
            aliases: None,
            interface_name: attachment.interface.clone(),
            static_ips: Some(attachment.ips.clone()),
            static_mac: Some(attachment.mac_for(&request.pod_id)),
            options: Some(link_name),
        };
        let firewall = fwnone::new()?;
        let info = DriverInfo {
            firewall: &*firewall,
            container_id: &request.pod_id,
            container_name: &request.pod_name,
            container_dns_servers: &None,
            netns_host: self.host.file.as_fd(),
            netns_container: Some(self.pod.file.as_fd()),
            netns_path: &self.netns,
            network: &network,
            per_network_opts: &options,
            port_mappings: &None,
            dns_port: 53,
            config_dir: Path::new("/"),
            rootless: false,
            container_hostname: &None,
        };
        let mut driver = get_network_driver(info, &None)?;
        driver.validate()?;
        driver.setup((&mut self.host.netlink, &mut self.pod.netlink)).map(|_| ())
    }
}

/// Removes a bridge, whatever is still connected to it; answers whether it existed.
pub(super) fn remove_bridge(definition: &Definition) -> Result<bool, NetworkError> {
    let remove = || -> Result<bool, NetavarkError> {
        let mut host = Socket::<NetlinkRoute>::new()?;
        match host.del_link(LinkID::Name(definition.bridge().to_owned())) {
            Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(false),
            result => result.map(|()| true),
        }
    };
    remove().map_err(failed(format!("remove the bridge of network `{}`", definition.name())))
}

fn configure_bridge(host: &mut Socket<NetlinkRoute>, definition: &Definition, index: u32) -> Result<(), NetavarkError> {
    for (key, value) in bridge_sysctls(definition) {
        set_sysctl(&key, value)?;
    }
    for subnet in definition.subnets() {
        let Some(gateway) = subnet.gateway else { continue };
        let address = ipnet::IpNet::new(gateway, subnet.subnet.prefix_len())?;
        match host.add_addr(index, &address) {
            Err(error) if errno(&error) == Some(libc::EEXIST) => {}
            result => result?,
        }
    }
    host.set_up(LinkID::ID(index))
}

fn create_bridge(host: &mut Socket<NetlinkRoute>, definition: &Definition) -> Result<LinkMessage, NetavarkError> {
    let mut options = CreateLinkOptions::new(definition.bridge().to_owned(), InfoKind::Bridge);
    // An address of its own, or the kernel would take over the lowest of those connected, and change it with them.
    let mac = address::mac(definition.bridge(), definition.name());
    options.mac = core_utils::CoreUtils::decode_address_from_hex(&mac)?;
    host.create_link(options)?;
    let bridge = host.get_link(LinkID::Name(definition.bridge().to_owned()))?;
    if let Ok(link) = get_default_route_interface(host, None) {
        // Not at its creation: only what is set afterwards stays when the last pod goes, else it falls back to 1500.
        let mut message = LinkMessage::default();
        message.header.index = bridge.header.index;
        message.attributes.push(LinkAttribute::Mtu(get_mtu_from_iface_attributes(&link.attributes)?));
        host.make_netlink_request(RouteNetlinkMessage::NewLink(message), ACK)?;
    }
    Ok(bridge)
}

fn bridge_sysctls(definition: &Definition) -> Vec<(String, &'static str)> {
    let bridge = definition.bridge();
    let mut settings = vec![(format!("ipv4/conf/{bridge}/rp_filter"), "2")];
    if definition.internal() {
        settings.push((format!("ipv4/conf/{bridge}/forwarding"), "0"));
    } else {
        settings.push(("ipv4/ip_forward".to_owned(), "1"));
        // Published ports answer on 127.0.0.1 too; the rules keep pods from using this.
        settings.push((format!("ipv4/conf/{bridge}/route_localnet"), "1"));
    }
    if !definition.has_ipv6() {
        settings.push((format!("ipv6/conf/{bridge}/disable_ipv6"), "1"));
        return settings;
    }
    settings.push((format!("ipv6/conf/{bridge}/accept_ra"), "0"));
    settings.push((format!("ipv6/conf/{bridge}/accept_dad"), "0"));
    if definition.internal() {
        settings.push((format!("ipv6/conf/{bridge}/forwarding"), "0"));
    } else {
        settings.push(("ipv6/conf/all/forwarding".to_owned(), "1"));
    }
    settings
}

/// Sets `/proc/sys/net/<key>` unless it has the value; a kernel without IPv6 is fine.
fn set_sysctl(key: &str, value: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/{key}");
    match std::fs::read_to_string(&path) {
        Ok(now) if now.trim_end() == value => Ok(()),
        Ok(_) => std::fs::write(&path, value),
        Err(error) if error.kind() == io::ErrorKind::NotFound && key.starts_with("ipv6/") => Ok(()),
        Err(error) => Err(error),
    }
}

/// Lets packets leave by the link they came from: a pod reaches its own published port, also where bridged packets pass the
/// rules (`bridge-nf-call-iptables`).
fn set_hairpin(host: &mut Socket<NetlinkRoute>, link: &str) -> Result<(), NetavarkError> {
    let index = host.get_link(LinkID::Name(link.to_owned()))?.header.index;
    let mut message = LinkMessage::default();
    message.header.index = index;
    let port = InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)]);
    let info = vec![LinkInfo::PortKind(InfoPortKind::Bridge), LinkInfo::PortData(port)];
    message.attributes.push(LinkAttribute::LinkInfo(info));
    host.make_netlink_request(RouteNetlinkMessage::NewLink(message), ACK).map(|_| ())
}

fn is_up(host: &mut Socket<NetlinkRoute>, name: &str) -> Result<bool, NetavarkError> {
    let link = host.get_link(LinkID::Name(name.to_owned()))?;
    Ok(link.attributes.contains(&LinkAttribute::OperState(State::Up)))
}

fn find(host: &mut Socket<NetlinkRoute>, name: &str) -> Result<Option<LinkMessage>, NetavarkError> {
    match host.get_link(LinkID::Name(name.to_owned())) {
        Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(None),
        result => result.map(Some),
    }
}

fn errno(error: &NetavarkError) -> Option<i32> {
    match error.unwrap() {
        NetavarkError::Netlink(message) => Some(-message.raw_code()),
        _ => None,
    }
}

fn failed(action: impl Into<String>) -> impl FnOnce(NetavarkError) -> NetworkError {
    move |error| NetworkError::System { action: action.into(), source: Cause::of(&error) }
}
