//! A supervisor, or its launcher, killed at every step: the next one puts things right.

use super::fixture::{App, FOREVER, PATIENCE, hooks, pod, shell};
use crate::common::eventually;
use podkin::model::RestartPolicy::Always;
use podkin::store::record::PodPhase;
use podkin::supervisor::FAILPOINTS;
use podkin::supervisor::protocol::{Failure, Operation};
use std::time::{Duration, Instant};

/// Lives a pod's life under a supervisor that passes its points so, then again under a sound one.
fn survives(failpoints: &str) {
    let Some(app) = App::new("failpoint") else { return };
    let mut container = shell("main", FOREVER);
    container.lifecycle = hooks(Some("true"), Some("true"));
    let mut spec = pod("victim", Always, vec![container, shell("second", FOREVER)]);
    spec.init_containers = vec![shell("init", "true")];
    let record = app.pod(spec);
    let pods = || vec![record.id.clone()];
    app.set_failpoints(failpoints);
    app.try_call(Operation::StartPods { pods: pods() });
    app.try_call(Operation::StopPods { pods: pods(), grace_seconds: None });
    app.try_call(Operation::RemovePods { pods: pods(), grace_seconds: Some(0) });
    if let Some(pid) = app.find_supervisor().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        eventually("it is dead", PATIENCE, || app.find_supervisor().is_none());
    }
    app.set_failpoints("");
    let mut failures = app.call(Operation::StartPods { pods: pods() });
    // A removal that the dead one had begun stands, and is finished first.
    let is_refused = |failures: &[Failure]| failures.iter().any(|f| f.message == "stopped while it was starting");
    let end = Instant::now() + PATIENCE;
    while is_refused(&failures) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
        failures = app.call(Operation::StartPods { pods: pods() });
    }
    assert_eq!(failures, [], "after {failpoints}: {}", app.log_of_supervisor());
    assert_eq!(app.status(&record).phase, PodPhase::Running, "after {failpoints}");
    assert_eq!(app.stop(&record), [], "after {failpoints}");
    app.remove(&[&record]);
}

#[test]
fn killed_at_every_point() {
    for point in FAILPOINTS {
        println!("{point}");
        survives(&format!("{point}=kill"));
    }
}

#[test]
fn killed_after_every_change() {
    for count in 1..14 {
        survives(&format!("supervisor.state.saved={count}*off->kill"));
        survives(&format!("supervisor.status.published={count}*off->kill"));
    }
}

#[test]
fn errors_at_every_point() {
    for point in FAILPOINTS {
        println!("{point}");
        survives(&format!("{point}=error(made up)"));
    }
}
