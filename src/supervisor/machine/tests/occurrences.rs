//! What is told of a pod, as a kubelet tells it.

use super::*;
use crate::model::PullPolicy;
use crate::store::record::ImagePull;

#[test]
fn a_container_is_told_of_from_its_creation_to_its_end() {
    let mut sim = Sim::new(vec![container("init", Role::Init, Never), regular("a", Always)]);
    sim.start();
    sim.exit("init", 0);
    sim.stop();
    let expected =
        ["Scheduled", "init Pulled", "init Created", "init Started", "a Pulled", "a Created", "a Started", "a Killing"];
    assert_eq!(sim.told, expected);
    assert_eq!(sim.messages[0], "Successfully assigned default/pod to machine");
    assert_eq!(sim.messages[1], "Container image \"image\" already present on machine");
    assert_eq!(sim.messages[6..], ["Started container a", "Stopping container a"]);
}

#[test]
fn an_image_that_was_pulled_for_it_is_told_once_with_the_time_it_took() {
    let time = |millisecond| jiff::Timestamp::from_millisecond(millisecond).expect("a time");
    let mut spec = regular("a", Always);
    spec.pulled = Some(ImagePull { began: time(1_000), ended: time(2_250), size: 4711 });
    let mut sim = Sim::new(vec![spec]);
    sim.start();
    sim.exit("a", 1);
    let images: Vec<_> = sim.messages.iter().filter(|message| message.contains("image \"image\"")).collect();
    let pulled = "Successfully pulled image \"image\" in 1.25s (1.25s including waiting). Image size: 4711 bytes.";
    assert_eq!(images, ["Pulling image \"image\"", pulled, "Container image \"image\" already present on machine"]);
}

#[test]
fn each_back_off_is_told_and_an_immediate_restart_is_not() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.start();
    sim.exit("a", 1);
    assert!(!sim.told.contains(&"!a BackOff".to_owned()));
    sim.exit("a", 1);
    assert_eq!(sim.told.last().map(String::as_str), Some("!a BackOff"));
    assert_eq!(
        sim.messages.last().map(String::as_str),
        Some("Back-off restarting failed container a in pod pod_default(pod-id)")
    );
}

#[test]
fn what_goes_wrong_is_a_warning() {
    let mut sim = Sim::new(vec![regular("a", Never)]);
    sim.broken = vec!["a"];
    sim.start();
    assert_eq!(sim.told, ["Scheduled", "a Pulled", "a Created", "!a Failed"]);
    assert_eq!(sim.messages[3], "Error: no such file");

    let mut sim = Sim::new(vec![regular("a", Never)]);
    sim.uncreatable = vec!["a"];
    sim.start();
    let each_try = ["!a Failed", "!a Failed"];
    assert_eq!((&sim.told[1..], sim.messages[1].as_str()), (&each_try.map(str::to_owned)[..], "Error: no space"));

    for (pull, expected) in [
        (PullPolicy::Never, ["!a ErrImageNeverPull", "!a Failed", "!a ErrImageNeverPull", "!a Failed"].as_slice()),
        (PullPolicy::IfNotPresent, &["!a Failed", "!a Failed", "a BackOff"]),
    ] {
        let mut spec = regular("a", Always);
        spec.pull = Some(pull);
        let mut sim = Sim::new(vec![spec]);
        sim.uncreatable = vec!["a"];
        sim.failure_kind = FailureKind::ImageMissing;
        sim.start();
        assert_eq!(sim.told[1..], *expected);
    }

    let mut spec = regular("a", Never);
    spec.post_start = true;
    let mut sim = Sim::new(vec![spec]);
    sim.hooks_fail = true;
    sim.start();
    assert_eq!(sim.told[3..], ["a Started", "!a FailedPostStartHook", "a Killing"]);
}

#[test]
fn a_probe_that_kills_is_named() {
    for (kind, name) in [(ProbeKind::Liveness, "liveness"), (ProbeKind::Startup, "startup")] {
        let mut spec = regular("a", Never);
        spec.probes[kind as usize] = Some(timing(1));
        let mut sim = Sim::new(vec![spec]);
        sim.probe_ok = |_| false;
        sim.start();
        let message = format!("Container a failed {name} probe, will be restarted");
        assert_eq!((sim.told.last().unwrap().as_str(), sim.messages.last().unwrap()), ("a Killing", &message));
    }
}

#[test]
fn what_ends_the_whole_pod_is_told_of_it() {
    for (kind, expected) in [(FailureKind::Volume, "!FailedMount"), (FailureKind::Other, "!FailedCreatePodSandBox")] {
        let mut sim = Sim::new(vec![regular("a", Never)]);
        sim.hold_network = true;
        sim.start();
        sim.feed(Input::SandboxFailed(StartFailure { kind, message: "no space".into() }));
        assert!(sim.told.contains(&expected.to_owned()), "{:?}", sim.told);
    }
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.machine.spec.active_deadline = Some(1_000);
    sim.start();
    sim.pass(2_000);
    assert!(sim.told.contains(&"DeadlineExceeded".to_owned()), "{:?}", sim.told);
}
