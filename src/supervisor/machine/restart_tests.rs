//! Policies and rules of single containers, and the times between runs and between probes, against a clock that is moved by hand.

use super::spec::{ContainerSpec, Timing};
use super::tests::{Sim, container, regular};
use super::*;
use crate::model::RestartPolicy::{Always, Never, OnFailure};
use crate::model::{ExitCodes, RestartAction, RestartRule};
use crate::store::record::PodPhase;

fn rule(action: RestartAction, exit_codes: ExitCodes) -> RestartRule {
    RestartRule { action, exit_codes }
}

#[test]
fn a_rule_decides_before_the_policy() {
    let mut never = regular("a", Never);
    never.rules = vec![rule(RestartAction::Restart, ExitCodes::In(vec![42, 0]))];
    for (code, again) in [(42, true), (0, true), (1, false)] {
        assert_eq!(never.after_end(Some(code)).is_some(), again, "{code}");
    }
    assert_eq!(never.after_end(None), None, "an end nobody saw matches no rule");
    let mut failing = regular("a", OnFailure);
    failing.rules = vec![
        rule(RestartAction::RestartAllContainers, ExitCodes::In(vec![3])),
        rule(RestartAction::Restart, ExitCodes::NotIn(vec![0, 1])),
    ];
    assert_eq!(failing.after_end(Some(3)), Some(RestartAction::RestartAllContainers));
    assert_eq!(failing.after_end(Some(1)), Some(RestartAction::Restart), "the policy");
    assert_eq!(failing.after_end(Some(0)), None);
    let mut init = container("i", Role::Init, Never);
    init.rules = vec![rule(RestartAction::Restart, ExitCodes::NotIn(vec![7]))];
    assert_eq!(init.after_end(Some(0)), None, "an init container that succeeded is through");
    assert!(init.after_end(Some(1)).is_some() && init.after_end(Some(7)).is_none());
}

#[test]
fn each_container_follows_its_own_policy() {
    let mut sim = Sim::new(vec![regular("a", Never), regular("b", Always), regular("c", OnFailure)]);
    sim.start();
    sim.take_log();
    sim.exit("a", 1);
    sim.exit("b", 0);
    sim.exit("c", 0);
    assert_eq!(sim.take_log(), "delete a, delete b, recreate b, start b, delete c");
    assert_eq!(sim.status().phase, PodPhase::Running);
    let mut own = container("i", Role::Init, Never);
    own.name = "i".into();
    let mut sim = Sim::new(vec![own, regular("a", Always)]);
    sim.start();
    sim.exit("i", 1);
    assert_eq!(sim.take_log(), "sandbox, create i, start i, delete i, teardown");
    assert_eq!(sim.status().phase, PodPhase::Failed);
}

#[test]
fn a_rule_restarts_all_containers_in_place() {
    let mut worker = regular("a", Never);
    worker.rules = vec![rule(RestartAction::RestartAllContainers, ExitCodes::In(vec![88]))];
    worker.pre_stop = true;
    let mut other = regular("b", Never);
    other.pre_stop = true;
    let mut sim =
        Sim::new(vec![container("i", Role::Init, Never), container("s", Role::Sidecar, Always), worker, other]);
    sim.start();
    sim.exit("i", 0);
    sim.take_log();
    sim.exit("a", 88);
    assert_eq!(
        sim.take_log(),
        "delete a, KILL s, KILL b, delete s, delete b, recreate i, start i",
        "no hooks, no order, the same sandbox, init containers first"
    );
    sim.exit("i", 0);
    assert_eq!(sim.take_log(), "delete i, recreate s, start s, recreate a, recreate b, start a, start b");
    assert!(["i", "s", "a", "b"].iter().all(|name| sim.cell(name).restart_count == 1));
    // The one that asked for it backs off like any other that fails again and again.
    sim.exit("a", 88);
    sim.exit("i", 0);
    assert!(!sim.take_log().contains("start a"));
    sim.pass(10_000);
    assert_eq!(sim.take_log(), "recreate a, start a");
    sim.exit("a", 1);
    sim.exit("b", 0);
    assert_eq!(sim.status().phase, PodPhase::Failed);
}

#[test]
fn a_stop_ends_a_restart_of_all() {
    let mut worker = regular("a", Never);
    worker.rules = vec![rule(RestartAction::RestartAllContainers, ExitCodes::In(vec![88]))];
    let mut sim = Sim::new(vec![worker, regular("b", Never)]);
    sim.start();
    sim.take_log();
    sim.hold_deaths = true;
    sim.exit("a", 88);
    sim.stop();
    sim.hold_deaths = false;
    sim.exit("b", 137);
    assert_eq!(sim.take_log(), "delete a, KILL b, delete b, teardown");
    assert_eq!(sim.status().phase, PodPhase::Stopped);
    assert!(!sim.machine.state.restarting_all);
}

/// The moments at which the container was started, in seconds after the first.
fn starts(sim: &mut Sim, run: u64, count: usize) -> Vec<u64> {
    let begin = sim.now;
    let mut moments = vec![0];
    while moments.len() < count {
        sim.pass(run);
        sim.exit("a", 1);
        while !sim.take_log().contains("start a") {
            let Moment(due) = sim.machine.deadline().expect("a restart to come");
            let wait = due - sim.now;
            sim.pass(wait);
        }
        moments.push((sim.now - begin) / 1_000);
    }
    moments
}

#[test]
fn crashes_are_backed_off_from_to_the_second() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.start();
    sim.take_log();
    // At once, then after 10, 20, 40, 80, 160, 300, 300 s.
    assert_eq!(starts(&mut sim, 0, 9), [0, 0, 10, 30, 70, 150, 310, 610, 910]);
    // Ten minutes of health, and the next restart is immediate again.
    assert_eq!(starts(&mut sim, 600_000, 2), [0, 600]);
    assert_eq!(starts(&mut sim, 1_000, 3), [0, 11, 32]);
}

#[test]
fn probes_keep_their_times() {
    let mut probed = regular("a", Always);
    let timing =
        Timing { initial_delay: 3_000, period: 5_000, success_threshold: 1, failure_threshold: 3, grace: Some(0) };
    probed.probes[ProbeKind::Liveness as usize] = Some(timing);
    let mut sim = Sim::new(vec![probed]);
    sim.start();
    sim.take_log();
    sim.probe_ok = |_| false;
    // The third failure comes at 3 + 2 * 5 s.
    sim.pass(12_999);
    assert_eq!((sim.take_log().as_str(), sim.cell("a").restart_count), ("", 0));
    sim.pass(1);
    assert_eq!(sim.take_log(), "KILL a, delete a, recreate a, start a");
    // The next container has all of its delay again.
    sim.pass(12_999);
    assert_eq!(sim.take_log(), "");
    sim.pass(1);
    assert_eq!(sim.take_log(), "KILL a, delete a");
}

#[test]
fn an_ephemeral_container_runs_once_and_nothing_depends_on_it() {
    let mut sim = Sim::new(vec![container("i", Role::Init, Always), regular("a", Never)]);
    sim.start();
    sim.take_log();
    let mut spec = sim.machine.spec.clone();
    spec.containers.push(container("debug", Role::Ephemeral, Never));
    sim.machine.extend(spec);
    sim.feed(Input::Tick);
    assert_eq!(sim.take_log(), "", "it waits to be asked for");
    sim.feed(Input::StartContainers { containers: vec![2], token: 7 });
    assert_eq!(sim.take_log(), "create debug, start debug", "though the pod is still being initialized");
    assert_eq!(sim.replies.last(), Some(&(7, vec![])));
    sim.exit("debug", 1);
    sim.exit("i", 0);
    assert_eq!(sim.take_log(), "delete debug, delete i, create a, start a");
    sim.feed(Input::StartContainers { containers: vec![2], token: 8 });
    sim.take_log();
    sim.exit("a", 0);
    assert_eq!(sim.take_log(), "delete a, TERM debug, delete debug, teardown", "it keeps no pod alive");
    assert_eq!(sim.status().phase, PodPhase::Succeeded);
    // A pod that is started anew has none of it.
    sim.feed(Input::Start { token: 9 });
    assert!(!sim.take_log().contains("debug"));
}

#[test]
fn the_files_of_a_container_go_when_it_has_ended_for_good() {
    let remove = |name: &str, restart| ContainerSpec { auto_remove: true, ..regular(name, restart) };
    let mut sim = Sim::new(vec![remove("a", OnFailure), remove("b", Always), regular("c", Never)]);
    sim.start();
    sim.take_log();
    sim.exit("a", 1);
    assert_eq!(sim.take_log(), "delete a, recreate a, start a");
    sim.exit("a", 0);
    assert_eq!(sim.take_log(), "delete a, discard a");
    // Whoever was to remove them was killed.
    sim.feed(Input::Adopt { found: vec![Found::Absent, Found::Running, Found::Running] });
    assert_eq!(sim.take_log(), "discard a");
    sim.stop();
    assert_eq!(sim.take_log(), "TERM b, TERM c, delete b, delete c, discard b, teardown");
}
