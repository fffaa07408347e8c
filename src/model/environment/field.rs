//! Facts about a pod that its containers may ask for (Kubernetes, "Downward API").

use super::EnvironmentError;
use crate::model::quantity::Quantity;
use crate::model::{Container, EnvValue, Pod, ResourceName};
use std::net::IpAddr;

/// What is known about a pod only when it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// `metadata.uid`: a UUID.
    pub uid: String,
    /// The pod's addresses, the primary one first; empty before it has one.
    pub pod_ips: Vec<IpAddr>,
    /// The machine's addresses as pods reach it, the primary one first.
    pub host_ips: Vec<IpAddr>,
    /// The machine's host name.
    pub node_name: String,
    /// What a limit that is not set stands for.
    pub host: HostResources,
}

/// Totals of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostResources {
    /// Thousandths of a core.
    pub cpu_milli: u64,
    /// Bytes.
    pub memory: u64,
    /// Bytes of the file system that holds containers.
    pub ephemeral_storage: u64,
}

/// A `fieldRef.fieldPath` that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldPath {
    Name,
    Namespace,
    Uid,
    /// `metadata.labels['key']`
    Label(String),
    /// `metadata.annotations['key']`
    Annotation(String),
    /// `metadata.labels`: only as a file.
    Labels,
    /// `metadata.annotations`: only as a file.
    Annotations,
    NodeName,
    ServiceAccountName,
    HostIp,
    HostIps,
    PodIp,
    PodIps,
}

impl FieldPath {
    /// Every path without a key, for suggestions.
    pub const PLAIN: [&'static str; 9] = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ];

    /// Reads a path; `None` for one that no pod has.
    pub fn parse(path: &str) -> Option<Self> {
        let keyed = |prefix: &str| {
            let key = path.strip_prefix(prefix)?.strip_suffix(']')?;
            let quoted = [('\'', '\''), ('"', '"')].iter().find_map(|(a, b)| key.strip_prefix(*a)?.strip_suffix(*b));
            quoted.filter(|key| !key.is_empty()).map(str::to_owned)
        };
        Some(match path {
            "metadata.name" => Self::Name,
            "metadata.namespace" => Self::Namespace,
            "metadata.uid" => Self::Uid,
            "metadata.labels" => Self::Labels,
            "metadata.annotations" => Self::Annotations,
            "spec.nodeName" => Self::NodeName,
            "spec.serviceAccountName" => Self::ServiceAccountName,
            "status.hostIP" => Self::HostIp,
            "status.hostIPs" => Self::HostIps,
            "status.podIP" => Self::PodIp,
            "status.podIPs" => Self::PodIps,
            _ => match keyed("metadata.labels[") {
                Some(key) => Self::Label(key),
                None => Self::Annotation(keyed("metadata.annotations[")?),
            },
        })
    }

    /// The value for this pod; a label or annotation it does not have is empty.
    pub fn value(&self, pod: &Pod, facts: &PodFacts) -> String {
        let joined = |ips: &[IpAddr]| ips.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(",");
        match self {
            Self::Name => pod.name.clone(),
            Self::Namespace => pod.namespace.clone(),
            Self::Uid => facts.uid.clone(),
            Self::Label(key) => pod.labels.get(key).cloned().unwrap_or_default(),
            Self::Annotation(key) => pod.annotations.get(key).cloned().unwrap_or_default(),
            Self::Labels => as_lines(&pod.labels),
            Self::Annotations => as_lines(&pod.annotations),
            Self::NodeName => facts.node_name.clone(),
            Self::ServiceAccountName if pod.service_account.is_empty() => "default".to_owned(),
            Self::ServiceAccountName => pod.service_account.clone(),
            Self::HostIp => joined(facts.host_ips.get(..1).unwrap_or_default()),
            Self::HostIps => joined(&facts.host_ips),
            Self::PodIp => joined(facts.pod_ips.get(..1).unwrap_or_default()),
            Self::PodIps => joined(&facts.pod_ips),
        }
    }
}

/// One `key="value"` a line, sorted by key, as files of a downwardAPI volume have it.
fn as_lines(map: &std::collections::BTreeMap<String, String>) -> String {
    map.iter().map(|(key, value)| format!("{key}={value:?}")).collect::<Vec<_>>().join("\n")
}

/// The value of a `fieldRef` or `resourceFieldRef`; `own` is the container that asks, when one does.
pub fn downward_value(
    value: &EnvValue,
    own: Option<&Container>,
    pod: &Pod,
    facts: &PodFacts,
) -> Result<Option<String>, EnvironmentError> {
    match value {
        EnvValue::Field(path) => {
            let field = FieldPath::parse(path).ok_or_else(|| EnvironmentError::UnknownField { path: path.clone() })?;
            Ok(Some(field.value(pod, facts)))
        }
        EnvValue::Resource { container, resource, limit, divisor } => {
            let target = match container {
                Some(name) => pod.all_containers().find(|c| c.name == *name),
                None => own,
            };
            let unknown = || EnvironmentError::UnknownContainer { name: container.clone().unwrap_or_default() };
            let quantity = resource_value(target.ok_or_else(unknown)?, *resource, *limit, facts.host);
            let bad = || EnvironmentError::Divisor { divisor: divisor.clone() };
            let divisor: Quantity = if divisor.is_empty() { "1" } else { divisor }.parse().map_err(|_| bad())?;
            let divisor = if divisor.is_zero() { Quantity::from_units(1) } else { divisor };
            Ok(quantity.divide_round_up(divisor).map(|n| n.to_string()))
        }
        EnvValue::Literal(_)
        | EnvValue::ConfigMapKey { .. }
        | EnvValue::SecretKey { .. }
        | EnvValue::FileKey { .. } => Ok(None),
    }
}

/// A limit falls back to what the machine has, a request to zero.
fn resource_value(container: &Container, resource: ResourceName, limit: bool, host: HostResources) -> Quantity {
    let set = &container.resources;
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let value = match (resource, limit) {
        (ResourceName::Cpu, true) => set.cpu_limit_milli.unwrap_or(host.cpu_milli),
        (ResourceName::Cpu, false) => set.cpu_request_milli.unwrap_or(0),
        (ResourceName::Memory, true) => set.memory_limit.unwrap_or(host.memory),
        (ResourceName::Memory, false) => set.memory_request.unwrap_or(0),
        (ResourceName::EphemeralStorage, true) => set.ephemeral_storage_limit.unwrap_or(host.ephemeral_storage),
        (ResourceName::EphemeralStorage, false) => set.ephemeral_storage_request.unwrap_or(0),
        // Both are the same, and there is none without.
        (ResourceName::HugePages(size), _) => container.huge_pages.get(&size).copied().unwrap_or(0),
    };
    match resource {
        ResourceName::Cpu => Quantity::from_milli(signed(value)),
        ResourceName::Memory | ResourceName::EphemeralStorage | ResourceName::HugePages(_) => {
            Quantity::from_units(signed(value))
        }
    }
}
