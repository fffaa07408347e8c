//! `/etc/resolv.conf` of a pod (resolv.conf(5); Kubernetes, "DNS for Services and Pods").

use super::{NetworkStatus, SEARCH_DOMAIN};
use crate::model::{DnsConfig, DnsPolicy, Pod};
use std::net::IpAddr;

/// Where the machine's list of servers is.
pub const PATH: &str = "/etc/resolv.conf";
/// Where systemd-resolved keeps the servers that its stub asks.
pub const PATH_BEHIND_STUB: &str = "/run/systemd/resolve/resolv.conf";
/// Servers that resolvers look at (glibc `MAXNS`, Kubernetes validation).
const MAX_NAMESERVERS: usize = 3;
/// Search domains Kubernetes allows, and their characters with the blanks between them.
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARACTERS: usize = 2048;
/// With fewer dots than this a name is looked for in the search domains first: so many has `<host>.<subdomain>.<namespace>.svc`,
/// and one more.
const NDOTS: &str = "5";

/// The text of `/etc/resolv.conf`; `host` is that of the host's file.
///
/// `ClusterFirst` names podkin's own server, which asks the host's servers in turn, and the search domains of the pod's namespace,
/// then the host's. `Default`, and `ClusterFirst` in the host's network, are what the host has; so is a pod without a network that
/// has DNS. `None` is nothing. `dnsConfig` adds to each. Servers on the host's loopback are out of reach in a pod's own namespace:
/// podkin's server, which asks them, stands in.
pub fn resolv_conf(pod: &Pod, status: &NetworkStatus, host: &str) -> String {
    let in_cluster = match pod.dns.policy {
        DnsPolicy::ClusterFirst => !pod.host_network,
        DnsPolicy::ClusterFirstWithHostNet => true,
        DnsPolicy::Default | DnsPolicy::None => false,
    };
    let mut file = match pod.dns.policy {
        DnsPolicy::None => File::default(),
        _ if in_cluster && !status.nameservers.is_empty() => File::of_network(host, status, &pod.namespace),
        _ => File::of_host(host, status),
    };
    file.add(&pod.dns);
    file.text()
}

/// The file that tells where questions really go: `host`, or, when that names nobody but the stub of systemd-resolved, the file
/// `behind` it. The stub listens on the host's loopback, which other network namespaces do not reach.
pub fn behind_stub(host: String, behind: impl FnOnce() -> String) -> String {
    let is_stub = |servers: &[String]| !servers.is_empty() && servers.iter().all(|server| is_loopback(server));
    if !is_stub(&File::parse(&host).nameservers) {
        return host;
    }
    let behind = behind();
    let servers = File::parse(&behind).nameservers;
    if servers.is_empty() || is_stub(&servers) { host } else { behind }
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

    fn of_network(host: &str, status: &NetworkStatus, namespace: &str) -> Self {
        let services = format!("svc.{SEARCH_DOMAIN}");
        let mut searches = vec![format!("{namespace}.{services}"), services, SEARCH_DOMAIN.to_owned()];
        add_new(&mut searches, Self::parse(host).searches);
        Self {
            nameservers: status.nameservers.iter().map(IpAddr::to_string).collect(),
            searches,
            options: vec![("ndots".to_owned(), Some(NDOTS.to_owned()))],
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
        while self.searches.join(" ").len() > MAX_SEARCH_CHARACTERS {
            self.searches.pop();
        }
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
    const OF_HOST: &str = "search corp.example\nnameserver 10.0.0.53\nnameserver 10.0.0.54\noptions edns0 ndots:1\n";

    fn bridged() -> NetworkStatus {
        let (network, interface, mac) = ("podkin".into(), "eth0".into(), String::new());
        NetworkStatus {
            interfaces: vec![InterfaceStatus { network, interface, mac, addresses: Vec::new() }],
            nameservers: vec![IpAddr::from([10, 89, 0, 1])],
        }
    }

    fn pod(policy: DnsPolicy) -> Pod {
        let dns = DnsConfig { policy, ..DnsConfig::default() };
        Pod { name: "p".into(), namespace: "shop".into(), dns, ..Pod::default() }
    }

    #[test]
    fn policies() {
        let first = "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\n\
            nameserver 10.89.0.1\noptions ndots:5\n";
        let table = [
            (DnsPolicy::ClusterFirst, bridged(), first),
            (DnsPolicy::ClusterFirst, NetworkStatus::default(), OF_HOST),
            (DnsPolicy::ClusterFirstWithHostNet, bridged(), first),
            (DnsPolicy::Default, bridged(), OF_HOST),
            (DnsPolicy::None, bridged(), ""),
        ];
        for (policy, status, expected) in table {
            assert_eq!(resolv_conf(&pod(policy), &status, HOST), expected, "{policy:?}");
        }
    }

    #[test]
    fn in_the_hosts_network_only_one_policy_asks_the_cluster_first() {
        let of = |policy| {
            let status = NetworkStatus { interfaces: Vec::new(), ..bridged() };
            resolv_conf(&Pod { host_network: true, ..pod(policy) }, &status, HOST)
        };
        assert_eq!(of(DnsPolicy::ClusterFirst), OF_HOST);
        assert_eq!(of(DnsPolicy::Default), OF_HOST);
        assert!(of(DnsPolicy::ClusterFirstWithHostNet).contains("nameserver 10.89.0.1\n"));
    }

    #[test]
    fn dns_config_adds_and_overrides() {
        let mut pod = pod(DnsPolicy::ClusterFirst);
        pod.dns = DnsConfig {
            policy: DnsPolicy::ClusterFirst,
            nameservers: ["1.1.1.1", "10.89.0.1", "8.8.8.8", "9.9.9.9"].map(|s| s.parse().expect("address")).to_vec(),
            searches: vec!["my.local".into(), "corp.example".into()],
            options: vec![("ndots".into(), Some("2".into())), ("rotate".into(), None)],
        };
        let expected = "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example my.local\n\
            nameserver 10.89.0.1\nnameserver 1.1.1.1\nnameserver 8.8.8.8\noptions ndots:2 rotate\n";
        assert_eq!(resolv_conf(&pod, &bridged(), HOST), expected);
    }

    #[test]
    fn search_domains_have_limits() {
        let searches = |pod: &Pod| {
            let text = resolv_conf(pod, &bridged(), "");
            text.lines()
                .next()
                .and_then(|line| line.strip_prefix("search "))
                .map(str::to_owned)
                .expect("they are first")
        };
        let mut pod = pod(DnsPolicy::ClusterFirst);
        pod.dns.searches = (0..32).map(|n| format!("d{n}.example")).collect();
        assert_eq!(searches(&pod).split(' ').count(), MAX_SEARCHES);
        pod.dns.searches = (0..9).map(|n| format!("d{n}.{}", "x.".repeat(120))).collect();
        let text = searches(&pod);
        assert!(text.len() <= MAX_SEARCH_CHARACTERS && text.contains("d7.") && !text.contains("d8."), "{text}");
    }

    #[test]
    fn loopback_servers_of_the_host_are_replaced_in_a_pods_own_network() {
        let host = "nameserver 127.0.0.53\nnameserver ::1%lo\n";
        assert_eq!(resolv_conf(&pod(DnsPolicy::Default), &bridged(), host), "nameserver 10.89.0.1\n");
        let kept = resolv_conf(&pod(DnsPolicy::Default), &NetworkStatus::default(), host);
        assert_eq!(kept, "nameserver 127.0.0.53\nnameserver ::1%lo\n");
    }

    #[test]
    fn a_stub_is_looked_behind() {
        let stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch corp.example\n";
        let real = "nameserver 192.0.2.7\nsearch corp.example\n";
        let through = |host: &str, behind: &str| behind_stub(host.to_owned(), || behind.to_owned());
        assert_eq!(through(stub, real), real);
        assert_eq!(through(stub, ""), stub, "another resolver of the machine");
        assert_eq!(through(stub, stub), stub);
        assert_eq!(through(HOST, real), HOST);
        assert_eq!(
            through("nameserver 127.0.0.1\nnameserver 192.0.2.9\n", real),
            "nameserver 127.0.0.1\nnameserver 192.0.2.9\n"
        );
        assert_eq!(through("", real), "");
    }

    #[test]
    fn the_last_search_line_holds() {
        let host = "search a b\ndomain c\nnameserver 1.1.1.1\n";
        let text = resolv_conf(&pod(DnsPolicy::Default), &bridged(), host);
        assert_eq!(text, "search c\nnameserver 1.1.1.1\n");
    }
}
