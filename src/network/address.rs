//! The choice of addresses. Pure: what is taken is an argument, the caller records the result in the same transaction.

use super::{Definition, NetworkError};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Chooses one address in each subnet of the network: the wanted one of that subnet, else the next free one after the one
/// given last, so that an address that became free rests as long as possible (others may still hold it in their caches).
///
/// `taken` are the addresses in use on that network, `last` those given most recently (any order, may be empty), `wanted`
/// those the user asked for.
///
/// # Errors
/// [`NetworkError::AddressOutside`], [`NetworkError::AddressInUse`], [`NetworkError::NoFreeAddress`].
pub fn allocate(
    definition: &Definition,
    taken: &BTreeSet<IpAddr>,
    last: &[IpAddr],
    wanted: &[IpAddr],
) -> Result<Vec<IpAddr>, NetworkError> {
    let ranges = definition.ranges();
    if let Some(&address) = wanted.iter().find(|a| !ranges.iter().any(|r| r.subnet.contains(*a))) {
        return Err(NetworkError::AddressOutside { network: definition.name().to_owned(), address });
    }
    ranges.iter().map(|range| range.choose(definition.name(), taken, last, wanted)).collect()
}

/// The MAC address of a pod on a network when none is wanted: the same each time, so that nothing has to be asked or kept.
pub fn mac(pod_id: &str, network: &str) -> String {
    let digest = Sha256::digest(format!("{pod_id}\0{network}"));
    // Locally administered, unicast (IEEE 802, second-lowest bit set, lowest clear).
    let first = digest[0] & 0xfc | 0x02;
    format!("{first:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", digest[1], digest[2], digest[3], digest[4], digest[5])
}

/// A unicast MAC address in lower case with colons; `None` when the text is none.
pub fn normalise_mac(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let valid = |p: &&str| p.len() == 2 && p.chars().all(|c| c.is_ascii_hexdigit());
    if parts.len() != 6 || !parts.iter().all(valid) {
        return None;
    }
    let multicast = u8::from_str_radix(parts[0], 16).ok()? & 1 == 1;
    (!multicast).then(|| parts.join(":").to_ascii_lowercase())
}

/// The part of a subnet from which addresses are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub subnet: IpNet,
    pub gateway: Option<IpAddr>,
    pub first: IpAddr,
    /// Inclusive.
    pub last: IpAddr,
}

impl Range {
    fn choose(
        &self,
        network: &str,
        taken: &BTreeSet<IpAddr>,
        last: &[IpAddr],
        wanted: &[IpAddr],
    ) -> Result<IpAddr, NetworkError> {
        if let Some(&address) = wanted.iter().find(|a| self.subnet.contains(*a)) {
            return self.accept(network, taken, address);
        }
        let (low, high) = (number(self.first), number(self.last));
        let inside = |n: &u128| (low..=high).contains(n);
        let after = last.iter().filter(|a| self.subnet.contains(*a)).map(|a| number(*a)).find(inside);
        let start = after.map_or(low, |n| if n == high { low } else { n + 1 });
        // Each address tried that is not free is one of `taken` or the gateway: more tries than those are never needed.
        let tries = (taken.len() as u128 + 2).min(high - low + 1);
        let nth = |i: u128| low + (start - low + i) % (high - low + 1);
        let candidates = (0..tries).map(|i| self.address(nth(i)));
        candidates
            .into_iter()
            .find(|a| Some(*a) != self.gateway && !taken.contains(a))
            .ok_or_else(|| NetworkError::NoFreeAddress(network.to_owned()))
    }

    fn accept(&self, network: &str, taken: &BTreeSet<IpAddr>, address: IpAddr) -> Result<IpAddr, NetworkError> {
        let network = network.to_owned();
        let edge = self.subnet.network() == address || (address.is_ipv4() && self.subnet.broadcast() == address);
        if edge && self.subnet.prefix_len() + 1 < self.subnet.max_prefix_len() {
            return Err(NetworkError::AddressOutside { network, address });
        }
        if Some(address) == self.gateway || taken.contains(&address) {
            return Err(NetworkError::AddressInUse { network, address });
        }
        Ok(address)
    }

    fn address(&self, number: u128) -> IpAddr {
        match self.subnet {
            // The number came from an IPv4 address of this subnet.
            IpNet::V4(_) => IpAddr::V4(Ipv4Addr::from(number as u32)),
            IpNet::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
        }
    }
}

pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkWish;

    fn network(subnets: &[&str]) -> Definition {
        let subnets = subnets.iter().map(|s| s.parse().expect("subnet")).collect();
        let wish = NetworkWish { name: "test".into(), subnets, ..NetworkWish::default() };
        Definition::from_wish(&wish, "pkb0".into(), Vec::new()).expect("definition")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    fn ips(texts: &[&str]) -> BTreeSet<IpAddr> {
        texts.iter().map(|t| ip(t)).collect()
    }

    #[test]
    fn goes_round_after_the_last_one() {
        let net = network(&["10.89.0.0/29"]);
        let next = |taken: &[&str], last: &[&str]| {
            let last: Vec<_> = last.iter().map(|t| ip(t)).collect();
            allocate(&net, &ips(taken), &last, &[]).map(|v| v[0].to_string())
        };
        assert_eq!(next(&[], &[]).as_deref(), Ok("10.89.0.2"));
        assert_eq!(next(&[], &["10.89.0.2"]).as_deref(), Ok("10.89.0.3"));
        assert_eq!(next(&["10.89.0.3"], &["10.89.0.2"]).as_deref(), Ok("10.89.0.4"));
        assert_eq!(next(&["10.89.0.2"], &["10.89.0.6"]).as_deref(), Ok("10.89.0.3"));
        assert_eq!(next(&[], &["192.168.0.1"]).as_deref(), Ok("10.89.0.2"));
        let all = ["10.89.0.2", "10.89.0.3", "10.89.0.4", "10.89.0.5", "10.89.0.6"];
        assert_eq!(next(&all, &["10.89.0.4"]), Err(NetworkError::NoFreeAddress("test".into())));
        assert_eq!(next(&all[1..], &["10.89.0.6"]).as_deref(), Ok("10.89.0.2"));
    }

    #[test]
    fn wanted_addresses_are_checked() {
        let net = network(&["10.89.0.0/24"]);
        let want = |address: &str| allocate(&net, &ips(&["10.89.0.9"]), &[], &[ip(address)]);
        assert_eq!(want("10.89.0.200"), Ok(vec![ip("10.89.0.200")]));
        for (address, outside) in [
            ("10.90.0.2", true),
            ("10.89.0.0", true),
            ("10.89.0.255", true),
            ("10.89.0.1", false),
            ("10.89.0.9", false),
        ] {
            let error = want(address).expect_err(address);
            assert_eq!(matches!(error, NetworkError::AddressOutside { .. }), outside, "{address}: {error}");
        }
    }

    #[test]
    fn one_of_each_subnet() {
        let net = network(&["10.89.0.0/24", "fd00:89::/64"]);
        let got = allocate(&net, &ips(&["10.89.0.2", "fd00:89::2"]), &[ip("fd00:89::2")], &[]);
        assert_eq!(got, Ok(vec![ip("10.89.0.3"), ip("fd00:89::3")]));
    }

    #[test]
    fn mac_addresses() {
        let mac = mac("0123", "podkin");
        assert_eq!(normalise_mac(&mac).as_deref(), Some(mac.as_str()));
        assert_ne!(mac, super::mac("0123", "other"));
        assert_eq!(normalise_mac("01:00:5e:00:00:01"), None);
        assert_eq!(normalise_mac("aa:bb"), None);
    }
}
