//! Pods that take more of the disk than they may.

use super::fixture::{App, FOREVER, pod, shell};
use podkin::model::RestartPolicy::Always;
use podkin::model::{EmptyDirMedium, Resources, Volume, VolumeMount, VolumeSource};
use podkin::store::record::PodPhase;

#[test]
fn the_next_supervisor_keeps_to_the_limits() {
    let Some(app) = App::new("eviction") else { return };
    let mut container = shell("main", FOREVER);
    container.mounts.push(VolumeMount { volume: "v".into(), path: "/v".into(), ..VolumeMount::default() });
    let mut spec = pod("eviction", Always, vec![container]);
    let source = VolumeSource::EmptyDir { medium: EmptyDirMedium::Disk, size_limit: Some(64 << 10), mode: None };
    spec.volumes = vec![Volume { name: "v".into(), source }];
    let record = app.pod(spec);
    app.start(&record);
    app.kill_supervisor(&record);
    let path = app.layout.pod_volume(&record.id, "v").join("file");
    std::fs::write(path, vec![1; 80 << 10]).expect("the volume is writable");
    assert_eq!(app.call(podkin::supervisor::protocol::Operation::Ping), []);
    app.wait_phase(&record, PodPhase::Failed);
    let status = app.status(&record);
    assert_eq!(status.reason.as_deref(), Some("Evicted"));
    assert_eq!(status.message.as_deref(), Some("Usage of EmptyDir volume \"v\" exceeds the limit \"64Ki\". "));
    assert_eq!(app.terminated(&record, "main").exit_code, Some(137));
    app.remove(&[&record]);
}

#[test]
fn what_a_container_writes_to_its_log_counts() {
    let Some(app) = App::new("eviction-log") else { return };
    let mut chatty = shell("chatty", "seq 1 20000; sleep 1000");
    chatty.resources = Resources { ephemeral_storage_limit: Some(50_000), ..Resources::default() };
    let mut quiet = shell("quiet", FOREVER);
    quiet.resources = Resources { ephemeral_storage_limit: Some(1 << 30), ..Resources::default() };
    let record = app.pod(pod("eviction-log", Always, vec![chatty, quiet]));
    app.start(&record);
    app.wait_phase(&record, PodPhase::Failed);
    let message = "Container chatty exceeded its local ephemeral storage limit \"50k\". ";
    assert_eq!(app.status(&record).message.as_deref(), Some(message));
    assert_eq!(app.container(&record, "quiet").restart_count, 0);
    app.remove(&[&record]);
}
