//! From a request to the two states a plan is made of.

use super::devices::DeviceSource;
use super::play_images::PlayImage;
use super::progress::Report;
use super::status::Statuses;
use super::view::AppRef;
use super::{Engine, EngineError, NetworkRequest, PlayRequest};
use crate::graph::{
    self, Amendment, Desired, DesiredPod, Observed, ObservedPod, ObservedState, Plan, Refusal, StepKind,
};
use crate::model::container::Port;
use crate::model::{Application, BoundVolume, ObjectKind, Pod, RestartPolicy};
use crate::network::NetworkJoin;
use crate::store::objects::{self, Object};
use crate::store::pods::{self, PodRow};
use crate::store::record::{PodPhase, PodRecord, PodStatus};
use crate::store::{apps, volumes};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// All that a play needs to know before it acts.
pub(super) struct Prepared {
    pub plan: Plan,
    /// Images by reference as written.
    pub images: BTreeMap<String, PlayImage>,
    /// The recorded pods of the application, oldest first.
    pub rows: Vec<PodRow>,
    /// What each pod of the request joins, and its digest, in file order.
    pub pods: Vec<PreparedPod>,
    /// What devices of new pods are chosen from.
    pub devices: DeviceSource,
    /// Names of the pods of the request.
    pub names: BTreeSet<String>,
}

impl Prepared {
    /// Whether the application keeps pods that the input does not speak of, when those of `removed` are gone.
    pub fn is_part(&self, removed: &[String]) -> bool {
        let mut names = self.rows.iter().map(|row| &row.record.pod.name);
        names.any(|name| !removed.contains(name) && !self.names.contains(name))
    }
}

/// What the request makes of one pod, beside its spec.
#[derive(Debug, Clone)]
pub(super) struct PreparedPod {
    pub spec_hash: String,
    /// Differs from the recorded pod in what a running pod takes up alone.
    pub amendment: Amendment,
    pub environment_hash: String,
    pub network: PodJoins,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) enum PodJoins {
    Host,
    None,
    Networks(Vec<NetworkJoin>),
}

impl PodJoins {
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Host | Self::None => Vec::new(),
            Self::Networks(joins) => joins.iter().map(|join| join.network.clone()).collect(),
        }
    }
}

/// Annotations that begin so are instructions.
const DIRECTIVE: &str = "io.podman.annotations.";

/// What of a request shapes a pod beside its spec; digested with it.
#[derive(Serialize)]
struct Shape<'a> {
    network: &'a PodJoins,
    no_hosts: bool,
    no_hostname: bool,
    no_pod_prefix: bool,
    log: &'a crate::store::record::LogConfig,
}

impl Engine {
    /// Looks at everything the request refers to and decides what is to be done.
    pub(super) fn prepare(
        &mut self,
        request: &PlayRequest,
        app: Option<&AppRef>,
        report: Report<'_>,
    ) -> Result<Prepared, EngineError> {
        let application = &request.application;
        let images = self.play_images(request, app, report)?;
        let mut pods = prepare_pods(request)?;
        for (pod, prepared) in application.pods.iter().zip(&mut pods) {
            prepared.environment_hash = self.environment_hash(request, app, pod)?;
        }
        let rows = match app {
            Some(app) => pods::of_app(self.database.connection(), &app.id)?,
            None => Vec::new(),
        };
        for (pod, prepared) in application.pods.iter().zip(&mut pods) {
            let row = rows.iter().find(|row| row.record.pod.name == pod.name);
            let amendment = row.map(|row| amendment(&row.record, pod, &shape(request, &prepared.network)));
            prepared.amendment = amendment.unwrap_or_default();
        }
        let observed = self.observe(request, app, &rows, &pods)?;
        let wanted = |(pod, prepared): (_, &PreparedPod)| -> DesiredPod<'_> {
            let pod: &Pod = pod;
            DesiredPod {
                pod,
                spec_hash: prepared.spec_hash.clone(),
                amendment: prepared.amendment.clone(),
                environment_hash: prepared.environment_hash.clone(),
                images: pod.images().map(|(reference, _)| images[reference].desired()).collect(),
                networks: prepared.network.names(),
            }
        };
        let desired = Desired {
            application,
            pods: application.pods.iter().zip(&pods).map(wanted).collect(),
            replace: request.replace,
            whole: self.is_whole(request, app)?,
            start: request.start,
        };
        let plan = graph::build(&desired, &observed).map_err(|refusal| refused(application, refusal))?;
        self.check_ports(application, &plan)?;
        let names = application.pods.iter().map(|pod| pod.name.clone()).collect();
        let devices = self.play_devices(application, &plan, &rows, report)?;
        Ok(Prepared { plan, images, rows, pods, devices, names })
    }

    /// Refuses ports that pods hold which stay, for pods that are to be started.
    fn check_ports(&self, application: &Application, plan: &Plan) -> Result<(), EngineError> {
        let starts = |pod: &&Pod| plan.find(&StepKind::Sandbox { pod: pod.name.clone() }).is_some();
        let wanted: Vec<_> = application.pods.iter().filter(starts).flat_map(published).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        for row in pods::all(self.database.connection())? {
            let other = &row.record.pod;
            let goes = plan.find(&StepKind::RemovePod { pod: other.name.clone() }).is_some();
            let is_own = application.pods.iter().any(|pod| pod.name == other.name);
            if goes || is_own || published(other).next().is_none() || !self.seems_alive(&row) {
                continue;
            }
            for (pod, port) in &wanted {
                if published(other).any(|(_, held)| clash(port, held)) {
                    return Err(EngineError::PortTaken {
                        pod: (*pod).to_owned(),
                        port: format!("{}/{}", port.host_port.unwrap_or_default(), port.protocol.as_str()),
                        owner: other.name.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether the input is all that the application was played from, so that what it lacks is to be gone.
    fn is_whole(&self, request: &PlayRequest, app: Option<&AppRef>) -> Result<bool, EngineError> {
        let Some(app) = app else { return Ok(true) };
        let Some(row) = apps::get(self.database.connection(), &app.id)? else { return Ok(true) };
        Ok(super::identity::covers(&request.application, &row))
    }

    /// Digest of what the pod's variables will take from objects: of the input, or as they were played before. Running processes
    /// keep what they were started with, so a pod in which it changed is another pod.
    fn environment_hash(&self, request: &PlayRequest, app: Option<&AppRef>, pod: &Pod) -> Result<String, EngineError> {
        let references = graph::uses::in_environment(pod);
        if references.is_empty() {
            return Ok(String::new());
        }
        let application = &request.application;
        let mut digest = Sha256::new();
        for (kind, name, key) in references {
            let given = match kind {
                ObjectKind::ConfigMap => {
                    application.config_maps.iter().find(|o| o.name == name).map(|o| o.data.clone())
                }
                ObjectKind::Secret => application.secrets.iter().find(|o| o.name == name).map(|o| o.data.clone()),
            };
            let data = match given {
                Some(data) => data,
                None => {
                    let app = app.map_or("", |app| app.id.as_str());
                    match objects::find(self.database.connection(), app, kind, name)? {
                        Some(Object::ConfigMap(object)) => object.data,
                        Some(Object::Secret(object)) => object.data,
                        None => BTreeMap::new(),
                    }
                }
            };
            let taken: Vec<_> = data.iter().filter(|(found, _)| key.is_none_or(|key| key == found.as_str())).collect();
            digest.update(serde_json::to_vec(&(name, taken)).expect("names and bytes can be written"));
        }
        Ok(hex(digest))
    }

    fn observe(
        &self,
        request: &PlayRequest,
        app: Option<&AppRef>,
        rows: &[PodRow],
        prepared: &[PreparedPod],
    ) -> Result<Observed, EngineError> {
        let connection = self.database.connection();
        let mut observed = Observed::default();
        let mut statuses = Statuses::new(self)?;
        for PodRow { record, .. } in rows {
            let status = statuses.of(record)?;
            observed.pods.push(ObservedPod {
                pod: record.pod.clone(),
                spec_hash: record.spec_hash.clone(),
                environment_hash: record.environment_hash.clone(),
                images: record.images().map(|image| image.id.clone()).collect(),
                state: state(&record.pod, &status),
            });
        }
        if let Some(app) = app {
            for row in objects::of_app(connection, &app.id)? {
                match row.object {
                    Object::ConfigMap(object) => drop(observed.config_maps.insert(object.name.clone(), object)),
                    Object::Secret(object) => drop(observed.secrets.insert(object.name.clone(), object)),
                }
            }
        }
        let application = &request.application;
        let claims = application.claims.iter().map(|claim| claim.name.clone());
        let mounted = application.pods.iter().flat_map(graph::uses::claims);
        observed.volumes = volumes::existing(connection, claims.chain(mounted))?;
        check_bindings(connection, application)?;
        let networks: BTreeSet<String> = prepared.iter().flat_map(|pod| pod.network.names()).collect();
        for network in networks {
            if self.has_network(&network)? {
                observed.networks.insert(network);
            }
        }
        Ok(observed)
    }
}

fn refused(application: &Application, refusal: Refusal) -> EngineError {
    let Refusal { pods, resizes, objects } = refusal;
    let immutable = |(kind, name): (ObjectKind, String)| {
        let place = application.place(objects::kind_name(kind), &name);
        EngineError::Immutable { kind, name, place }
    };
    let mut errors: Vec<EngineError> = objects.into_iter().map(immutable).collect();
    errors.extend(resizes.into_iter().map(|(pod, reason)| {
        let played = application.pods.iter().find(|played| played.name == pod);
        let workload = played.and_then(|played| played.workload.as_deref());
        let of_workload = |name: &str| application.workloads.iter().find(|workload| workload.name == name);
        let place = match workload.and_then(of_workload) {
            Some(workload) => application.place(workload.kind.as_str(), &workload.name),
            None => application.place("Pod", &pod),
        };
        EngineError::NotResizable { pod, reason, place }
    }));
    if !pods.is_empty() {
        errors.push(EngineError::PodsDiffer { pods });
    }
    EngineError::several(errors)
}

/// A claim keeps the PersistentVolume that it once got, or the directory of its own.
fn check_bindings(connection: &rusqlite::Connection, application: &Application) -> Result<(), EngineError> {
    for claim in application.claims.iter().filter(|claim| claim.bound.is_some()) {
        let Some(options) = volumes::options(connection, &claim.name)? else { continue };
        let place = |bound: Option<&BoundVolume>| match bound {
            Some(bound) => format!("`{}`", bound.path),
            None => "a directory of its own".to_owned(),
        };
        let present = volumes::bound(&options);
        if present.as_ref().map(|bound| &bound.path) != claim.bound.as_ref().map(|bound| &bound.path) {
            let (present, wanted) = (place(present.as_ref()), place(claim.bound.as_ref()));
            return Err(EngineError::ClaimBound { claim: claim.name.clone(), present, wanted });
        }
    }
    Ok(())
}

/// The kubelet starts a pod again whose policy says so; one that ended as it should stays ended.
fn state(pod: &Pod, status: &PodStatus) -> ObservedState {
    match status.stopping.unwrap_or(status.phase) {
        PodPhase::Pending => ObservedState::Starting,
        PodPhase::Running | PodPhase::Unknown => ObservedState::Running,
        PodPhase::Succeeded => ObservedState::Completed,
        PodPhase::Failed if is_never_restarted(pod) => ObservedState::Completed,
        PodPhase::Created | PodPhase::Stopped | PodPhase::Failed => ObservedState::Stopped,
    }
}

/// Whether no container of the pod is started again once it has failed.
fn is_never_restarted(pod: &Pod) -> bool {
    pod.containers.iter().all(|container| container.restart_policy(pod, false) == RestartPolicy::Never)
}

/// Ports of the machine that a pod asks for, with its name.
fn published(pod: &Pod) -> impl Iterator<Item = (&str, &Port)> {
    let ports = pod.all_containers().flat_map(|container| &container.ports);
    ports.filter(|port| port.host_port.is_some()).map(|port| (pod.name.as_str(), port))
}

/// Whether two pods cannot both have their port: an address that is not said is every address.
fn clash(a: &Port, b: &Port) -> bool {
    let every = |ip: Option<std::net::IpAddr>| ip.is_none_or(|ip| ip.is_unspecified());
    (a.host_port, a.protocol) == (b.host_port, b.protocol)
        && (a.host_ip == b.host_ip || every(a.host_ip) || every(b.host_ip))
}

fn prepare_pods(request: &PlayRequest) -> Result<Vec<PreparedPod>, EngineError> {
    let shared = joins(&request.networks)?;
    let prepare = |(index, pod): (usize, &Pod)| {
        let network = pod_joins(request, &shared, index, pod)?;
        let spec_hash = spec_hash(pod, &shape(request, &network));
        Ok(PreparedPod { spec_hash, amendment: Amendment::None, environment_hash: String::new(), network })
    };
    request.application.pods.iter().enumerate().map(prepare).collect()
}

/// What `--network` says, for every pod.
fn joins(requests: &[NetworkRequest]) -> Result<PodJoins, EngineError> {
    const FLAG: &str = "--network";
    let refuse = |value: &str, reason: &str| EngineError::BadOption {
        flag: FLAG,
        value: value.to_owned(),
        reason: reason.to_owned(),
    };
    let mut named: Vec<NetworkJoin> = Vec::new();
    for request in requests {
        match request {
            NetworkRequest::Host if requests.len() == 1 => return Ok(PodJoins::Host),
            NetworkRequest::None if requests.len() == 1 => return Ok(PodJoins::None),
            NetworkRequest::Host => return Err(refuse("host", "it cannot be combined with other networks")),
            NetworkRequest::None => return Err(refuse("none", "it cannot be combined with other networks")),
            NetworkRequest::Named { name, ips, mac, aliases, interface } => {
                if named.iter().any(|other| &other.network == name) {
                    return Err(refuse(name, "the network is named twice"));
                }
                named.push(NetworkJoin {
                    network: name.clone(),
                    ips: ips.clone(),
                    mac: mac.clone(),
                    aliases: aliases.clone(),
                    interface: interface.clone(),
                });
            }
        }
    }
    if named.is_empty() {
        named.push(NetworkJoin::default_network());
    }
    Ok(PodJoins::Networks(named))
}

/// The networks of the n-th pod, with its `--ip` and `--mac-address`.
fn pod_joins(request: &PlayRequest, shared: &PodJoins, index: usize, pod: &Pod) -> Result<PodJoins, EngineError> {
    let (ip, mac) = (request.ips.get(index), request.macs.get(index));
    let refuse = |flag, value: String| EngineError::BadOption {
        flag,
        value,
        reason: format!("pod `{}` does not join exactly one network of its own", pod.name),
    };
    let mut joins = if pod.host_network { PodJoins::Host } else { shared.clone() };
    if pod.user_namespace && matches!(joins, PodJoins::Host) {
        let reason = format!("pod `{}` has a user namespace of its own, which needs such a network", pod.name);
        return Err(EngineError::BadOption { flag: "--network", value: "host".to_owned(), reason });
    }
    match &mut joins {
        PodJoins::Networks(joins) if joins.len() == 1 => {
            joins[0].ips.extend(ip);
            if let Some(mac) = mac {
                let normal = crate::network::address::normalise_mac(mac);
                joins[0].mac = Some(normal.ok_or_else(|| EngineError::BadOption {
                    flag: "--mac-address",
                    value: mac.clone(),
                    reason: "it is no unicast MAC address".to_owned(),
                })?);
            }
        }
        _ => match (ip, mac) {
            (Some(ip), _) => return Err(refuse("--ip", ip.to_string())),
            (None, Some(mac)) => return Err(refuse("--mac-address", mac.clone())),
            (None, None) => {}
        },
    }
    Ok(joins)
}

fn shape<'a>(request: &'a PlayRequest, network: &'a PodJoins) -> Shape<'a> {
    Shape {
        network,
        no_hosts: request.no_hosts,
        no_hostname: request.no_hostname,
        no_pod_prefix: request.no_pod_prefix,
        log: &request.log,
    }
}

/// Whether a pod is the recorded one with changes that a running pod takes up; an annotation that says how it is run is none.
fn amendment(record: &PodRecord, pod: &Pod, shape: &Shape<'_>) -> Amendment {
    let old = &record.pod;
    let directives = |pod: &Pod| -> BTreeMap<String, String> {
        let all = pod.annotations.iter().filter(|(key, _)| key.starts_with(DIRECTIVE));
        all.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let mut before = pod.clone();
    before.amend(old);
    let is_amended = before != *pod
        && directives(old) == directives(pod)
        && old.deadline_may_become(pod.active_deadline_seconds)
        && record.spec_hash == spec_hash(&before, shape);
    if !is_amended {
        return Amendment::None;
    }
    match old.resize_refusal(pod) {
        Some(refusal) => Amendment::Refused(refusal.to_string()),
        None => Amendment::Possible,
    }
}

/// Digest of the pod and of the options that shape it.
fn spec_hash(pod: &Pod, shape: &Shape<'_>) -> String {
    let shape = serde_json::to_string(shape).expect("options have string keys only");
    let mut digest = Sha256::new();
    digest.update(crate::model::pod::spec_hash(pod));
    digest.update(shape);
    hex(digest)
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // a String takes every write
        hex
    })
}
