//! Which subnet a new network gets.

use super::{Cause, Definition, NetworkError, NetworkWish};
use ipnet::{IpNet, Ipv4Net};
use netavark::network::netlink::Socket;
use netavark::network::netlink_route::NetlinkRoute;
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::route::{RouteAddress, RouteAttribute};
use std::net::{IpAddr, Ipv4Addr};

/// Ranges whose /24 parts are given to networks, in this order: first and last part of each.
const POOLS: [(Ipv4Addr, Ipv4Addr); 3] = [
    (Ipv4Addr::new(10, 89, 0, 0), Ipv4Addr::new(10, 255, 255, 0)),
    (Ipv4Addr::new(172, 20, 0, 0), Ipv4Addr::new(172, 31, 255, 0)),
    (Ipv4Addr::new(192, 168, 0, 0), Ipv4Addr::new(192, 168, 255, 0)),
];

/// A range that is spoken for, and whose it is.
pub(super) struct Used {
    net: IpNet,
    by: String,
}

/// What other networks, and addresses and routes of the host, occupy.
pub(super) fn used(networks: &[Definition]) -> Result<Vec<Used>, NetworkError> {
    let of_networks = networks.iter().flat_map(|network| {
        let by = format!("network `{}`", network.name());
        network.subnets().map(move |s| Used { net: s.subnet, by: by.clone() })
    });
    let mut all: Vec<Used> = of_networks.collect();
    all.extend(of_host()?);
    Ok(all)
}

/// The wanted subnets when none is used, a free one when none is wanted.
///
/// `start` says where in the first pool the search begins (any number): networks of several roots of one machine do not know
/// of each other while they have no bridge, so each root looks elsewhere first.
pub(super) fn choose(wish: &NetworkWish, used: &[Used], start: u32) -> Result<Vec<IpNet>, NetworkError> {
    for subnet in &wish.subnets {
        if let Some(other) = used.iter().find(|other| overlap(&other.net, subnet)) {
            return Err(NetworkError::SubnetInUse { subnet: subnet.to_string(), with: other.by.clone() });
        }
    }
    if !wish.subnets.is_empty() {
        return Ok(wish.subnets.clone());
    }
    let parts = |(first, last): &(Ipv4Addr, Ipv4Addr)| (u32::from(*first) >> 8)..=(u32::from(*last) >> 8);
    let first_pool = parts(&POOLS[0]);
    let begin = first_pool.start() + start % (first_pool.end() - first_pool.start() + 1);
    let rotated = (begin..=*first_pool.end()).chain(*first_pool.start()..begin);
    let numbers = rotated.chain(POOLS[1..].iter().flat_map(parts));
    let mut candidates = numbers.filter_map(|n| Ipv4Net::new(Ipv4Addr::from(n << 8), 24).ok()).map(IpNet::V4);
    let free = candidates.find(|candidate| !used.iter().any(|other| overlap(&other.net, candidate)));
    free.map(|net| vec![net]).ok_or_else(|| NetworkError::NoFreeSubnet(wish.name.clone()))
}

/// Refuses a network that overlaps what the host has by now: the bridge would take its traffic away.
pub(super) fn check_free(definition: &Definition) -> Result<(), NetworkError> {
    let used = of_host()?;
    for subnet in definition.subnets() {
        if let Some(other) = used.iter().find(|other| overlap(&other.net, &subnet.subnet)) {
            return Err(NetworkError::SubnetInUse { subnet: subnet.subnet.to_string(), with: other.by.clone() });
        }
    }
    Ok(())
}

fn of_host() -> Result<Vec<Used>, NetworkError> {
    let failed = |error| NetworkError::System { action: "list the host's addresses".into(), source: Cause::of(&error) };
    let mut socket = Socket::<NetlinkRoute>::new().map_err(failed)?;
    let addresses = socket.dump_addresses(None).map_err(failed)?;
    let routes = socket.dump_routes(None).map_err(failed)?;
    let of_address = addresses.iter().filter_map(|message| {
        let address = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })?;
        let net = IpNet::new(address, message.header.prefix_len).ok()?;
        Some(Used { net, by: "an address of the host".into() })
    });
    let of_route = routes.iter().filter_map(|message| {
        let destination = message.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(IpAddr::V4(*address)),
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
            _ => None,
        })?;
        let length = message.header.destination_prefix_length;
        // The default route, or two halves of it, is no reason to avoid anything.
        let net = IpNet::new(destination, length).ok().filter(|_| length > 1)?;
        Some(Used { net, by: "a route of the host".into() })
    });
    Ok(of_address.chain(of_route).collect())
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(nets: &[&str]) -> Vec<Used> {
        nets.iter().map(|net| Used { net: net.parse().expect("subnet"), by: "test".into() }).collect()
    }

    #[test]
    fn the_first_subnet_that_overlaps_nothing() {
        let wish = NetworkWish { name: "n".into(), ..NetworkWish::default() };
        let chosen = |nets: &[&str]| choose(&wish, &used(nets), 0).map(|v| v[0].to_string());
        assert_eq!(chosen(&[]).as_deref(), Ok("10.89.0.0/24"));
        assert_eq!(chosen(&["10.89.0.0/24", "10.89.1.7/32", "fd00::/8"]).as_deref(), Ok("10.89.2.0/24"));
        assert_eq!(chosen(&["10.88.0.0/15"]).as_deref(), Ok("10.90.0.0/24"));
        assert_eq!(chosen(&["10.0.0.0/8"]).as_deref(), Ok("172.20.0.0/24"));
        assert_eq!(chosen(&["10.0.0.0/8", "172.16.0.0/12"]).as_deref(), Ok("192.168.0.0/24"));
        assert_eq!(chosen(&["0.0.0.0/0"]), Err(NetworkError::NoFreeSubnet("n".into())));
        let from = |start| choose(&wish, &used(&["10.89.0.0/24"]), start).map(|v| v[0].to_string());
        assert_eq!(from(300).as_deref(), Ok("10.90.44.0/24"));
        // The pool has (255 - 89 + 1) * 256 parts, and goes round.
        assert_eq!(from(167 * 256).as_deref(), Ok("10.89.1.0/24"));
    }

    #[test]
    fn a_wanted_subnet_must_be_free() {
        let wish = NetworkWish { subnets: vec!["10.5.0.0/16".parse().expect("subnet")], ..NetworkWish::default() };
        assert!(choose(&wish, &used(&["10.4.0.0/16"]), 0).is_ok());
        let error = choose(&wish, &used(&["10.5.5.0/24"]), 0).map(|_| ());
        assert_eq!(error, Err(NetworkError::SubnetInUse { subnet: "10.5.0.0/16".into(), with: "test".into() }));
    }
}
