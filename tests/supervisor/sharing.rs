//! What the containers of a pod share: volumes, memory, namespaces, the network.

use super::fixture::{App, FOREVER, PATIENCE, pod, shell};
use crate::common::eventually;
use podkin::model::RestartPolicy::{Always, Never};
use podkin::model::{ConfigMap, Container, EmptyDirMedium, Port, Secret, Volume, VolumeMount, VolumeSource};
use podkin::store::record::{PodObjects, PodPhase};
use podkin::supervisor::protocol::Operation;

fn mount(container: &mut Container, volume: &str, path: &str) {
    container.mounts.push(VolumeMount { volume: volume.into(), path: path.into(), ..VolumeMount::default() });
}

#[test]
fn memory_and_semaphores_are_the_pods() {
    let Some(app) = App::new("memory") else { return };
    let mut writer = shell("writer", &format!("echo one > /mem/file; echo two > /dev/shm/file; {FOREVER}"));
    let mut reader = shell(
        "reader",
        "while [ ! -e /dev/shm/file ]; do usleep 10000; done; cat /mem/file /dev/shm/file; df -k /mem | grep -c 1024; stat -c %a /mem",
    );
    mount(&mut writer, "mem", "/mem");
    mount(&mut reader, "mem", "/mem");
    let mut spec = pod("memory", Never, vec![writer, reader]);
    let source = VolumeSource::EmptyDir { medium: EmptyDirMedium::Memory, size_limit: Some(1 << 20), mode: None };
    spec.volumes = vec![Volume { name: "mem".into(), source }];
    let record = app.pod(spec);
    app.start(&record);
    eventually("four lines", PATIENCE, || app.log(&record, "reader").len() >= 4);
    assert_eq!(app.log(&record, "reader"), ["one", "two", "1", "777"]);
    app.remove(&[&record]);
}

#[test]
fn objects_are_files_and_change_all_at_once() {
    let Some(app) = App::new("objects") else { return };
    let script =
        format!("while ! grep -q new /config/key; do usleep 20000; done; cat /config/key /secret/token; {FOREVER}");
    let mut container = shell("main", &script);
    mount(&mut container, "config", "/config");
    mount(&mut container, "secret", "/secret");
    let mut spec = pod("objects", Always, vec![container]);
    spec.volumes = vec![
        Volume {
            name: "config".into(),
            source: VolumeSource::ConfigMap {
                name: "c".into(),
                items: vec![],
                default_mode: 0o644,
                default_user: None,
                optional: false,
            },
        },
        Volume {
            name: "secret".into(),
            source: VolumeSource::Secret {
                name: "s".into(),
                items: vec![],
                default_mode: 0o400,
                default_user: None,
                optional: false,
            },
        },
    ];
    let record = app.pod(spec);
    let objects = |value: &str| {
        let mut objects = PodObjects { version: 1, ..PodObjects::default() };
        let data = [("key".to_owned(), format!("{value}\n").into_bytes())].into();
        objects.config_maps.insert("c".into(), ConfigMap { name: "c".into(), data, ..ConfigMap::default() });
        let data = [("token".to_owned(), b"hush\n".to_vec())].into();
        objects.secrets.insert("s".into(), Secret { name: "s".into(), data, ..Secret::default() });
        objects
    };
    app.write_objects(&record, &objects("old"));
    app.start(&record);
    app.write_objects(&record, &objects("new"));
    assert_eq!(app.call(Operation::RefreshObjects { pods: vec![record.id.clone()] }), []);
    eventually("the new value", PATIENCE, || app.log(&record, "main").len() == 2);
    assert_eq!(app.log(&record, "main"), ["new", "hush"]);
    let everything = std::fs::read_to_string(app.layout.events()).expect("events were logged")
        + &std::fs::read_to_string(app.layout.pod_status(&record.id)).expect("a status was written");
    assert!(!everything.contains("hush"));
    app.remove(&[&record]);
}

#[test]
fn processes_are_seen_when_the_pod_says_so() {
    let Some(app) = App::new("pids") else { return };
    let mut spec = pod("pids", Always, vec![shell("a", FOREVER), shell("b", &format!("cat /proc/1/comm; {FOREVER}"))]);
    spec.share_process_namespace = true;
    let record = app.pod(spec);
    app.start(&record);
    eventually("a line", PATIENCE, || app.log(&record, "b").len() == 1);
    assert_eq!(app.log(&record, "b"), ["podkin-pause"]);
    app.remove(&[&record]);
}

#[test]
fn a_terminal_is_logged() {
    let Some(app) = App::new("tty") else { return };
    let mut container = shell("main", "test -t 1 && echo terminal");
    container.tty = true;
    let record = app.pod(pod("tty", Never, vec![container]));
    app.start(&record);
    app.wait_phase(&record, PodPhase::Succeeded);
    assert_eq!(app.log(&record, "main"), ["terminal\r"]);
    app.remove(&[&record]);
}

#[test]
fn a_published_port_answers() {
    use podkin::network::{DEFAULT_NETWORK, Networks, address};
    use podkin::store::record::{NetworkAttachment, PodNetwork};
    use std::io::{Read, Write};
    let Some(app) = App::new("network") else { return };
    let networks = Networks::new(app.layout.networks(), app.layout.network_run());
    let definition = networks.get_or_create(DEFAULT_NETWORK).expect("the default network can be made");
    let ips = address::allocate(&definition, &Default::default(), &[], &[]).expect("a fresh network has addresses");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("bound").port();
    let mut web = shell("web", "echo hello > /tmp/index.html; httpd -f -p 80 -h /tmp");
    web.ports = vec![Port {
        name: None,
        container_port: 80,
        host_port: Some(free),
        host_ip: None,
        protocol: Default::default(),
    }];
    web.readiness_probe = Some(super::fixture::probe(podkin::model::Handler::Http(podkin::model::HttpGet {
        host: None,
        port: 80,
        path: "/index.html".into(),
        https: false,
        headers: vec![],
    })));
    let mut record = app.pod(pod("web", Always, vec![web]));
    record.network = PodNetwork::Networks(vec![NetworkAttachment {
        network: DEFAULT_NETWORK.into(),
        interface: "eth0".into(),
        ips: ips.clone(),
        mac: None,
        aliases: vec!["web".into()],
    }]);
    app.write(&record);
    app.start(&record);
    assert_eq!(app.status(&record).ips, ips);
    eventually("readiness", PATIENCE, || app.container(&record, "web").ready);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", free)).expect("the port answers");
    stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.ends_with("hello\n"), "{answer}");
    let second = app.pod(record.pod.clone());
    let mut second = podkin::store::record::PodRecord { network: record.network.clone(), ..second };
    second.pod.name = "other".into();
    app.write(&second);
    let failures = app.call(Operation::StartPods { pods: vec![second.id.clone()] });
    assert_eq!(failures[0].kind, podkin::supervisor::protocol::FailureKind::PortInUse, "{failures:?}");
    app.remove(&[&record, &second]);
}
