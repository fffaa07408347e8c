//! Networks as such: `<root>/networks/<name>.json`, in netavark's own form (the one podman writes), plus a version.

use super::address::Range;
use super::firewall::SharedFirewall;
use super::{Cause, DEFAULT_NETWORK, NetworkError, file, subnet};
use ipnet::IpNet;
use netavark::network::types;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// Version of the definition files.
const VERSION: u32 = 1;

/// The networks of one root: two paths, and once rules were changed a socket, which clones share.
#[derive(Debug, Clone)]
pub struct Networks {
    definitions: PathBuf,
    pub(super) run: PathBuf,
    pub(super) firewall: SharedFirewall,
}

/// One network.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub(super) network: types::Network,
}

/// What `network create` asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkWish {
    pub name: String,
    /// One IPv4 and one IPv6 at most; a free IPv4 one is chosen when empty.
    pub subnets: Vec<IpNet>,
    /// The gateway of each subnet that is not its first address.
    pub gateways: Vec<IpAddr>,
    /// No way out of the network, no published ports.
    pub internal: bool,
    pub no_dns: bool,
    pub labels: Vec<(String, String)>,
}

/// The form on disk.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    #[serde(flatten)]
    network: types::Network,
}

impl Networks {
    /// `definitions` is `<root>/networks`, `run` is `<run>/networks`; both are made when first needed.
    pub fn new(definitions: impl Into<PathBuf>, run: impl Into<PathBuf>) -> Self {
        Self { definitions: definitions.into(), run: run.into(), firewall: SharedFirewall::default() }
    }

    /// The definition of that name.
    pub fn get(&self, name: &str) -> Result<Definition, NetworkError> {
        if !is_valid_name(name) {
            return Err(NetworkError::InvalidName(name.to_owned()));
        }
        let path = self.path(name);
        match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(NetworkError::NotFound(name.to_owned())),
            Err(error) => Err(unusable(&path, Cause::of(&error))),
            Ok(text) => Definition::parse(&text).map_err(|cause| unusable(&path, cause)),
        }
    }

    /// The definition of that name; the default network is made when it does not exist yet.
    pub fn get_or_create(&self, name: &str) -> Result<Definition, NetworkError> {
        match self.get(name) {
            Err(NetworkError::NotFound(_)) if name == DEFAULT_NETWORK => {
                let wish = NetworkWish { name: name.to_owned(), ..NetworkWish::default() };
                match self.create(&wish) {
                    // Somebody else was faster.
                    Err(NetworkError::Exists(_)) => self.get(name),
                    result => result,
                }
            }
            result => result,
        }
    }

    /// Every network, by name.
    pub fn list(&self) -> Result<Vec<Definition>, NetworkError> {
        let action = || format!("read `{}`", self.definitions.display());
        let entries = match std::fs::read_dir(&self.definitions) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.map_err(NetworkError::while_(action()))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(NetworkError::while_(action()))?.file_name();
            names.extend(name.to_str().and_then(|n| n.strip_suffix(".json")).map(str::to_owned));
        }
        names.sort();
        let existing = |result: &Result<_, _>| !matches!(result, Err(NetworkError::NotFound(_)));
        names.iter().map(|name| self.get(name)).filter(existing).collect()
    }

    /// Makes a network; nothing happens on the machine before a pod joins it.
    ///
    /// # Errors
    /// [`NetworkError::Exists`], [`NetworkError::SubnetInUse`] when a wanted subnet overlaps another network or a route of the
    /// host, [`NetworkError::NoFreeSubnet`].
    pub fn create(&self, wish: &NetworkWish) -> Result<Definition, NetworkError> {
        if !is_valid_name(&wish.name) {
            return Err(NetworkError::InvalidName(wish.name.clone()));
        }
        let _lock = self.lock()?;
        let others = self.list()?;
        if others.iter().any(|other| other.name() == wish.name) {
            return Err(NetworkError::Exists(wish.name.clone()));
        }
        let used = subnet::used(&others)?;
        let subnets = subnet::choose(wish, &used, self.first_subnet())?;
        let definition = Definition::from_wish(wish, self.bridge_name(&wish.name), subnets)?;
        std::fs::create_dir_all(&self.definitions).map_err(NetworkError::while_("make the directory of networks"))?;
        let path = self.path(&wish.name);
        let beside = self.definitions.join(".new");
        file::replace(&path, &beside, &definition.to_json(), true)
            .map_err(|error| unusable(&path, Cause::of(&error)))?;
        Ok(definition)
    }

    /// Takes a network away, its bridge too.
    ///
    /// # Errors
    /// [`NetworkError::InUse`] while a pod is set up on it; whether a stopped pod belongs to it is the caller's to know.
    pub fn remove(&self, name: &str) -> Result<(), NetworkError> {
        let lock = self.lock()?;
        let definition = self.get(name)?;
        self.remove_bridge(&lock, &definition)?;
        std::fs::remove_file(self.path(name)).map_err(NetworkError::while_(format!("remove network `{name}`")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.definitions.join(format!("{name}.json"))
    }

    /// Where the search for a subnet begins: at 10.89.0.0 for the usual root, anywhere else for others.
    fn first_subnet(&self) -> u32 {
        match self.definitions == Path::new("/var/lib/podkin/networks") {
            true => 0,
            false => u32::from_str_radix(&self.hash(""), 16).unwrap_or(0),
        }
    }

    /// Names of links are unique on the machine and have 15 characters at most.
    fn bridge_name(&self, network: &str) -> String {
        format!("pkb{}", self.hash(network))
    }

    /// Eight hexadecimal digits that tell this root from the others of the machine.
    pub(super) fn hash(&self, salt: &str) -> String {
        let path = self.definitions.canonicalize().unwrap_or_else(|_| self.definitions.clone());
        let mut digest = Sha256::new();
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update([0]);
        digest.update(salt);
        digest.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Definition {
    /// Checks the wish and fills in what it leaves open; `chosen` are the subnets when it names none.
    pub(super) fn from_wish(wish: &NetworkWish, bridge: String, chosen: Vec<IpNet>) -> Result<Self, NetworkError> {
        let subnets = if wish.subnets.is_empty() { chosen } else { wish.subnets.clone() };
        let subnet = |subnet: &IpNet| {
            let subnet = subnet.trunc();
            let gateway = wish.gateways.iter().find(|g| subnet.contains(*g)).copied();
            types::Subnet {
                gateway: Some(gateway.unwrap_or_else(|| first_address(&subnet))),
                lease_range: None,
                subnet,
            }
        };
        let labels: HashMap<String, String> = wish.labels.iter().cloned().collect();
        let network = types::Network {
            created: None,
            dns_enabled: !wish.no_dns,
            driver: "bridge".to_owned(),
            id: Sha256::digest(&wish.name).iter().map(|byte| format!("{byte:02x}")).collect(),
            internal: wish.internal,
            ipv6_enabled: subnets.iter().any(|s| s.addr().is_ipv6()),
            name: wish.name.clone(),
            network_interface: Some(bridge),
            options: None,
            ipam_options: Some(HashMap::from([("driver".to_owned(), "host-local".to_owned())])),
            subnets: Some(subnets.iter().map(subnet).collect()),
            routes: None,
            network_dns_servers: None,
            labels: (!labels.is_empty()).then_some(labels),
        };
        let definition = Self { network };
        definition.check().map_err(|cause| NetworkError::Definition { path: wish.name.clone(), source: cause })?;
        Ok(definition)
    }

    fn parse(text: &[u8]) -> Result<Self, Cause> {
        let Stored { version, network } = serde_json::from_slice(text).map_err(|error| Cause::of(&error))?;
        if version > VERSION {
            return Err(Cause::text(format!("version {version} was written by a newer podkin")));
        }
        let definition = Self { network };
        definition.check()?;
        Ok(definition)
    }

    /// What the rest of the module relies on.
    fn check(&self) -> Result<(), Cause> {
        let count = |v6: bool| self.subnets().filter(|s| s.subnet.addr().is_ipv6() == v6).count();
        let small = |s: &types::Subnet| s.subnet.prefix_len() + 2 > s.subnet.max_prefix_len();
        let outside = |s: &types::Subnet| s.gateway.is_some_and(|g| !s.subnet.contains(&g));
        match () {
            () if self.network.driver != "bridge" => Err(Cause::text("only the driver `bridge` is supported")),
            () if self.network.network_interface.as_ref().is_none_or(|n| n.is_empty() || n.len() > 15) => {
                Err(Cause::text("the name of the bridge is missing or too long"))
            }
            () if count(false) > 1 || count(true) > 1 || count(false) + count(true) == 0 => {
                Err(Cause::text("expected one subnet of each address family at most, and one at least"))
            }
            () if self.subnets().any(small) => Err(Cause::text("a subnet is too small")),
            () if self.subnets().any(outside) => Err(Cause::text("a gateway is outside of its subnet")),
            () => Ok(()),
        }
    }

    /// The definition as JSON, the form on disk and of `network inspect`.
    pub fn to_json(&self) -> Vec<u8> {
        let stored = Stored { version: VERSION, network: self.network.clone() };
        // Maps with string keys and plain values: this cannot fail.
        serde_json::to_vec_pretty(&stored).unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        &self.network.name
    }

    /// Whether names of pods resolve on it.
    pub fn dns(&self) -> bool {
        self.network.dns_enabled && self.subnets().any(|s| s.gateway.is_some())
    }

    pub fn internal(&self) -> bool {
        self.network.internal
    }

    /// Name of the bridge on the host.
    pub fn bridge(&self) -> &str {
        self.network.network_interface.as_deref().unwrap_or_default()
    }

    pub fn has_ipv6(&self) -> bool {
        self.subnets().any(|s| s.subnet.addr().is_ipv6())
    }

    pub(super) fn subnets(&self) -> impl Iterator<Item = &types::Subnet> {
        self.network.subnets.iter().flatten()
    }

    /// The host's addresses on the network, one of each subnet that has a gateway.
    pub fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        self.subnets().filter_map(|s| s.gateway)
    }

    pub(super) fn ranges(&self) -> Vec<Range> {
        self.subnets().map(range_of).collect()
    }
}

fn range_of(subnet: &types::Subnet) -> Range {
    let types::Subnet { gateway, lease_range, subnet } = subnet;
    let edge = |pick: fn(&types::LeaseRange) -> &Option<String>| {
        let text = lease_range.as_ref().and_then(|range| pick(range).as_ref());
        text.and_then(|text| text.parse::<IpAddr>().ok()).filter(|address| subnet.contains(address))
    };
    Range {
        subnet: *subnet,
        gateway: *gateway,
        first: edge(|range| &range.start_ip).unwrap_or_else(|| first_address(subnet)),
        last: edge(|range| &range.end_ip).unwrap_or_else(|| last_address(subnet)),
    }
}

/// The first address a host can have.
fn first_address(subnet: &IpNet) -> IpAddr {
    match subnet {
        IpNet::V4(net) => Ipv4Addr::from(u32::from(net.network()).saturating_add(1)).into(),
        IpNet::V6(net) => Ipv6Addr::from(u128::from(net.network()).saturating_add(1)).into(),
    }
}

/// The last address a host can have: not the IPv4 broadcast address.
fn last_address(subnet: &IpNet) -> IpAddr {
    match subnet {
        IpNet::V4(net) => Ipv4Addr::from(u32::from(net.broadcast()).saturating_sub(1)).into(),
        IpNet::V6(net) => net.broadcast().into(),
    }
}

/// Letters, digits, `_`, `.` and `-`, the first a letter or digit; what can be a file name and an aardvark network.
pub(super) fn is_valid_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.len() <= 200 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed)
}

fn unusable(path: &Path, source: Cause) -> NetworkError {
    NetworkError::Definition { path: path.display().to_string(), source }
}
