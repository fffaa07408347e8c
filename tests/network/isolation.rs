//! What must not be reachable.

use super::Case;
use super::machine::{HOST, Machine, NEIGHBOUR, inside, ip, on, reach, tcp};
use std::fs::read_to_string;

pub const CASES: &[Case] = &[
    ("networks_do_not_see_each_other", networks_do_not_see_each_other),
    ("internal_network_has_no_way_out", internal_network_has_no_way_out),
    ("a_pod_believes_no_router", a_pod_believes_no_router),
    ("rules_as_nft_prints_them", rules_as_nft_prints_them),
];

fn networks_do_not_see_each_other() {
    let machine = Machine::new();
    machine.network("other", &[], false);
    let a = machine.pod("a", &[]);
    let b = machine.bare_pod("b", &["other"], &[tcp(8090, 80)]);
    machine.set_up(&b).expect("setup");
    let both = machine.bare_pod("both", &["podkin", "other"], &[]);
    machine.set_up(&both).expect("setup");
    let listener = b.listen(80);
    reach(Some(&a.netns), (b.ip(), 80), &listener).expect_err("another network");
    reach(Some(&a.netns), (ip(HOST), 8090), &listener).expect("but what it publishes");
    reach(Some(&both.netns), (b.ip(), 80), &listener).expect("on a network of its own");
    let listener = both.listen(81);
    reach(Some(&a.netns), (both.ip(), 81), &listener).expect("the pod on both, by the common network");
}

fn internal_network_has_no_way_out() {
    let machine = Machine::new();
    machine.network("inner", &[], true);
    let open = machine.pod("open", &[]);
    let (a, b) = (machine.bare_pod("a", &["inner"], &[]), machine.bare_pod("b", &["inner"], &[]));
    machine.set_up(&a).expect("setup");
    machine.set_up(&b).expect("setup");
    let listener = b.listen(80);
    reach(Some(&a.netns), (b.ip(), 80), &listener).expect("within");
    reach(Some(&open.netns), (b.ip(), 80), &listener).expect_err("from another network");
    inside(&a.netns, || super::machine::sh(&format!("ip route add default via {}", a.gateway())));
    let world = inside(&machine.neighbour, || std::net::TcpListener::bind("0.0.0.0:8000")).expect("listen");
    reach(Some(&a.netns), (ip(NEIGHBOUR), 8000), &world).expect_err("out, though it adds a route");
    let published = machine.bare_pod("published", &["inner"], &[tcp(8091, 80)]);
    machine.set_up(&published).expect_err("nobody could reach the port");
}

fn a_pod_believes_no_router() {
    let machine = Machine::new();
    machine.network("dual", &["10.77.0.0/24", "fd00:77::/64"], false);
    let plain = machine.pod("plain", &[]);
    let dual = machine.bare_pod("dual", &["dual"], &[]);
    machine.set_up(&dual).expect("setup");
    let read = |pod: &super::machine::Pod, key: &str| {
        let path = format!("/proc/sys/net/ipv6/conf/eth0/{key}");
        inside(&pod.netns, || read_to_string(path)).map(|t| t.trim().to_owned()).unwrap_or_default()
    };
    assert_eq!(read(&plain, "disable_ipv6"), "1");
    assert_eq!(read(&dual, "accept_ra"), "0");
    assert_eq!(read(&dual, "autoconf"), "0");
}

/// What the messages of our own encoder mean to somebody else's decoder.
fn rules_as_nft_prints_them() {
    let machine = Machine::new();
    machine.network("inner", &["10.66.0.0/24"], true);
    machine.network("dual", &["10.77.0.0/24", "fd00:77::/64"], false);
    let pod = machine.bare_pod("all", &["dual", "inner"], &[tcp(8080, 80), on("127.0.0.1", tcp(8081, 81))]);
    machine.set_up(&pod).expect("setup");
    let text = super::machine::sh("nft list ruleset | sed -E 's/pkb[0-9a-f]{8}/BRIDGE/g; s/podkin_[0-9a-f]{8}/TABLE/'");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/network/rules.nft");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &text).expect("write the snapshot");
    }
    assert_eq!(text, std::fs::read_to_string(path).expect("the snapshot"));
}
