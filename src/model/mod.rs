//! What is wanted, validated: applications, pods, containers, volumes, and the diagnostics that say why not.
//!
//! Pure: no files, clock, network or processes; what reality contributes (existing objects, pod addresses, times) is an
//! argument. Kubernetes semantics are the base of the model. Both front ends lower to it: [`kube`] now, Compose later.
//!
//! Reading order: [`diagnostic`] (what can be said about a file), [`yaml`] (text to a tree that remembers places),
//! [`pod`], [`container`], [`device`], [`security`], [`qos`], [`volume`], [`object`], [`account`], [`application`] (the model),
//! [`reference`] (names of images), [`environment`] (variables of a container),
//! [`number_list`] (processors and memory nodes), [`payload`] (files of its volumes), [`kube`] (Kubernetes documents to the model).

pub mod account;
pub mod application;
pub mod container;
pub mod device;
pub mod diagnostic;
pub mod digest;
pub mod environment;
pub mod kube;
pub mod number_list;
pub mod object;
pub mod payload;
pub mod pod;
mod pod_resources;
pub mod qos;
pub mod quantity;
pub mod reference;
mod resize;
pub mod security;
pub mod volume;
pub mod yaml;

pub use account::{ServiceAccount, TokenProjection};
pub use application::{Application, Source, Workload, WorkloadKind};
pub use container::{
    Container, CpuSet, EnvFrom, EnvFromSource, EnvValue, EnvVar, ExitCodes, GrpcHealth, Handler, HttpGet, Lifecycle,
    Port, PortTarget, Probe, Protocol, PullPolicy, ResourceName, Resources, RestartAction, RestartRule, ShownOnly,
    TcpSocket, Ulimit, VolumeMount,
};
pub use number_list::NumberList;
pub use object::{ConfigMap, ObjectKind, Secret};
pub use pod::{DnsConfig, DnsPolicy, HostAlias, Pod, RestartPolicy, UserIds};
pub use qos::QosClass;
pub use resize::{ResizePolicy, ResizeRefusal};
pub use security::{
    AppArmorProfile, Capabilities, ContainerSecurity, EffectiveSecurity, PodSecurity, SeLinuxLabel, SeccompProfile,
};
pub use volume::{
    BoundVolume, ClaimTemplate, DownwardFile, EmptyDirMedium, HostPathType, KeyToPath, NfsExport, Projection, Volume,
    VolumeSource,
};
