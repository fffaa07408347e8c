//! Probes, hooks, sidecars.

use super::fixture::{App, FOREVER, PATIENCE, hooks, pod, probe, shell};
use crate::common::eventually;
use podkin::model::RestartPolicy::{Always, Never};
use podkin::model::{Container, Handler, HttpGet, TcpSocket, Volume, VolumeMount, VolumeSource};
use podkin::store::record::PodPhase;
use podkin::supervisor::protocol::Operation;

fn exec(script: &str) -> Handler {
    Handler::Exec(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
}

fn http(port: u16, path: &str) -> Handler {
    Handler::Http(HttpGet { host: None, port, path: path.into(), https: false, headers: vec![] })
}

fn with_data(mut container: Container) -> Container {
    container.mounts = vec![VolumeMount { volume: "v".into(), path: "/data".into(), ..VolumeMount::default() }];
    container
}

fn data() -> Vec<Volume> {
    let source = VolumeSource::EmptyDir { medium: Default::default(), size_limit: None, mode: None };
    vec![Volume { name: "v".into(), source }]
}

#[test]
fn readiness_follows_what_the_container_answers() {
    let Some(app) = App::new("readiness") else { return };
    let web = |name: &str, port: u16| shell(name, &format!("mkdir -p /www; httpd -f -p {port} -h /www"));
    let mut by_http = web("http", 8080);
    by_http.readiness_probe = Some(probe(http(8080, "/ready")));
    let mut by_tcp = web("tcp", 8081);
    by_tcp.readiness_probe = Some(probe(Handler::Tcp(TcpSocket { host: None, port: 8081 })));
    let mut by_exec = shell("exec", FOREVER);
    by_exec.readiness_probe = Some(probe(exec("test -e /ready")));
    let mut never = shell("never", FOREVER);
    never.readiness_probe = Some(probe(Handler::Tcp(TcpSocket { host: None, port: 9 })));
    let record = app.pod(pod("ready", Always, vec![by_http, by_tcp, by_exec, never]));
    app.start(&record);
    eventually("tcp readiness", PATIENCE, || app.container(&record, "tcp").ready);
    for name in ["http", "exec", "never"] {
        assert!(!app.container(&record, name).ready, "{name}");
    }
    // Through the containers' own view of their files.
    for (name, file) in [("http", "www/ready"), ("exec", "ready")] {
        let pid = app.pid(&record, name).expect("it runs");
        std::fs::write(format!("/proc/{pid}/root/{file}"), "").expect("the container's root is reachable");
    }
    eventually("http and exec readiness", PATIENCE, || {
        app.container(&record, "http").ready && app.container(&record, "exec").ready
    });
    let pid = app.pid(&record, "exec").expect("it runs");
    std::fs::remove_file(format!("/proc/{pid}/root/ready")).expect("it is there");
    eventually("readiness is lost again", PATIENCE, || !app.container(&record, "exec").ready);
    assert!(!app.container(&record, "never").ready);
    assert_eq!(app.container(&record, "exec").restart_count, 0);
    app.remove(&[&record]);
}

#[test]
fn liveness_restarts_and_startup_holds_it_back() {
    let Some(app) = App::new("liveness") else { return };
    let mut sick = shell("sick", FOREVER);
    sick.liveness_probe = Some(probe(exec("exit 1")));
    let mut slow = shell("slow", &format!("sleep 2; touch /up; {FOREVER}"));
    slow.startup_probe = Some(podkin::model::Probe { failure_threshold: 30, ..probe(exec("test -e /up")) });
    slow.liveness_probe = Some(probe(exec("test -e /up")));
    let record = app.pod(pod("live", Always, vec![sick, slow]));
    app.start(&record);
    eventually("a restart", PATIENCE, || app.container(&record, "sick").restart_count >= 1);
    eventually("the slow one is up", PATIENCE, || {
        let slow = app.container(&record, "slow");
        slow.started && slow.healthy == Some(true)
    });
    assert_eq!(app.container(&record, "slow").restart_count, 0);
    app.remove(&[&record]);
}

#[test]
fn hooks_run_in_the_container() {
    let Some(app) = App::new("hooks") else { return };
    let mut container = with_data(shell("main", FOREVER));
    container.lifecycle = hooks(Some("echo post >> /data/log"), Some("echo pre >> /data/log; sleep 0.2"));
    let mut spec = pod("hooks", Always, vec![container]);
    spec.volumes = data();
    let record = app.pod(spec);
    let log = || std::fs::read_to_string(app.layout.pod_volume(&record.id, "v").join("log")).unwrap_or_default();
    app.start(&record);
    assert_eq!(log(), "post\n");
    assert_eq!(app.stop(&record), []);
    assert_eq!(log(), "post\npre\n");
    app.remove(&[&record]);

    let mut container = shell("main", FOREVER);
    container.lifecycle = hooks(Some("exit 4"), None);
    let record = app.pod(pod("badhook", Never, vec![container]));
    let failures = app.call(Operation::StartPods { pods: vec![record.id.clone()] });
    assert_eq!(failures[0].message, "postStart hook failed: exit code 4", "{failures:?}");
    // Killed, it ended well, and that is what counts.
    assert_eq!(app.status(&record).phase, PodPhase::Succeeded);
    app.remove(&[&record]);
}

#[test]
fn sidecars_outlive_the_containers_they_serve() {
    let Some(app) = App::new("sidecar") else { return };
    let trap =
        |name: &str| format!("trap 'echo {name} >> /data/log; exit 0' TERM; while :; do sleep 1 & wait $!; done");
    let mut side = with_data(shell("side", &trap("side")));
    side.sidecar = true;
    side.startup_probe = Some(podkin::model::Probe { failure_threshold: 10, ..probe(exec("test -e /data")) });
    let main = with_data(shell("main", &trap("main")));
    let mut spec = pod("sidecar", Always, vec![main]);
    spec.init_containers = vec![side];
    spec.volumes = data();
    let record = app.pod(spec);
    app.start(&record);
    assert!(app.container(&record, "side").started);
    assert_eq!(app.stop(&record), []);
    let log = std::fs::read_to_string(app.layout.pod_volume(&record.id, "v").join("log")).unwrap_or_default();
    assert_eq!(log, "main\nside\n");
    app.remove(&[&record]);
}

#[test]
fn the_stop_signal_is_ignored_for_as_long_as_the_grace() {
    let Some(app) = App::new("grace") else { return };
    let mut spec = pod("stubborn", Always, vec![shell("main", "trap '' TERM; while :; do sleep 1; done")]);
    spec.termination_grace_seconds = 1;
    let record = app.pod(spec);
    app.start(&record);
    let begin = std::time::Instant::now();
    assert_eq!(app.stop(&record), []);
    let took = begin.elapsed().as_millis();
    assert!((900..3_500).contains(&took), "{took} ms");
    assert_eq!(app.terminated(&record, "main").signal, Some(9));
    assert_eq!(app.terminated(&record, "main").exit_code, Some(137));
    app.remove(&[&record]);
}
