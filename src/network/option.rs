//! The values of `--network`: `host`, `none`, `bridge`, `NAME`, each bridge with `:key=value,..` (podman-kube-play(1)).

use super::definition::is_valid_name;
use super::{DEFAULT_NETWORK, NetworkError, address};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What the pods of a play are to be connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkChoice {
    Host,
    /// Loopback only.
    None,
    /// At least one, each network once.
    Networks(Vec<NetworkJoin>),
}

/// One network to join, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkJoin {
    pub network: String,
    /// Wanted addresses; the rest is chosen.
    pub ips: Vec<IpAddr>,
    /// Lower case, separated by colons.
    pub mac: Option<String>,
    /// Further names that resolve to the pod.
    pub aliases: Vec<String>,
    /// Interface in the pod; `eth0`, `eth1` in order when unset.
    pub interface: Option<String>,
}

impl NetworkChoice {
    /// Reads the values of all `--network` options; no value is the default network.
    pub fn parse<S: AsRef<str>>(values: &[S]) -> Result<Self, NetworkError> {
        let mut joins: Vec<NetworkJoin> = Vec::new();
        for value in values.iter().map(AsRef::as_ref) {
            match value {
                "host" | "none" if values.len() > 1 => {
                    return Err(invalid(value, "cannot be combined with other networks"));
                }
                "host" => return Ok(Self::Host),
                "none" => return Ok(Self::None),
                _ => {}
            }
            let join = NetworkJoin::parse(value)?;
            if joins.iter().any(|other| other.network == join.network) {
                return Err(invalid(value, "the network is named twice"));
            }
            joins.push(join);
        }
        if joins.is_empty() {
            joins.push(NetworkJoin::default_network());
        }
        Ok(Self::Networks(joins))
    }
}

impl NetworkJoin {
    /// The default network, nothing wanted in particular.
    pub fn default_network() -> Self {
        Self { network: DEFAULT_NETWORK.to_owned(), ..Self::default() }
    }

    fn parse(value: &str) -> Result<Self, NetworkError> {
        let (name, options) = value.split_once(':').unwrap_or((value, ""));
        let network = match name {
            "bridge" | "private" | "" => DEFAULT_NETWORK,
            "container" | "ns" | "pasta" | "slirp4netns" | "host" | "none" | "default" => {
                return Err(invalid(value, "supported are host, none, bridge and names of networks"));
            }
            name if is_valid_name(name) => name,
            name => return Err(NetworkError::InvalidName(name.to_owned())),
        };
        let mut join = Self { network: network.to_owned(), ..Self::default() };
        for option in options.split(',').filter(|o| !o.is_empty()) {
            join.set(option)?;
        }
        Ok(join)
    }

    fn set(&mut self, option: &str) -> Result<(), NetworkError> {
        let (key, value) = option.split_once('=').ok_or_else(|| invalid(option, "expected key=value"))?;
        match key {
            "ip" | "ip6" => {
                let address: IpAddr = value.parse().map_err(|_| invalid(option, "not an address"))?;
                self.ips.push(address);
            }
            "mac" => {
                let mac = address::normalise_mac(value).ok_or_else(|| invalid(option, "not a MAC address"))?;
                self.mac = Some(mac);
            }
            "alias" if is_dns_name(value) => self.aliases.push(value.to_ascii_lowercase()),
            "alias" => return Err(invalid(option, "not a name")),
            "interface_name" if is_interface_name(value) => self.interface = Some(value.to_owned()),
            "interface_name" => return Err(invalid(option, "not an interface name")),
            _ => return Err(invalid(option, "known are ip, mac, alias and interface_name")),
        }
        Ok(())
    }
}

/// Whether the text can stand as a name in the name server's files: no separators of theirs.
fn is_dns_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 253 && name.chars().all(allowed)
}

/// What the kernel accepts as the name of an interface (`dev_valid_name`).
fn is_interface_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':');
    !matches!(name, "" | "." | ".." | "lo") && name.len() < 16 && name.chars().all(allowed)
}

fn invalid(option: &str, reason: &str) -> NetworkError {
    NetworkError::InvalidOption { option: option.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_names() {
        assert_eq!(NetworkChoice::parse(&["host"]), Ok(NetworkChoice::Host));
        assert_eq!(NetworkChoice::parse(&["none"]), Ok(NetworkChoice::None));
        let default = NetworkChoice::Networks(vec![NetworkJoin::default_network()]);
        assert_eq!(NetworkChoice::parse::<&str>(&[]), Ok(default.clone()));
        assert_eq!(NetworkChoice::parse(&["bridge"]), Ok(default));
    }

    #[test]
    fn options_of_a_named_network() -> Result<(), NetworkError> {
        let value = "front:ip=10.89.0.7,mac=AA-bb-cc-00-11-22,alias=web,alias=api.x,interface_name=net1";
        let NetworkChoice::Networks(joins) = NetworkChoice::parse(&[value, "back"])? else { panic!("networks") };
        let front = NetworkJoin {
            network: "front".into(),
            ips: vec![IpAddr::from([10, 89, 0, 7])],
            mac: Some("aa:bb:cc:00:11:22".into()),
            aliases: vec!["web".into(), "api.x".into()],
            interface: Some("net1".into()),
        };
        assert_eq!(joins[0], front);
        assert_eq!(joins[1], NetworkJoin { network: "back".into(), ..NetworkJoin::default() });
        Ok(())
    }

    #[test]
    fn wrong_values_are_refused() {
        let wrong = [
            &["host", "front"][..],
            &["front", "front"],
            &["a b"],
            &["front:ip=10.0.0"],
            &["front:mac=1:2"],
            &["front:alias=a,alias=b c"],
            &["front:interface_name=way-too-long-for-it"],
            &["front:interface_name=lo"],
            &["front:ipv4"],
            &["front:speed=9"],
            &["container:x"],
            &["../x"],
        ];
        for values in wrong {
            assert!(NetworkChoice::parse(values).is_err(), "{values:?}");
        }
    }
}
