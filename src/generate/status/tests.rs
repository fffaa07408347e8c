use super::*;
use crate::model::device::ContainerDevices;
use crate::model::{Container, VolumeMount};
use crate::store::record::{ContainerRecord, ImageRecord, LogConfig, LogDriver, RECORD_VERSION, Termination};

/// A pod of containers `name=state`, init containers with `+` and sidecars with `*` before their name. States: `run`, `wait`,
/// `again` (waits after a run), or an exit code.
pub(crate) fn pod(policy: RestartPolicy, containers: &[&str]) -> (PodRecord, PodStatus) {
    let mut model = Pod { name: "web".into(), namespace: "default".into(), restart_policy: policy, ..Pod::default() };
    let (mut records, mut statuses) = (Vec::new(), Vec::new());
    for text in containers {
        let (name, state) = text.split_once('=').expect("name=state");
        let init = name.starts_with(['+', '*']);
        let sidecar = name.starts_with('*');
        let name = name.trim_start_matches(['+', '*']).to_owned();
        let spec = Container { name: name.clone(), image: "demo".into(), sidecar, ..Container::default() };
        if init { &mut model.init_containers } else { &mut model.containers }.push(spec);
        let image =
            ImageRecord { id: "i".repeat(64), reference: "localhost/demo:latest".into(), ..ImageRecord::default() };
        records.push(ContainerRecord {
            pull: None,
            id: format!("{name}-id"),
            name: format!("web-{name}"),
            container: name.clone(),
            init,
            image,
            devices: ContainerDevices::default(),
        });
        statuses.push(container(&name, state));
    }
    let record = PodRecord {
        version: RECORD_VERSION,
        id: "pod-id".into(),
        app: "app".into(),
        created: time(0),
        spec_hash: String::new(),
        environment_hash: String::new(),
        pod: model,
        containers: records,
        ephemeral: Vec::new(),
        mount_nfs: None,
        network: PodNetwork::None,
        first_user_id: None,
        manage_hosts: true,
        manage_hostname: true,
        log: LogConfig { driver: LogDriver::K8sFile, max_size: None, path: None },
        image_volumes: Default::default(),
        claims: Vec::new(),
        cgroup_manager: "cgroupfs".into(),
    };
    let status = PodStatus {
        version: RECORD_VERSION,
        id: "pod-id".into(),
        phase: PodPhase::Running,
        stopping: None,
        started: Some(time(1)),
        finished: None,
        ips: vec!["10.0.0.2".parse().unwrap()],
        boot_id: String::new(),
        supervisor_pid: None,
        containers: statuses,
        message: None,
        reason: None,
        deletion: None,
        conditions: Vec::new(),
        host_ips: vec!["10.0.0.1".parse().unwrap()],
    };
    (record, status)
}

fn time(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn ended(code: i32) -> Termination {
    let reason = if code == 0 { "Completed" } else { "Error" };
    Termination {
        exit_code: Some(code),
        signal: None,
        reason: reason.into(),
        message: None,
        started_at: Some(time(2)),
        finished_at: time(3),
    }
}

fn container(name: &str, state: &str) -> ContainerStatus {
    let waiting = |reason: &str| ContainerState::Waiting { reason: reason.into(), message: None };
    let (state, last) = match state {
        "run" => (ContainerState::Running { pid: 1, start_ticks: 1, started_at: time(2) }, None),
        "wait" => (waiting("PodInitializing"), None),
        "again" => (waiting("CrashLoopBackOff"), Some(ended(1))),
        code => (ContainerState::Terminated(ended(code.parse().unwrap())), None),
    };
    let running = matches!(state, ContainerState::Running { .. });
    ContainerStatus {
        id: format!("{name}-id"),
        name: name.into(),
        restart_count: u32::from(last.is_some()),
        started: running,
        ready: running,
        healthy: None,
        state,
        last,
        resources: None,
    }
}

fn phase_of(policy: RestartPolicy, containers: &[&str], stored: PodPhase) -> String {
    let (record, mut status) = pod(policy, containers);
    status.phase = stored;
    pod_status(&record, &status, None).phase.unwrap()
}

#[test]
fn phases_follow_the_kubelets_rules() {
    use RestartPolicy::{Always, Never, OnFailure};
    for (policy, containers, expected) in [
        (Always, &["a=run"][..], "Running"),
        (Always, &["a=wait"], "Pending"),
        (Always, &["a=run", "b=wait"], "Pending"),
        (Always, &["a=run", "b=again"], "Running"),
        (Always, &["a=again"], "Running"),
        (Always, &["a=0"], "Running"),
        (Never, &["a=0"], "Succeeded"),
        (Never, &["a=1"], "Failed"),
        (Never, &["a=0", "b=1"], "Failed"),
        (Never, &["a=0", "b=run"], "Running"),
        (OnFailure, &["a=0"], "Succeeded"),
        (OnFailure, &["a=1"], "Running"),
        (Always, &["+i=run", "a=wait"], "Pending"),
        (Always, &["+i=0", "a=run"], "Running"),
        (Always, &["+i=again", "a=wait"], "Pending"),
        (Always, &["*s=run", "a=run"], "Running"),
        (Always, &["*s=again", "a=run"], "Running"),
        (Always, &["*s=wait", "a=wait"], "Pending"),
    ] {
        assert_eq!(phase_of(policy, containers, PodPhase::Running), expected, "{policy:?} {containers:?}");
    }
}

#[test]
fn a_pod_that_is_over_has_succeeded_or_failed() {
    for (stored, containers, expected) in [
        (PodPhase::Created, ["a=wait"], "Pending"),
        (PodPhase::Succeeded, ["a=0"], "Succeeded"),
        (PodPhase::Failed, ["a=1"], "Failed"),
        (PodPhase::Stopped, ["a=0"], "Succeeded"),
        (PodPhase::Stopped, ["a=143"], "Failed"),
    ] {
        assert_eq!(phase_of(RestartPolicy::Always, &containers, stored), expected, "{stored:?}");
    }
}

#[test]
fn a_deadline_fails_the_pod_before_its_containers_have_ended() {
    let (record, mut status) = pod(RestartPolicy::Always, &["a=run"]);
    status.reason = Some("DeadlineExceeded".into());
    let shown = pod_status(&record, &status, None);
    assert_eq!(shown.phase.as_deref(), Some("Failed"));
    assert_eq!(shown.message.as_deref(), Some("Pod was active on the node longer than the specified deadline"));
}

#[test]
fn containers_are_told_of_as_a_kubelet_does() {
    let (record, mut status) = pod(RestartPolicy::Always, &["+i=0", "*s=run", "a=again"]);
    status.containers[0].last = None;
    let spec: core::PodSpec = serde_json::from_value(serde_json::json!({
        "initContainers": [{"name": "i"}, {"name": "s"}],
        "containers": [{"name": "a", "resources": {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "100m"}}}],
    }))
    .unwrap();
    let shown = pod_status(&record, &status, Some(&spec));
    let [init, sidecar] = &shown.init_container_statuses.unwrap()[..] else { panic!("two init containers") };
    assert_eq!((init.ready, init.started), (true, Some(false)), "through");
    assert_eq!((sidecar.ready, sidecar.started), (true, Some(true)));
    let [main] = &shown.container_statuses.unwrap()[..] else { panic!("one container") };
    let json = serde_json::to_value(main).unwrap();
    let expected = serde_json::json!({
        "allocatedResources": {"cpu": "100m", "memory": "64Mi"},
        "containerID": "podkin://a-id",
        "image": "localhost/demo:latest",
        "imageID": format!("sha256:{}", "i".repeat(64)),
        "lastState": {"terminated": {
            "containerID": "podkin://a-id", "exitCode": 1, "reason": "Error",
            "startedAt": "2023-11-14T22:13:22Z", "finishedAt": "2023-11-14T22:13:23Z",
        }},
        "name": "a",
        "ready": false,
        "resources": {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
        "restartCount": 1,
        "started": false,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "stopSignal": "SIGTERM",
    });
    assert_eq!(json, expected);
    assert_eq!(shown.pod_ip.as_deref(), Some("10.0.0.2"));
    assert_eq!(shown.host_ip.as_deref(), Some("10.0.0.1"));
    assert_eq!(shown.qos_class.as_deref(), Some("BestEffort"), "by the model, which has no resources here");
}

#[test]
fn an_end_that_nobody_saw_is_told_as_lost() {
    let (record, mut status) = pod(RestartPolicy::Always, &["a=0"]);
    if let ContainerState::Terminated(ended) = &mut status.containers[0].state {
        ended.exit_code = None;
    }
    let shown = pod_status(&record, &status, None).container_statuses.unwrap().remove(0);
    let ended = shown.state.unwrap().terminated.unwrap();
    assert_eq!((ended.exit_code, ended.reason.as_deref()), (137, Some("ContainerStatusUnknown")));
}

#[test]
fn a_container_says_how_its_volumes_are_mounted_and_which_signal_stops_it() {
    let (mut record, status) = pod(RestartPolicy::Always, &["a=run"]);
    let mount = |path: &str, read_only, recursive_read_only| VolumeMount {
        volume: "v".into(),
        path: path.into(),
        read_only,
        recursive_read_only,
        ..VolumeMount::default()
    };
    record.pod.containers[0].mounts =
        vec![mount("/a", false, false), mount("/b", true, false), mount("/c", true, true)];
    record.containers[0].image.config.stop_signal = Some("quit".into());
    let shown = pod_status(&record, &status, None).container_statuses.unwrap().remove(0);
    assert_eq!(shown.stop_signal.as_deref(), Some("SIGQUIT"), "its image's");
    let expected = serde_json::json!([
        {"mountPath": "/a", "name": "v"},
        {"mountPath": "/b", "name": "v", "readOnly": true, "recursiveReadOnly": "Disabled"},
        {"mountPath": "/c", "name": "v", "readOnly": true, "recursiveReadOnly": "Enabled"},
    ]);
    assert_eq!(serde_json::to_value(shown.volume_mounts).unwrap(), expected);
    record.pod.containers[0].lifecycle.stop_signal = Some("SIGUSR1".into());
    let shown = pod_status(&record, &status, None).container_statuses.unwrap().remove(0);
    assert_eq!(shown.stop_signal.as_deref(), Some("SIGUSR1"));
}

#[test]
fn a_pod_says_what_it_asks_for_altogether() {
    let (mut record, status) = pod(RestartPolicy::Always, &["a=run", "b=run"]);
    let asked =
        |record: &PodRecord| serde_json::to_value(pod_status(record, &status, None).allocated_resources).unwrap();
    assert_eq!(asked(&record), serde_json::Value::Null);
    let resources = |milli| Resources { cpu_request_milli: Some(milli), ..Resources::default() };
    for container in &mut record.pod.containers {
        container.resources = Resources { memory_request: Some(32 << 20), ..resources(600) };
    }
    assert_eq!(asked(&record), serde_json::json!({"cpu": "1200m", "memory": "64Mi"}));
    record.pod.resources = Some(resources(2_000));
    assert_eq!(asked(&record), serde_json::json!({"cpu": "2", "memory": "64Mi"}));
}
