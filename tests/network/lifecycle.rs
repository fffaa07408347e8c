//! Beginning, end, and being killed in between.

use super::Case;
use super::machine::{HOST, Machine, ip, reach, sh, tcp};
use podkin::network::NetworkError;
use podkin::sys::namespace::unpin;
use podkin::sys::process::{Child, fork_child, pidfd_kill, wait};
use std::time::Duration;

pub const CASES: &[Case] = &[
    ("teardown_leaves_nothing", teardown_leaves_nothing),
    ("loopback_only", loopback_only),
    ("the_mtu_of_the_uplink", the_mtu_of_the_uplink),
    ("twenty_at_once", twenty_at_once),
    ("killed_in_the_middle", killed_in_the_middle),
    ("flushed_rules_come_back", flushed_rules_come_back),
    ("a_network_in_use_stays", a_network_in_use_stays),
    ("addresses_the_host_came_to_use", addresses_the_host_came_to_use),
];

fn teardown_leaves_nothing() {
    let machine = Machine::new();
    let before = machine.picture();
    let pods: Vec<_> = (0..3).map(|i| machine.pod(&format!("p{i}"), &[tcp(8100 + i, 80)])).collect();
    assert_ne!(machine.picture(), before);
    for pod in pods {
        machine.remove(pod);
    }
    let rules = sh("nft list ruleset");
    assert!(!rules.contains("elements = { 10.") && !rules.contains("810"), "no element of a pod stays: {rules}");
    assert_eq!(machine.networks.remove_idle_bridges().expect("bridges"), 1);
    wait_for_links(&machine);
    assert_eq!(machine.picture(), before);
    assert_eq!(machine.networks.remove_idle_bridges().expect("bridges"), 0);
    assert_eq!(std::fs::read_dir(machine.dir.join("run/networks/pods")).expect("list").count(), 0);
}

fn loopback_only() {
    let machine = Machine::new();
    let before = machine.picture();
    let pod = machine.bare_pod("lonely", &[], &[]);
    let status = machine.set_up(&pod).expect("setup");
    assert_eq!(status.addresses().count(), 0);
    let listener = pod.listen(80);
    reach(Some(&pod.netns), (ip("127.0.0.1"), 80), &listener).expect("its own loopback");
    machine.remove(pod);
    assert_eq!(machine.picture(), before);
}

/// Also of pods that come when the bridge has been without any.
fn the_mtu_of_the_uplink() {
    let machine = Machine::new();
    sh("ip link set up0 mtu 1400");
    for generation in 0..3 {
        let pod = machine.pod(&format!("p{generation}"), &[]);
        let shown = super::machine::inside(&pod.netns, || sh("ip link show eth0"));
        assert!(shown.contains("mtu 1400"), "generation {generation}: {shown}");
        machine.remove(pod);
        wait_for_links(&machine);
    }
}

fn twenty_at_once() {
    let machine = Machine::new();
    let pods: Vec<_> = (0..20).map(|i| machine.bare_pod(&format!("p{i}"), &["podkin"], &[tcp(8200 + i, 80)])).collect();
    let each = |body: &dyn Fn(&super::machine::Pod)| {
        let children: Vec<Child> = pods
            .iter()
            .map(|pod| {
                fork_child(|| {
                    body(pod);
                    0
                })
            })
            .map(|child| child.expect("fork"))
            .collect();
        for child in children {
            assert_eq!(wait(child.pidfd).expect("wait").shell_code(), 0);
        }
    };
    each(&|pod| {
        machine.set_up(pod).expect("setup");
    });
    for (i, pod) in pods.iter().enumerate() {
        let listener = pod.listen(80);
        reach(None, (ip("127.0.0.1"), 8200 + i as u16), &listener).expect("published port");
    }
    each(&|pod| machine.networks.teardown(&pod.id).expect("teardown"));
    let rules = sh("nft list ruleset");
    assert!(!rules.contains("elements = { 10."), "{rules}");
}

/// Kills setup after each millisecond it may take; the next teardown has to find what it left.
fn killed_in_the_middle() {
    let machine = Machine::new();
    let before = machine.picture();
    for quarter_ms in 0..60 {
        let pod = machine.bare_pod("victim", &["podkin"], &[tcp(8300, 80)]);
        let child = fork_child(|| {
            let _ = machine.set_up(&pod);
            0
        });
        let child = child.expect("fork");
        std::thread::sleep(Duration::from_micros(quarter_ms * 250));
        pidfd_kill(&child.pidfd).expect("kill");
        wait(&child.pidfd).expect("wait");
        machine.networks.teardown(&pod.id).expect("teardown of what is there");
        if quarter_ms % 3 == 0 {
            machine.networks.remove_idle_bridges().expect("bridges");
        }
        // The next one can use name, address and port.
        let path = pod.path.clone();
        drop(pod);
        unpin(&path).expect("unpin");
    }
    machine.networks.remove_idle_bridges().expect("bridges");
    wait_for_links(&machine);
    assert_eq!(machine.picture(), before);
    let pod = machine.pod("survivor", &[tcp(8300, 80)]);
    reach(None, (ip("127.0.0.1"), 8300), &pod.listen(80)).expect("everything works");
}

fn flushed_rules_come_back() {
    let machine = Machine::new();
    let (a, b) = (machine.pod("a", &[tcp(8400, 80)]), machine.pod("b", &[]));
    let listener = a.listen(80);
    sh("nft flush ruleset");
    reach(None, (ip(HOST), 8400), &listener).expect_err("rules are gone");
    machine.networks.reload().expect("reload");
    reach(None, (ip(HOST), 8400), &listener).expect("after reload");
    sh("nft flush ruleset");
    let c = machine.pod("c", &[]);
    reach(None, (ip(HOST), 8400), &listener).expect("after the next setup");
    for pod in [a, b, c] {
        machine.remove(pod);
    }
}

fn a_network_in_use_stays() {
    let machine = Machine::new();
    machine.network("mine", &[], false);
    assert_eq!(
        machine.networks.create(&podkin::network::NetworkWish { name: "mine".into(), ..Default::default() }),
        Err(NetworkError::Exists("mine".into()))
    );
    let pod = machine.bare_pod("user", &["mine"], &[]);
    machine.set_up(&pod).expect("setup");
    let error = NetworkError::InUse { network: "mine".into(), pod: "user".into() };
    assert_eq!(machine.networks.remove("mine"), Err(error));
    assert_eq!(machine.networks.remove_idle_bridges(), Ok(0));
    machine.remove(pod);
    machine.networks.remove("mine").expect("remove");
    assert_eq!(machine.networks.get("mine"), Err(NetworkError::NotFound("mine".into())));
}

/// Links of a namespace that nobody holds go when the kernel finds the time.
fn wait_for_links(machine: &Machine) {
    for _ in 0..200 {
        if !machine.picture().contains("pkv") {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn addresses_the_host_came_to_use() {
    let machine = Machine::new();
    machine.network("mine", &["10.66.0.0/16"], false);
    let pod = machine.bare_pod("late", &["mine"], &[]);
    sh("ip route add 10.66.7.0/24 via 198.51.100.2");
    let (subnet, with) = ("10.66.0.0/16".to_owned(), "a route of the host".to_owned());
    assert_eq!(machine.set_up(&pod), Err(NetworkError::SubnetInUse { subnet, with }));
    sh("ip route del 10.66.7.0/24");
    machine.set_up(&pod).expect("setup");
}
