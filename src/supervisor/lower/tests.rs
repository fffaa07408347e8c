use super::*;
use crate::model::device::{ContainerDevices, ContainerEdits};
use crate::model::environment::HostResources;
use crate::model::kube::security::CAPABILITIES;
use crate::model::{Capabilities, ContainerSecurity, EmptyDirMedium, EnvValue, EnvVar, PodSecurity, Resources, Volume};
use crate::runtime::config::CgroupResources;
use crate::store::record::{ImageConfig, ImageRecord, LogConfig, LogDriver, PodNetwork, RECORD_VERSION};

fn record(pod: Pod, image: ImageConfig) -> PodRecord {
    let containers = pod.all_containers().map(|c| ContainerRecord {
        pull: None,
        id: format!("{}-id", c.name),
        name: format!("{}-{}", pod.name, c.name),
        container: c.name.clone(),
        init: pod.init_containers.iter().any(|i| i.name == c.name),
        image: ImageRecord { layers: vec!["l1".into(), "l2".into()], config: image.clone(), ..ImageRecord::default() },
        devices: ContainerDevices::default(),
    });
    PodRecord {
        version: RECORD_VERSION,
        id: "pod-id".into(),
        app: "app".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        spec_hash: String::new(),
        environment_hash: String::new(),
        ephemeral: Vec::new(),
        containers: containers.collect(),
        pod,
        image_volumes: Vec::new(),
        claims: Vec::new(),
        mount_nfs: None,
        network: PodNetwork::None,
        first_user_id: None,
        manage_hosts: true,
        manage_hostname: true,
        log: LogConfig { driver: LogDriver::K8sFile, max_size: None, path: None },
        cgroup_manager: "cgroupfs".into(),
    }
}

fn facts() -> PodFacts {
    let host = HostResources { cpu_milli: 2000, memory: 1 << 30, ephemeral_storage: 1 << 30 };
    PodFacts { node_name: "machine".into(), host, ..PodFacts::default() }
}

fn pod(container: Container) -> Pod {
    Pod { name: "web".into(), containers: vec![container], ..Pod::default() }
}

fn lowered(pod: Pod, image: ImageConfig) -> Result<ContainerConfig, LowerError> {
    let (layout, record) = (Layout::new("/root", "/run"), record(pod, image));
    let source =
        Source { layout: &layout, record: &record, objects: &PodObjects::default(), facts: &facts(), target: None };
    lower(source, &record.containers[0])
}

fn image() -> ImageConfig {
    ImageConfig { entrypoint: vec!["/bin/web".into()], cmd: vec!["serve".into()], ..ImageConfig::default() }
}

fn container() -> Container {
    Container { name: "c".into(), ..Container::default() }
}

#[test]
fn a_plain_container() -> Result<(), Box<dyn std::error::Error>> {
    let config = lowered(pod(container()), image())?;
    let expected = r#"{
  "id": "c-id",
  "run_dir": "/run/containers/c-id",
  "rootfs": {
    "layers": [
      "/root/layers/l1/diff",
      "/root/layers/l2/diff"
    ],
    "init_layers": "/root/init",
    "upper": "/root/containers/c-id/upper",
    "work": "/root/containers/c-id/work"
  },
  "process": {
    "name": "/bin/web",
    "args": [
      "/bin/web",
      "serve"
    ],
    "env": [
      [
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
      ],
      [
        "HOSTNAME",
        "web"
      ],
      [
        "container",
        "podkin"
      ]
    ],
    "cwd": "/",
"#;
    let text = serde_json::to_string_pretty(&config)?;
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(config.cgroup_path, "podkin/pod-id/c-id");
    assert_eq!(config.process.oom_score_adj, Some(1000));
    let expected = CgroupResources { cpu_shares: Some(2), pids_limit: Some(2048), ..CgroupResources::default() };
    assert_eq!(config.resources, expected);
    assert_eq!(config.namespaces.network, Some("/run/pods/pod-id/ns/net".into()));
    assert_eq!(config.namespaces.pid, PidNamespace::Private);
    let targets: Vec<_> = config.mounts.iter().map(|m| m.target.as_str()).collect();
    assert_eq!(targets, ["/dev/shm", "/etc/resolv.conf", "/dev/termination-log", "/etc/hosts", "/etc/hostname"]);
    Ok(())
}

#[test]
fn mounts_are_ordered_by_depth_and_replace_managed_files() -> Result<(), LowerError> {
    let mount =
        |volume: &str, path: &str| VolumeMount { volume: volume.into(), path: path.into(), ..VolumeMount::default() };
    let mut c = container();
    c.mounts = vec![mount("v", "/data/deep/er"), mount("v", "/data"), mount("s", "/etc/hosts"), mount("v", "/")];
    c.mounts[0].sub_path_expr = Some("$(NAME)/x".into());
    c.env = vec![EnvVar { name: "NAME".into(), value: EnvValue::Field("metadata.name".into()) }];
    let mut pod = pod(c);
    pod.volumes = vec![
        Volume {
            name: "v".into(),
            source: VolumeSource::EmptyDir { medium: EmptyDirMedium::Disk, size_limit: None, mode: None },
        },
        Volume {
            name: "s".into(),
            source: VolumeSource::Secret {
                name: "s".into(),
                items: vec![],
                default_mode: 0o644,
                default_user: None,
                optional: false,
            },
        },
    ];
    let config = lowered(pod, image())?;
    let targets: Vec<_> = config.mounts.iter().map(|m| m.target.as_str()).collect();
    let expected = [
        "/",
        "/data",
        "/dev/shm",
        "/etc/resolv.conf",
        "/dev/termination-log",
        "/etc/hostname",
        "/etc/hosts",
        "/data/deep/er",
    ];
    assert_eq!(targets, expected);
    let hosts = config.mounts.iter().find(|m| m.target == "/etc/hosts").map(|m| (m.read_only, &m.kind));
    let source = MountKind::Bind { source: "/run/pods/pod-id/volumes/s".into(), sub_path: None };
    assert_eq!(hosts, Some((true, &source)));
    let deep = config.mounts.last().map(|m| &m.kind);
    let source = MountKind::Bind { source: "/root/pods/pod-id/volumes/v".into(), sub_path: Some("web/x".into()) };
    assert_eq!(deep, Some(&source));
    Ok(())
}

#[test]
fn security_settings() -> Result<(), LowerError> {
    let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    for (add, drop, expected) in [
        (vec![], names(&["ALL"]), names(&[])),
        (names(&["NET_ADMIN"]), names(&["ALL"]), names(&["NET_ADMIN"])),
        (vec![], names(&DEFAULT_CAPABILITIES[1..]), names(&["CHOWN"])),
        (names(&["ALL"]), names(&CAPABILITIES[1..]), names(&["AUDIT_CONTROL"])),
    ] {
        let mut c = container();
        c.security.capabilities = Capabilities { add, drop };
        assert_eq!(lowered(pod(c), image())?.process.capabilities.into_iter().collect::<Vec<_>>(), expected);
    }
    let mut c = container();
    c.security = ContainerSecurity { privileged: true, run_as_user: Some(7), ..ContainerSecurity::default() };
    let mut p = pod(c);
    p.security =
        PodSecurity { fs_group: Some(9), supplemental_groups: vec![8], run_as_user: Some(1), ..PodSecurity::default() };
    let config = lowered(p, ImageConfig { user: "web:web".into(), ..image() })?;
    assert_eq!(config.process.capabilities.len(), CAPABILITIES.len());
    assert_eq!(config.process.seccomp, Seccomp::Unconfined);
    let user = &config.process.user;
    assert_eq!(
        (user.spec.as_str(), user.uid, user.gid, user.additional_gids.as_slice()),
        ("web:web", Some(7), None, &[8, 9][..])
    );
    Ok(())
}

#[test]
fn resources_become_cgroup_values_and_scores() -> Result<(), LowerError> {
    let with = |resources: Resources| lowered(pod(Container { resources, ..container() }), image());
    let guaranteed = Resources {
        cpu_request_milli: Some(500),
        cpu_limit_milli: Some(500),
        memory_request: Some(1 << 20),
        memory_limit: Some(1 << 20),
        ..Resources::default()
    };
    let config = with(guaranteed)?;
    assert_eq!((config.resources.cpu_shares, config.resources.cpu_quota_us), (Some(512), Some(50_000)));
    assert_eq!(config.process.oom_score_adj, Some(-997));
    let half = Resources { memory_request: Some(1 << 29), ..Resources::default() };
    assert_eq!(with(half)?.process.oom_score_adj, Some(500));
    let tiny = Resources { cpu_request_milli: Some(1), cpu_limit_milli: Some(1), ..Resources::default() };
    let config = with(tiny)?;
    assert_eq!((config.resources.cpu_shares, config.resources.cpu_quota_us), (Some(2), Some(1_000)));
    assert_eq!(config.process.oom_score_adj, Some(999));
    Ok(())
}

#[test]
fn host_namespaces_and_a_shared_one() -> Result<(), LowerError> {
    let mut p = pod(container());
    (p.host_network, p.host_ipc, p.host_pid) = (true, true, true);
    let config = lowered(p, image())?;
    let expected = Namespaces { network: None, ipc: None, uts: None, pid: PidNamespace::Host };
    assert_eq!((config.namespaces, config.hostname.as_str()), (expected, "machine"));
    let mut p = pod(container());
    p.share_process_namespace = true;
    assert_eq!(lowered(p, image())?.namespaces.pid, PidNamespace::Join("/run/pods/pod-id/ns/pid".into()));
    Ok(())
}

#[test]
fn a_container_without_a_command_is_refused() {
    let error = lowered(pod(container()), ImageConfig::default()).map_err(|e| e.to_string());
    assert!(error.is_err_and(|e| e.starts_with("no command")));
}

#[test]
fn signals_by_name_and_number() {
    for (name, number) in [
        ("SIGTERM", Some(15)),
        ("term", Some(15)),
        ("9", Some(9)),
        ("SIGRTMIN", Some(34)),
        ("SIGRTMIN+3", Some(37)),
        ("RTMAX-1", Some(63)),
        ("SYS", Some(31)),
        ("0", None),
        ("SIGNOPE", None),
        ("RTMIN+99", None),
    ] {
        assert_eq!(signal_number(name), number, "{name}");
    }
}

#[test]
fn the_capabilities_of_the_model_are_those_of_the_kernel() {
    let mut kernel = capability::NAMES;
    kernel.sort_unstable();
    assert_eq!(kernel, CAPABILITIES);
}

#[test]
fn what_devices_add() {
    let spec = Container {
        env: vec![EnvVar { name: "SET".into(), value: EnvValue::Literal("by hand".into()) }],
        security: ContainerSecurity { run_as_user: Some(7), ..ContainerSecurity::default() },
        ..container()
    };
    let node = DeviceNode {
        path: "/dev/a".into(),
        host: "/dev/b".into(),
        number: None,
        access: Access::READ_ONLY,
        mode: Some(0o600),
        uid: None,
        gid: Some(3),
    };
    let mut record = record(pod(spec), image());
    record.containers[0].devices.edits = ContainerEdits {
        env: vec![("SET".into(), "by device".into())],
        nodes: vec![node],
        mounts: vec![DeviceMount {
            host: "/lib/a".into(),
            path: "/a".into(),
            read_only: true,
            ..DeviceMount::default()
        }],
        additional_gids: vec![44],
        hooks: Vec::new(),
    };
    let layout = Layout::new("/root", "/run");
    let source =
        Source { layout: &layout, record: &record, objects: &PodObjects::default(), facts: &facts(), target: None };
    let config = lower(source, &record.containers[0]).unwrap();
    let set: Vec<_> = config.process.env.iter().filter(|(name, _)| name == "SET").collect();
    assert_eq!(set, [&("SET".to_owned(), "by device".to_owned())]);
    assert_eq!(config.process.user.additional_gids, [44]);
    let expected = Device {
        mode: Some(0o600),
        uid: Some(7),
        gid: Some(3),
        ..Device::of_host("/dev/b", "/dev/a", Access::READ_ONLY)
    };
    assert_eq!(config.devices, [expected], "owned by the container's user, unless said");
    assert!(config.mounts.contains(&bind("/a", "/lib/a".into(), true)));
}
