//! `/etc/hosts` of a pod.

use super::NetworkStatus;
use crate::model::Pod;
use std::fmt::Write;

const LOCAL: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::0\tip6-localnet\n\
    ff00::0\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

/// First lines by which programs, and Kubernetes' own tests, know that the file is not theirs.
const HEADER: &str = "# Kubernetes-managed hosts file.\n";
const HEADER_HOST_NETWORK: &str = "# Kubernetes-managed hosts file (host network).\n";

/// The text of `/etc/hosts`, in the form of the kubelet's: the loopback names, the pod's own names at each of its addresses, the
/// host as `host.containers.internal` and `host.docker.internal`, then `hostAliases`. A pod in the host's network gets the host's
/// file (`host`) and the aliases (Kubernetes, "Adding entries to Pod /etc/hosts with HostAliases").
pub fn hosts(pod: &Pod, status: &NetworkStatus, host: &str) -> String {
    let mut text = String::from(if pod.host_network { HEADER_HOST_NETWORK } else { HEADER });
    if pod.host_network {
        text.push_str(host);
        if !host.is_empty() && !host.ends_with('\n') {
            text.push('\n');
        }
    } else {
        text.push_str(LOCAL);
        add_own_names(&mut text, pod, status);
        if let Some(gateway) = status.gateway() {
            line(&mut text, gateway, &["host.containers.internal", "host.docker.internal"]);
        }
    }
    if !pod.host_aliases.is_empty() {
        text.push_str("\n# Entries of hostAliases.\n");
    }
    for alias in &pod.host_aliases {
        line(&mut text, alias.ip, &alias.hostnames);
    }
    text
}

fn add_own_names(text: &mut String, pod: &Pod, status: &NetworkStatus) {
    let (hostname, full) = pod.host_names();
    let mut names: Vec<&str> = full.as_deref().into_iter().chain([hostname.as_str()]).collect();
    if pod.name != hostname {
        names.push(&pod.name);
    }
    let mut addresses = status.addresses().peekable();
    if addresses.peek().is_none() {
        // A pod without a network resolves its own name all the same.
        line(text, std::net::Ipv4Addr::LOCALHOST.into(), &names);
    }
    for address in addresses {
        line(text, address, &names);
    }
}

fn line<S: AsRef<str>>(text: &mut String, address: std::net::IpAddr, names: &[S]) {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    // Writing to a String does not fail.
    let _ = writeln!(text, "{address}\t{}", names.join("\t"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostAlias;
    use crate::network::request::{AddressStatus, InterfaceStatus};
    use std::net::IpAddr;

    fn status() -> NetworkStatus {
        let address = AddressStatus {
            address: IpAddr::from([10, 89, 0, 5]),
            prefix: 24,
            gateway: Some(IpAddr::from([10, 89, 0, 1])),
        };
        let (network, interface, mac) = ("podkin".into(), "eth0".into(), "02:00:00:00:00:01".into());
        NetworkStatus {
            interfaces: vec![InterfaceStatus { network, interface, mac, addresses: vec![address] }],
            ..NetworkStatus::default()
        }
    }

    #[test]
    fn own_names_host_and_aliases() {
        let pod = Pod {
            name: "web".into(),
            namespace: "default".into(),
            hostname: Some("front".into()),
            subdomain: Some("apps".into()),
            host_aliases: vec![HostAlias {
                ip: IpAddr::from([1, 2, 3, 4]),
                hostnames: vec!["a".into(), "b.example".into()],
            }],
            ..Pod::default()
        };
        let expected = format!(
            "# Kubernetes-managed hosts file.\n{LOCAL}\
             10.89.0.5\tfront.apps.default.svc.cluster.local\tfront\tweb\n\
             10.89.0.1\thost.containers.internal\thost.docker.internal\n\
             \n# Entries of hostAliases.\n1.2.3.4\ta\tb.example\n"
        );
        assert_eq!(hosts(&pod, &status(), "ignored"), expected);
    }

    #[test]
    fn host_network_keeps_the_hosts_file() {
        let pod = Pod { name: "web".into(), host_network: true, ..Pod::default() };
        let text = hosts(&pod, &NetworkStatus::default(), "127.0.0.1 localhost\n10.0.0.1 machine");
        assert_eq!(text, "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n10.0.0.1 machine\n");
    }

    #[test]
    fn without_a_network_the_own_name_is_local() {
        let pod = Pod { name: "web".into(), ..Pod::default() };
        assert!(hosts(&pod, &NetworkStatus::default(), "").ends_with("127.0.0.1\tweb\n"));
    }
}
