//! A container of a pod (Kubernetes API, `Container` v1 core).

use super::device::DeviceRequest;
use super::number_list::NumberList;
use super::pod::{Pod, RestartPolicy};
use super::resize::ResizePolicy;
use super::security::ContainerSecurity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A validated container. References to ConfigMaps and Secrets were found to resolve when it was lowered; their values are
/// looked up when the container starts ([`super::environment`]), so that the model never holds a secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// `name`, a DNS-1123 label, unique among all containers of the pod.
    pub name: String,
    /// Image reference as written.
    pub image: String,
    pub pull_policy: Option<PullPolicy>,
    /// Replaces the image's entrypoint and drops its cmd; empty when unset.
    pub command: Vec<String>,
    /// Replaces the image's cmd; empty when unset.
    pub args: Vec<String>,
    pub working_dir: Option<String>,
    pub ports: Vec<Port>,
    pub env_from: Vec<EnvFrom>,
    pub env: Vec<EnvVar>,
    pub resources: Resources,
    #[serde(skip_serializing_if = "ResizePolicy::is_default")]
    pub resize_policy: ResizePolicy,
    /// From the pod's annotations `io.podman.annotations.cpuset/<container>` and `memory-nodes/<container>`.
    #[serde(skip_serializing_if = "CpuSet::is_unset")]
    pub cpu_set: CpuSet,
    /// Removed from its pod as soon as it has ended for good: its files and its log are gone, and it is listed no more. From the pod's
    /// annotation `io.podman.annotations.autoremove/<container>`.
    #[serde(skip_serializing_if = "super::pod::is_false")]
    pub auto_remove: bool,
    /// The program is the child of an init process, which passes signals on and collects ended processes; from the pod's annotation
    /// `io.podman.annotations.init/<container>`.
    #[serde(skip_serializing_if = "super::pod::is_false")]
    pub init_process: bool,
    /// From the pod's annotation `io.podman.annotations.ulimit`.
    pub ulimits: Vec<Ulimit>,
    #[serde(skip_serializing_if = "ShownOnly::is_unset")]
    pub shown_only: ShownOnly,
    pub mounts: Vec<VolumeMount>,
    /// Volumes of the pod that are images; what each image declares as its volumes is mounted read-only where the image has it. From
    /// the pod's annotation `io.podman.annotations.kube.image.volumes.mount/<container>`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_mounts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<VolumeDevice>,
    /// Devices from `resources`, and from the pod's annotations `cdi.k8s.io/*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_requests: Vec<DeviceRequest>,
    /// `hugepages-SIZE` of `resources`: bytes by size of page.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub huge_pages: BTreeMap<u64, u64>,
    pub startup_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    pub liveness_probe: Option<Probe>,
    pub lifecycle: Lifecycle,
    pub security: ContainerSecurity,
    /// An init container with `restartPolicy: Always`: started in its turn, waited for until started (and its startup probe
    /// has passed), then left running beside the others and stopped after them.
    pub sidecar: bool,
    /// `restartPolicy` of the container itself; the pod's holds when unset.
    pub restart_policy: Option<RestartPolicy>,
    /// `restartPolicyRules`; the first that matches decides, before the policy.
    pub restart_rules: Vec<RestartRule>,
    pub stdin: bool,
    /// Standard input ends with the first session that was attached to it.
    pub stdin_once: bool,
    pub tty: bool,
    /// `terminationMessagePath`, `/dev/termination-log` when unset.
    pub termination_message_path: Option<String>,
    /// `terminationMessagePolicy: FallbackToLogsOnError`.
    pub termination_message_from_logs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// One entry of `restartPolicyRules` (Kubernetes, "Container restart policy").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartRule {
    pub action: RestartAction,
    pub exit_codes: ExitCodes,
}

/// What a rule that matches leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartAction {
    /// The container is started again.
    Restart,
    /// Every container of the pod is, init containers first; network and volumes stay.
    RestartAllContainers,
}

/// The exit codes that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitCodes {
    In(Vec<i32>),
    NotIn(Vec<i32>),
}

impl ExitCodes {
    pub fn contains(&self, code: i32) -> bool {
        match self {
            Self::In(codes) => codes.contains(&code),
            Self::NotIn(codes) => !codes.contains(&code),
        }
    }
}

/// One entry of `ports`, after `--publish` and `--publish-all`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub name: Option<String>,
    pub container_port: u16,
    /// Port on the host, when published.
    pub host_port: Option<u16>,
    /// Host address to listen on; every address when unset.
    pub host_ip: Option<IpAddr>,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// As in `8080/tcp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// One entry of `envFrom`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvFrom {
    /// Put before each key; empty when unset.
    pub prefix: String,
    pub source: EnvFromSource,
    pub optional: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnvFromSource {
    /// Name of a ConfigMap.
    ConfigMap(String),
    /// Name of a Secret.
    Secret(String),
}

/// One entry of `env`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    pub name: String,
    pub value: EnvValue,
}

/// Where the value of a variable comes from (`EnvVar.value`, `EnvVarSource`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnvValue {
    /// Text in which `$(NAME)` stands for variables defined before it.
    Literal(String),
    ConfigMapKey {
        name: String,
        key: String,
        optional: bool,
    },
    SecretKey {
        name: String,
        key: String,
        optional: bool,
    },
    /// A variable of a file in an `emptyDir` volume (`FileKeySelector`).
    FileKey {
        volume: String,
        /// Relative path in the volume without `..`.
        path: String,
        key: String,
        optional: bool,
    },
    /// A path such as `metadata.name`, `metadata.labels['app']`, `status.podIP`, `spec.nodeName`.
    Field(String),
    /// A resource of a container (this one when `container` is `None`), divided by `divisor` and rounded up.
    Resource {
        container: Option<String>,
        resource: ResourceName,
        limit: bool,
        divisor: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResourceName {
    Cpu,
    Memory,
    EphemeralStorage,
    /// Pages of that many bytes.
    HugePages(u64),
}

/// `resources`. `None` is unset; a request that was unset beside a limit has the limit's value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu_request_milli: Option<u64>,
    /// Thousandths of a core.
    pub cpu_limit_milli: Option<u64>,
    /// Bytes.
    pub memory_request: Option<u64>,
    /// Bytes.
    pub memory_limit: Option<u64>,
    /// Bytes.
    pub ephemeral_storage_request: Option<u64>,
    /// Bytes.
    pub ephemeral_storage_limit: Option<u64>,
    /// Processes and threads; from the annotation `io.podman.annotations.pids-limit/<container>`; 2048 when unset.
    pub pids_limit: Option<i64>,
}

/// What `inspect` shows of a container and nothing else depends on, as podman has it: the pod's annotations
/// `io.podman.annotations.cid-file/<container>` and `publish-all/<container>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShownOnly {
    pub cid_file: Option<String>,
    pub publish_all_ports: bool,
}

impl ShownOnly {
    fn is_unset(&self) -> bool {
        *self == Self::default()
    }
}

/// What of the machine a container is kept to (cpuset(7)); `None` is all that there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuSet {
    /// Processors.
    pub cpus: Option<NumberList>,
    pub memory_nodes: Option<NumberList>,
}

impl CpuSet {
    pub fn is_unset(&self) -> bool {
        *self == Self::default()
    }
}

/// A resource limit of the process (`setrlimit(2)`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Lower case without `RLIMIT_`: `nofile`.
    pub name: String,
    /// `u64::MAX` is unlimited.
    pub soft: u64,
    pub hard: u64,
}

/// One entry of `volumeMounts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeMount {
    /// Name of a volume of the pod.
    pub volume: String,
    /// Absolute, cleaned path in the container.
    pub path: String,
    pub read_only: bool,
    /// `recursiveReadOnly` other than `Disabled`.
    pub recursive_read_only: bool,
    /// Relative path in the volume without `..`.
    pub sub_path: Option<String>,
    /// Like `sub_path`, with `$(NAME)` to expand from the container's environment.
    pub sub_path_expr: Option<String>,
    pub propagation: Propagation,
    /// `bindMountOptions`.
    #[serde(skip_serializing_if = "MountOptions::is_empty")]
    pub options: MountOptions,
}

/// One entry of `volumeDevices`: a volume that is a block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeDevice {
    /// Name of a volume of the pod.
    pub volume: String,
    /// Absolute, cleaned path in the container.
    pub path: String,
}

/// `bindMountOptions`: what a mount forbids beyond what its source does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountOptions {
    pub no_exec: bool,
    pub no_dev: bool,
    pub no_suid: bool,
}

impl MountOptions {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `mountPropagation`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    #[default]
    None,
    HostToContainer,
    Bidirectional,
}

/// A probe (`Probe` v1 core), defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub handler: Handler,
    /// Seconds after the container's start. Default 0.
    pub initial_delay_seconds: u32,
    /// Seconds. Default 10, at least 1.
    pub period_seconds: u32,
    /// Seconds. Default 1, at least 1.
    pub timeout_seconds: u32,
    /// Default 1.
    pub success_threshold: u32,
    /// Default 3.
    pub failure_threshold: u32,
    /// Replaces the pod's grace when this probe kills the container.
    pub termination_grace_seconds: Option<u64>,
}

/// What a probe or a hook does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handler {
    Exec(Vec<String>),
    Http(HttpGet),
    Tcp(TcpSocket),
    /// Only in probes.
    Grpc(GrpcHealth),
    /// Seconds; only in hooks.
    Sleep(u64),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpGet {
    /// The pod's address when unset.
    pub host: Option<String>,
    pub port: PortTarget,
    /// Starts with `/`.
    pub path: String,
    /// `scheme: HTTPS`.
    pub https: bool,
    pub headers: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSocket {
    /// The pod's address when unset.
    pub host: Option<String>,
    pub port: PortTarget,
}

/// A call of `grpc.health.v1.Health/Check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrpcHealth {
    pub port: u16,
    /// The service that is asked about; empty for the server as a whole.
    pub service: String,
    /// `mode: TLS`; the certificate is not looked at.
    pub tls: bool,
}

/// A port by number; names were resolved when the container was lowered.
pub type PortTarget = u16;

/// `lifecycle`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifecycle {
    pub post_start: Option<Handler>,
    pub pre_stop: Option<Handler>,
    /// `stopSignal`, as in `SIGUSR1`.
    pub stop_signal: Option<String>,
}

impl Container {
    /// The policy that decides whether the container is started again after it ended.
    pub fn restart_policy(&self, pod: &Pod, is_init: bool) -> RestartPolicy {
        match (is_init, self.sidecar, self.restart_policy.unwrap_or(pod.restart_policy)) {
            (true, true, _) => RestartPolicy::Always,
            (true, false, RestartPolicy::Always) => RestartPolicy::OnFailure,
            (_, _, policy) => policy,
        }
    }
}
