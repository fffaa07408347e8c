//! `container inspect`, and what `inspect` says about a container.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use super::super::listing::print_inspected;
use super::ps::protocol;
use crate::engine::{ContainerView, PortView, RunState};
use crate::model::EffectiveSecurity;
use crate::model::environment::{Objects, PodFacts, resolve};
use crate::model::{Handler, Probe, RestartPolicy, SeccompProfile};
use crate::store::layout::Layout;
use crate::store::record::{LogDriver, PodNetwork, PodObjects, PodRecord};
use crate::supervisor;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Show all about containers
#[derive(Debug, Args)]
pub struct ContainerInspectArgs {
    #[arg(required = true, value_name = "CONTAINER", add = ArgValueCompleter::new(complete::containers))]
    pub names: Vec<String>,
    /// Print `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Also the sizes of the file systems
    #[arg(short, long)]
    pub size: bool,
}

pub fn run(globals: &Globals, args: &ContainerInspectArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let found: Result<Vec<_>, _> = args.names.iter().map(|name| engine.container(name)).collect();
    let found = found.map_err(|error| explain(&mut engine, error))?;
    let values: Vec<Value> = found.iter().map(|c| describe(engine.layout(), c, args.size)).collect();
    print_inspected(&values, args.format.as_deref())
}

/// What stands where a value comes from a Secret.
const SECRET: &str = "<secret>";

/// All about a container; podman's field names. No value of a Secret is in it.
pub fn describe(layout: &Layout, container: &ContainerView, size: bool) -> Value {
    let (record, spec, pod) = (container.record(), container.spec(), &container.pod);
    let command = container.command();
    let security = spec.effective_security(&pod.record.pod);
    let mut value = json!({
        "Id": container.id(),
        "Created": container.created().to_string(),
        "Path": command.first(),
        "Args": command.get(1..).unwrap_or_default(),
        "State": state(container),
        "Image": container.image_id(),
        "ImageName": container.image(),
        "Rootfs": "",
        "Pod": pod.id(),
        "PodName": pod.name(),
        "ResolvConfPath": layout.pod_run(pod.id()).join("resolv.conf"),
        "HostnamePath": layout.pod_run(pod.id()).join("hostname"),
        "HostsPath": layout.pod_run(pod.id()).join("hosts"),
        "StaticDir": layout.container(container.id()),
        "OCIRuntime": "podkin",
        "Driver": "overlay",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "EffectiveCaps": capabilities(&security),
        "BoundingCaps": capabilities(&security),
        "ExecIDs": [],
        "GraphDriver": {
            "Name": "overlay",
            "Data": {
                "LowerDir": lower_directories(layout, container),
                "UpperDir": layout.container(container.id()).join("upper"),
                "WorkDir": layout.container(container.id()).join("work"),
            },
        },
        "Mounts": mounts(layout, container),
        "Dependencies": [],
        "NetworkSettings": network(layout, container),
        "Namespace": pod.record.pod.namespace,
        "IsInfra": false,
        "IsInit": record.init,
        "RestartCount": container.status().restart_count,
        "Name": container.name(),
        "Config": config(layout, container),
        "HostConfig": host_config(container, &security),
    });
    if size {
        value["SizeRw"] = super::written(layout, container.id()).into();
    }
    value
}

fn state(container: &ContainerView) -> Value {
    let status = container.status();
    let ended = container.termination();
    let time = |time: Option<jiff::Timestamp>| time.map_or("0001-01-01T00:00:00Z".to_owned(), |t| t.to_string());
    let spec = container.spec();
    let mut value = json!({
        "OciVersion": "1.2.0",
        "Status": container.state().as_str(),
        "Running": container.is_running(),
        "Paused": false,
        "Restarting": container.state() == RunState::Waiting && ended.is_some(),
        "OOMKilled": ended.is_some_and(|t| t.reason == "OOMKilled"),
        "Dead": false,
        "Pid": container.pid().unwrap_or(0),
        "ExitCode": container.exit_code().unwrap_or(0),
        "ExitCodeKnown": container.is_running() || ended.is_none_or(|t| t.exit_code.is_some()),
        "Reason": container.waiting_reason().or(ended.map(|t| t.reason.as_str())),
        "Error": ended.and_then(|t| t.message.as_deref()).unwrap_or_default(),
        "StartedAt": time(container.started_at()),
        "FinishedAt": time(container.finished_at()),
        "Started": status.started,
        "Ready": status.ready,
        "CgroupPath": format!("/podkin/{}/{}", container.pod.id(), container.id()),
        "CheckpointedAt": time(None),
        "RestoredAt": time(None),
    });
    if spec.liveness_probe.is_some() || spec.readiness_probe.is_some() || spec.startup_probe.is_some() {
        let word = match (status.started, status.healthy) {
            (false, _) => "starting",
            (true, Some(false)) => "unhealthy",
            (true, _) if !status.ready => "unhealthy",
            (true, _) => "healthy",
        };
        value["Health"] = json!({ "Status": word, "FailingStreak": 0, "Log": [] });
    }
    value
}

fn lower_directories(layout: &Layout, container: &ContainerView) -> String {
    let layers = container.record().image.layers.iter().rev();
    layers.map(|chain| layout.layer_diff(chain).display().to_string()).collect::<Vec<_>>().join(":")
}

fn mounts(layout: &Layout, container: &ContainerView) -> Vec<Value> {
    let describe = |mount: crate::engine::MountView| {
        let source = match mount.kind {
            "volume" => layout.volume_data(&mount.name).display().to_string(),
            _ if mount.source.is_empty() => {
                layout.pod_run_volume(container.pod.id(), &mount.name).display().to_string()
            }
            _ => mount.source,
        };
        let options: &[&str] = if mount.kind == "tmpfs" { &["nosuid", "nodev"] } else { &["rbind"] };
        json!({
            "Type": mount.kind,
            "Name": mount.name,
            "Source": source,
            "Destination": mount.destination,
            "Driver": if mount.kind == "volume" { "local" } else { "" },
            "Mode": "",
            "Options": options,
            "RW": !mount.read_only,
            "Propagation": "rprivate",
        })
    };
    container.mounts().into_iter().map(describe).collect()
}

fn network(layout: &Layout, container: &ContainerView) -> Value {
    let pod = &container.pod;
    let mut ports = serde_json::Map::new();
    for port in container.ports() {
        let key = format!("{}/{}", port.container_port, protocol(port.protocol));
        ports.insert(key, binding(&port));
    }
    let address = pod.ips().first().map(ToString::to_string).unwrap_or_default();
    let mac = match &pod.record.network {
        PodNetwork::Networks(attachments) => attachments.first().and_then(|a| a.mac.clone()).unwrap_or_default(),
        PodNetwork::Host | PodNetwork::None => String::new(),
    };
    let mut networks = serde_json::Map::new();
    if let PodNetwork::Networks(attachments) = &pod.record.network {
        for attachment in attachments {
            let first = attachment.ips.first().map(ToString::to_string).unwrap_or_default();
            let network = json!({
                "NetworkID": attachment.network,
                "IPAddress": first,
                "MacAddress": attachment.mac.clone().unwrap_or_default(),
                "Aliases": attachment.aliases,
                "InterfaceName": attachment.interface,
            });
            networks.insert(attachment.network.clone(), network);
        }
    }
    json!({
        "IPAddress": address,
        "MacAddress": mac,
        "Ports": ports,
        "SandboxKey": layout.pod_namespace(pod.id(), "net"),
        "Networks": networks,
    })
}

/// The host's side of a port; `null` when it is not published.
fn binding(port: &PortView) -> Value {
    match port.host_port {
        Some(host_port) => json!([{
            "HostIp": port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
            "HostPort": host_port.to_string(),
        }]),
        None => Value::Null,
    }
}

fn config(layout: &Layout, container: &ContainerView) -> Value {
    let (spec, image, pod) = (container.spec(), &container.record().image.config, &container.pod.record.pod);
    let entrypoint = if spec.command.is_empty() { &image.entrypoint } else { &spec.command };
    let cmd = match (spec.command.is_empty(), spec.args.is_empty()) {
        (true, true) => &image.cmd,
        _ => &spec.args,
    };
    json!({
        "Hostname": pod.hostname.as_ref().unwrap_or(&pod.name),
        "Domainname": "",
        "User": user(container).unwrap_or_else(|| image.user.clone()),
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "Tty": spec.tty,
        "OpenStdin": spec.stdin,
        "StdinOnce": false,
        "Env": environment(layout, container),
        "Cmd": cmd,
        "Image": container.image(),
        "Volumes": null,
        "WorkingDir": spec.working_dir.clone().unwrap_or_else(|| image.working_dir.clone()),
        "Entrypoint": entrypoint,
        "OnBuild": null,
        "Labels": container.labels(),
        "Annotations": pod.annotations,
        "StopSignal": spec.lifecycle.stop_signal.clone().or_else(|| image.stop_signal.clone()).unwrap_or_else(|| "SIGTERM".to_owned()),
        "StopTimeout": pod.termination_grace_seconds,
        "Healthcheck": spec.liveness_probe.as_ref().map(probe),
        "Probes": {
            "Startup": spec.startup_probe.as_ref().map(probe),
            "Liveness": spec.liveness_probe.as_ref().map(probe),
            "Readiness": spec.readiness_probe.as_ref().map(probe),
        },
    })
}

fn user(container: &ContainerView) -> Option<String> {
    let security = container.spec().effective_security(&container.pod.record.pod);
    match (security.run_as_user, security.run_as_group) {
        (Some(user), Some(group)) => Some(format!("{user}:{group}")),
        (Some(user), None) => Some(user.to_string()),
        (None, _) => None,
    }
}

fn probe(probe: &Probe) -> Value {
    let test = match &probe.handler {
        Handler::Exec(command) => [vec!["CMD".to_owned()], command.clone()].concat(),
        Handler::Http(get) => {
            let scheme = if get.https { "https" } else { "http" };
            let host = get.host.as_deref().unwrap_or("$(POD_IP)");
            vec!["HTTP".to_owned(), format!("{scheme}://{host}:{}{}", get.port, get.path)]
        }
        Handler::Tcp(socket) => vec!["TCP".to_owned(), socket.port.to_string()],
        Handler::Grpc(health) => vec!["GRPC".to_owned(), format!("{}/{}", health.port, health.service)],
        Handler::Sleep(seconds) => vec!["SLEEP".to_owned(), seconds.to_string()],
    };
    let nanoseconds = |seconds: u32| u64::from(seconds) * 1_000_000_000;
    json!({
        "Test": test,
        "StartPeriod": nanoseconds(probe.initial_delay_seconds),
        "Interval": nanoseconds(probe.period_seconds),
        "Timeout": nanoseconds(probe.timeout_seconds),
        "Retries": probe.failure_threshold,
    })
}

/// The variables as `NAME=value`. Secrets are replaced before anything is computed from them, so that no text into which one
/// was expanded shows it either.
fn environment(layout: &Layout, container: &ContainerView) -> Vec<String> {
    let pod = &container.pod;
    let stored = std::fs::read(layout.pod_objects(pod.id())).unwrap_or_default();
    let mut objects: PodObjects = serde_json::from_slice(&stored).unwrap_or_default();
    for secret in objects.secrets.values_mut() {
        secret.data.values_mut().for_each(|value| *value = SECRET.as_bytes().to_vec());
    }
    let objects = Objects { config_maps: &objects.config_maps, secrets: &objects.secrets };
    let (node_name, host) = supervisor::machine_facts(layout);
    let facts =
        PodFacts { uid: pod.id().to_owned(), pod_ips: pod.ips().to_vec(), node_name, host, ..PodFacts::default() };
    let image = &container.record().image.config.env;
    let files = |volume: &str, path: &str| supervisor::env_file(layout, &pod.record, volume, path);
    match resolve(container.spec(), &pod.record.pod, image, objects, &facts, &files) {
        Ok(environment) => environment.variables.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        // What the container would fail with; its status says so.
        Err(_) => image.clone(),
    }
}

fn host_config(container: &ContainerView, security: &EffectiveSecurity) -> Value {
    let (spec, pod) = (container.spec(), &container.pod.record.pod);
    let resources = &spec.resources;
    let mut bindings = serde_json::Map::new();
    for port in container.ports().iter().filter(|port| port.host_port.is_some()) {
        bindings.insert(format!("{}/{}", port.container_port, protocol(port.protocol)), binding(port));
    }
    let restart = match spec.restart_policy(pod, container.record().init) {
        RestartPolicy::Always => "always",
        RestartPolicy::OnFailure => "on-failure",
        RestartPolicy::Never => "no",
    };
    let mode = |host: bool| if host { "host" } else { "private" };
    let binds: Vec<String> = container.mounts().iter().map(|m| format!("{}:{}", m.name, m.destination)).collect();
    let mut options: Vec<String> = Vec::new();
    if security.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    match &security.seccomp {
        SeccompProfile::RuntimeDefault => {}
        SeccompProfile::Unconfined => options.push("seccomp=unconfined".to_owned()),
        SeccompProfile::Localhost(path) => options.push(format!("seccomp={path}")),
    }
    let hosts: BTreeMap<String, Vec<String>> =
        pod.host_aliases.iter().map(|alias| (alias.ip.to_string(), alias.hostnames.clone())).collect();
    json!({
        "Binds": binds,
        "CgroupManager": container.pod.record.cgroup_manager,
        "NetworkMode": match container.pod.record.network {
            PodNetwork::Host => "host",
            PodNetwork::None => "none",
            PodNetwork::Networks(_) => "bridge",
        },
        "PortBindings": bindings,
        "RestartPolicy": { "Name": restart, "MaximumRetryCount": 0 },
        "AutoRemove": spec.auto_remove,
        "ContainerIDFile": spec.shown_only.cid_file.clone().unwrap_or_default(),
        "PublishAllPorts": spec.shown_only.publish_all_ports,
        "Init": spec.init_process,
        "CapAdd": security.capabilities.add,
        "CapDrop": security.capabilities.drop,
        "Dns": pod.dns.nameservers,
        "DnsSearch": pod.dns.searches,
        "ExtraHosts": hosts.into_iter().flat_map(|(ip, names)| names.into_iter().map(move |name| format!("{name}:{ip}"))).collect::<Vec<_>>(),
        "GroupAdd": security.supplemental_groups.iter().chain(&security.fs_group).map(ToString::to_string).collect::<Vec<_>>(),
        "IpcMode": mode(pod.host_ipc),
        "PidMode": if pod.share_process_namespace { "pod" } else { mode(pod.host_pid) },
        "UTSMode": mode(pod.host_network),
        "UsernsMode": if pod.user_namespace { "private" } else { "" },
        "IDMappings": mapping(&container.pod.record),
        "Privileged": security.privileged,
        "ReadonlyRootfs": security.read_only_root_filesystem,
        "SecurityOpt": options,
        "CpuShares": resources.cpu_request_milli.map_or(0, |milli| (milli * 1024 / 1000).max(2)),
        "CpuPeriod": if resources.cpu_limit_milli.is_some() { 100_000 } else { 0 },
        "CpuQuota": resources.cpu_limit_milli.map_or(0, |milli| milli * 100),
        "NanoCpus": resources.cpu_limit_milli.map_or(0, |milli| milli * 1_000_000),
        "Memory": resources.memory_limit.unwrap_or(0),
        "MemoryReservation": resources.memory_request.unwrap_or(0),
        "CpusetCpus": spec.cpu_set.cpus.as_ref().map(ToString::to_string).unwrap_or_default(),
        "CpusetMems": spec.cpu_set.memory_nodes.as_ref().map(ToString::to_string).unwrap_or_default(),
        "PidsLimit": resources.pids_limit.unwrap_or(2048),
        "LogConfig": {
            "Type": match container.pod.record.log.driver {
                LogDriver::K8sFile => "k8s-file",
                LogDriver::None => "none",
                LogDriver::Passthrough => "passthrough",
            },
            "Path": container.pod.record.log.path,
            "Size": container.pod.record.log.max_size,
        },
    })
}

/// Ids inside, on the machine, and how many, as podman shows them; `null` without a user namespace.
fn mapping(record: &PodRecord) -> Value {
    let map = record.first_user_id.map(|first| format!("0:{first}:{}", record.pod.user_ids.count()));
    map.map_or(Value::Null, |map| json!({ "UidMap": [map], "GidMap": [map] }))
}

/// Capabilities that are added to and taken from the default set, `CAP_` before their names.
fn capabilities(security: &EffectiveSecurity) -> Vec<String> {
    supervisor::capabilities(security).iter().map(|name| format!("CAP_{name}")).collect()
}
