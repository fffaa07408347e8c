//! Names of pods and containers.

use super::Case;
use super::machine::{Machine, Pod, inside, ip, sh};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

pub const CASES: &[Case] = &[
    ("names_of_pods_and_containers", names_of_pods_and_containers),
    ("the_server_comes_and_goes", the_server_comes_and_goes),
    ("a_killed_server_is_revived", a_killed_server_is_revived),
    ("hostile_questions", hostile_questions),
    ("port_53_is_taken", port_53_is_taken),
    ("an_orphaned_server_ends", an_orphaned_server_ends),
];

fn names_of_pods_and_containers() {
    let machine = Machine::new();
    let (web, api) = (machine.pod("web", &[]), machine.pod("api", &[]));
    assert_eq!(lookup(&web, "api"), Some(vec![api.ip()]));
    assert_eq!(lookup(&api, "web"), Some(vec![web.ip()]));
    assert_eq!(lookup(&web, "API-Main"), Some(vec![api.ip()]));
    assert_eq!(lookup(&web, "api.cluster.local"), Some(vec![api.ip()]));
    let mut both = lookup(&web, "main").expect("a name of two pods");
    both.sort();
    assert_eq!(both, [web.ip(), api.ip()]);
    for nobody in ["nobody.cluster.local", "api.default.svc.cluster.local", "example.com.default.svc.cluster.local"] {
        assert_eq!(lookup(&web, nobody), None, "answered here, whatever the host's servers would say");
    }
    machine.network("other", &[], false);
    let hidden = machine.bare_pod("hidden", &["other"], &[]);
    machine.set_up(&hidden).expect("setup");
    assert_eq!(lookup(&hidden, "hidden"), Some(vec![hidden.ip()]));
    assert_eq!(lookup(&hidden, "web.cluster.local"), None, "a name of another network");
    machine.remove(api);
    wait_for(|| lookup(&web, "api.cluster.local").is_none());
    assert_eq!(lookup(&web, "web"), Some(vec![web.ip()]));
}

fn the_server_comes_and_goes() {
    let machine = Machine::new();
    assert_eq!(servers(&machine), 0);
    let pod = machine.pod("web", &[]);
    assert_eq!(servers(&machine), 1);
    let text = std::fs::read_to_string(machine.dir.join("run/networks/names.lock")).expect("read");
    let pid = text.split(' ').next().expect("pid");
    let open =
        sh(&format!("ls -l /proc/{pid}/fd | grep -c . ; grep -E 'CapEff|NoNewPrivs|Threads' /proc/{pid}/status"));
    assert!(open.contains("CapEff:\t0000000000000400") && open.contains("NoNewPrivs:\t1"), "{open}");
    assert!(open.contains("Threads:\t1\n"), "{open}");
    println!(
        "name server: {}",
        sh(&format!("grep -E '^(Pss|Private_Dirty):' /proc/{pid}/smaps_rollup | tr -s ' \\n' ' '"))
    );
    let more = machine.pod("more", &[]);
    assert_eq!(servers(&machine), 1);
    machine.remove(pod);
    machine.remove(more);
    wait_for(|| servers(&machine) == 0);
    let again = machine.pod("again", &[]);
    assert_eq!(lookup(&again, "again"), Some(vec![again.ip()]));
    machine.remove(again);
    wait_for(|| servers(&machine) == 0);
}

fn a_killed_server_is_revived() {
    let machine = Machine::new();
    let pod = machine.pod("web", &[]);
    assert!(!machine.networks.revive_names().expect("there is one"));
    let text = std::fs::read_to_string(machine.dir.join("run/networks/names.lock")).expect("read");
    sh(&format!("kill -9 {}", text.split(' ').next().expect("pid")));
    wait_for(|| servers(&machine) == 0);
    assert!(machine.networks.revive_names().expect("revive"));
    wait_for(|| lookup(&pod, "web") == Some(vec![pod.ip()]));
    let other = machine.pod("other", &[]);
    assert_eq!(lookup(&pod, "other"), Some(vec![other.ip()]));
}

/// Known ways to bring such servers down: idle and half connections, truncated and oversized messages.
fn hostile_questions() {
    let machine = Machine::new();
    let pod = machine.pod("web", &[]);
    let gateway = pod.gateway();
    let idle: Vec<_> =
        (0..50).map(|_| inside(&pod.netns, || TcpStream::connect((gateway, 53))).expect("connect")).collect();
    let mut half = inside(&pod.netns, || TcpStream::connect((gateway, 53))).expect("connect");
    half.write_all(&[0, 200, 1]).expect("write");
    let mut large = inside(&pod.netns, || TcpStream::connect((gateway, 53))).expect("connect");
    let _ = large.write_all(&[0xff; 65537]);
    let socket = inside(&pod.netns, || UdpSocket::bind("0.0.0.0:0")).expect("bind");
    for size in [0, 1, 11, 12, 13, 512, 60000] {
        let _ = socket.send_to(&vec![0xc0; size], (gateway, 53));
    }
    assert_eq!(lookup(&pod, "web"), Some(vec![pod.ip()]));
    drop(idle);
    let mut byte = [0];
    half.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
    assert!(matches!(half.read(&mut byte), Ok(0) | Err(_)), "a half question is given up");
    assert_eq!(lookup(&pod, "web"), Some(vec![pod.ip()]));
}

/// Asks from the pod; `None` for `NXDOMAIN` or no answer.
fn lookup(pod: &Pod, name: &str) -> Option<Vec<IpAddr>> {
    let socket = inside(&pod.netns, || UdpSocket::bind("0.0.0.0:0")).expect("bind");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("timeout");
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, 0, 1, 0, 1]);
    socket.send_to(&question, (pod.gateway(), 53)).expect("send");
    let mut answer = [0; 512];
    let (size, from) = socket.recv_from(&mut answer).ok()?;
    assert_eq!((from.ip(), &answer[..2]), (pod.gateway(), &question[..2]));
    if answer[3] & 0xf != 0 {
        return None;
    }
    // Each record of an answer ends with its length and the address.
    let count = usize::from(answer[7]);
    let records = answer[question.len()..size].chunks(16).take(count);
    Some(records.map(|r| ip(&format!("{}.{}.{}.{}", r[12], r[13], r[14], r[15]))).collect())
}

/// Servers of this machine's root.
fn servers(machine: &Machine) -> usize {
    let lock = machine.dir.join("run/networks/names.lock");
    usize::from(podkin::sys::lock::FileLock::is_held(&lock).expect("look at the lock"))
}

fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..200 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("did not happen within two seconds");
}

fn port_53_is_taken() {
    let machine = Machine::new();
    let before = machine.picture();
    let other = UdpSocket::bind("0.0.0.0:53").expect("bind");
    let pod = machine.bare_pod("web", &["podkin"], &[]);
    let error = machine.set_up(&pod).expect_err("no names");
    let cause = std::error::Error::source(&error).expect("cause").to_string();
    assert!(error.to_string().starts_with("cannot resolve names at ") && cause.contains("in use"), "{error}: {cause}");
    machine.networks.remove_idle_bridges().expect("bridges");
    assert_eq!(machine.picture(), before);
    drop(other);
    machine.set_up(&pod).expect("now that it is free");
}

fn an_orphaned_server_ends() {
    let machine = Machine::new();
    let _pod = machine.pod("web", &[]);
    let run = machine.dir.join("run");
    let text = std::fs::read_to_string(run.join("networks/names.lock")).expect("read");
    let process = std::path::Path::new("/proc").join(text.split(' ').next().expect("pid"));
    std::fs::remove_dir_all(&run).expect("remove");
    for _ in 0..800 {
        // A zombie has no descriptors left.
        if std::fs::read_dir(process.join("fd")).map_or(0, Iterator::count) == 0 {
            assert!(!run.exists(), "and makes nothing anew");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("still there");
}
