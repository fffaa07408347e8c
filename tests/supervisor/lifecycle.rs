//! Starting, ending, restarting.

use super::fixture::{App, FOREVER, PATIENCE, pod, shell};
use crate::common::eventually;
use podkin::model::RestartPolicy::{Always, Never, OnFailure};
use podkin::store::record::{ContainerState, PodPhase};
use podkin::supervisor::protocol::{FailureKind, Operation};

#[test]
fn a_pod_runs_and_goes_without_a_trace() {
    let Some(app) = App::new("run") else { return };
    let record =
        app.pod(pod("web", Always, vec![shell("main", &format!("echo hello; echo oops >&2; hostname; {FOREVER}"))]));
    app.start(&record);
    let status = app.status(&record);
    assert_eq!(status.phase, PodPhase::Running);
    assert!(status.containers[0].ready && status.containers[0].started);
    eventually("output", PATIENCE, || app.log(&record, "main").len() == 3);
    let mut lines = app.log(&record, "main");
    lines.sort();
    assert_eq!(lines, ["hello", "oops", "web"]);
    assert_eq!(app.stop(&record), []);
    assert_eq!(app.status(&record).phase, PodPhase::Stopped);
    assert_eq!(app.terminated(&record, "main").exit_code, Some(0));
    app.start(&record);
    app.remove(&[&record]);
}

#[test]
fn init_containers_run_in_order_before_the_rest() {
    let Some(app) = App::new("init") else { return };
    let mut spec = pod("ordered", Never, vec![shell("main", "cat /data/log")]);
    spec.volumes = vec![podkin::model::Volume {
        name: "v".into(),
        source: podkin::model::VolumeSource::EmptyDir { medium: Default::default(), size_limit: None, mode: None },
    }];
    spec.init_containers =
        vec![shell("one", "sleep 0.1; echo one >> /data/log"), shell("two", "echo two >> /data/log")];
    for container in spec.init_containers.iter_mut().chain(&mut spec.containers) {
        container.mounts =
            vec![podkin::model::VolumeMount { volume: "v".into(), path: "/data".into(), ..Default::default() }];
    }
    let record = app.pod(spec);
    app.start(&record);
    app.wait_phase(&record, PodPhase::Succeeded);
    assert_eq!(app.log(&record, "main"), ["one", "two"]);
    app.remove(&[&record]);
}

#[test]
fn failures_are_told_and_leave_nothing_running() {
    let Some(app) = App::new("failures") else { return };
    let mut missing = shell("main", "");
    missing.command = vec!["/no/such/program".into()];
    let record = app.pod(pod("missing", Never, vec![missing, shell("other", FOREVER)]));
    let failures = app.call(Operation::StartPods { pods: vec![record.id.clone()] });
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!((failures[0].kind, &failures[0].subject), (FailureKind::CommandNotFound, &record.containers[0].id));
    let mut spec = pod("init", Never, vec![shell("main", FOREVER)]);
    spec.init_containers = vec![shell("init", "echo why; exit 3")];
    let second = app.pod(spec);
    let failures = app.call(Operation::StartPods { pods: vec![second.id.clone()] });
    assert_eq!(failures[0].kind, FailureKind::InitFailed, "{failures:?}");
    assert_eq!(failures[0].message, "init container `init` failed: exit code 3");
    assert_eq!(app.status(&second).phase, PodPhase::Failed);
    app.remove(&[&record, &second]);
}

#[test]
fn a_failing_container_is_restarted_with_growing_waits() {
    let Some(app) = App::new("backoff") else { return };
    let mut container =
        shell("main", "date +%s%N; echo gone > /dev/termination-log; touch /left; ls / | grep left; exit 7");
    container.termination_message_path = None;
    let record = app.pod(pod("crash", OnFailure, vec![container]));
    app.start(&record);
    eventually("three restarts", PATIENCE, || app.container(&record, "main").restart_count >= 3);
    let status = app.container(&record, "main");
    let last = status.last.expect("it ended before");
    assert_eq!((last.exit_code, last.message.as_deref()), (Some(7), Some("gone\n")));
    eventually(
        "back-off",
        PATIENCE,
        || matches!(app.container(&record, "main").state, ContainerState::Waiting { reason, .. } if reason == "CrashLoopBackOff"),
    );
    app.remove(&[&record]);
}
