//! Pods that take more of the disk than they may.

use super::*;

const MESSAGE: &str = "Container a exceeded its local ephemeral storage limit \"5Mi\". ";

fn over_limit() -> Input {
    Input::OverLimit { message: MESSAGE.into() }
}

#[test]
fn a_pod_over_its_limit_is_killed_at_once_and_has_failed() {
    let mut side = container("side", Role::Sidecar, Always);
    side.pre_stop = true;
    let mut sim = Sim::new(vec![side, regular("a", Always)]);
    sim.start();
    sim.take_log();
    sim.feed(over_limit());
    assert_eq!(sim.take_log(), "KILL side, KILL a, delete side, delete a, teardown", "no hook, no grace, no restart");
    assert!(sim.machine.is_over());
    let status = sim.status();
    assert_eq!((status.phase, status.reason.as_deref()), (PodPhase::Failed, Some("Evicted")));
    assert_eq!((status.message.as_deref(), status.deletion), (Some(MESSAGE), None));
    assert!(sim.told.contains(&"!Evicted".to_owned()), "{:?}", sim.told);
    assert!(sim.messages.contains(&MESSAGE.to_owned()));
}

#[test]
fn who_waits_for_the_start_is_told_of_the_eviction() {
    let mut sim = Sim::new(vec![container("init", Role::Init, OnFailure), regular("a", Always)]);
    sim.start();
    sim.feed(over_limit());
    assert_eq!(sim.replies[0].1[0].message, format!("it was evicted: {}", MESSAGE.trim_end()));
    assert_eq!(sim.status().phase, PodPhase::Failed);
}

#[test]
fn a_pod_that_goes_down_keeps_its_reason_and_its_grace() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.stubborn = vec!["a"];
    sim.start();
    sim.stop();
    sim.take_log();
    sim.feed(over_limit());
    assert_eq!(sim.take_log(), "");
    sim.pass(30_000);
    assert_eq!((sim.status().phase, sim.status().reason, sim.status().message), (PodPhase::Stopped, None, None));
}

#[test]
fn the_reason_outlives_the_supervisor() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.hold_deaths = true;
    sim.start();
    sim.feed(over_limit());
    let saved = serde_json::to_string(&sim.machine.state).expect("states can be written");
    let state = serde_json::from_str(&saved).expect("and read");
    sim.machine = Machine::resume(sim.machine.spec.clone(), state);
    sim.hold_deaths = false;
    sim.feed(Input::Adopt { found: vec![Found::Gone(Exit::Signal(9))] });
    assert_eq!((sim.status().phase, sim.status().reason.as_deref()), (PodPhase::Failed, Some("Evicted")));
}
