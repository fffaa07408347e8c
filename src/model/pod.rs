//! A pod: containers that share network, IPC and UTS namespaces and volumes (Kubernetes API, `PodSpec` v1 core).

use super::{Container, PodSecurity, PullPolicy, Resources, Volume, VolumeSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

/// The domain that the names of pods lie in.
pub const CLUSTER_DOMAIN: &str = "cluster.local";
/// Bytes of a name that the kernel takes (sethostname(2)).
pub const LONGEST_HOST_NAME: usize = 64;
/// Characters of a label of a DNS name (RFC 1035, section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// A validated pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// `metadata.name`, a DNS-1123 subdomain; for a Deployment `<name>-pod`, then `<name>-pod-2` and on.
    pub name: String,
    /// `metadata.namespace`, `default` when unset.
    pub namespace: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Name of the workload that owns the pod.
    pub workload: Option<String>,
    /// Run in order before the others; those with `Container::sidecar` keep running.
    pub init_containers: Vec<Container>,
    /// At least one.
    pub containers: Vec<Container>,
    pub volumes: Vec<Volume>,
    pub restart_policy: RestartPolicy,
    /// Seconds between SIGTERM and SIGKILL. Default 30.
    pub termination_grace_seconds: u64,
    /// Host name inside the pod; the pod's name when unset; the machine's with `host_network`.
    pub hostname: Option<String>,
    /// Host name inside the pod, with dots perhaps, whatever `hostname` and `subdomain` say.
    pub hostname_override: Option<String>,
    /// The domain below the namespace's that the pod has its name in.
    pub subdomain: Option<String>,
    /// Whether the kernel knows the pod by its full name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub set_hostname_as_fqdn: bool,
    pub host_network: bool,
    pub host_pid: bool,
    pub host_ipc: bool,
    pub share_process_namespace: bool,
    /// `hostUsers: false`, the annotation `io.podman.annotations.userns` or `--userns`: a user namespace of the pod's own.
    #[serde(skip_serializing_if = "is_false")]
    pub user_namespace: bool,
    /// The ids that this has.
    #[serde(skip_serializing_if = "UserIds::is_default")]
    pub user_ids: UserIds,
    pub host_aliases: Vec<HostAlias>,
    pub dns: DnsConfig,
    pub security: PodSecurity,
    /// `resources` of the pod as a whole.
    pub resources: Option<Resources>,
    /// Of its RuntimeClass: requests of CPU and memory that come on top.
    pub overhead: Option<Resources>,
    /// `priority`, its own or that of its class.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: i32,
    pub priority_class: Option<String>,
    pub runtime_class: Option<String>,
    /// Seconds after which a running pod is stopped and fails (`activeDeadlineSeconds`).
    pub active_deadline_seconds: Option<u64>,
    /// `serviceAccountName`, `default` when unset: whom the pod's tokens speak for.
    pub service_account: String,
    /// Whether service environment variables are wanted; kept for later.
    pub enable_service_links: bool,
    /// Names of Secrets with credentials of registries (`imagePullSecrets`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
    /// Condition types that must be `True`, beside its containers being ready, before the pod is (`readinessGates`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub readiness_gates: Vec<String>,
}

/// For fields that came later: left out when false, they change no digest.
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &i32) -> bool {
    *value == 0
}

impl Pod {
    /// Takes over what a running pod may be told anew (Kubernetes, "Pod update and replacement"): labels, annotations, the
    /// active deadline, CPU and memory.
    pub fn amend(&mut self, by: &Self) {
        self.labels.clone_from(&by.labels);
        self.annotations.clone_from(&by.annotations);
        self.active_deadline_seconds = by.active_deadline_seconds;
        self.resize(by);
    }

    /// Whether a running pod may be given that deadline: a first one, or an earlier one.
    pub fn deadline_may_become(&self, new: Option<u64>) -> bool {
        match (self.active_deadline_seconds, new) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(old), Some(new)) => new <= old,
        }
    }
}

/// The ids of a user namespace, which begin with 0 inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserIds {
    /// As many of the machine's, which nobody else has.
    Own { count: u32 },
    /// The machine's own, each as itself: what the namespace keeps from its processes is rights, not files.
    Machine,
}

impl UserIds {
    /// Of a pod that does not say how many, as a kubelet has it.
    pub const USUAL: u32 = 1 << 16;
    /// Most that a pod may ask for.
    pub const MOST: u32 = 1 << 24;

    /// How many there are.
    pub fn count(self) -> u32 {
        match self {
            Self::Own { count } => count,
            // The last number is no id (setreuid(2)).
            Self::Machine => u32::MAX,
        }
    }

    pub fn last(self) -> u32 {
        self.count().saturating_sub(1)
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for UserIds {
    fn default() -> Self {
        Self::Own { count: Self::USUAL }
    }
}

/// `restartPolicy` of a pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartPolicy {
    #[default]
    Always,
    OnFailure,
    Never,
}

/// One entry of `hostAliases`: lines of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAlias {
    pub ip: IpAddr,
    pub hostnames: Vec<String>,
}

/// `dnsPolicy` and `dnsConfig`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsConfig {
    pub policy: DnsPolicy,
    pub nameservers: Vec<IpAddr>,
    pub searches: Vec<String>,
    /// Name and value, as in `ndots:2`.
    pub options: Vec<(String, Option<String>)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsPolicy {
    #[default]
    ClusterFirst,
    ClusterFirstWithHostNet,
    Default,
    None,
}

/// Digest of everything that makes the pod what it is: 64 hexadecimal digits, equal for equal pods.
///
/// Unset values are left out before hashing, so that a field the model gains later does not change the digest of pods that
/// do not use it.
pub fn spec_hash(pod: &Pod) -> String {
    let mut value = serde_json::to_value(pod).expect("a pod has string keys only");
    drop_unset(&mut value);
    let digest = Sha256::digest(value.to_string().as_bytes());
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // a String takes every write
        hex
    })
}

fn drop_unset(value: &mut Value) {
    let is_unset = |v: &Value| match v {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_unset);
            fields.retain(|_, v| !is_unset(v));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_unset),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl Pod {
    /// Every container in start order: init containers (sidecars among them), then the regular ones.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// `hostname`, or the pod's name as far as the kernel takes it.
    fn plain_name(&self) -> String {
        match &self.hostname {
            Some(name) => name.clone(),
            // Kubernetes cuts there, too, and leaves no dash or dot at the end.
            None => self.name.chars().take(LONGEST_LABEL).collect::<String>().trim_end_matches(['-', '.']).to_owned(),
        }
    }

    /// `<subdomain>.<namespace>.svc.cluster.local`.
    fn domain(&self) -> Option<String> {
        Some(format!("{}.{}.svc.{CLUSTER_DOMAIN}", self.subdomain.as_ref()?, self.namespace))
    }

    /// The names that the pod has in DNS because of its `subdomain`: its own, and that of the subdomain, which all its pods share as
    /// if it were a headless Service (Kubernetes, "Pod's hostname and subdomain fields").
    pub fn domain_names(&self) -> Vec<String> {
        self.domain().map(|domain| vec![format!("{}.{domain}", self.plain_name()), domain]).unwrap_or_default()
    }

    /// Every name by which others find the pod on a network, but for what a network adds: its own, its containers', those of its
    /// domain.
    pub fn network_names(&self) -> Vec<String> {
        let of_container = |name: &String| [name.clone(), format!("{}-{name}", self.name)];
        let mut names = vec![self.name.clone()];
        names.extend(self.all_containers().flat_map(|container| of_container(&container.name)));
        names.extend(self.domain_names());
        names
    }

    /// Its name without a domain, and with one if it has one, as `/etc/hosts` shows them.
    pub fn host_names(&self) -> (String, Option<String>) {
        match &self.hostname_override {
            Some(name) => (name.clone(), None),
            None => (self.plain_name(), self.domain().map(|domain| format!("{}.{domain}", self.plain_name()))),
        }
    }

    /// The name that the kernel has, when the pod has a host name of its own: at most [`LONGEST_HOST_NAME`] bytes.
    pub fn kernel_name(&self) -> String {
        match self.host_names() {
            (_, Some(full)) if self.set_hostname_as_fqdn => full,
            (plain, _) => plain,
        }
    }

    /// References and pull policies of all its images: of each container in start order, then of each `image` volume.
    pub fn images(&self) -> impl Iterator<Item = (&str, Option<PullPolicy>)> {
        let of_volumes = self.image_volumes().map(|(_, reference, policy)| (reference, policy));
        self.all_containers().map(|c| (c.image.as_str(), c.pull_policy)).chain(of_volumes)
    }

    /// Name, reference and pull policy of each `image` volume.
    pub fn image_volumes(&self) -> impl Iterator<Item = (&str, &str, Option<PullPolicy>)> {
        self.volumes.iter().filter_map(|volume| match &volume.source {
            VolumeSource::Image { reference, pull_policy } => {
                Some((volume.name.as_str(), reference.as_str(), *pull_policy))
            }
            _ => None,
        })
    }

    /// The user that every container runs as, when the pod says so of each.
    pub fn common_user(&self) -> Option<u32> {
        let mut users = self.all_containers().map(|c| c.effective_security(self).run_as_user);
        let first = users.next()??;
        users.all(|user| user == Some(first)).then_some(first)
    }

    /// The volume of that name.
    pub fn volume(&self, name: &str) -> Option<&Volume> {
        self.volumes.iter().find(|v| v.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_tells_pods_apart_and_only_that() {
        let pod = Pod { name: "web".into(), ..Pod::default() };
        assert_eq!(spec_hash(&pod), spec_hash(&pod.clone()));
        assert_eq!(spec_hash(&pod).len(), 64);
        let mut other = pod.clone();
        other.security.run_as_user = Some(0);
        assert_ne!(spec_hash(&pod), spec_hash(&other), "user 0 is not the same as no user");
        let stored = serde_json::to_string(&pod).expect("serializes");
        let loaded: Pod = serde_json::from_str(&stored).expect("reads back");
        assert_eq!(spec_hash(&pod), spec_hash(&loaded));
    }

    #[test]
    fn names_of_a_pod() {
        let pod = Pod { name: "web".into(), namespace: "shop".into(), ..Pod::default() };
        assert_eq!((pod.kernel_name().as_str(), pod.domain_names().len()), ("web", 0));
        let pod = Pod { subdomain: Some("apps".into()), hostname: Some("front".into()), ..pod };
        let full = "front.apps.shop.svc.cluster.local";
        assert_eq!(pod.host_names(), ("front".to_owned(), Some(full.to_owned())));
        assert_eq!(pod.domain_names(), [full, "apps.shop.svc.cluster.local"]);
        assert_eq!(pod.kernel_name(), "front");
        let named = Pod { set_hostname_as_fqdn: true, ..pod.clone() };
        assert_eq!(named.kernel_name(), full);
        let other = Pod { hostname_override: Some("other.example".into()), ..pod };
        assert_eq!((other.kernel_name().as_str(), other.host_names().1), ("other.example", None));
        assert_eq!(other.domain_names()[0], full, "others find it by its own name");
        let long = Pod { name: format!("{}-x", "a".repeat(62)), ..Pod::default() };
        assert_eq!(long.kernel_name(), "a".repeat(62));
    }

    #[test]
    fn a_running_pod_takes_up_labels_and_an_earlier_deadline() {
        let mut pod = Pod { name: "web".into(), active_deadline_seconds: Some(60), ..Pod::default() };
        let labels = BTreeMap::from([("tier".to_owned(), "front".to_owned())]);
        let by =
            Pod { name: "other".into(), labels: labels.clone(), active_deadline_seconds: Some(30), ..Pod::default() };
        assert!(pod.deadline_may_become(Some(30)) && Pod::default().deadline_may_become(Some(90)));
        assert!(!pod.deadline_may_become(Some(61)) && !pod.deadline_may_become(None));
        pod.amend(&by);
        assert_eq!(pod, Pod { name: "web".into(), ..by });
    }
}
