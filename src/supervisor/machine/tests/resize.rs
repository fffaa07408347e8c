use super::*;
use crate::model::{Container, Pod, ResizePolicy};
use crate::store::record::{Condition, ConditionStatus};

fn memory(bytes: u64) -> Resources {
    Resources { memory_request: Some(bytes), memory_limit: Some(bytes), ..Resources::default() }
}

/// A pod of containers that each have that memory.
fn sized(containers: &[(&str, u64)]) -> Pod {
    let container = |(name, bytes): &(&str, u64)| Container {
        name: (*name).into(),
        resources: memory(*bytes),
        ..Container::default()
    };
    Pod { containers: containers.iter().map(container).collect(), ..Pod::default() }
}

fn running(containers: Vec<ContainerSpec>, size: &Pod) -> Sim {
    let mut sim = Sim::new(containers);
    sim.machine.spec.amend(size);
    sim.start();
    sim.take_log();
    sim
}

fn amend(sim: &mut Sim, size: &Pod) {
    sim.machine.spec.amend(size);
    sim.feed(Input::Amended { token: 9 });
}

fn condition(sim: &Sim) -> Option<Condition> {
    sim.status().conditions.into_iter().find(|condition| condition.kind == Condition::RESIZE)
}

#[test]
fn the_pod_grows_before_its_containers_and_shrinks_after_them() {
    let mut sim = running(vec![regular("a", Always), regular("b", Always)], &sized(&[("a", 1), ("b", 5)]));
    amend(&mut sim, &sized(&[("a", 4), ("b", 5)]));
    assert_eq!(sim.take_log(), "resize 9 a 4");
    amend(&mut sim, &sized(&[("a", 2), ("b", 6)]));
    assert_eq!(sim.take_log(), "resize 10 a 2 b 6, resize 8");
    assert_eq!((sim.replies[2].clone(), sim.replies.len()), ((9, vec![]), 3));
    assert_eq!((sim.cell("a").restart_count, condition(&sim)), (0, None));
    amend(&mut sim, &sized(&[("a", 2), ("b", 6)]));
    assert_eq!(sim.take_log(), "", "all is as wanted");
}

#[test]
fn a_container_is_restarted_where_its_policy_says_so() {
    let mut again = regular("a", Always);
    again.pre_stop = true;
    again.resize = ResizePolicy { restart_for_memory: true, ..ResizePolicy::default() };
    let mut sim = running(vec![again, regular("b", Always)], &sized(&[("a", 5), ("b", 1)]));
    amend(&mut sim, &sized(&[("a", 2), ("b", 3)]));
    let stops = "PreStop a, resize 8 b 3, TERM a, delete a";
    assert_eq!(sim.take_log(), format!("{stops}, resize 5, recreate a, start a"));
    assert_eq!((sim.cell("a").restart_count, sim.cell("b").restart_count), (1, 0));
    assert!(sim.messages.contains(&"Container a resize requires restart".to_owned()), "{:?}", sim.messages);
    assert_eq!(sim.replies[1], (9, vec![]));
}

#[test]
fn who_asked_waits_for_the_restart() {
    let mut again = regular("a", OnFailure);
    again.resize.restart_for_memory = true;
    let mut sim = running(vec![again], &sized(&[("a", 5)]));
    sim.hold_deaths = true;
    amend(&mut sim, &sized(&[("a", 6)]));
    assert_eq!((sim.take_log().as_str(), sim.replies.len()), ("TERM a, resize 6", 1));
    assert_eq!(condition(&sim).map(|condition| condition.status), Some(ConditionStatus::True));
    assert_eq!(sim.status().containers[0].resources, Some(memory(5)), "what it has still");
    sim.exit("a", 0);
    assert_eq!(sim.take_log(), "delete a, recreate a, start a", "whatever the policy, and at once");
    assert_eq!((sim.replies.len(), condition(&sim)), (2, None));
}

#[test]
fn memory_in_use_is_kept_and_told() {
    let mut sim = running(vec![regular("a", Always), regular("b", Always)], &sized(&[("a", 7), ("b", 1)]));
    sim.unshrinkable = Some(7);
    amend(&mut sim, &sized(&[("a", 2), ("b", 9)]));
    assert_eq!(sim.take_log(), "resize 16 a 2 b 9", "the rest is changed, and the pod has room for all");
    let (_, failures) = &sim.replies[1];
    assert_eq!((failures[0].subject.as_str(), failures[0].kind), ("a-id", FailureKind::Resize));
    let told = condition(&sim).expect("it is not done");
    assert_eq!((told.reason.as_deref(), told.message.as_deref()), (Some("Error"), Some("in use")));
    assert_eq!(sim.status().containers[0].resources.and_then(|r| r.memory_limit), Some(7));
    sim.feed(Input::Tick);
    assert_eq!(sim.take_log(), "", "it is not tried again by itself");
    sim.unshrinkable = None;
    sim.exit("a", 1);
    assert_eq!(sim.take_log(), "delete a, resize 11, recreate a, start a");
    assert_eq!((condition(&sim), sim.status().containers[0].resources), (None, None));
}

#[test]
fn a_supervisor_that_takes_over_goes_on() {
    let mut sim = running(vec![regular("a", Always)], &sized(&[("a", 1)]));
    sim.machine.state.resizing = true;
    sim.machine.spec.amend(&sized(&[("a", 3)]));
    sim.machine = Machine::resume(sim.machine.spec.clone(), sim.machine.state.clone());
    sim.feed(Input::Adopt { found: vec![Found::Running] });
    assert_eq!(sim.take_log(), "resize 3 a 3");
    let state = State { size: Size::default(), ..sim.machine.state.clone() };
    sim.machine = Machine::resume(sim.machine.spec.clone(), state);
    sim.feed(Input::Adopt { found: vec![Found::Running] });
    assert_eq!(sim.take_log(), "", "an earlier version noted nothing");
}

#[test]
fn no_container_is_made_while_the_pod_changes() {
    let mut sim = running(vec![regular("a", Always)], &sized(&[("a", 1)]));
    sim.exit("a", 1);
    sim.exit("a", 1);
    sim.take_log();
    sim.machine.state.resizing = true;
    assert_eq!(sim.machine.deadline(), None, "nobody wakes for nothing");
    sim.pass(60_000);
    assert_eq!(sim.take_log(), "");
    let pod = Box::new(Resized { wanted: memory(1), present: memory(1), problem: None });
    sim.feed(Input::Resized { pod, containers: vec![] });
    assert_eq!(sim.take_log(), "recreate a, start a");
}
