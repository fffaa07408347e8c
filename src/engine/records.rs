//! Making the records of a play: the one transaction, and the files the supervisor reads.

use super::execute::{Actions, step};
use super::identity::Claimed;
use super::machine::{LONG_ID, SHORT_ID, random_id};
use super::play_images::PlayedImages;
use super::prepare::{PodJoins, Prepared, PreparedPod};
use super::progress::{Report, StepState};
use super::{Engine, EngineError, PlayRequest, fault, user_ids};
use crate::graph::{StepKind, uses};
use crate::image::ImageError;
use crate::model::device::ContainerDevices;
use crate::model::{ClaimTemplate, ConfigMap, Container, ObjectKind, Pod, Secret, VolumeSource};
use crate::network::{Definition, address};
use crate::store::atomic::{self, Durability};
use crate::store::database::private_directory;
use crate::store::events::LoggedEvent;
use crate::store::journal::{self, Made, MadeKind, Run};
use crate::store::objects::{self, Object, ObjectRow};
use crate::store::record::{
    ClaimRecord, ContainerRecord, ImagePull, ImageRecord, ImageVolumeRecord, NetworkAttachment, PodNetwork, PodObjects,
    PodRecord, RECORD_VERSION,
};
use crate::store::volumes::{self, VolumeRow};
use crate::store::{apps, pods};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Ids that a transaction needs, drawn before it begins.
struct PodIds {
    pod: String,
    containers: Vec<String>,
}

impl Engine {
    /// Records everything the plan makes, and that this run makes it, in one transaction; the new and the updated pods.
    #[allow(clippy::too_many_arguments)] // the one place where all that was prepared meets
    pub(super) fn record(
        &mut self,
        request: &PlayRequest,
        claimed: &Claimed,
        prepared: &Prepared,
        actions: &Actions,
        images: &PlayedImages,
        definitions: &BTreeMap<String, Definition>,
        run: &Run,
    ) -> Result<Vec<PodRecord>, EngineError> {
        let application = &request.application;
        let app = &claimed.app.id;
        let new: Vec<(&Pod, &PreparedPod)> =
            application.pods.iter().zip(&prepared.pods).filter(|(pod, _)| actions.create.contains(&pod.name)).collect();
        let ids = new.iter().map(|(pod, _)| draw_ids(pod)).collect::<Result<Vec<_>, _>>()?;
        let object_ids = actions.store.iter().map(|_| random_id(SHORT_ID)).collect::<Result<Vec<_>, _>>()?;
        let root = self.layout().root.clone();
        let cgroup_manager = self.config.cgroup_manager.as_str();
        let mount_nfs = self.mount_nfs();
        self.database.write(|t| {
            let mut made = vec![Made { before: apps::snapshot(t, app)?, ..Made::new(MadeKind::App, app) }];
            let before = apps::get(t, app)?;
            apps::put(t, &super::play::app_row(request, claimed, before.as_ref(), prepared.is_part(&actions.remove)))?;
            for ((kind, name), id) in actions.store.iter().zip(object_ids) {
                made.push(store_object(t, request, app, *kind, name, id)?);
            }
            for (kind, name) in &actions.drop {
                let before = objects::snapshot(t, app, *kind, name)?;
                made.push(Made { before, ..Made::new(made_kind(*kind), name) });
                objects::delete(t, app, *kind, name)?;
            }
            for name in &actions.volumes {
                let owner = new.iter().zip(&ids).find(|((pod, _), _)| uses::ephemeral(pod).contains(name));
                let row = match owner {
                    Some(((pod, _), ids)) => ephemeral_row(pod, &ids.pod, app, name),
                    None => volume_row(request, app, name),
                };
                if volumes::insert(t, &row)? {
                    made.push(Made::new(MadeKind::Volume, name));
                } else if owner.is_some() {
                    // An unrelated volume of that name is never taken for the pod's own.
                    return Err(EngineError::NameTaken { what: "volume", name: name.clone(), owner: None });
                }
            }
            let mut records = Vec::new();
            let mut pulls = images.pulls.clone();
            // Looked at again: another command may have given some away meanwhile.
            let mut held = prepared.devices.held(t, new.iter().map(|(pod, _)| *pod))?;
            let sources = &prepared.devices;
            for ((pod, prepared), ids) in new.into_iter().zip(ids) {
                let devices = sources.choose(pod, &mut held)?;
                let network = join(t, pod, &ids.pod, &prepared.network, definitions)?;
                // As it will be: `--network host` is the same to its containers as the field.
                let mut pod = pod.clone();
                pod.host_network |= network == PodNetwork::Host;
                let first_user_id =
                    pod.user_namespace.then(|| user_ids::allocate(t, &root, pod.user_ids)).transpose()?;
                let mut record = PodRecord {
                    version: RECORD_VERSION,
                    id: ids.pod,
                    app: app.clone(),
                    created: jiff::Timestamp::now(),
                    spec_hash: prepared.spec_hash.clone(),
                    environment_hash: prepared.environment_hash.clone(),
                    ephemeral: Vec::new(),
                    containers: containers(request, &pod, ids.containers, devices, &images.records, &mut pulls)?,
                    image_volumes: image_volumes(&pod, &images.records)?,
                    claims: claims(t, &pod)?,
                    pod,
                    mount_nfs: None,
                    network,
                    first_user_id,
                    manage_hosts: !request.no_hosts,
                    manage_hostname: !request.no_hostname,
                    log: request.log.clone(),
                    cgroup_manager: cgroup_manager.to_owned(),
                };
                let has_nfs = record.pod.volumes.iter().any(|volume| record.nfs(volume).is_some());
                record.mount_nfs = mount_nfs.clone().filter(|_| has_nfs);
                Self::check_names(t, &record)?;
                check_images(t, &record)?;
                pods::insert(t, &record)?;
                made.push(Made::new(MadeKind::Pod, &record.id));
                records.push(record);
            }
            for name in &actions.update {
                let wanted = application.pods.iter().zip(&prepared.pods).find(|(pod, _)| &pod.name == name);
                let row = prepared.rows.iter().find(|row| &row.record.pod.name == name);
                let (Some((pod, wanted)), Some(row)) = (wanted, row) else { continue };
                let mut record = row.record.clone();
                record.spec_hash.clone_from(&wanted.spec_hash);
                record.pod.amend(pod);
                let before = pods::update(t, &record)?;
                made.push(Made { before, ..Made::new(MadeKind::Refresh, &record.id) });
                records.push(record);
            }
            made.extend(touched(prepared, &actions.start, &actions.create, MadeKind::Start));
            let refreshed: Vec<_> =
                actions.refresh.iter().filter(|name| !actions.update.contains(name)).cloned().collect();
            made.extend(touched(prepared, &refreshed, &actions.create, MadeKind::Refresh));
            journal::begin(t, run, &made)?;
            Ok(records)
        })
    }

    /// Directories of volumes, and each pod's files.
    pub(super) fn write_files(
        &mut self,
        actions: &Actions,
        records: &[&PodRecord],
        report: Report<'_>,
    ) -> Result<(), EngineError> {
        for (kind, name) in &actions.store {
            let kind = objects::kind_name(*kind).to_owned();
            report(step(StepKind::StoreObject { kind, name: name.clone() }, StepState::Done));
        }
        for volume in &actions.volumes {
            self.volume_store().ensure_directory(volume)?;
            report(step(StepKind::CreateVolume { volume: volume.clone() }, StepState::Done));
        }
        fault("engine.play.volumes")?;
        let mut logged: Vec<_> =
            actions.volumes.iter().map(|name| LoggedEvent::now("volume", "create", name, name)).collect();
        for record in records {
            self.write_pod(record)?;
            if actions.update.contains(&record.pod.name) {
                report(step(StepKind::UpdatePod { pod: record.pod.name.clone() }, StepState::Done));
            }
            if actions.create.contains(&record.pod.name) {
                report(step(StepKind::CreatePod { pod: record.pod.name.clone() }, StepState::Done));
                logged.extend(created(record));
            }
        }
        self.log_events(&logged);
        Ok(())
    }

    /// The supervisor's copy of a pod. It is not synced: what the power takes is written again from the database.
    pub(super) fn write_pod(&self, record: &PodRecord) -> Result<(), EngineError> {
        private_directory(&self.layout().pod(&record.id))?;
        let text = serde_json::to_vec(record).expect("a record has string keys only");
        atomic::replace(&self.layout().pod_record(&record.id), &text, Durability::Relaxed)?;
        self.write_objects(record)
    }

    /// The ConfigMaps and Secrets a pod refers to, as they are now.
    pub(super) fn write_objects(&self, record: &PodRecord) -> Result<(), EngineError> {
        let mut found = PodObjects { version: RECORD_VERSION, ..PodObjects::default() };
        for (kind, name) in uses::objects(&record.pod) {
            match objects::find(self.database.connection(), &record.app, kind, &name)? {
                Some(Object::ConfigMap(object)) => drop(found.config_maps.insert(name, object)),
                Some(Object::Secret(object)) => drop(found.secrets.insert(name, object)),
                None => {}
            }
        }
        let text = serde_json::to_vec(&found).expect("objects have string keys only");
        atomic::replace(&self.layout().pod_objects(&record.id), &text, Durability::Relaxed)?;
        Ok(())
    }
}

fn draw_ids(pod: &Pod) -> Result<PodIds, EngineError> {
    let containers = pod.all_containers().map(|_| random_id(LONG_ID)).collect::<Result<_, _>>()?;
    Ok(PodIds { pod: random_id(LONG_ID)?, containers })
}

fn store_object(
    connection: &Connection,
    request: &PlayRequest,
    app: &str,
    kind: ObjectKind,
    name: &str,
    id: String,
) -> Result<Made, EngineError> {
    let before = objects::snapshot(connection, app, kind, name)?;
    let application = &request.application;
    let object = match kind {
        ObjectKind::ConfigMap => {
            let found: Option<&ConfigMap> = application.config_maps.iter().find(|o| o.name == name);
            found.cloned().map(Object::ConfigMap)
        }
        ObjectKind::Secret => {
            let found: Option<&Secret> = application.secrets.iter().find(|o| o.name == name);
            found.cloned().map(Object::Secret)
        }
    };
    let object = object.expect("the plan stores objects of the application only");
    objects::put(connection, &ObjectRow { app: app.to_owned(), id, object })?;
    Ok(Made { before, ..Made::new(made_kind(kind), name) })
}

fn made_kind(kind: ObjectKind) -> MadeKind {
    match kind {
        ObjectKind::ConfigMap => MadeKind::ConfigMap,
        ObjectKind::Secret => MadeKind::Secret,
    }
}

/// A volume as its claim describes it; without a claim, by its name alone.
fn volume_row(request: &PlayRequest, app: &str, name: &str) -> VolumeRow {
    let claim = request.application.claims.iter().find(|claim| claim.name == name).cloned().unwrap_or_default();
    let annotation = |key: &str| claim.annotations.get(&format!("volume.podman.io/{key}"));
    // podman's annotations for the owner of the directory.
    let owner = ["uid", "gid"].iter().filter_map(|key| annotation(key).map(|value| format!("{key}={value}")));
    let owner = owner.collect::<Vec<_>>().join(",");
    let mut options = volumes::claim_options(&claim, None);
    options.extend((!owner.is_empty()).then(|| ("o".to_owned(), owner)));
    VolumeRow {
        name: name.to_owned(),
        options,
        labels: claim.labels,
        created: jiff::Timestamp::now(),
        app: Some(app.to_owned()),
        anonymous: false,
    }
}

/// The volume of a pod's own claim.
pub(super) fn ephemeral_row(pod: &Pod, pod_id: &str, app: &str, name: &str) -> VolumeRow {
    let own = pod.volumes.iter().find(|volume| volume.claim(&pod.name).as_deref() == Some(name));
    let claim = match own.map(|volume| &volume.source) {
        Some(VolumeSource::Ephemeral { claim }) => claim.clone(),
        _ => ClaimTemplate::default(),
    };
    VolumeRow {
        name: name.to_owned(),
        options: volumes::claim_options(&claim, Some(pod_id)),
        labels: claim.labels,
        created: jiff::Timestamp::now(),
        app: Some(app.to_owned()),
        anonymous: false,
    }
}

/// That every image of a pod is still there: another command may have removed one since it was found. With the pod's row it can
/// no longer be removed.
pub(super) fn check_images(transaction: &Connection, record: &PodRecord) -> Result<(), EngineError> {
    let mut statement = transaction.prepare_cached("SELECT 1 FROM images WHERE id = ?")?;
    for image in record.images() {
        if !statement.exists([&image.id])? {
            return Err(ImageError::Vanished(image.reference.clone()).into());
        }
    }
    Ok(())
}

fn containers(
    request: &PlayRequest,
    pod: &Pod,
    ids: Vec<String>,
    devices: Vec<ContainerDevices>,
    images: &BTreeMap<String, ImageRecord>,
    pulls: &mut BTreeMap<String, ImagePull>,
) -> Result<Vec<ContainerRecord>, EngineError> {
    let init = pod.init_containers.len();
    let mut record = |(index, ((container, id), devices)): (usize, ((&Container, String), ContainerDevices))| {
        let name = match request.no_pod_prefix {
            true => container.name.clone(),
            false => format!("{}-{}", pod.name, container.name),
        };
        Ok(ContainerRecord {
            id,
            name,
            container: container.name.clone(),
            init: index < init,
            image: image_of(images, &container.image)?,
            // The others find it here.
            pull: pulls.remove(&container.image),
            devices,
        })
    };
    pod.all_containers().zip(ids).zip(devices).enumerate().map(&mut record).collect()
}

/// What is special about the pod's claims. One for a single pod must have no other user.
fn claims(connection: &Connection, pod: &Pod) -> Result<Vec<ClaimRecord>, EngineError> {
    let mut records = Vec::new();
    for name in uses::claims(pod) {
        let options = volumes::options(connection, &name)?.unwrap_or_default();
        let bound = volumes::bound(&options);
        let claim = ClaimTemplate { access_modes: volumes::access_modes(&options), ..ClaimTemplate::default() };
        if claim.is_for_one_pod() {
            let others: Vec<String> =
                volumes::users(connection, &name)?.into_iter().filter(|user| *user != pod.name).collect();
            if !others.is_empty() {
                let by = others.iter().map(|pod| format!("pod `{pod}`, and is `ReadWriteOncePod`")).collect();
                return Err(EngineError::InUse { what: "claim", name, by });
            }
        }
        let read_only = claim.is_read_only();
        if bound.is_some() || read_only {
            records.push(ClaimRecord { name, bound, read_only });
        }
    }
    Ok(records)
}

/// The images of the pod's volumes. One whose own volumes are to be mounted must declare some.
fn image_volumes(pod: &Pod, images: &BTreeMap<String, ImageRecord>) -> Result<Vec<ImageVolumeRecord>, EngineError> {
    let record = |(volume, reference, _): (&str, &str, _)| {
        let image = image_of(images, reference)?;
        let container = pod.all_containers().find(|container| container.image_mounts.iter().any(|name| name == volume));
        match container {
            Some(container) if image.config.volumes.is_empty() => {
                Err(EngineError::NoImageVolumes { image: reference.to_owned(), container: container.name.clone() })
            }
            _ => Ok(ImageVolumeRecord { volume: volume.to_owned(), image }),
        }
    };
    pod.image_volumes().map(record).collect()
}

fn image_of(images: &BTreeMap<String, ImageRecord>, reference: &str) -> Result<ImageRecord, EngineError> {
    let missing = || EngineError::MissingImages { images: vec![reference.to_owned()] };
    images.get(reference).cloned().ok_or_else(missing)
}

/// Gives the pod an address on each of its networks, the next free one unless one is wanted.
fn join(
    connection: &Connection,
    pod: &Pod,
    pod_id: &str,
    joins: &PodJoins,
    definitions: &BTreeMap<String, Definition>,
) -> Result<PodNetwork, EngineError> {
    let joins = match joins {
        PodJoins::Host => return Ok(PodNetwork::Host),
        PodJoins::None => return Ok(PodNetwork::None),
        PodJoins::Networks(joins) => joins,
    };
    let mut attachments = Vec::new();
    for (index, join) in joins.iter().enumerate() {
        let definition = definitions.get(&join.network).expect("every network of the plan was made or found");
        let taken = pods::leases(connection, &join.network)?.into_iter().collect();
        let last = pods::last_leases(connection, &join.network)?;
        let ips = address::allocate(definition, &taken, &last, &join.ips)?;
        pods::set_last_leases(connection, &join.network, &ips)?;
        let mut aliases = pod.network_names();
        aliases.extend(join.aliases.iter().cloned());
        aliases.sort();
        aliases.dedup();
        attachments.push(NetworkAttachment {
            network: join.network.clone(),
            interface: join.interface.clone().unwrap_or_else(|| format!("eth{index}")),
            ips,
            mac: Some(join.mac.clone().unwrap_or_else(|| address::mac(pod_id, &join.network))),
            aliases,
        });
    }
    Ok(PodNetwork::Networks(attachments))
}

/// Journal entries for recorded pods that are started or refreshed.
fn touched<'a>(
    prepared: &'a Prepared,
    names: &'a [String],
    created: &'a [String],
    kind: MadeKind,
) -> impl Iterator<Item = Made> + 'a {
    let rows = prepared.rows.iter().filter(|row| {
        let name = &row.record.pod.name;
        names.contains(name) && !created.contains(name)
    });
    rows.map(move |row| Made::new(kind, &row.record.id))
}

fn created(record: &PodRecord) -> Vec<LoggedEvent> {
    let pod = &record.pod.name;
    let mut logged = vec![LoggedEvent::now("pod", "create", &record.id, pod)];
    logged.extend(record.containers.iter().map(|container| {
        LoggedEvent::now("container", "create", &container.id, &container.name)
            .with("image", &container.image.reference)
            .with("podId", &record.id)
            .with("podName", pod)
    }));
    logged
}
