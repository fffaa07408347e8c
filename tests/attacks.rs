//! docs/ATTACKS.md: each attack has a test that is there, and what no other place tests is tried here.

mod common;

use common::{TestEnv, can_run_containers, leftovers};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_attack_has_a_test() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(base.join("docs/ATTACKS.md")).unwrap();
    let (mut named, mut missing) = (0, Vec::new());
    for row in text.lines().filter(|line| line.starts_with('|')) {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        for group in last.split(';').filter(|group| group.trim_start().starts_with('`')) {
            let (file, tests) =
                group.trim_start().trim_start_matches('`').split_once('`').expect("a file in backticks");
            let source = fs::read_to_string(base.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            for test in tests.split(',').map(str::trim) {
                named += 1;
                if !source.contains(&format!("fn {test}(")) && !source.contains(&format!("(\"{test}\", ")) {
                    missing.push(format!("{file}: {test}"));
                }
            }
        }
    }
    assert!(named > 50 && missing.is_empty(), "not there: {missing:#?}");
}

/// Abstract sockets belong to a network namespace and have no permissions (CVE-2020-15257).
#[test]
fn no_socket_can_be_reached_from_the_machines_network() {
    if !can_run_containers() {
        return;
    }
    let env = TestEnv::new("sockets");
    let file = env.file(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  terminationGracePeriodSeconds: 0\n  containers:\n  \
         - {name: c, image: localhost/podkin-demo, command: [/podkin-demo, sleep, forever]}\n",
    );
    env.ok(["kube", "play", "--quiet", &file.to_string_lossy()]);
    let mut inodes = BTreeSet::new();
    for (pid, _) in leftovers::processes(&env.base) {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        let socket = |link: std::path::PathBuf| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
            Some(inode)
        };
        inodes.extend(links.filter_map(socket));
    }
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    let ours = table.lines().map(|line| line.split_ascii_whitespace().skip(6).collect::<Vec<_>>());
    let named: Vec<_> = ours.filter(|line| line.len() == 2 && inodes.contains(line[0])).collect();
    assert!(named.iter().all(|line| line[1].starts_with('/')), "{named:?}");
    assert!(!named.is_empty(), "the control socket of the supervisor");
}
