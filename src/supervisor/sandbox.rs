//! What the containers of a pod share: volumes, files, namespaces, network. Made in a launcher, in the order of need.

use super::launcher::{Reporter, chain};
use super::pid_namespace;
use super::protocol::FailureKind;
use super::volume;
use super::{lower, shares};
use crate::model::environment::PodFacts;
use crate::model::{DnsPolicy, Pod};
use crate::network::{
    Attachment, DEFAULT_NETWORK, HostRequest, NetworkError, NetworkStatus, Networks, PublishedPort, SetupRequest,
    hosts_file, resolver,
};
use crate::runtime::{RuntimeError, cgroup, users};
use crate::store::layout::Layout;
use crate::store::record::{PodNetwork, PodRecord};
use crate::sys::namespace::{self, Kinds};
use crate::sys::{failpoint, mount};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Size of the pod's `/dev/shm` (podman's).
const SHARED_MEMORY: u64 = 64 << 20;
/// Namespaces that a pod may have pinned.
const PINS: [&str; 5] = ["net", "ipc", "uts", "pid", lower::USER_NAMESPACE];

/// What the launcher says on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// Containers can be created.
    Namespaces {
        /// When the first of the pod's tokens is to be renewed, in seconds since the epoch.
        renew_at: Option<u64>,
    },
    /// Containers can be started.
    Network {
        ips: Vec<IpAddr>,
    },
    Failed {
        kind: FailureKind,
        message: String,
    },
}

#[derive(Debug, thiserror::Error)]
enum SandboxError {
    #[error("cannot {action} `{}`", path.display())]
    Path { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot {action}")]
    System { action: &'static str, source: io::Error },
    #[error("cannot set up the network")]
    Network(#[source] NetworkError),
    #[error(transparent)]
    Volume(#[from] volume::VolumeError),
    #[error(transparent)]
    Objects(#[from] super::records::ReadError),
    #[error("cannot make the pod's pid namespace")]
    Holder(#[source] RuntimeError),
    #[error("cannot make the pod's cgroup")]
    Cgroup(#[source] RuntimeError),
    #[error("{0}")]
    Failpoint(String),
}

impl SandboxError {
    fn kind(&self) -> FailureKind {
        match self {
            SandboxError::Network(NetworkError::PortInUse { .. } | NetworkError::PortRefused { .. }) => {
                FailureKind::PortInUse
            }
            SandboxError::Volume(_) => FailureKind::Volume,
            _ => FailureKind::Other,
        }
    }
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SandboxError {
    let path = path.to_owned();
    move |source| SandboxError::Path { action, path, source }
}

/// What the network has to know of the pod; `None` when it uses the machine's.
pub(super) fn network_request(record: &PodRecord) -> Option<SetupRequest> {
    let attachments = match &record.network {
        PodNetwork::Host => return None,
        _ if record.pod.host_network => return None,
        PodNetwork::None => Vec::new(),
        PodNetwork::Networks(list) => list
            .iter()
            .map(|a| Attachment {
                network: a.network.clone(),
                interface: a.interface.clone(),
                ips: a.ips.clone(),
                mac: a.mac.clone(),
                names: a.aliases.clone(),
            })
            .collect(),
    };
    let (pod_id, pod_name) = (record.id.clone(), record.pod.name.clone());
    Some(SetupRequest { pod_id, pod_name, attachments, ports: published_ports(&record.pod), host_network: false })
}

/// Whether a pod in the machine's network is to resolve the names of others as they do.
fn asks_cluster(record: &PodRecord) -> bool {
    record.pod.host_network && record.pod.dns.policy == DnsPolicy::ClusterFirstWithHostNet
}

/// Whether the network knows the pod.
pub(super) fn is_on_networks(record: &PodRecord) -> bool {
    network_request(record).is_some() || asks_cluster(record)
}

/// The ports of all containers that the host answers on.
pub(super) fn published_ports(pod: &Pod) -> Vec<PublishedPort> {
    let published = pod.all_containers().flat_map(|c| &c.ports).filter_map(|port| {
        let (container_port, protocol, host_ip) = (port.container_port, port.protocol, port.host_ip);
        Some(PublishedPort { host_port: port.host_port?, container_port, protocol, host_ip })
    });
    published.collect()
}

/// The launcher's work; reports and returns its exit code.
pub(super) fn make(
    layout: &Layout,
    networks: &Networks,
    record: &PodRecord,
    facts: &PodFacts,
    reporter: &mut Reporter,
) -> i32 {
    match try_make(layout, networks, record, facts, reporter) {
        Ok(ips) => {
            reporter.send(&Report::Network { ips });
            0
        }
        Err(error) => {
            reporter.send(&Report::Failed { kind: error.kind(), message: chain(&error) });
            1
        }
    }
}

fn try_make(
    layout: &Layout,
    networks: &Networks,
    record: &PodRecord,
    facts: &PodFacts,
    reporter: &mut Reporter,
) -> Result<Vec<IpAddr>, SandboxError> {
    point("supervisor.sandbox.begin")?;
    let request = network_request(record);
    let names = record.pod.network_names();
    let on_host = HostRequest { pod_id: &record.id, pod_name: &record.pod.name, names: &names };
    let expected = match &request {
        Some(request) => networks.expected_status(request),
        None if asks_cluster(record) => networks.expected_names(DEFAULT_NETWORK, &on_host),
        None => Ok(NetworkStatus::default()),
    };
    let expected = expected.map_err(SandboxError::Network)?;
    make_directories(layout, record)?;
    let host_network = File::open("/proc/self/ns/net").map_err(at("open", Path::new("/proc/self/ns/net")))?;
    make_namespaces(layout, record, facts)?;
    namespace::setns_fd(&host_network, Kinds::NETWORK)
        .map_err(|source| SandboxError::System { action: "return to the machine's network namespace", source })?;
    point("supervisor.sandbox.namespaces")?;
    write_files(layout, record, facts, &expected)?;
    point("supervisor.sandbox.files")?;
    let objects = super::records::objects(layout, &record.id)?;
    let renew_at = volume::prepare_all(layout, record, &objects, facts)?;
    point("supervisor.sandbox.volumes")?;
    reporter.send(&Report::Namespaces { renew_at });
    // Beside the creation of containers, and before any of them starts.
    let cgroup = lower::pod_cgroup(&record.id);
    let values = shares::of_pod(&record.pod.total_resources(), record.pod.priority);
    cgroup::create_pod(&cgroup, &values).map_err(SandboxError::Cgroup)?;
    let Some(request) = request else {
        if asks_cluster(record) {
            networks.setup_names(DEFAULT_NETWORK, &on_host).map_err(SandboxError::Network)?;
        }
        return Ok(facts.host_ips.clone());
    };
    let netns = layout.pod_namespace(&record.id, "net");
    let status = networks.setup(&netns, &request).map_err(SandboxError::Network)?;
    point("supervisor.sandbox.network")?;
    Ok(status.addresses().collect())
}

fn make_directories(layout: &Layout, record: &PodRecord) -> Result<(), SandboxError> {
    let run = layout.pod_run(&record.id);
    for path in [run.join("ns"), layout.pod(&record.id)] {
        let result = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        result.map_err(at("make the directory", &path))?;
    }
    if record.pod.host_ipc {
        return Ok(());
    }
    let shm = lower::shared_memory(layout, &record.id);
    fs::create_dir(&shm).map_err(at("make the directory", &shm))?;
    let attributes = mount::Attributes { no_suid: true, no_dev: true, no_exec: true, ..mount::Attributes::default() };
    let tree = mount::tmpfs(Some(SHARED_MEMORY), 0o1777, attributes).map_err(at("make a tmpfs for", &shm))?;
    mount::attach(tree, rustix::fs::CWD, &shm).map_err(at("mount a tmpfs on", &shm))
}

fn make_namespaces(layout: &Layout, record: &PodRecord, facts: &PodFacts) -> Result<(), SandboxError> {
    let pod = &record.pod;
    let own_network = network_request(record).is_some();
    let mut kinds = Kinds::NONE;
    let mut pins = Vec::new();
    let wanted = [
        (own_network, Kinds::NETWORK, "net"),
        (!pod.host_ipc, Kinds::IPC, "ipc"),
        (!pod.host_network, Kinds::UTS, "uts"),
    ];
    for (_, kind, name) in wanted.into_iter().filter(|(wanted, ..)| *wanted) {
        kinds = kinds | kind;
        pins.push(name);
    }
    let system = |action| move |source| SandboxError::System { action, source };
    let pin = |from: &Path, name: &str| namespace::pin(&from.join(name), &layout.pod_namespace(&record.id, name));
    let hostname = (!pod.host_network).then(|| lower::hostname(pod, facts));
    if let Some(first) = record.first_user_id {
        pins.push(lower::USER_NAMESPACE);
        let keep = |from: &Path| pins.iter().try_for_each(|name| pin(from, name));
        users::make((first, pod.user_ids.count()), kinds, hostname.as_deref(), keep)
            .map_err(system("make the pod's user namespace and those it owns"))?;
    } else if kinds != Kinds::NONE {
        namespace::unshare(kinds).map_err(system("make the pod's namespaces"))?;
        if let Some(name) = hostname {
            let set = rustix::system::sethostname(name.as_bytes()).map_err(io::Error::from);
            set.map_err(system("set the host name"))?;
        }
        for name in pins {
            let target = layout.pod_namespace(&record.id, name);
            pin(Path::new("/proc/self/ns"), name).map_err(at("pin a namespace at", &target))?;
        }
    }
    if pod.share_process_namespace && !pod.host_pid {
        pid_namespace::make(layout, record).map_err(SandboxError::Holder)?;
    }
    Ok(())
}

/// `hosts`, `hostname` and `resolv.conf`, which every container of the pod has mounted.
fn write_files(
    layout: &Layout,
    record: &PodRecord,
    facts: &PodFacts,
    network: &NetworkStatus,
) -> Result<(), SandboxError> {
    let host = |path: &str| fs::read_to_string(path).unwrap_or_default(); // a machine without the file has nothing to pass on
    let pod = &record.pod;
    let run = layout.pod_run(&record.id);
    let servers = host(resolver::PATH);
    let servers = match pod.host_network {
        true => servers,
        false => resolver::behind_stub(servers, || host(resolver::PATH_BEHIND_STUB)),
    };
    let mut files = vec![("resolv.conf", resolver::resolv_conf(pod, network, &servers))];
    if record.manage_hosts {
        files.push(("hosts", hosts_file::hosts(pod, network, &host("/etc/hosts"))));
    }
    if record.manage_hostname {
        files.push(("hostname", lower::hostname(pod, facts) + "\n"));
    }
    for (name, text) in files {
        let path = run.join(name);
        fs::write(&path, text).map_err(at("write", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).map_err(at("set the mode of", &path))?;
    }
    Ok(())
}

/// Takes away what [`make`] made but the network, whole or half; returns what could not be.
pub(super) fn remove(layout: &Layout, record: &PodRecord) -> Vec<String> {
    let mut problems = Vec::new();
    let run = layout.pod_run(&record.id);
    note(&mut problems, &run.join("ns"), pid_namespace::end(layout, record));
    for name in PINS {
        let pin = layout.pod_namespace(&record.id, name);
        note(&mut problems, &pin, namespace::unpin(&pin));
    }
    let shm = lower::shared_memory(layout, &record.id);
    note(&mut problems, &shm, unmount_all(&shm));
    for volume in &record.pod.volumes {
        let path = layout.pod_run_volume(&record.id, &volume.name);
        note(&mut problems, &path, unmount_all(&path));
    }
    note(&mut problems, &run, crate::sys::dir::remove_tree(&run));
    problems
}

/// Takes away the run directory of a container that has no process any more.
pub(super) fn remove_container_run(layout: &Layout, container: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let run = layout.container_run(container);
    let pin = super::container::pidfd_pin(layout, container);
    note(&mut problems, &pin, namespace::unpin(&pin));
    note(&mut problems, &run, crate::sys::dir::remove_tree(&run));
    problems
}

fn note(problems: &mut Vec<String>, path: &Path, result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != io::ErrorKind::NotFound
    {
        problems.push(format!("cannot take `{}` away: {error}", path.display()));
    }
}

/// A killed supervisor may have mounted twice.
fn unmount_all(path: &Path) -> io::Result<()> {
    while mount::unmount(path)? {}
    Ok(())
}

fn point(name: &str) -> Result<(), SandboxError> {
    failpoint::reach(name).map_err(SandboxError::Failpoint)
}
