//! The devices of a pod: found when it is made, and written down with it.
//!
//! Devices that are counted out belong to one running pod alone. A pod that is stopped keeps their names, and is not started as
//! long as another has one of them.

use super::progress::{Progress, Report};
use super::{Engine, EngineError};
use crate::graph::{Plan, StepKind};
use crate::model::device::{Access, ContainerDevices, DeviceNode, DeviceRequest, HeldDevice};
use crate::model::diagnostic::with_causes;
use crate::model::{Application, Container, Pod};
use crate::runtime::cdi::{Device, Registry};
use crate::store::pods::{self, PodRow};
use crate::store::record::PodRecord;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Why a pod does not get its devices.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("pod `{pod}` wants device `{device}`, which there is not")]
    Unknown { pod: String, device: String, there: Vec<String>, directories: Vec<PathBuf> },
    #[error("pod `{pod}` wants {wanted} of `{kind}`, and {free} of {} free", of(*all))]
    TooFew {
        pod: String,
        kind: String,
        wanted: u32,
        free: usize,
        all: usize,
        there: Vec<String>,
        directories: Vec<PathBuf>,
    },
    #[error("pod `{pod}` cannot have device `{device}`: {reason}")]
    Unusable { pod: String, device: String, reason: String },
    #[error("pod `{pod}` has device `{device}`, which pod `{owner}` uses now")]
    Taken { pod: String, device: String, owner: String },
}

fn of(all: usize) -> String {
    if all == 1 { "1 is".to_owned() } else { format!("{all} are") }
}

impl DeviceError {
    /// What the user may try.
    pub fn hint(&self) -> Option<String> {
        const SHOWN: usize = 12;
        match self {
            Self::Unknown { there, directories, .. } | Self::TooFew { there, directories, .. } if there.is_empty() => {
                let places: Vec<_> = directories.iter().map(|path| path.display().to_string()).collect();
                Some(format!("there are no CDI devices: specs of them belong into {}", places.join(" or ")))
            }
            Self::Unknown { there, .. } | Self::TooFew { there, .. } => {
                let named: Vec<_> = there.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
                let more = there.len().saturating_sub(SHOWN);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                Some(format!("there are the CDI devices {}{more}", named.join(", ")))
            }
            Self::Taken { owner, .. } => Some(format!("stop pod `{owner}` first")),
            Self::Unusable { .. } => None,
        }
    }
}

/// What devices of pods to be made are chosen from.
#[derive(Debug, Default)]
pub(super) struct DeviceSource {
    registry: Registry,
    /// Pods whose devices are free: they do not run, or go.
    idle: BTreeSet<String>,
}

impl DeviceSource {
    /// Names of devices that pods hold now, and of those that new ones ask for by name.
    pub fn held<'p>(
        &self,
        connection: &Connection,
        new: impl IntoIterator<Item = &'p Pod>,
    ) -> Result<BTreeSet<String>, EngineError> {
        let new: Vec<&Pod> = new.into_iter().filter(|pod| wants_devices(pod)).collect();
        if new.is_empty() {
            return Ok(BTreeSet::new());
        }
        let rows = pods::all(connection)?;
        let holding = rows.iter().filter(|row| !self.idle.contains(&row.record.id));
        let mut held: BTreeSet<String> = holding.flat_map(|row| names(&row.record)).cloned().collect();
        let requests = new.into_iter().flat_map(Pod::all_containers).flat_map(|container| &container.device_requests);
        held.extend(requests.filter_map(|request| match request {
            DeviceRequest::Named(name) => Some(name.clone()),
            DeviceRequest::Counted { .. } | DeviceRequest::Path { .. } => None,
        }));
        Ok(held)
    }

    /// The devices of each container in start order. What is counted out is added to `held`.
    pub fn choose(&self, pod: &Pod, held: &mut BTreeSet<String>) -> Result<Vec<ContainerDevices>, DeviceError> {
        let containers: Vec<&Container> = pod.all_containers().collect();
        let is_first = |index: usize| index < pod.init_containers.len() && !containers[index].sidecar;
        let mut chosen = vec![ContainerDevices::default(); containers.len()];
        for (index, container) in containers.iter().enumerate().filter(|(index, _)| !is_first(*index)) {
            chosen[index] = self.of_container(pod, container, held)?;
        }
        // An init container ends before the next one and before the regular ones start: it may have what they have.
        let exclusive = |devices: &ContainerDevices| -> Vec<String> {
            devices.held.iter().filter(|device| device.exclusive).map(|device| device.name.clone()).collect()
        };
        let mut own: BTreeSet<String> = chosen[pod.init_containers.len()..].iter().flat_map(exclusive).collect();
        for (index, container) in containers.iter().enumerate().filter(|(index, _)| is_first(*index)) {
            let mut others: BTreeSet<String> = held.difference(&own).cloned().collect();
            chosen[index] = self.of_container(pod, container, &mut others)?;
            own.extend(exclusive(&chosen[index]));
            held.extend(own.iter().cloned());
        }
        Ok(chosen)
    }

    fn of_container(
        &self,
        pod: &Pod,
        container: &Container,
        held: &mut BTreeSet<String>,
    ) -> Result<ContainerDevices, DeviceError> {
        let mut devices = ContainerDevices::default();
        for request in &container.device_requests {
            match request {
                DeviceRequest::Path { host, container, access } => {
                    devices.edits.nodes.push(host_node(host, container, *access));
                }
                DeviceRequest::Named(name) => {
                    let device = self.registry.get(name).ok_or_else(|| self.unknown(pod, name))?;
                    give(pod, &mut devices, name, device, false)?;
                }
                DeviceRequest::Counted { kind, count } => {
                    for (name, device) in self.free(pod, kind, *count, held)? {
                        give(pod, &mut devices, &name, device, true)?;
                        held.insert(name);
                    }
                }
            }
        }
        Ok(devices)
    }

    /// So many devices of a kind that nobody has under any name.
    fn free(
        &self,
        pod: &Pod,
        kind: &str,
        wanted: u32,
        held: &BTreeSet<String>,
    ) -> Result<Vec<(String, &Device)>, DeviceError> {
        let mut different: Vec<(String, &Device)> = Vec::new();
        for (name, device) in self.registry.of_kind(kind) {
            if !different.iter().any(|(_, other)| other.is_same(device)) {
                different.push((name, device));
            }
        }
        let all = different.len();
        let taken: Vec<&Device> = held.iter().filter_map(|name| self.registry.get(name)).collect();
        different.retain(|(name, device)| !held.contains(name) && !taken.iter().any(|other| other.is_same(device)));
        if different.len() < wanted as usize {
            return Err(DeviceError::TooFew {
                pod: pod.name.clone(),
                kind: kind.to_owned(),
                wanted,
                free: different.len(),
                all,
                there: self.registry.names(),
                directories: self.registry.directories().to_vec(),
            });
        }
        // One that cannot be had is taken, and its reason told, only when there is no other.
        different.sort_by_key(|(_, device)| device.edits().is_err());
        different.truncate(wanted as usize);
        Ok(different)
    }

    fn unknown(&self, pod: &Pod, device: &str) -> DeviceError {
        DeviceError::Unknown {
            pod: pod.name.clone(),
            device: device.to_owned(),
            there: self.registry.names(),
            directories: self.registry.directories().to_vec(),
        }
    }
}

impl Engine {
    /// Finds the devices of pods that are to be made, and refuses those that pods hold which stay.
    pub(super) fn play_devices(
        &self,
        application: &Application,
        plan: &Plan,
        rows: &[PodRow],
        report: Report<'_>,
    ) -> Result<DeviceSource, EngineError> {
        let has = |kind: StepKind| plan.find(&kind).is_some();
        let is_new = |pod: &Pod| has(StepKind::CreatePod { pod: pod.name.clone() });
        let new: Vec<&Pod> = application.pods.iter().filter(|pod| is_new(pod)).collect();
        let goes = |pod: &str| has(StepKind::RemovePod { pod: pod.to_owned() });
        for PodRow { record, .. } in rows {
            if !is_new(&record.pod) && has(StepKind::Sandbox { pod: record.pod.name.clone() }) {
                self.check_devices(record)?;
            }
        }
        self.find_devices(&new, &goes, &mut |message| report(Progress::Notice(message)))
    }

    /// Finds the devices of pods that are to be made, so that nothing is made when they are not there; `goes` says which pods
    /// are to be removed. Trouble with specs is told.
    fn find_devices(
        &self,
        new: &[&Pod],
        goes: &dyn Fn(&str) -> bool,
        tell: &mut dyn FnMut(String),
    ) -> Result<DeviceSource, EngineError> {
        let wanting: Vec<&Pod> = new.iter().copied().filter(|pod| wants_devices(pod)).collect();
        if wanting.is_empty() {
            return Ok(DeviceSource::default());
        }
        let rows = pods::all(self.database.connection())?;
        // A pod that was never started has no status yet, and keeps what it was made with.
        let has_status = |row: &PodRow| self.layout().pod_status(&row.record.id).exists();
        let is_idle = |row: &&PodRow| goes(&row.record.pod.name) || (has_status(row) && !self.seems_alive(row));
        let source = DeviceSource {
            registry: Registry::read(&self.config.cdi_directories),
            idle: rows.iter().filter(is_idle).map(|row| row.record.id.clone()).collect(),
        };
        for error in source.registry.errors() {
            tell(with_causes(error));
        }
        let mut held = source.held(self.database.connection(), wanting.iter().copied())?;
        let failures = wanting.into_iter().filter_map(|pod| source.choose(pod, &mut held).err());
        let failures: Vec<EngineError> = failures.map(EngineError::from).collect();
        if failures.is_empty() { Ok(source) } else { Err(EngineError::several(failures)) }
    }

    /// Refuses to start a pod as long as another that runs has a device which was counted out to it.
    pub(super) fn check_devices(&self, record: &PodRecord) -> Result<(), EngineError> {
        let devices = record.containers.iter().flat_map(|container| &container.devices.held);
        let own: BTreeSet<&String> = devices.filter(|device| device.exclusive).map(|device| &device.name).collect();
        if own.is_empty() {
            return Ok(());
        }
        for row in pods::all(self.database.connection())? {
            if row.record.id == record.id {
                continue;
            }
            let shared = names(&row.record).find(|name| own.contains(name)).cloned();
            if let Some(device) = shared.filter(|_| self.seems_alive(&row)) {
                let (pod, owner) = (record.pod.name.clone(), row.record.pod.name);
                return Err(DeviceError::Taken { pod, device, owner }.into());
            }
        }
        Ok(())
    }
}

fn wants_devices(pod: &Pod) -> bool {
    pod.all_containers().any(|container| !container.device_requests.is_empty())
}

fn names(record: &PodRecord) -> impl Iterator<Item = &String> {
    record.containers.iter().flat_map(|container| &container.devices.held).map(|device| &device.name)
}

fn give(
    pod: &Pod,
    devices: &mut ContainerDevices,
    name: &str,
    device: &Device,
    exclusive: bool,
) -> Result<(), DeviceError> {
    let unusable = |reason: &str| DeviceError::Unusable {
        pod: pod.name.clone(),
        device: name.to_owned(),
        reason: reason.to_owned(),
    };
    let edits = device.edits().map_err(unusable)?;
    if pod.user_namespace && !edits.hooks.is_empty() {
        // It would run as the machine's root, whose files the container could not use.
        return Err(unusable("it has hooks, which cannot be run for a pod with `hostUsers: false`"));
    }
    devices.edits.add(edits);
    devices.held.push(HeldDevice { name: name.to_owned(), exclusive });
    Ok(())
}

fn host_node(host: &str, container: &str, access: Access) -> DeviceNode {
    DeviceNode {
        path: container.to_owned(),
        host: host.to_owned(),
        number: None,
        access,
        mode: None,
        uid: None,
        gid: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices `a` and `a2`, which are one, `b` and `c` of kind `v.com/d`.
    fn source() -> DeviceSource {
        let base = std::env::temp_dir().join(format!("podkin-devices-{:?}", std::thread::current().id()));
        std::fs::create_dir_all(&base).unwrap();
        let device = |name: &str, node: &str| {
            format!("{{name: {name}, containerEdits: {{deviceNodes: [{{path: /dev/{node}}}]}}}}")
        };
        let devices = [device("a", "a"), device("a2", "a"), device("b", "b"), device("c", "c"), device("all", "a")];
        let text = format!("{{cdiVersion: 0.5.0, kind: v.com/d, devices: [{}]}}", devices.join(", "));
        std::fs::write(base.join("d.yaml"), text).unwrap();
        let registry = Registry::read(std::slice::from_ref(&base));
        std::fs::remove_dir_all(base).unwrap();
        assert!(registry.errors().is_empty(), "{:?}", registry.errors());
        DeviceSource { registry, idle: BTreeSet::new() }
    }

    fn container(count: u32) -> Container {
        let request = DeviceRequest::Counted { kind: "v.com/d".into(), count };
        Container { device_requests: vec![request], ..Container::default() }
    }

    fn chosen(source: &DeviceSource, pod: &Pod, held: &mut BTreeSet<String>) -> Result<Vec<String>, DeviceError> {
        let short = |device: &HeldDevice| device.name.trim_start_matches("v.com/d=").to_owned();
        let join = |devices: ContainerDevices| devices.held.iter().map(short).collect::<Vec<_>>().join("+");
        Ok(source.choose(pod, held)?.into_iter().map(join).collect())
    }

    #[test]
    fn devices_are_counted_out_once() {
        let (source, mut held) = (source(), BTreeSet::new());
        let pod = Pod { containers: vec![container(1), container(1)], ..Pod::default() };
        assert_eq!(chosen(&source, &pod, &mut held).unwrap(), ["a", "b"], "a2 is a by another name");
        let error = chosen(&source, &pod, &mut held).unwrap_err();
        assert!(matches!(error, DeviceError::TooFew { wanted: 1, free: 0, all: 3, .. }), "{error}");
        assert!(error.hint().unwrap().contains("`v.com/d=a`"));
    }

    #[test]
    fn an_init_container_shares_with_those_after_it() {
        let (source, mut held) = (source(), BTreeSet::from(["v.com/d=a2".to_owned()]));
        let sidecar = Container { sidecar: true, ..container(1) };
        let pod =
            Pod { init_containers: vec![container(1), sidecar], containers: vec![container(1)], ..Pod::default() };
        assert_eq!(chosen(&source, &pod, &mut held).unwrap(), ["c", "b", "c"]);
        assert_eq!(held.len(), 3);
    }

    #[test]
    fn devices_that_are_not_there() {
        let named = |name: &str| {
            let requests = vec![DeviceRequest::Named(name.into())];
            let container = Container { device_requests: requests, ..Container::default() };
            Pod { containers: vec![container], ..Pod::default() }
        };
        assert_eq!(chosen(&source(), &named("v.com/d=all"), &mut BTreeSet::new()).unwrap(), ["all"]);
        let error = chosen(&source(), &named("v.com/d=x"), &mut BTreeSet::new()).unwrap_err();
        assert!(error.to_string().contains("`v.com/d=x`"), "{error}");
        let nothing = DeviceSource { registry: Registry::read(&["/no/such".into()]), ..DeviceSource::default() };
        let error = chosen(&nothing, &named("v.com/d=x"), &mut BTreeSet::new()).unwrap_err();
        assert!(error.hint().unwrap().contains("/no/such"), "{:?}", error.hint());
    }
}
