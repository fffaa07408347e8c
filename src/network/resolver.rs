//! `/etc/resolv.conf` of a pod (resolv.conf(5); Kubernetes, "DNS for Services and Pods").

use super::NetworkStatus;
use crate::model::{DnsConfig, DnsPolicy};
use std::net::IpAddr;

/// Servers that resolvers look at (glibc `MAXNS`, Kubernetes validation).
const MAX_NAMESERVERS: usize = 3;
/// Search domains Kubernetes allows.
const MAX_SEARCHES: usize = 32;

/// The text of `/etc/resolv.conf`.
///
/// `ClusterFirst` names podkin's own server, which asks the host's servers in turn; `Default`, and a pod without a network that
/// has DNS, the host's servers (`host` is the text of the host's file); `None` nothing. `dnsConfig` adds to each. Servers on the
/// host's loopback are out of reach in a pod's own namespace: podkin's server, which asks them, stands in.
pub fn resolv_conf(dns: &DnsConfig, status: &NetworkStatus, host: &str) -> String {
    let mut file = match dns.policy {
        DnsPolicy::None => File::default(),
        DnsPolicy::Default => File::of_host(host, status),
        DnsPolicy::ClusterFirst | DnsPolicy::ClusterFirstWithHostNet if status.nameservers.is_empty() => {
            File::of_host(host, status)
        }
        DnsPolicy::ClusterFirst | DnsPolicy::ClusterFirstWithHostNet => File::of_network(host, status),
    };
    file.add(dns);
    file.text()
}

/// The servers a `resolv.conf` names; those with a zone (`fe80::1%eth0`) are left out.
pub(super) fn nameservers(text: &str) -> Vec<IpAddr> {
    File::parse(text).nameservers.iter().filter_map(|server| server.parse().ok()).collect()
}

#[derive(Debug, Default)]
struct File {
    nameservers: Vec<String>,
    searches: Vec<String>,
    /// Name and value, as in `ndots:2`.
    options: Vec<(String, Option<String>)>,
}

impl File {
    fn of_host(host: &str, status: &NetworkStatus) -> Self {
        let mut file = Self::parse(host);
        if status.interfaces.is_empty() {
            return file;
        }
        file.nameservers.retain(|server| !is_loopback(server));
        if file.nameservers.is_empty() {
            file.nameservers = status.nameservers.iter().map(IpAddr::to_string).collect();
        }
        file
    }

    fn of_network(host: &str, status: &NetworkStatus) -> Self {
        let host = Self::parse(host);
        let mut searches = status.searches.clone();
        add_new(&mut searches, host.searches);
        Self {
            nameservers: status.nameservers.iter().map(IpAddr::to_string).collect(),
            searches,
            options: host.options,
        }
    }

    fn parse(text: &str) -> Self {
        let mut file = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => file.nameservers.extend(words.next().map(str::to_owned)),
                // The last of both kinds holds (resolv.conf(5)).
                Some("search" | "domain") => {
                    file.searches = words.filter(|w| *w != ".").map(str::to_owned).collect();
                }
                Some("options") => words.for_each(|word| file.set_option(word)),
                _ => {}
            }
        }
        file
    }

    fn set_option(&mut self, word: &str) {
        let (name, value) = word.split_once(':').map_or((word, None), |(n, v)| (n, Some(v.to_owned())));
        match self.options.iter_mut().find(|(known, _)| known == name) {
            Some(option) => option.1 = value,
            None => self.options.push((name.to_owned(), value)),
        }
    }

    fn add(&mut self, dns: &DnsConfig) {
        add_new(&mut self.nameservers, dns.nameservers.iter().map(IpAddr::to_string));
        add_new(&mut self.searches, dns.searches.iter().cloned());
        for (name, value) in &dns.options {
            self.set_option(&value.as_ref().map_or(name.clone(), |value| format!("{name}:{value}")));
        }
        self.nameservers.truncate(MAX_NAMESERVERS);
        self.searches.truncate(MAX_SEARCHES);
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if !self.searches.is_empty() {
            text.push_str(&format!("search {}\n", self.searches.join(" ")));
        }
        for server in &self.nameservers {
            text.push_str(&format!("nameserver {server}\n"));
        }
        let option = |(name, value): &(String, Option<String>)| match value {
            Some(value) => format!("{name}:{value}"),
            None => name.clone(),
        };
        if !self.options.is_empty() {
            text.push_str(&format!("options {}\n", self.options.iter().map(option).collect::<Vec<_>>().join(" ")));
        }
        text
    }
}

fn add_new(list: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

fn is_loopback(server: &str) -> bool {
    let address = server.split('%').next().unwrap_or(server);
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::request::InterfaceStatus;

    const HOST: &str =
        "# a comment\nnameserver 10.0.0.53 # first\nnameserver 10.0.0.54\nsearch corp.example\noptions edns0 ndots:1\n";

    fn bridged() -> NetworkStatus {
        let (network, interface, mac) = ("podkin".into(), "eth0".into(), String::new());
        NetworkStatus {
            interfaces: vec![InterfaceStatus { network, interface, mac, addresses: Vec::new() }],
            nameservers: vec![IpAddr::from([10, 89, 0, 1])],
            searches: vec!["dns.podkin".into()],
        }
    }

    fn dns(policy: DnsPolicy) -> DnsConfig {
        DnsConfig { policy, ..DnsConfig::default() }
    }

    #[test]
    fn policies() {
        let first = "search dns.podkin corp.example\nnameserver 10.89.0.1\noptions edns0 ndots:1\n";
        let host = "search corp.example\nnameserver 10.0.0.53\nnameserver 10.0.0.54\noptions edns0 ndots:1\n";
        let table = [
            (DnsPolicy::ClusterFirst, bridged(), first),
            (DnsPolicy::ClusterFirst, NetworkStatus::default(), host),
            (DnsPolicy::ClusterFirstWithHostNet, NetworkStatus::default(), host),
            (DnsPolicy::Default, bridged(), host),
            (DnsPolicy::None, bridged(), ""),
        ];
        for (policy, status, expected) in table {
            assert_eq!(resolv_conf(&dns(policy), &status, HOST), expected, "{policy:?}");
        }
    }

    #[test]
    fn dns_config_adds_and_overrides() {
        let config = DnsConfig {
            policy: DnsPolicy::ClusterFirst,
            nameservers: ["1.1.1.1", "10.89.0.1", "8.8.8.8", "9.9.9.9"].map(|s| s.parse().expect("address")).to_vec(),
            searches: vec!["my.local".into(), "corp.example".into()],
            options: vec![("ndots".into(), Some("5".into())), ("rotate".into(), None)],
        };
        let expected = "search dns.podkin corp.example my.local\n\
            nameserver 10.89.0.1\nnameserver 1.1.1.1\nnameserver 8.8.8.8\noptions edns0 ndots:5 rotate\n";
        assert_eq!(resolv_conf(&config, &bridged(), HOST), expected);
    }

    #[test]
    fn loopback_servers_of_the_host_are_replaced_in_a_pods_own_network() {
        let host = "nameserver 127.0.0.53\nnameserver ::1%lo\n";
        assert_eq!(resolv_conf(&dns(DnsPolicy::Default), &bridged(), host), "nameserver 10.89.0.1\n");
        let kept = resolv_conf(&dns(DnsPolicy::Default), &NetworkStatus::default(), host);
        assert_eq!(kept, "nameserver 127.0.0.53\nnameserver ::1%lo\n");
    }

    #[test]
    fn the_last_search_line_holds() {
        let host = "search a b\ndomain c\nnameserver 1.1.1.1\n";
        let text = resolv_conf(&dns(DnsPolicy::Default), &bridged(), host);
        assert_eq!(text, "search c\nnameserver 1.1.1.1\n");
    }
}
