//! Pods and containers as listings and `inspect` show them: the record, joined with what the supervisor last said.

use crate::model::{Container, EmptyDirMedium, Port, Protocol, Volume, VolumeMount, VolumeSource};
use crate::store::layout::Layout;
use crate::store::record::{
    ContainerRecord, ContainerState, ContainerStatus, PodNetwork, PodPhase, PodRecord, PodStatus, Termination,
};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// An application, by id and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRef {
    /// 12 hexadecimal digits.
    pub id: String,
    pub name: String,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct PodView {
    pub app: AppRef,
    pub record: PodRecord,
    /// As it is now: a status that cannot be true any more (another boot) has been replaced by what follows from that.
    pub status: PodStatus,
    /// Where its state lies.
    pub layout: Arc<Layout>,
}

/// A container of a pod.
#[derive(Debug, Clone)]
pub struct ContainerView {
    pub pod: Arc<PodView>,
    /// Position in `PodRecord::containers` and `PodStatus::containers`.
    pub index: usize,
}

/// The state of a container in podman's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Never started.
    Created,
    /// Waits to be started (again).
    Waiting,
    Running,
    Stopping,
    Exited,
    /// Nobody can tell.
    Unknown,
}

impl RunState {
    /// Lower case, as `ps --filter status=` takes it; a waiting container is `created` before its first start, else `exited`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
            Self::Unknown => "unknown",
        }
    }
}

/// The state of a pod in podman's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodState {
    Created,
    Running,
    /// Some regular containers run, others do not.
    Degraded,
    Exited,
    Stopped,
    /// Nobody can tell.
    Error,
}

impl PodState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Running => "Running",
            Self::Degraded => "Degraded",
            Self::Exited => "Exited",
            Self::Stopped => "Stopped",
            Self::Error => "Error",
        }
    }
}

/// A published or exposed port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortView {
    pub host_ip: Option<IpAddr>,
    pub host_port: Option<u16>,
    pub container_port: u16,
    pub protocol: Protocol,
}

/// A mount as `inspect` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountView {
    /// `volume` for named volumes, else `bind` or `tmpfs`.
    pub kind: &'static str,
    /// Name of the named volume or of the pod's volume.
    pub name: String,
    pub source: String,
    pub destination: String,
    pub read_only: bool,
}

/// A named volume.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeView {
    pub name: String,
    pub mountpoint: std::path::PathBuf,
    pub created: jiff::Timestamp,
    pub labels: std::collections::BTreeMap<String, String>,
    pub options: std::collections::BTreeMap<String, String>,
    pub anonymous: bool,
    /// Names of pods that refer to it.
    pub used_by: Vec<String>,
}

impl PodView {
    pub fn id(&self) -> &str {
        &self.record.id
    }

    pub fn name(&self) -> &str {
        &self.record.pod.name
    }

    pub fn state(&self) -> PodState {
        let running = self.regular().filter(|c| matches!(c.state, ContainerState::Running { .. })).count();
        match (self.status.phase, running) {
            (PodPhase::Created, _) => PodState::Created,
            (PodPhase::Stopped, _) => PodState::Stopped,
            (PodPhase::Unknown, _) => PodState::Error,
            (PodPhase::Succeeded | PodPhase::Failed, _) => PodState::Exited,
            (PodPhase::Pending, 0) => PodState::Created,
            (PodPhase::Running, n) if n == self.regular().count() => PodState::Running,
            (PodPhase::Pending | PodPhase::Running, _) => PodState::Degraded,
        }
    }

    /// Whether anything of the pod lives, or may.
    pub fn is_running(&self) -> bool {
        matches!(self.status.phase, PodPhase::Running | PodPhase::Pending | PodPhase::Unknown)
    }

    /// Its end is certain and its programs have ended: it is only cleared away.
    pub fn is_spent(&self) -> bool {
        let mut states = self.status.containers.iter().map(|container| &container.state);
        self.status.stopping.is_some() && states.all(|state| !matches!(state, ContainerState::Running { .. }))
    }

    /// Every regular container is ready.
    pub fn is_ready(&self) -> bool {
        self.is_running() && self.regular().all(|c| c.ready)
    }

    pub fn ips(&self) -> &[IpAddr] {
        &self.status.ips
    }

    /// Names of the joined networks; `host` or `none` otherwise.
    pub fn networks(&self) -> Vec<&str> {
        match &self.record.network {
            PodNetwork::Host => vec!["host"],
            PodNetwork::None => vec!["none"],
            PodNetwork::Networks(all) => all.iter().map(|a| a.network.as_str()).collect(),
        }
    }

    /// The containers in start order, without those that were removed by themselves.
    pub fn containers(self: &Arc<Self>) -> impl Iterator<Item = ContainerView> {
        self.all_containers().filter(|container| !container.is_removed())
    }

    /// The containers in start order, also those that were removed by themselves.
    pub fn all_containers(self: &Arc<Self>) -> impl Iterator<Item = ContainerView> {
        (0..self.record.containers.len()).map(|index| ContainerView { pod: Arc::clone(self), index })
    }

    /// Kind, name and host path of a volume.
    fn volume_place(&self, volume: &Volume) -> (&'static str, String, PathBuf) {
        let own = volume.name.clone();
        match &volume.source {
            VolumeSource::Claim { .. } | VolumeSource::Ephemeral { .. } => {
                let name = volume.claim(&self.record.pod.name).unwrap_or_default();
                ("volume", name, crate::supervisor::source_path(&self.layout, &self.record, volume))
            }
            VolumeSource::HostPath { path, .. } => ("bind", own, PathBuf::from(path)),
            VolumeSource::EmptyDir { medium: EmptyDirMedium::Disk, .. } => {
                ("bind", own, self.layout.pod_volume(self.id(), &volume.name))
            }
            VolumeSource::EmptyDir { medium: EmptyDirMedium::Memory | EmptyDirMedium::HugePages(_), .. } => {
                ("tmpfs", own, self.layout.pod_run_volume(self.id(), &volume.name))
            }
            VolumeSource::Nfs(_) => ("nfs", own, self.layout.pod_run_volume(self.id(), &volume.name)),
            VolumeSource::Image { .. } => ("image", own, self.layout.pod_run_volume(self.id(), &volume.name)),
            VolumeSource::ConfigMap { .. }
            | VolumeSource::Secret { .. }
            | VolumeSource::DownwardApi { .. }
            | VolumeSource::Projected { .. } => ("bind", own, self.layout.pod_run_volume(self.id(), &volume.name)),
        }
    }

    /// Status of the regular containers.
    fn regular(&self) -> impl Iterator<Item = &ContainerStatus> {
        let pairs = self.record.containers.iter().zip(&self.status.containers);
        let regular = pairs
            .enumerate()
            .filter(|(index, (container, _))| !container.init && self.record.ephemeral(*index).is_none());
        regular.map(|(_, (_, status))| status)
    }
}

impl ContainerView {
    pub fn id(&self) -> &str {
        &self.record().id
    }

    /// Name unique on the machine.
    pub fn name(&self) -> &str {
        &self.record().name
    }

    pub fn record(&self) -> &ContainerRecord {
        &self.pod.record.containers[self.index]
    }

    pub fn status(&self) -> &ContainerStatus {
        &self.pod.status.containers[self.index]
    }

    /// What the file asked for.
    pub fn spec(&self) -> &Container {
        let spec = self.pod.record.spec(self.index);
        spec.expect("a pod's record lists the containers of its spec in the same order")
    }

    /// The image's reference.
    pub fn image(&self) -> &str {
        &self.record().image.reference
    }

    pub fn image_id(&self) -> &str {
        &self.record().image.id
    }

    /// The process's arguments: `command` and `args` against the image's entrypoint and cmd (Kubernetes' rules), unexpanded.
    pub fn command(&self) -> Vec<String> {
        let (spec, image) = (self.spec(), &self.record().image.config);
        let (head, tail) = match (spec.command.is_empty(), spec.args.is_empty()) {
            (true, true) => (&image.entrypoint, &image.cmd),
            (true, false) => (&image.entrypoint, &spec.args),
            (false, _) => (&spec.command, &spec.args),
        };
        head.iter().chain(tail).cloned().collect()
    }

    pub fn created(&self) -> jiff::Timestamp {
        self.pod.record.created
    }

    pub fn state(&self) -> RunState {
        let status = self.status();
        match &status.state {
            ContainerState::Running { .. } | ContainerState::Waiting { .. }
                if self.pod.status.phase == PodPhase::Unknown =>
            {
                RunState::Unknown
            }
            ContainerState::Running { .. } if self.pod.status.stopping.is_some() => RunState::Stopping,
            ContainerState::Running { .. } => RunState::Running,
            ContainerState::Terminated(_) => RunState::Exited,
            ContainerState::Waiting { .. } if self.pod.is_running() => RunState::Waiting,
            ContainerState::Waiting { .. } if status.last.is_some() => RunState::Exited,
            ContainerState::Waiting { .. } => RunState::Created,
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.status().state, ContainerState::Running { .. })
    }

    /// Whether it has ended for good and asked to be removed then. Its pod still knows how it ended, and has it again when it is
    /// started again.
    pub fn is_removed(&self) -> bool {
        self.spec().auto_remove && matches!(self.status().state, ContainerState::Terminated(_))
    }

    /// Process id on the host while it runs.
    pub fn pid(&self) -> Option<i32> {
        match self.status().state {
            ContainerState::Running { pid, .. } => Some(pid),
            ContainerState::Waiting { .. } | ContainerState::Terminated(_) => None,
        }
    }

    /// Why it waits: `CrashLoopBackOff`.
    pub fn waiting_reason(&self) -> Option<&str> {
        match &self.status().state {
            ContainerState::Waiting { reason, .. } => Some(reason),
            ContainerState::Running { .. } | ContainerState::Terminated(_) => None,
        }
    }

    /// How it ended: this run when it has ended, else the one before.
    pub fn termination(&self) -> Option<&Termination> {
        match &self.status().state {
            ContainerState::Terminated(ended) => Some(ended),
            ContainerState::Running { .. } | ContainerState::Waiting { .. } => self.status().last.as_ref(),
        }
    }

    /// Exit code of a container that has ended; `None` while it runs, before it ran, and when nobody could know it.
    pub fn exit_code(&self) -> Option<i32> {
        if self.is_running() { None } else { self.termination().and_then(|t| t.exit_code) }
    }

    pub fn started_at(&self) -> Option<jiff::Timestamp> {
        match &self.status().state {
            ContainerState::Running { started_at, .. } => Some(*started_at),
            ContainerState::Waiting { .. } | ContainerState::Terminated(_) => {
                self.termination().and_then(|t| t.started_at)
            }
        }
    }

    pub fn finished_at(&self) -> Option<jiff::Timestamp> {
        self.termination().map(|t| t.finished_at)
    }

    /// The pod's labels over the image's.
    pub fn labels(&self) -> std::collections::BTreeMap<String, String> {
        let mut labels = self.record().image.config.labels.clone();
        labels.extend(self.pod.record.pod.labels.clone());
        labels
    }

    pub fn ports(&self) -> Vec<PortView> {
        self.spec().ports.iter().map(PortView::from).collect()
    }

    /// Mounts of volumes, in the spec's order.
    pub fn mounts(&self) -> Vec<MountView> {
        let pod = &self.pod.record.pod;
        let view = |mount: &VolumeMount| {
            let volume = pod.volume(&mount.volume)?;
            let (kind, name, source) = self.pod.volume_place(volume);
            let destination = mount.path.clone();
            // One with variables in it is known only inside.
            let source = mount.sub_path.as_ref().map_or(source.clone(), |below| source.join(below));
            Some(MountView {
                kind,
                name,
                source: source.display().to_string(),
                destination,
                read_only: mount.read_only || crate::supervisor::is_read_only(&self.pod.record, volume),
            })
        };
        let of_image = |(volume, path): (&str, String)| {
            let (kind, name, source) = self.pod.volume_place(pod.volume(volume)?);
            let source = source.join(path.trim_start_matches('/')).display().to_string();
            Some(MountView { kind, name, source, destination: path, read_only: true })
        };
        let of_images = self.pod.record.image_mounts(self.spec()).into_iter().filter_map(of_image);
        self.spec().mounts.iter().filter_map(view).chain(of_images).collect()
    }

    /// Directory of the container's log files.
    pub fn log_directory(&self) -> PathBuf {
        self.pod.layout.container_log(self.id())
    }
}

impl From<&Port> for PortView {
    fn from(port: &Port) -> Self {
        let Port { name: _, container_port, host_port, host_ip, protocol } = port;
        Self { host_ip: *host_ip, host_port: *host_port, container_port: *container_port, protocol: *protocol }
    }
}
