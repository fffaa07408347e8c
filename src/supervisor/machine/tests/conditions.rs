//! Conditions and reasons of waiting, as a kubelet words them.

use super::*;
use crate::model::PullPolicy;
use crate::store::record::{Condition, ConditionStatus, ContainerStatus};

fn condition(sim: &Sim, kind: &str) -> Condition {
    let found = sim.status().conditions.into_iter().find(|condition| condition.kind == kind);
    found.unwrap_or_else(|| panic!("no condition {kind}"))
}

/// Type, status and reason of each, in order.
fn shown(sim: &Sim) -> Vec<String> {
    let show = |c: Condition| format!("{} {} {}", c.kind, c.status.as_str(), c.reason.unwrap_or_default());
    sim.status().conditions.into_iter().map(|c| show(c).trim_end().to_owned()).collect()
}

fn reason(container: &ContainerStatus) -> (&str, &str) {
    match &container.state {
        ContainerState::Waiting { reason, message } => (reason, message.as_deref().unwrap_or_default()),
        state => panic!("not waiting: {state:?}"),
    }
}

#[test]
fn conditions_follow_a_pod_from_its_start_to_its_end() {
    let mut sim = Sim::new(vec![container("init", Role::Init, Never), regular("a", Never)]);
    assert!(sim.status().conditions.is_empty(), "never started");
    sim.start();
    assert_eq!(
        shown(&sim),
        [
            "PodReadyToStartContainers True",
            "Initialized False ContainersNotInitialized",
            "Ready False ContainersNotReady",
            "ContainersReady False ContainersNotReady",
            "PodScheduled True",
        ]
    );
    assert_eq!(condition(&sim, "Initialized").message.as_deref(), Some("containers with incomplete status: [init]"));
    assert_eq!(condition(&sim, "Ready").message.as_deref(), Some("containers with unready status: [a]"));
    let begin = condition(&sim, "Ready").since;
    sim.pass(1_000);
    sim.exit("init", 0);
    assert_eq!(condition(&sim, "Initialized").status, ConditionStatus::True);
    assert_eq!(condition(&sim, "Ready").status, ConditionStatus::True);
    let ready = condition(&sim, "Ready").since;
    assert_eq!(ready.duration_since(begin).as_secs(), 1, "the moment of the change");
    assert_eq!(condition(&sim, "PodScheduled").since, begin, "what does not change keeps its time");
    sim.pass(1_000);
    sim.exit("a", 0);
    assert_eq!(
        shown(&sim),
        [
            "PodReadyToStartContainers False",
            "Initialized True PodCompleted",
            "Ready False PodCompleted",
            "ContainersReady False PodCompleted",
            "PodScheduled True",
        ]
    );
    let mut sim = Sim::new(vec![regular("a", Never)]);
    sim.start();
    sim.exit("a", 1);
    assert_eq!(condition(&sim, "Ready").reason.as_deref(), Some("PodFailed"));
}

#[test]
fn a_restart_does_not_undo_the_initialization() {
    let mut sim = Sim::new(vec![container("init", Role::Init, OnFailure), regular("a", Always)]);
    sim.start();
    sim.exit("init", 0);
    for _ in 0..2 {
        sim.exit("a", 1);
    }
    assert_eq!(condition(&sim, "Initialized").status, ConditionStatus::True);
    assert_eq!(condition(&sim, "ContainersReady").message.as_deref(), Some("containers with unready status: [a]"));
}

#[test]
fn a_sidecar_counts_as_ready_only_when_it_is() {
    let mut side = container("side", Role::Sidecar, Always);
    side.probes[ProbeKind::Readiness as usize] = Some(timing(1));
    let mut sim = Sim::new(vec![side, regular("a", Always)]);
    sim.probe_ok = |_| false;
    sim.start();
    assert_eq!(condition(&sim, "Initialized").status, ConditionStatus::True);
    assert_eq!(condition(&sim, "Ready").message.as_deref(), Some("containers with unready status: [side]"));
}

#[test]
fn a_readiness_gate_holds_the_pod_back_until_its_condition_is_set() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.machine.spec.readiness_gates = vec!["example.com/one".into(), "two".into()];
    sim.start();
    assert_eq!(condition(&sim, "ContainersReady").status, ConditionStatus::True);
    let ready = condition(&sim, "Ready");
    assert_eq!((ready.status, ready.reason.as_deref()), (ConditionStatus::False, Some("ReadinessGatesNotReady")));
    let set = |sim: &mut Sim, kind: &str, status| {
        sim.feed(Input::SetConditions { conditions: vec![(kind.to_owned(), status)], token: 7 });
        assert_eq!(sim.replies.pop(), Some((7, vec![])));
    };
    set(&mut sim, "example.com/one", ConditionStatus::True);
    set(&mut sim, "two", ConditionStatus::False);
    let expected = "the status of pod readiness gate \"two\" is not \"True\", but False";
    assert_eq!(condition(&sim, "Ready").message.as_deref(), Some(expected));
    set(&mut sim, "two", ConditionStatus::True);
    assert_eq!(condition(&sim, "Ready").status, ConditionStatus::True);
    let last = sim.status().conditions.pop().map(|c| (c.kind, c.status));
    assert_eq!(last, Some(("two".to_owned(), ConditionStatus::True)), "conditions from outside come last");
}

#[test]
fn waiting_tells_what_went_wrong_first_and_that_it_is_held_back_later() {
    for (kind, pull, first, later) in [
        (FailureKind::Config, None, "CreateContainerConfigError", "CreateContainerConfigError"),
        (FailureKind::Other, None, "CreateContainerError", "CreateContainerError"),
        (FailureKind::ImageMissing, Some(PullPolicy::Always), "ErrImagePull", "ImagePullBackOff"),
        (FailureKind::ImageMissing, Some(PullPolicy::Never), "ErrImageNeverPull", "ErrImageNeverPull"),
    ] {
        let mut spec = regular("a", Always);
        spec.pull = pull;
        let mut sim = Sim::new(vec![spec]);
        sim.uncreatable = vec!["a"];
        sim.failure_kind = kind;
        sim.start();
        assert_eq!(reason(&sim.status().containers[0]).0, first, "{kind:?}");
        sim.pass(10_000);
        assert_eq!(reason(&sim.status().containers[0]).0, later, "{kind:?}");
    }
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.broken = vec!["a"];
    sim.start();
    assert_eq!(reason(&sim.status().containers[0]), ("RunContainerError", "no such file"));
    sim.pass(10_000);
    let message = "back-off 20s restarting failed container=a pod=pod_default(pod-id)";
    assert_eq!(reason(&sim.status().containers[0]), ("CrashLoopBackOff", message));
}

#[test]
fn a_container_that_cannot_be_made_is_tried_again_whatever_its_policy() {
    for role in [Role::Init, Role::Regular] {
        let mut sim = Sim::new(vec![container("a", role, Never), regular("main", Always)]);
        sim.uncreatable = vec!["a"];
        sim.failure_kind = FailureKind::Config;
        sim.start();
        assert_eq!(sim.replies[0].1.len(), 1, "it is told at once");
        sim.pass(10_000);
        let status = sim.status();
        assert_eq!(reason(&status.containers[0]), ("CreateContainerConfigError", "no space"));
        assert_eq!((status.phase == PodPhase::Failed, status.containers[0].restart_count), (false, 0));
        assert_eq!(status.containers[0].last, None, "nothing ended");
        sim.uncreatable.clear();
        sim.pass(20_000);
        assert_eq!(sim.status().containers[0].restart_count, 0);
        assert!(sim.take_log().contains("start a"));
        sim.exit("a", 0);
        assert!(sim.status().containers[0].state.succeeded());
    }
}

#[test]
fn a_failed_hook_is_told_as_such() {
    let mut spec = regular("a", Always);
    spec.post_start = true;
    let mut sim = Sim::new(vec![spec]);
    sim.hooks_fail = true;
    sim.start();
    assert_eq!(reason(&sim.status().containers[0]), ("PostStartHookError", "postStart hook failed: exit code 1"));
}

#[test]
fn a_pod_that_is_asked_to_end_says_when_it_will_have() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.stubborn = vec!["a"];
    sim.start();
    assert_eq!(sim.status().deletion, None);
    sim.feed(Input::Stop { grace: Some(4_000), after: After::Remove, token: 2 });
    let deletion = sim.status().deletion.expect("it is being removed");
    assert_eq!(deletion.grace_seconds, 4);
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.machine.spec.active_deadline = Some(1_000);
    sim.start();
    sim.pass(2_000);
    assert_eq!((sim.status().reason.as_deref(), sim.status().deletion), (Some("DeadlineExceeded"), None));
}
