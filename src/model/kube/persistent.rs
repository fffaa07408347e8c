//! PersistentVolumes, StorageClasses, and which claim gets which volume (Kubernetes, "Persistent Volumes", Binding).

use super::loader::at_mark;
use super::metadata::{self, Metadata};
use super::quantity::parse as parse_quantity;
use super::spot::{Mark, NO_EFFECT, Spot};
use super::volume::host_path_source;
use super::{Session, codes, nfs as network_file_system};
use crate::model::diagnostic::Diagnostic;
use crate::model::{BoundVolume, ClaimTemplate, HostPathType, NfsExport, VolumeSource};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeMap;
use std::path::Path;

/// The class of what is made here.
const LOCAL: &str = "local";
const MOUNTED: &str = "mount it on the machine and use `hostPath`";

/// A PersistentVolume of the input that a claim may get.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    name: String,
    labels: BTreeMap<String, String>,
    /// Bytes.
    capacity: u64,
    access_modes: Vec<String>,
    class: String,
    /// The claim it is kept for.
    reserved: Option<String>,
    block: bool,
    place: Place,
    mark: Mark,
}

/// Where the files of a PersistentVolume are.
#[derive(Debug, Clone)]
struct Place {
    path: String,
    kind: HostPathType,
    local: bool,
    nfs: Option<NfsExport>,
}

impl Offer {
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What a claim asks of a PersistentVolume, beside what its [`ClaimTemplate`] says.
#[derive(Debug, Clone)]
pub(super) struct Demand {
    /// `None`: whatever class.
    pub class: Option<String>,
    /// Where the class stands.
    pub class_mark: Mark,
    /// Where `volumeMode` stands.
    pub mode_mark: Mark,
    pub volume_name: Option<String>,
    pub selector: Option<LabelSelector>,
    pub block: bool,
    pub mark: Mark,
    /// Where `volumeName` stands.
    pub volume_mark: Mark,
}

/// Lowers a PersistentVolume; one whose source is not supported is reported and left out.
pub(super) fn volume(at: &Spot<'_>, object: core::PersistentVolume, base: &Path) -> Option<Offer> {
    let core::PersistentVolume { metadata, spec, status } = object;
    at.field("status").no_effect(status.is_some(), "a cluster sets it");
    let meta_at = at.field("metadata");
    let Metadata { name, labels, .. } = metadata::lower(&meta_at, metadata);
    let core::PersistentVolumeSpec {
        access_modes,
        aws_elastic_block_store,
        azure_disk,
        azure_file,
        capacity,
        cephfs,
        cinder,
        claim_ref,
        csi,
        fc,
        flex_volume,
        flocker,
        gce_persistent_disk,
        glusterfs,
        host_path,
        iscsi,
        local,
        mount_options,
        nfs,
        node_affinity,
        persistent_volume_reclaim_policy,
        photon_persistent_disk,
        portworx_volume,
        quobyte,
        rbd,
        scale_io,
        storage_class_name,
        storageos,
        volume_attributes_class_name,
        volume_mode,
        vsphere_volume,
    } = spec.unwrap_or_default();
    let spec_at = at.field("spec");
    let at = &spec_at;
    at.field("nodeAffinity").no_effect(node_affinity.is_some(), "there is one machine");
    at.field("volumeAttributesClassName").no_effect(volume_attributes_class_name.is_some(), "a CSI driver reads it");
    let mount_options = mount_options.unwrap_or_default();
    at.field("mountOptions").unsupported(
        !mount_options.is_empty() && nfs.is_none(),
        "directories are mounted as they are",
        "use `bindMountOptions` of `volumeMounts`",
    );
    reclaim_policy(&at.field("persistentVolumeReclaimPolicy"), persistent_volume_reclaim_policy);
    let mut refused = 0;
    let mut refuse = |field: &'static str, present: bool, reason: &str| {
        if present {
            refused += 1;
            at.field(field).refused(true, reason, MOUNTED);
        }
    };
    let network = "network storage is not mounted";
    refuse("awsElasticBlockStore", aws_elastic_block_store.is_some(), network);
    refuse("azureDisk", azure_disk.is_some(), network);
    refuse("azureFile", azure_file.is_some(), network);
    refuse("cephfs", cephfs.is_some(), network);
    refuse("cinder", cinder.is_some(), network);
    refuse("csi", csi.is_some(), "there are no CSI drivers");
    refuse("fc", fc.is_some(), network);
    refuse("flexVolume", flex_volume.is_some(), "there are no volume drivers");
    refuse("flocker", flocker.is_some(), network);
    refuse("gcePersistentDisk", gce_persistent_disk.is_some(), network);
    refuse("glusterfs", glusterfs.is_some(), network);
    refuse("iscsi", iscsi.is_some(), network);
    refuse("photonPersistentDisk", photon_persistent_disk.is_some(), network);
    refuse("portworxVolume", portworx_volume.is_some(), network);
    refuse("quobyte", quobyte.is_some(), network);
    refuse("rbd", rbd.is_some(), network);
    refuse("scaleIO", scale_io.is_some(), network);
    refuse("storageos", storageos.is_some(), network);
    refuse("vsphereVolume", vsphere_volume.is_some(), network);
    let block = block_mode(&at.field("volumeMode"), volume_mode);
    let on_machine = |path, kind, local| Place { path, kind, local, nfs: None };
    let place = match (host_path, local, nfs) {
        _ if refused > 0 => None,
        (Some(source), None, None) => match host_path_source(&at.field("hostPath"), source, base)? {
            VolumeSource::HostPath { path, kind } => Some(on_machine(path, kind, false)),
            _ => None,
        },
        (None, Some(source), None) => {
            local_source(&at.field("local"), source, block, base).map(|(path, kind)| on_machine(path, kind, true))
        }
        (None, None, Some(source)) => {
            let mount_options = network_file_system::mount_options(&at.field("mountOptions"), mount_options);
            let export = network_file_system::source(&at.field("nfs"), source);
            let export = export.map(|export| NfsExport { mount_options, ..export });
            export.map(|export| Place {
                nfs: Some(export.clone()),
                ..on_machine(export.source(), HostPathType::Unset, false)
            })
        }
        (None, None, None) => {
            let error = Diagnostic::error(codes::REQUIRED, "a PersistentVolume needs a source");
            at.on_key(error.hint("supported: hostPath, local, nfs"), "");
            None
        }
        _ => {
            at.on_key(Diagnostic::error(codes::CONFLICT, "a PersistentVolume has one source"), "");
            None
        }
    };
    let access_modes = access_modes.unwrap_or_default();
    check_access_modes(&at.field("accessModes"), &access_modes);
    let capacity_at = at.field("capacity");
    let storage = capacity.unwrap_or_default().remove("storage");
    if storage.is_none() {
        capacity_at.missing("storage");
    }
    let capacity = storage.and_then(|q| parse_quantity(&capacity_at.field("storage"), &q)).map(|q| q.units() as u64);
    let reserved = claim_ref.and_then(|reference| claim_reference(&at.field("claimRef"), reference));
    Some(Offer {
        mark: meta_at.field("name").mark(),
        name,
        labels,
        capacity: capacity.unwrap_or(0),
        access_modes,
        class: storage_class_name.unwrap_or_default(),
        reserved,
        block,
        place: place?,
    })
}

/// The name of the claim that a volume is kept for.
fn claim_reference(at: &Spot<'_>, reference: core::ObjectReference) -> Option<String> {
    let core::ObjectReference { api_version, field_path, kind, name, namespace, resource_version, uid } = reference;
    let by_name = "claims are known by name alone";
    at.field("apiVersion").no_effect(api_version.is_some(), by_name);
    at.field("fieldPath").no_effect(field_path.is_some(), by_name);
    at.field("kind").no_effect(kind.is_some(), by_name);
    at.field("namespace").no_effect(namespace.is_some(), by_name);
    at.field("resourceVersion").no_effect(resource_version.is_some(), by_name);
    at.field("uid").no_effect(uid.is_some(), by_name);
    name.filter(|name| !name.is_empty())
}

fn local_source(
    at: &Spot<'_>,
    source: core::LocalVolumeSource,
    block: bool,
    base: &Path,
) -> Option<(String, HostPathType)> {
    let core::LocalVolumeSource { fs_type, path } = source;
    let hint = "mount it on the machine, and name the directory";
    at.field("fsType").unsupported(fs_type.is_some() && !block, "devices are not mounted", hint);
    let kind = if block { "BlockDevice" } else { "" };
    let as_host_path = core::HostPathVolumeSource { path, type_: Some(kind.to_owned()) };
    match host_path_source(at, as_host_path, base)? {
        // A local volume must be there: nobody meant an empty directory in its place.
        VolumeSource::HostPath { path, kind: HostPathType::Unset } => Some((path, HostPathType::Directory)),
        VolumeSource::HostPath { path, kind } => Some((path, kind)),
        _ => None,
    }
}

fn reclaim_policy(at: &Spot<'_>, policy: Option<String>) {
    let policies = [("Retain", 0), ("Delete", 1), ("Recycle", 2)];
    match policy.and_then(|policy| at.one_of("reclaim policy", &policy, &policies)) {
        Some(1) => at.no_effect(true, "what a PersistentVolume had before its claim is never deleted"),
        Some(2) => at.unsupported(true, "Kubernetes deprecated `Recycle`", "use `Retain`"),
        _ => {}
    }
}

/// Whether `volumeMode` is `Block`.
pub(super) fn block_mode(at: &Spot<'_>, mode: Option<String>) -> bool {
    let modes = [("Filesystem", false), ("Block", true)];
    mode.and_then(|mode| at.one_of("volume mode", &mode, &modes)).unwrap_or_default()
}

pub(super) fn check_access_modes(at: &Spot<'_>, access_modes: &[String]) {
    for (i, mode) in access_modes.iter().enumerate() {
        let modes = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"].map(|m| (m, ()));
        at.index(i).one_of("access mode", mode, &modes);
    }
}

/// A StorageClass says how volumes are made; here each is a directory, whatever it says.
pub(super) fn storage_class(at: &Spot<'_>, class: StorageClass) -> String {
    let StorageClass {
        allow_volume_expansion,
        allowed_topologies,
        metadata,
        mount_options,
        parameters,
        provisioner,
        reclaim_policy,
        volume_binding_mode,
    } = class;
    let Metadata { name, .. } = metadata::lower(&at.field("metadata"), metadata);
    let local = "volumes are directories on this machine";
    at.field("allowVolumeExpansion").no_effect(allow_volume_expansion.is_some(), local);
    at.field("allowedTopologies").no_effect(allowed_topologies.is_some(), "there is one machine");
    at.field("mountOptions").no_effect(mount_options.is_some(), local);
    at.field("parameters").no_effect(parameters.is_some(), local);
    at.field("reclaimPolicy").no_effect(reclaim_policy.is_some(), "volumes stay until `kube down --force`");
    at.field("volumeBindingMode").no_effect(volume_binding_mode.is_some(), "there is one machine");
    at.field("provisioner").no_effect(!provisioner.is_empty(), local);
    if provisioner.is_empty() {
        at.missing("provisioner");
    }
    name
}

/// Gives each claim the smallest PersistentVolume that fits, those first that name theirs or are kept for it.
pub(super) fn bind(session: &Session, claims: &mut [ClaimTemplate], demands: &[Demand], mut offers: Vec<Offer>) {
    let mut order: Vec<usize> = (0..claims.len().min(demands.len())).collect();
    let is_reserved = |offers: &[Offer], name: &str| offers.iter().any(|o| o.reserved.as_deref() == Some(name));
    order.sort_by_key(|i| demands[*i].volume_name.is_none() && !is_reserved(&offers, &claims[*i].name));
    for i in order {
        let (claim, demand) = (&mut claims[i], &demands[i]);
        if claim.content.is_some() || claim.mount.is_some() {
            if demand.volume_name.is_some() {
                let message = "a claim that is filled or mounted by its annotations gets no PersistentVolume";
                session.report(at_mark(Diagnostic::error(codes::CONFLICT, message), &demand.volume_mark));
            }
            continue;
        }
        let fitting = offers.iter().enumerate().filter(|(_, offer)| misfit(claim, demand, offer).is_none());
        let best = fitting.min_by_key(|(_, offer)| (offer.reserved.is_none(), offer.capacity)).map(|(n, _)| n);
        match best {
            Some(n) => {
                let Offer { name, place: Place { path, kind, local, nfs }, .. } = offers.remove(n);
                claim.bound = Some(BoundVolume { name, path, kind, local, nfs });
            }
            None => explain(session, claim, demand, &offers),
        }
    }
    for offer in offers {
        let message = format!("no claim of the files gets PersistentVolume `{}`", offer.name);
        let warning = Diagnostic::warning(codes::PARTLY, message).hint("play it together with its claim");
        session.report(warning.at(offer.mark.span, "").path(offer.mark.path.unwrap_or_default()));
    }
}

/// Says why a claim gets none of the volumes, where it asks for one or one is likely to be meant.
fn explain(session: &Session, claim: &ClaimTemplate, demand: &Demand, offers: &[Offer]) {
    let report = |diagnostic: Diagnostic, mark: &Mark| {
        session.report(diagnostic.at(mark.span, "").path(mark.path.clone().unwrap_or_default()));
    };
    if let Some(name) = &demand.volume_name {
        let why = offers.iter().find(|offer| offer.name == *name).and_then(|offer| misfit(claim, demand, offer));
        let message = match why {
            Some(why) => format!("PersistentVolume `{name}` does not fit the claim: {why}"),
            None => format!("PersistentVolume `{name}` is not in the files, or another claim has it"),
        };
        // A claim that was played with it has it still.
        let hint = "a claim that has no volume yet gets a new directory; play both together";
        return report(Diagnostic::warning(codes::PARTLY, message).hint(hint), &demand.volume_mark);
    }
    if demand.block {
        let message = "`volumeMode: Block` needs a PersistentVolume that is a block device";
        let hint = "add a PersistentVolume with `volumeMode: Block` and `local.path`";
        return report(Diagnostic::error(codes::UNSUPPORTED, message).hint(hint), &demand.mode_mark);
    }
    let class = demand.class.as_deref().unwrap_or_default();
    if let Some(offer) = offers.iter().find(|offer| offer.class == class && offer.reserved.is_none()) {
        let why = misfit(claim, demand, offer).unwrap_or("it is another's");
        let message = format!(
            "claim `{}` gets a new directory: PersistentVolume `{}` does not fit, {why}",
            claim.name, offer.name
        );
        return report(Diagnostic::warning(codes::PARTLY, message), &demand.mark);
    }
    if !class.is_empty() && class != LOCAL {
        let why = format!("`storageClassName`{NO_EFFECT}every claim without a PersistentVolume is a directory");
        report(Diagnostic::info(codes::NO_EFFECT, why), &demand.class_mark);
    }
}

/// Why a claim cannot have a volume.
fn misfit(claim: &ClaimTemplate, demand: &Demand, offer: &Offer) -> Option<&'static str> {
    let reserved = offer.reserved.as_deref();
    if reserved.is_some_and(|name| name != claim.name) {
        return Some("`claimRef` names another claim");
    }
    if demand.volume_name.as_ref().is_some_and(|name| *name != offer.name) {
        return Some("`volumeName` names another volume");
    }
    // Without a class a claim asks for the default one, which is to be given a new directory; a volume of no class fits, too.
    if demand.class.as_deref().unwrap_or_default() != offer.class {
        return Some("they have different storage classes");
    }
    if demand.block != offer.block {
        return Some("one is a file system, the other a block device");
    }
    if claim.storage_request.unwrap_or(0) > offer.capacity {
        return Some("it has less capacity than the claim requests");
    }
    if !claim.access_modes.iter().all(|mode| offer.access_modes.contains(mode)) {
        return Some("it lacks an access mode of the claim");
    }
    let selects = demand.selector.as_ref().is_none_or(|selector| selects(selector, &offer.labels));
    (!selects).then_some("the claim's selector does not select it")
}

fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let LabelSelector { match_expressions, match_labels } = selector;
    let by_label = match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let expression = |requirement: &LabelSelectorRequirement| {
        let LabelSelectorRequirement { key, operator, values } = requirement;
        let is_in = labels.get(key).is_some_and(|value| values.iter().flatten().any(|v| v == value));
        match operator.as_str() {
            "In" => is_in,
            "NotIn" => !is_in,
            "Exists" => labels.contains_key(key),
            "DoesNotExist" => !labels.contains_key(key),
            _ => false,
        }
    };
    by_label && match_expressions.iter().flatten().all(expression)
}
