//! From a pod's record to what the runtime needs of one container; pure but for files that hold variables.

use super::{shares, volume};
use crate::model::container::{self, Propagation};
use crate::model::device::{Access, DeviceHook, DeviceMount, DeviceNode};
use crate::model::environment::{self, Environment, EnvironmentError, Objects, PodFacts};
use crate::model::{
    AppArmorProfile, Container, EffectiveSecurity, HostPathType, Pod, Relabel, SeLinuxLabel, SeccompProfile,
    VolumeMount, VolumeSource,
};
use crate::runtime::config::{
    AppArmor, ContainerConfig, Device, Hook, Mount, MountKind, MountOptions, MountPropagation, Namespaces,
    PidNamespace, Process, Rootfs, Seccomp, UserSpec, Users,
};
use crate::store::layout::Layout;
use crate::store::record::{ContainerRecord, PodObjects, PodRecord};
use crate::sys::capability;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pin of the user namespace of a pod that has its own.
pub(super) const USER_NAMESPACE: &str = "user";

/// Capabilities of a container that asks for none (podman's set).
const DEFAULT_CAPABILITIES: [&str; 11] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Where profiles of type `Localhost` are, as for the kubelet and podman.
const SECCOMP_ROOT: &str = "/var/lib/kubelet/seccomp";
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
pub const TERMINATION_LOG: &str = "/dev/termination-log";

#[derive(Debug, thiserror::Error)]
pub enum LowerError {
    #[error("container `{0}` is not in the pod's record")]
    Unknown(String),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error("no command: neither the container nor its image `{image}` says what to run")]
    NoCommand { image: String },
    #[error("volume `{0}` is not declared")]
    UnknownVolume(String),
}

/// What lowering looks up.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub layout: &'a Layout,
    pub record: &'a PodRecord,
    pub objects: &'a PodObjects,
    pub facts: &'a PodFacts,
    /// The process whose namespace of processes the container joins, when it is an ephemeral one with a target.
    pub target: Option<i32>,
}

/// Lowers one container of the pod. May block on files of its volumes that hold variables.
pub fn lower(source: Source<'_>, container: &ContainerRecord) -> Result<ContainerConfig, LowerError> {
    let Source { layout, record, objects, facts, target } = source;
    let pod = &record.pod;
    let spec = find(record, &container.id)?;
    let objects = Objects { config_maps: &objects.config_maps, secrets: &objects.secrets };
    let read = |volume: &str, path: &str| volume::env_file(layout, record, volume, path);
    let env = environment::resolve(spec, pod, &container.image.config.env, objects, facts, &read)?;
    let security = spec.effective_security(pod);
    let hostname = hostname(pod, facts);
    let directory = layout.container(&container.id);
    Ok(ContainerConfig {
        id: container.id.clone(),
        run_dir: layout.container_run(&container.id),
        rootfs: Rootfs {
            layers: container.image.layers.iter().map(|chain| layout.layer_diff(chain)).collect(),
            init_layers: layout.init_layers(),
            upper: directory.join("upper"),
            work: directory.join("work"),
        },
        process: process(spec, container, pod, &env, &security, &hostname, facts)?,
        namespaces: namespaces(layout, record, target),
        users: record.first_user_id.map(|first| Users {
            namespace: layout.pod_namespace(&record.id, USER_NAMESPACE),
            first,
            count: pod.user_ids.count(),
        }),
        hostname,
        mounts: mounts(layout, record, container, spec, &env)?,
        hooks: container.devices.edits.hooks.iter().map(hook).collect(),
        devices: devices(layout, record, container, spec, &security),
        sysctls: pod.security.sysctls.clone(),
        resources: shares::of_container(&record.pod.resources_of(spec)),
        huge_pages: spec.huge_pages.iter().map(|(size, bytes)| (*size, *bytes)).collect(),
        cpu_set: spec.cpu_set.clone(),
        cgroup_path: format!("{}/{}", pod_cgroup(&record.id), container.id),
        readonly_rootfs: security.read_only_root_filesystem,
        se_linux_file_label: security.se_linux.as_ref().map(|label| label.of_files(Relabel::Private)),
        privileged: security.privileged,
        unmasked_proc: security.unmasked_proc,
    })
}

/// The pod's cgroup, relative to the cgroup root.
pub fn pod_cgroup(pod_id: &str) -> String {
    format!("podkin/{pod_id}")
}

/// The spec of the container with that id.
pub fn find<'a>(record: &'a PodRecord, id: &str) -> Result<&'a Container, LowerError> {
    record.spec_of(id).ok_or_else(|| LowerError::Unknown(id.to_owned()))
}

/// The host name its containers see.
pub fn hostname(pod: &Pod, facts: &PodFacts) -> String {
    if pod.host_network { facts.node_name.clone() } else { pod.kernel_name() }
}

/// The signal that asks the container to stop: its own, its image's, SIGTERM.
pub fn stop_signal(spec: &Container, container: &ContainerRecord) -> i32 {
    const SIGTERM: i32 = 15;
    let named = [spec.lifecycle.stop_signal.as_deref(), container.image.config.stop_signal.as_deref()];
    named.into_iter().flatten().find_map(signal_number).unwrap_or(SIGTERM)
}

/// `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`.
pub fn signal_number(name: &str) -> Option<i32> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    const RTMIN: i32 = 34;
    const RTMAX: i32 = 64;
    let upper = name.trim().to_ascii_uppercase();
    if let Ok(number) = upper.parse::<i32>() {
        return (1..=RTMAX).contains(&number).then_some(number);
    }
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(position) = NAMES.iter().position(|n| *n == short) {
        return Some(position as i32 + 1);
    }
    let (base, offset) = match (short.strip_prefix("RTMIN"), short.strip_prefix("RTMAX")) {
        (Some(offset), _) => (RTMIN, offset),
        (None, Some(offset)) => (RTMAX, offset),
        (None, None) => return None,
    };
    let offset = if offset.is_empty() { 0 } else { offset.parse().ok()? };
    Some(base + offset).filter(|n| (RTMIN..=RTMAX).contains(n))
}

fn process(
    spec: &Container,
    container: &ContainerRecord,
    pod: &Pod,
    env: &Environment,
    security: &EffectiveSecurity,
    hostname: &str,
    facts: &PodFacts,
) -> Result<Process, LowerError> {
    let image = &container.image.config;
    let args = env.command_line(spec, &image.entrypoint, &image.cmd);
    if args.is_empty() {
        return Err(LowerError::NoCommand { image: container.image.reference.clone() });
    }
    let mut additional_gids = security.supplemental_groups.clone();
    additional_gids.extend(security.fs_group);
    additional_gids.extend(&container.devices.edits.additional_gids);
    let written = match spec.command.is_empty() {
        true => image.entrypoint.first().or(spec.args.first()).or(image.cmd.first()),
        false => spec.command.first(),
    };
    Ok(Process {
        name: written.cloned().unwrap_or_default(),
        args,
        env: variables(env, &container.devices.edits.env, hostname, spec.tty),
        cwd: working_dir(spec.working_dir.as_deref(), &image.working_dir),
        user: UserSpec {
            spec: image.user.clone(),
            uid: security.run_as_user,
            gid: security.run_as_group,
            additional_gids,
            strict_groups: security.strict_groups,
            must_not_be_root: security.run_as_non_root,
        },
        terminal: spec.tty,
        init: spec.init_process,
        capabilities: capabilities(security),
        no_new_privileges: security.no_new_privileges,
        seccomp: match &security.seccomp {
            SeccompProfile::RuntimeDefault => Seccomp::Default,
            SeccompProfile::Unconfined => Seccomp::Unconfined,
            SeccompProfile::Localhost(path) => Seccomp::Profile(Path::new(SECCOMP_ROOT).join(path)),
        },
        app_armor: match &security.app_armor {
            AppArmorProfile::RuntimeDefault => AppArmor::Default(AppArmorProfile::DEFAULT.to_owned()),
            AppArmorProfile::Unconfined => AppArmor::Unconfined,
            AppArmorProfile::Localhost(name) => AppArmor::Profile(name.clone()),
        },
        se_linux_label: security.se_linux.as_ref().map(SeLinuxLabel::of_process),
        rlimits: spec.ulimits.iter().map(|l| (l.name.clone(), l.soft, l.hard)).collect(),
        oom_score_adj: Some(shares::oom_score_adj(pod, spec, facts.host.memory)),
    })
}

/// The environment with what every container has unless it says otherwise, and what its devices set.
fn variables(env: &Environment, of_devices: &[(String, String)], hostname: &str, tty: bool) -> Vec<(String, String)> {
    let terminal = tty.then_some(("TERM", "xterm"));
    let defaults =
        [Some(("PATH", DEFAULT_PATH)), terminal, Some(("HOSTNAME", hostname)), Some(("container", "podkin"))];
    let missing = defaults.into_iter().flatten().filter(|(name, _)| !env.variables.iter().any(|(n, _)| n == name));
    let defaults = missing.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let all = defaults.chain(env.variables.iter().cloned());
    let kept = all.filter(|(name, _)| !of_devices.iter().any(|(set, _)| set == name));
    kept.chain(of_devices.iter().cloned()).collect()
}

fn working_dir(own: Option<&str>, image: &str) -> String {
    match own.filter(|d| !d.is_empty()).unwrap_or(image) {
        "" => "/".to_owned(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("/{relative}"),
    }
}

/// Names without `CAP_` of what a container holds, before it is cut to what this machine gives.
pub fn capabilities(security: &EffectiveSecurity) -> BTreeSet<String> {
    let all = || capability::NAMES.iter().map(|c| (*c).to_owned());
    if security.privileged {
        return all().collect();
    }
    let wanted = &security.capabilities;
    let is_all = |name: &String| name == "ALL";
    let mut set: BTreeSet<String> = match wanted.drop.iter().any(is_all) {
        true => BTreeSet::new(),
        false => DEFAULT_CAPABILITIES.iter().map(|c| (*c).to_owned()).collect(),
    };
    if wanted.add.iter().any(is_all) {
        set.extend(all());
    }
    set.retain(|name| !wanted.drop.contains(name));
    set.extend(wanted.add.iter().filter(|name| !is_all(name)).cloned());
    set
}

fn namespaces(layout: &Layout, record: &PodRecord, target: Option<i32>) -> Namespaces {
    let pod = &record.pod;
    let pin = |host: bool, kind: &str| (!host).then(|| layout.pod_namespace(&record.id, kind));
    Namespaces {
        network: pin(pod.host_network, "net"),
        ipc: pin(pod.host_ipc, "ipc"),
        uts: pin(pod.host_network, "uts"),
        pid: match (pod.host_pid, pod.share_process_namespace, target) {
            (true, _, _) => PidNamespace::Host,
            (false, true, _) => PidNamespace::Join(layout.pod_namespace(&record.id, "pid")),
            (false, false, Some(pid)) => PidNamespace::Join(format!("/proc/{pid}/ns/pid").into()),
            (false, false, None) => PidNamespace::Private,
        },
    }
}

/// The pod's shared memory, one file system for all its containers.
pub fn shared_memory(layout: &Layout, pod_id: &str) -> PathBuf {
    layout.pod_run(pod_id).join("shm")
}

/// The file whose end the container leaves as its termination message.
pub fn termination_file(layout: &Layout, container_id: &str) -> PathBuf {
    layout.container_run(container_id).join("termination-log")
}

fn mounts(
    layout: &Layout,
    record: &PodRecord,
    container: &ContainerRecord,
    spec: &Container,
    env: &Environment,
) -> Result<Vec<Mount>, LowerError> {
    let mut mounts = managed_files(layout, record, container, spec);
    for mount in &spec.mounts {
        let lowered = volume_mount(layout, record, mount, env)?;
        mounts.retain(|m| m.target != lowered.target);
        mounts.push(lowered);
    }
    for (volume, path) in record.image_mounts(spec) {
        let unknown = || LowerError::UnknownVolume(volume.to_owned());
        let source = volume::source_path(layout, record, record.pod.volume(volume).ok_or_else(unknown)?);
        let sub_path = Some(path.trim_start_matches('/').to_owned());
        mounts.retain(|m| m.target != path);
        mounts.push(Mount { kind: MountKind::Bind { source, sub_path }, ..bind(&path, PathBuf::new(), true) });
    }
    for mount in &container.devices.edits.mounts {
        let DeviceMount { host, path, read_only, options, propagation } = mount;
        mounts.retain(|m| m.target != *path);
        mounts.push(Mount {
            propagation: propagation_of(*propagation),
            options: options_of(*options),
            ..bind(path, host.into(), *read_only)
        });
    }
    // A mount must come after the one it lies in; the sort is stable, so equals keep the user's order.
    mounts.sort_by_key(|m| m.target.trim_end_matches('/').matches('/').count());
    Ok(mounts)
}

/// What podkin puts into every container.
fn managed_files(layout: &Layout, record: &PodRecord, container: &ContainerRecord, spec: &Container) -> Vec<Mount> {
    let run = layout.pod_run(&record.id);
    let shm = if record.pod.host_ipc { "/dev/shm".into() } else { shared_memory(layout, &record.id) };
    let message = spec.termination_message_path.as_deref().unwrap_or(TERMINATION_LOG);
    let mut mounts = vec![
        bind("/dev/shm", shm, false),
        bind("/etc/resolv.conf", run.join("resolv.conf"), false),
        bind(message, termination_file(layout, &container.id), false),
    ];
    if record.manage_hosts {
        mounts.push(bind("/etc/hosts", run.join("hosts"), false));
    }
    if record.manage_hostname {
        mounts.push(bind("/etc/hostname", run.join("hostname"), false));
    }
    mounts
}

fn bind(target: &str, source: PathBuf, read_only: bool) -> Mount {
    Mount {
        target: target.to_owned(),
        kind: MountKind::Bind { source, sub_path: None },
        read_only,
        recursive_read_only: false,
        propagation: MountPropagation::Private,
        options: MountOptions::default(),
    }
}

fn volume_mount(
    layout: &Layout,
    record: &PodRecord,
    mount: &VolumeMount,
    env: &Environment,
) -> Result<Mount, LowerError> {
    let unknown = || LowerError::UnknownVolume(mount.volume.clone());
    let volume = record.pod.volume(&mount.volume).ok_or_else(unknown)?;
    Ok(Mount {
        target: mount.path.clone(),
        kind: MountKind::Bind { source: volume::source_path(layout, record, volume), sub_path: env.sub_path(mount)? },
        read_only: mount.read_only || volume::is_read_only(record, volume),
        recursive_read_only: mount.recursive_read_only,
        propagation: propagation_of(mount.propagation),
        options: options_of(mount.options),
    })
}

fn propagation_of(propagation: Propagation) -> MountPropagation {
    match propagation {
        Propagation::None => MountPropagation::Private,
        Propagation::HostToContainer => MountPropagation::HostToContainer,
        Propagation::Bidirectional => MountPropagation::Bidirectional,
    }
}

fn options_of(options: container::MountOptions) -> MountOptions {
    let container::MountOptions { no_exec, no_dev, no_suid } = options;
    MountOptions { no_exec, no_dev, no_suid }
}

fn hook(hook: &DeviceHook) -> Hook {
    let DeviceHook { path, args, env, timeout_seconds } = hook;
    Hook { path: path.into(), args: args.clone(), env: env.clone(), timeout_seconds: *timeout_seconds }
}

/// Volumes that are devices, and what the container asked for; device nodes mounted by `hostPath` are also allowed to be used.
fn devices(
    layout: &Layout,
    record: &PodRecord,
    container: &ContainerRecord,
    spec: &Container,
    security: &EffectiveSecurity,
) -> Vec<Device> {
    let pod = &record.pod;
    let of_volume = |device: &container::VolumeDevice| {
        let volume = pod.volume(&device.volume)?;
        let read_only = volume::is_read_only(record, volume);
        let host = volume::source_path(layout, record, volume);
        let access = if read_only { Access::READ_ONLY } else { Access::ALL };
        Some(Device::of_host(host, device.path.clone(), access))
    };
    let device = |mount: &VolumeMount| match &pod.volume(&mount.volume)?.source {
        VolumeSource::HostPath { path, kind: HostPathType::CharDevice | HostPathType::BlockDevice } => {
            Some(Device::of_host(path, mount.path.clone(), Access::ALL))
        }
        _ => None,
    };
    // A node is its user's unless it is said whose it is (CDI specification, `deviceNodes`).
    let of_user = |id: Option<u32>| id.filter(|id| *id != 0);
    let asked_for = |node: &DeviceNode| {
        let DeviceNode { path, host, number, access, mode, uid, gid } = node;
        Device {
            number: *number,
            mode: *mode,
            uid: uid.or(of_user(security.run_as_user)),
            gid: gid.or(of_user(security.run_as_group)),
            ..Device::of_host(host, path, *access)
        }
    };
    let of_volumes = spec.mounts.iter().filter_map(device).chain(spec.devices.iter().filter_map(of_volume));
    of_volumes.chain(container.devices.edits.nodes.iter().map(asked_for)).collect()
}

#[cfg(test)]
mod tests;
