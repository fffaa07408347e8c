//! The rules of a root: one table `inet podkin_<hash>`. Its rules never change; pods and networks are elements of its sets, so
//! that connecting a pod costs the same with one pod and with a thousand, and nothing has to be searched for at its end.
//!
//! ```text
//! sets   bridges {interface}   internal {interface}   pairs {interface . interface}   pods4, pods6 {address}
//! maps   published4, published6 {protocol . port : address . port}
//!        bound4, bound6 {host address . protocol . port : address . port}
//! ```
//!
//! Accepting a packet here does not overrule another table that drops it.

use super::nft::{Batch, ChainKind, Expressions, Field, Hook, Key, NftError, REGISTERS, Set, SetElement, Socket};
use super::{Definition, NetworkError, PublishedPort};
use crate::model::container::Protocol;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Comment of the table: another one means that its rules are of another podkin and have to be replaced.
const VERSION: &str = "podkin rules 1";

const PRE_ROUTING: u32 = 0;
const FORWARD: u32 = 2;
const LOCAL_OUT: u32 = 3;
const POST_ROUTING: u32 = 4;
/// Before connection tracking sees the packet.
const RAW: i32 = -300;
const DESTINATION_NAT: i32 = -100;
const FILTER: i32 = 0;
const SOURCE_NAT: i32 = 100;

/// `RTN_LOCAL` of rtnetlink(7).
const LOCAL: u32 = 2;
/// `IPS_DST_NAT`.
const REDIRECTED: u32 = 0x20;
/// `NF_CT_STATE_BIT` of established and related.
const KNOWN: u32 = 0x2 | 0x4;
/// `NF_CT_STATE_INVALID_BIT`.
const INVALID: u32 = 0x1;
const INTERFACE_LENGTH: usize = 16;

const INTERFACE: Key = Key { length: 16, datatype: 41, host_order: true };
const PAIR: Key = network_order(32, 41 << 6 | 41);
const PROTOCOL_PORT: Key = network_order(8, 12 << 6 | 13);

const fn network_order(length: u32, datatype: u32) -> Key {
    Key { length, datatype, host_order: false }
}

/// One address family: what its packets and sets look like.
struct Family {
    /// `NFPROTO_*`.
    number: u8,
    source: Field,
    destination: Field,
    address: Key,
    pods: &'static str,
    published: &'static str,
    bound: &'static str,
}

const FAMILIES: [Family; 2] = [
    Family {
        number: 2,
        source: Field::NetworkHeader(12, 4),
        destination: Field::NetworkHeader(16, 4),
        address: network_order(4, 7),
        pods: "pods4",
        published: "published4",
        bound: "bound4",
    },
    Family {
        number: 10,
        source: Field::NetworkHeader(8, 16),
        destination: Field::NetworkHeader(24, 16),
        address: network_order(16, 8),
        pods: "pods6",
        published: "published6",
        bound: "bound6",
    },
];

/// A pod as the rules see it.
#[derive(Debug, Default)]
pub(super) struct PodRules<'a> {
    pub networks: Vec<&'a Definition>,
    /// Addresses on networks that are not internal.
    pub addresses: Vec<IpAddr>,
    pub ports: &'a [PublishedPort],
}

/// The firewall of a process, opened at the first use and kept: closing a netlink socket makes the kernel wait (five to fifteen
/// milliseconds) until everything deleted before is really gone.
#[derive(Clone, Default)]
pub(super) struct SharedFirewall {
    /// With the process that opened it: a forked child must not read its parent's answers.
    opened: Arc<Mutex<Option<(u32, Firewall)>>>,
}

impl SharedFirewall {
    /// Runs `body` on the firewall of the root with that hash.
    pub fn with<T>(
        &self,
        hash: &str,
        body: impl FnOnce(&mut Firewall) -> Result<T, NetworkError>,
    ) -> Result<T, NetworkError> {
        let own = std::process::id();
        // A panic of another user leaves unread answers at worst; a fresh socket has none.
        let mut opened = self.opened.lock().unwrap_or_else(|poisoned| {
            let mut guard = poisoned.into_inner();
            *guard = None;
            guard
        });
        let firewall = match opened.take() {
            Some((process, firewall)) if process == own => firewall,
            _ => Firewall::open(hash)?,
        };
        let (_, firewall) = opened.insert((own, firewall));
        body(firewall)
    }
}

impl std::fmt::Debug for SharedFirewall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedFirewall")
    }
}

/// The table of one root, in the network namespace it was opened in.
pub(super) struct Firewall {
    socket: Socket,
    table: String,
}

impl Firewall {
    fn open(hash: &str) -> Result<Self, NetworkError> {
        let socket = Socket::open().map_err(NetworkError::while_("open nftables"))?;
        Ok(Self { socket, table: format!("podkin_{hash}") })
    }

    /// Adds pods in one transaction, the table too when it is missing or of another version.
    ///
    /// # Errors
    /// [`NetworkError::PortInUse`] when another pod of this root has the port.
    pub fn add(&mut self, pods: &[PodRules<'_>]) -> Result<(), NetworkError> {
        let failed = NetworkError::while_::<io::Error>;
        let known = self.socket.table_data(&self.table).map_err(failed("read the table of rules"))?;
        let mut batch = Batch::new(&self.table);
        if !known.as_deref().is_some_and(is_current) {
            write_table(&mut batch);
        }
        let mut ports = Vec::new();
        for pod in pods {
            for network in &pod.networks {
                network_elements(network).iter().for_each(|element| {
                    batch.element(element);
                });
            }
            for address in &pod.addresses {
                batch.element(&pod_element(*address));
            }
            for (port, element) in port_elements(pod) {
                ports.push((batch.new_element(&element), port));
            }
        }
        self.socket.commit(batch).map_err(|error| refused(&error, &ports))?;
        pods.iter().for_each(|pod| self.forget_connections(pod.ports));
        Ok(())
    }

    /// Makes who sends to these ports already be judged anew.
    fn forget_connections(&mut self, ports: &[PublishedPort]) {
        for port in ports.iter().filter(|port| port.protocol == Protocol::Udp) {
            for family in &FAMILIES {
                // Old kernels cannot, and such a peer stays where it was until it pauses.
                let _ = self.socket.forget_udp(family.number, port.host_port);
            }
        }
    }

    /// Whether the table exists.
    pub fn exists(&mut self) -> Result<bool, NetworkError> {
        let known = self.socket.table_data(&self.table);
        Ok(known.map_err(NetworkError::while_("read the table of rules"))?.is_some())
    }

    /// Removes what is the pod's, and nothing else: a port that another one has is left alone.
    pub fn remove(&mut self, pod: &PodRules<'_>) -> Result<(), NetworkError> {
        let of_address = |address: &IpAddr| {
            let alone = PodRules { addresses: vec![*address], ports: pod.ports, networks: Vec::new() };
            let ports: Vec<_> = port_elements(&alone).map(|(_, element)| element).collect();
            [pod_element(*address)].into_iter().chain(ports)
        };
        self.delete(&pod.addresses.iter().flat_map(of_address).collect::<Vec<_>>())?;
        self.forget_connections(pod.ports);
        Ok(())
    }

    /// Removes a network whose bridge is gone.
    pub fn remove_network(&mut self, network: &Definition) -> Result<(), NetworkError> {
        self.delete(&network_elements(network))
    }

    /// Removes the table; one that does not exist is a success.
    pub fn remove_table(&mut self) -> Result<(), NetworkError> {
        let mut batch = Batch::new(&self.table);
        batch.delete_table();
        match self.socket.commit(batch) {
            Err(error) if error.source.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            result => result.map_err(NetworkError::while_("remove the table of rules")),
        }
    }

    /// The address of the pod that has this port; `None` when it is free.
    pub fn holder(&mut self, port: &PublishedPort) -> Option<IpAddr> {
        let probe: Vec<IpAddr> = vec![[0; 4].into(), [0; 16].into()];
        let pod = PodRules { addresses: probe, ports: std::slice::from_ref(port), ..PodRules::default() };
        let elements: Vec<_> = port_elements(&pod).map(|(_, element)| element).collect();
        elements.iter().find_map(|element| {
            let value = self.socket.element(&self.table, element).ok()??.value?;
            Some(match element.set {
                "published4" | "bound4" => IpAddr::from(<[u8; 4]>::try_from(value.get(..4)?).ok()?),
                _ => IpAddr::from(<[u8; 16]>::try_from(value.get(..16)?).ok()?),
            })
        })
    }

    /// Deletes those of the elements that are there with the same value, in one transaction.
    fn delete(&mut self, wanted: &[SetElement]) -> Result<(), NetworkError> {
        let mut batch = Batch::new(&self.table);
        let mut some = false;
        for element in wanted {
            let found = self.socket.element(&self.table, element);
            let found = found.map_err(NetworkError::while_("read the rules of a pod"))?;
            if found.as_ref() == Some(element) {
                batch.delete_element(element);
                some = true;
            }
        }
        if !some {
            return Ok(());
        }
        self.socket.commit(batch).map_err(NetworkError::while_("remove the rules of a pod"))
    }
}

fn refused(error: &NftError, ports: &[(u32, PublishedPort)]) -> NetworkError {
    let exists = error.source.raw_os_error() == Some(libc::EEXIST);
    match ports.iter().find(|(message, _)| exists && *message == error.message) {
        Some((_, port)) => port.in_use(),
        None => NetworkError::System { action: "add the rules of a pod".into(), source: super::Cause::of(error) },
    }
}

fn is_current(data: &[u8]) -> bool {
    data.windows(VERSION.len() + 1).any(|window| window.strip_suffix(&[0]) == Some(VERSION.as_bytes()))
}

fn write_table(batch: &mut Batch) {
    batch.table(VERSION);
    let interface = |name| Set { name, key: INTERFACE, value: None };
    [interface("bridges"), interface("internal"), Set { name: "pairs", key: PAIR, value: None }]
        .iter()
        .for_each(|set| batch.set(set));
    for family in &FAMILIES {
        let address = family.address;
        let target = network_order(address.length + 4, address.datatype << 6 | 13);
        let place = network_order(address.length + 8, (address.datatype << 6 | 12) << 6 | 13);
        batch.set(&Set { name: family.pods, key: address, value: None });
        batch.set(&Set { name: family.published, key: PROTOCOL_PORT, value: Some(target) });
        batch.set(&Set { name: family.bound, key: place, value: Some(target) });
    }
    let hook = |kind, number, priority| Some(Hook { kind, number, priority });
    batch.chain("published", None);
    batch.chain("guard", hook(ChainKind::Filter, PRE_ROUTING, RAW));
    batch.chain("prerouting", hook(ChainKind::Nat, PRE_ROUTING, DESTINATION_NAT));
    batch.chain("output", hook(ChainKind::Nat, LOCAL_OUT, DESTINATION_NAT));
    batch.chain("forward", hook(ChainKind::Filter, FORWARD, FILTER));
    batch.chain("postrouting", hook(ChainKind::Nat, POST_ROUTING, SOURCE_NAT));
    batch.delete_rules();
    write_filter_rules(batch);
    write_redirections(batch);
}

fn write_filter_rules(batch: &mut Batch) {
    let [input, output] = [Field::InputInterface, Field::OutputInterface];
    // The bridges let packets to the host's loopback through (route_localnet), for answers: not for what pods send there.
    for (side, comment) in [(12, "no pod speaks as the host's loopback"), (16, "no pod speaks to it")] {
        batch.rule("guard", comment, |rule| {
            rule.load(input, REGISTERS).is_in("bridges", REGISTERS);
            loopback(rule, side).discard();
        });
    }
    batch.rule("forward", "within one network", |rule| {
        rule.load(input, REGISTERS).load(output, REGISTERS.after(16)).is_in("pairs", REGISTERS).accept();
    });
    batch.rule("forward", "answers", |rule| {
        has_bit(rule.load(Field::ConnectionState, REGISTERS), KNOWN).accept();
    });
    batch.rule("forward", "published ports", |rule| {
        has_bit(rule.load(Field::ConnectionStatus, REGISTERS), REDIRECTED).accept();
    });
    batch.rule("forward", "what would escape translation", |rule| {
        rule.load(input, REGISTERS).is_in("bridges", REGISTERS);
        has_bit(rule.load(Field::ConnectionState, REGISTERS), INVALID).discard();
    });
    for side in [input, output] {
        batch.rule("forward", "internal networks have no way out or in", |rule| {
            rule.load(side, REGISTERS).is_in("internal", REGISTERS).discard();
        });
    }
    batch.rule("forward", "networks do not see each other", |rule| {
        rule.load(input, REGISTERS).is_in("bridges", REGISTERS);
        rule.load(output, REGISTERS).is_in("bridges", REGISTERS).discard();
    });
}

fn write_redirections(batch: &mut Batch) {
    for chain in ["prerouting", "output"] {
        batch.rule(chain, "to an address of the host", |rule| {
            rule.load(Field::DestinationKind, REGISTERS).equal(REGISTERS, &LOCAL.to_ne_bytes()).jump("published");
        });
    }
    batch.rule("postrouting", "from the host's loopback to a published port", |rule| {
        loopback(rule, 12);
        rule.load(Field::OutputInterface, REGISTERS).is_in("bridges", REGISTERS).masquerade();
    });
    for family in &FAMILIES {
        let number = u32::from(family.number);
        let length = family.address.length;
        batch.rule("published", "ports of one host address", |rule| {
            let [protocol, port] = [REGISTERS.after(length), REGISTERS.after(length + 4)];
            of_family(rule, family).load(family.destination, REGISTERS);
            rule.load(Field::Protocol, protocol).load(Field::DestinationPort, port);
            rule.map(family.bound, REGISTERS).dnat(number, REGISTERS, protocol);
        });
        batch.rule("published", "ports of every host address", |rule| {
            of_family(rule, family).load(Field::Protocol, REGISTERS).load(Field::DestinationPort, REGISTERS.after(4));
            rule.map(family.published, REGISTERS).dnat(number, REGISTERS, REGISTERS.after(length));
        });
        // The answer would take the short way and not be recognised.
        batch.rule("postrouting", "from a pod to a published port", |rule| {
            of_family(rule, family).load(family.source, REGISTERS).is_in(family.pods, REGISTERS);
            has_bit(rule.load(Field::ConnectionStatus, REGISTERS), REDIRECTED);
            rule.load(Field::OutputInterface, REGISTERS).is_in("bridges", REGISTERS).masquerade();
        });
        batch.rule("postrouting", "from a pod to the world", |rule| {
            of_family(rule, family).load(family.source, REGISTERS).is_in(family.pods, REGISTERS);
            rule.load(Field::OutputInterface, REGISTERS).is_not_in("bridges", REGISTERS).masquerade();
        });
    }
}

fn of_family<'r, 'a, 'b>(rule: &'r mut Expressions<'a, 'b>, family: &Family) -> &'r mut Expressions<'a, 'b> {
    rule.load(Field::Family, REGISTERS).equal(REGISTERS, &[family.number])
}

/// Matches an IPv4 address in 127.0.0.0/8 at that offset of the header.
fn loopback<'r, 'a, 'b>(rule: &'r mut Expressions<'a, 'b>, offset: u32) -> &'r mut Expressions<'a, 'b> {
    of_family(rule, &FAMILIES[0]);
    rule.load(Field::NetworkHeader(offset, 4), REGISTERS);
    rule.mask(REGISTERS, &[255, 0, 0, 0]).equal(REGISTERS, &[127, 0, 0, 0])
}

fn has_bit<'r, 'a, 'b>(rule: &'r mut Expressions<'a, 'b>, bits: u32) -> &'r mut Expressions<'a, 'b> {
    rule.mask(REGISTERS, &bits.to_ne_bytes()).not_equal(REGISTERS, &[0; 4])
}

fn network_elements(network: &Definition) -> Vec<SetElement> {
    let name = interface(network.bridge());
    let element = |set, key: &[u8]| SetElement { set, key: key.to_vec(), value: None };
    let mut elements = vec![element("bridges", &name), element("pairs", &[name, name].concat())];
    if network.internal() {
        elements.push(element("internal", &name));
    }
    elements
}

fn pod_element(address: IpAddr) -> SetElement {
    SetElement { set: family_of(address).pods, key: octets(address), value: None }
}

/// The elements of each port: one for each address family that the port and the pod share.
fn port_elements<'a>(pod: &'a PodRules<'_>) -> impl Iterator<Item = (PublishedPort, SetElement)> + 'a {
    pod.ports.iter().flat_map(move |port| {
        let shared = |address: &&IpAddr| port.host_ip.is_none_or(|host| host.is_ipv4() == address.is_ipv4());
        let targets = first_of_each_family(&pod.addresses).filter(shared);
        targets.map(|address| (*port, port_element(port, *address)))
    })
}

fn port_element(port: &PublishedPort, address: IpAddr) -> SetElement {
    let family = family_of(address);
    let number = match port.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    };
    let padded = |port: u16| [port.to_be_bytes(), [0; 2]].concat();
    let place = [vec![number, 0, 0, 0], padded(port.host_port)].concat();
    let value = Some([octets(address), padded(port.container_port)].concat());
    match port.bound_address() {
        Some(host) => SetElement { set: family.bound, key: [octets(host), place].concat(), value },
        None => SetElement { set: family.published, key: place, value },
    }
}

fn first_of_each_family(addresses: &[IpAddr]) -> impl Iterator<Item = &IpAddr> {
    let first = |v4: bool| addresses.iter().find(move |address| address.is_ipv4() == v4);
    first(true).into_iter().chain(first(false))
}

fn family_of(address: IpAddr) -> &'static Family {
    &FAMILIES[usize::from(address.is_ipv6())]
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An interface name as the kernel compares it: 16 bytes, filled up with NUL. Longer ones were refused.
fn interface(name: &str) -> [u8; INTERFACE_LENGTH] {
    let mut bytes = [0; INTERFACE_LENGTH];
    let length = name.len().min(INTERFACE_LENGTH - 1);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}
