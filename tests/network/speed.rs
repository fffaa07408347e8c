//! How long it takes: printed, and bounded loosely enough for a busy machine.

use super::Case;
use super::machine::{Machine, tcp};
use podkin::sys::process::{fork_child, wait};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = &[("times", times)];

fn times() {
    let machine = Machine::new();
    let pods: Vec<_> = (0..21)
        .map(|i| machine.bare_pod(&format!("p{i}"), &["podkin"], &[tcp(8500 + i, 80), tcp(8600 + i, 81)]))
        .collect();
    let mut setups = Vec::new();
    let mut teardowns = Vec::new();
    for pod in &pods {
        let begin = Instant::now();
        let child = fork_child(|| i32::from(machine.set_up(pod).is_err())).expect("fork");
        assert_eq!(wait(child.pidfd).expect("wait").shell_code(), 0);
        setups.push(begin.elapsed());
    }
    for pod in &pods {
        let begin = Instant::now();
        machine.networks.teardown(&pod.id).expect("teardown");
        teardowns.push(begin.elapsed());
    }
    let begin = Instant::now();
    machine.networks.remove_idle_bridges().expect("bridges");
    println!("first setup {:?}, bridge and rules removed {:?}", setups[0], begin.elapsed());
    let (setup, teardown) = (median(&mut setups[1..]), median(&mut teardowns));
    println!("setup {setup:?}, teardown {teardown:?} (medians)");
    assert!(setup < Duration::from_millis(80) && teardown < Duration::from_millis(30));
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
