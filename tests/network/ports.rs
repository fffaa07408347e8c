//! Who reaches what, and as whom.

use super::Case;
use super::machine::{HOST, Machine, NEIGHBOUR, ip, on, reach, tcp};
use podkin::model::container::Protocol;
use podkin::network::{NetworkError, PublishedPort};
use std::net::UdpSocket;
use std::time::Duration;

pub const CASES: &[Case] = &[
    ("pods_reach_each_other_and_the_world", pods_reach_each_other_and_the_world),
    ("published_port_from_everywhere", published_port_from_everywhere),
    ("hairpin", hairpin),
    ("bound_to_the_hosts_loopback", bound_to_the_hosts_loopback),
    ("udp", udp),
    ("udp_peers_that_never_pause", udp_peers_that_never_pause),
    ("a_second_publisher_is_told_who_was_first", a_second_publisher_is_told_who_was_first),
    ("ipv6", ipv6),
];

fn pods_reach_each_other_and_the_world() {
    let machine = Machine::new();
    let (a, b) = (machine.pod("a", &[]), machine.pod("b", &[]));
    let listener = b.listen(80);
    assert_eq!(reach(Some(&a.netns), (b.ip(), 80), &listener).expect("pod to pod"), a.ip());
    assert_eq!(reach(None, (b.ip(), 80), &listener).expect("host to pod"), b.gateway());
    let world = super::machine::inside(&machine.neighbour, || std::net::TcpListener::bind("0.0.0.0:8000"));
    let world = world.expect("listen");
    // The neighbour has no route to pods: it answers because the host speaks for them.
    assert_eq!(reach(Some(&a.netns), (ip(NEIGHBOUR), 8000), &world).expect("pod to world"), ip(HOST));
}

fn published_port_from_everywhere() {
    let machine = Machine::new();
    let (server, client) = (machine.pod("server", &[tcp(8080, 80)]), machine.pod("client", &[]));
    let listener = server.listen(80);
    let seen = |from, to| reach(from, (to, 8080), &listener);
    assert_eq!(seen(None, ip("127.0.0.1")).expect("loopback"), server.gateway());
    assert_eq!(seen(None, ip("127.0.0.9")).expect("all of loopback"), server.gateway());
    assert_eq!(seen(None, server.gateway()).expect("gateway"), server.gateway());
    assert_eq!(seen(None, ip(HOST)).expect("own address"), ip(HOST));
    assert_eq!(seen(Some(&machine.neighbour), ip(HOST)).expect("neighbour"), ip(NEIGHBOUR), "source address is kept");
    seen(Some(&client.netns), ip(HOST)).expect("from another pod by the host's address");
    seen(Some(&client.netns), client.gateway()).expect("from another pod by the gateway");
}

fn hairpin() {
    let machine = Machine::new();
    for bridge_calls_rules in ["1", "0"] {
        // Of this namespace; absent without br_netfilter, and then the second round is the only one that means anything.
        let _ = std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", bridge_calls_rules);
        let name = format!("own{bridge_calls_rules}");
        let pod = machine.pod(&name, &[tcp(8081, 80)]);
        let listener = pod.listen(80);
        reach(Some(&pod.netns), (ip(HOST), 8081), &listener).expect("own published port by the host's address");
        reach(Some(&pod.netns), (pod.gateway(), 8081), &listener).expect("own published port by the gateway");
        machine.remove(pod);
    }
}

fn bound_to_the_hosts_loopback() {
    let machine = Machine::new();
    let pod = machine.pod("local", &[on("127.0.0.1", tcp(8082, 80))]);
    let other = machine.pod("other", &[]);
    let listener = pod.listen(80);
    reach(None, (ip("127.0.0.1"), 8082), &listener).expect("from the host");
    for target in [ip(HOST), pod.gateway(), ip("127.0.0.2")] {
        reach(None, (target, 8082), &listener).expect_err("only that address");
    }
    for target in [ip(HOST), other.gateway()] {
        reach(Some(&other.netns), (target, 8082), &listener).expect_err("not from pods");
    }
    reach(Some(&machine.neighbour), (ip(HOST), 8082), &listener).expect_err("not from outside");
    // A pod that may change its routes sends packets for 127.0.0.1 over the bridge, which lets them in for the answers' sake.
    super::machine::inside(&other.netns, || {
        super::machine::sh(&format!(
            "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ip rule add pref 0 lookup 7; ip rule del lookup local; \
             ip rule add pref 9 lookup local; ip route add 127.0.0.0/8 via {} dev eth0 src {} table 7",
            other.gateway(),
            other.ip()
        ))
    });
    reach(Some(&other.netns), (ip("127.0.0.1"), 8082), &listener).expect_err("not by a forged route");
    let service = std::net::TcpListener::bind("127.0.0.1:9009").expect("a service of the host's loopback");
    reach(Some(&other.netns), (ip("127.0.0.1"), 9009), &service).expect_err("nor a service of the host");
}

fn udp() {
    let machine = Machine::new();
    let port = PublishedPort { protocol: Protocol::Udp, ..tcp(5300, 53) };
    let pod = machine.pod("names", &[port, tcp(5300, 54)]);
    let server = pod.udp(53);
    for target in ["127.0.0.1", HOST] {
        let client = UdpSocket::bind("0.0.0.0:0").expect("bind");
        client.set_read_timeout(Some(Duration::from_secs(1))).expect("timeout");
        client.send_to(b"ping", (target, 5300)).expect("send");
        let mut buffer = [0; 8];
        let (size, peer) = server.recv_from(&mut buffer).expect("receive in the pod");
        server.send_to(&buffer[..size], peer).expect("answer");
        let (size, from) = client.recv_from(&mut buffer).expect("receive the answer");
        assert_eq!((&buffer[..size], from.ip()), (&b"ping"[..], ip(target)));
    }
    let listener = pod.listen(54);
    reach(None, (ip(HOST), 5300), &listener).expect("the same port of another protocol");
}

/// From one port of their own, before there is a pod, to the first pod, and to the second.
fn udp_peers_that_never_pause() {
    let machine = Machine::new();
    let client = UdpSocket::bind("0.0.0.0:0").expect("bind");
    let neighbour = super::machine::inside(&machine.neighbour, || UdpSocket::bind("0.0.0.0:0")).expect("bind");
    let send = || {
        // An earlier packet may have been refused, which a socket tells at the next occasion.
        for _ in 0..2 {
            let _ = client.send_to(b"here", ("127.0.0.1", 5300));
            let _ = neighbour.send_to(b"there", (HOST, 5300));
        }
    };
    for name in ["first", "second"] {
        send();
        let pod = machine.pod(name, &[PublishedPort { protocol: Protocol::Udp, ..tcp(5300, 53) }]);
        let server = pod.udp(53);
        send();
        let mut words = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let mut buffer = [0; 8];
            let (size, _) = server.recv_from(&mut buffer).expect("receive in the pod");
            words.insert(buffer[..size].to_vec());
        }
        assert_eq!(words.len(), 2, "both peers");
        machine.remove(pod);
    }
}

fn a_second_publisher_is_told_who_was_first() {
    let machine = Machine::new();
    let first = machine.pod("first", &[tcp(8083, 80)]);
    let second = machine.bare_pod("second", &["podkin"], &[tcp(8084, 80), tcp(8083, 80)]);
    let by = Some("first".to_owned());
    let expected = NetworkError::PortInUse { port: 8083, protocol: Protocol::Tcp, address: None, by };
    assert_eq!(machine.set_up(&second), Err(expected));
    // Nothing of the second stayed, everything of the first did.
    let rules = super::machine::sh("nft list ruleset");
    assert!(!rules.contains("8084") && rules.contains("8083"), "{rules}");
    assert!(!rules.contains(&second.ip().to_string()), "{rules}");
    machine.networks.teardown(&second.id).expect("nothing to do");
    let listener = first.listen(80);
    reach(None, (ip(HOST), 8083), &listener).expect("the first still answers");
}

fn ipv6() {
    let machine = Machine::new();
    machine.network("dual", &["10.77.0.0/24", "fd00:77::/64"], false);
    super::machine::sh("ip addr add 2001:db8::1/64 dev up0 nodad");
    super::machine::inside(&machine.neighbour, || super::machine::sh("ip addr add 2001:db8::2/64 dev up1 nodad"));
    let pod = machine.bare_pod("six", &["dual"], &[tcp(8086, 80)]);
    machine.set_up(&pod).expect("setup");
    let listener = super::machine::inside(&pod.netns, || std::net::TcpListener::bind("[::]:80")).expect("listen");
    reach(None, (pod.request.attachments[0].ips[1], 80), &listener).expect("host to pod");
    reach(None, (ip("2001:db8::1"), 8086), &listener).expect("published, own address");
    reach(Some(&machine.neighbour), (ip("2001:db8::1"), 8086), &listener).expect("published, neighbour");
    reach(None, (ip("127.0.0.1"), 8086), &listener).expect("published, IPv4");
}
