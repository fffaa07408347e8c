//! `volumes` of a pod.

use super::quantity::parse as parse_quantity;
use super::spot::Spot;
use super::{codes, container, form, huge_pages, nfs as network_file_system, object, payload};
use crate::model::diagnostic::Diagnostic;
use crate::model::{EmptyDirMedium, HostPathType, Volume, VolumeSource};
use k8s_openapi::api::core::v1 as core;
use std::collections::BTreeMap;
use std::path::Path;

/// What volumes need to know of the pod around them.
pub(super) struct Surroundings<'a> {
    /// Directory that relative host paths start from.
    pub base: &'a Path,
    /// Names of the pod's containers, for `resourceFieldRef`.
    pub containers: &'a [String],
}

/// Lowers every volume; one whose source is not supported is reported and left out.
pub(super) fn lower_all(at: &Spot<'_>, volumes: Vec<core::Volume>, around: &Surroundings<'_>) -> Vec<Volume> {
    let mut seen = BTreeMap::new();
    let mut lowered = Vec::new();
    for (i, volume) in volumes.into_iter().enumerate() {
        let at = at.index(i);
        if volume.name.is_empty() {
            at.missing("name");
        } else {
            at.field("name").check("volume name", &volume.name, form::dns_label);
            let mark = at.field("name").mark();
            if let Some(first) = seen.insert(volume.name.clone(), mark.clone()) {
                let message = format!("volume `{}` is declared twice", volume.name);
                let error = Diagnostic::error(codes::DUPLICATE, message).also(first.span, "first here");
                at.field("name").on_value(error, "");
            }
        }
        let name = volume.name.clone();
        lowered.extend(lower(&at, volume, around).map(|source| Volume { name, source }));
    }
    lowered
}

fn lower(at: &Spot<'_>, volume: core::Volume, around: &Surroundings<'_>) -> Option<VolumeSource> {
    let core::Volume {
        name,
        aws_elastic_block_store,
        azure_disk,
        azure_file,
        cephfs,
        cinder,
        config_map,
        csi,
        downward_api,
        empty_dir,
        ephemeral,
        fc,
        flex_volume,
        flocker,
        gce_persistent_disk,
        git_repo,
        glusterfs,
        host_path,
        image,
        iscsi,
        nfs,
        persistent_volume_claim,
        photon_persistent_disk,
        portworx_volume,
        projected,
        quobyte,
        rbd,
        scale_io,
        secret,
        storageos,
        vsphere_volume,
    } = volume;
    let mut sources: Vec<(&str, Option<VolumeSource>)> = Vec::new();
    let supported = "supported: emptyDir, hostPath, configMap, secret, persistentVolumeClaim, ephemeral, downwardAPI, projected, image, nfs";
    let mut refuse = |field: &'static str, present: bool, reason: &str, hint: &str| {
        if present {
            at.field(field).refused(true, reason, hint);
            sources.push((field, None));
        }
    };
    let network = "network storage is not mounted";
    let mounted = "mount it on the machine and use a `hostPath` volume";
    refuse("awsElasticBlockStore", aws_elastic_block_store.is_some(), network, mounted);
    refuse("azureDisk", azure_disk.is_some(), network, mounted);
    refuse("azureFile", azure_file.is_some(), network, mounted);
    refuse("cephfs", cephfs.is_some(), network, mounted);
    refuse("cinder", cinder.is_some(), network, mounted);
    refuse("csi", csi.is_some(), "there are no CSI drivers", supported);
    refuse("fc", fc.is_some(), network, mounted);
    refuse("flexVolume", flex_volume.is_some(), "there are no volume drivers", supported);
    refuse("flocker", flocker.is_some(), network, mounted);
    refuse("gcePersistentDisk", gce_persistent_disk.is_some(), network, mounted);
    refuse("gitRepo", git_repo.is_some(), "Kubernetes deprecated it", "clone in an init container into an `emptyDir`");
    refuse("glusterfs", glusterfs.is_some(), network, mounted);
    refuse("iscsi", iscsi.is_some(), network, mounted);
    refuse("photonPersistentDisk", photon_persistent_disk.is_some(), network, mounted);
    refuse("portworxVolume", portworx_volume.is_some(), network, mounted);
    refuse("quobyte", quobyte.is_some(), network, mounted);
    refuse("rbd", rbd.is_some(), network, mounted);
    refuse("scaleIO", scale_io.is_some(), network, mounted);
    refuse("storageos", storageos.is_some(), network, mounted);
    refuse("vsphereVolume", vsphere_volume.is_some(), network, mounted);
    sources.extend(config_map.map(|s| ("configMap", payload::config_map_source(&at.field("configMap"), s))));
    sources.extend(downward_api.map(|s| ("downwardAPI", payload::downward(&at.field("downwardAPI"), s, around))));
    sources.extend(empty_dir.map(|s| ("emptyDir", Some(empty_dir_source(&at.field("emptyDir"), s)))));
    sources.extend(host_path.map(|s| ("hostPath", host_path_source(&at.field("hostPath"), s, around.base))));
    sources.extend(ephemeral.map(|s| ("ephemeral", ephemeral_source(&at.field("ephemeral"), s))));
    sources.extend(image.map(|s| ("image", image_source(&at.field("image"), s))));
    sources.extend(nfs.map(|s| ("nfs", network_file_system::source(&at.field("nfs"), s).map(VolumeSource::Nfs))));
    let claim = "persistentVolumeClaim";
    sources.extend(persistent_volume_claim.map(|s| (claim, claim_source(&at.field(claim), s))));
    sources
        .extend(projected.map(|s| ("projected", Some(payload::projected_source(&at.field("projected"), s, around)))));
    sources.extend(secret.map(|s| ("secret", payload::secret_source(&at.field("secret"), s))));
    match sources.len() {
        // Kubernetes takes a volume without a source for an emptyDir.
        0 => Some(VolumeSource::EmptyDir { medium: EmptyDirMedium::Disk, size_limit: None, mode: None }),
        1 => sources.remove(0).1,
        _ => {
            let (first, second) = (at.field(sources[0].0).key_mark(), at.field(sources[1].0));
            let message = format!("volume `{name}` has {} sources", sources.len());
            let error = Diagnostic::error(codes::CONFLICT, message).hint("make it one volume for each source");
            second.on_key(error.also(first.span, "first here"), "");
            sources.remove(0).1
        }
    }
}

fn empty_dir_source(at: &Spot<'_>, source: core::EmptyDirVolumeSource) -> VolumeSource {
    let core::EmptyDirVolumeSource { medium, mode, size_limit } = source;
    let mode = mode.map(|bits| payload::mode_of(&at.field("mode"), bits, 0o1777));
    let mediums = [("", EmptyDirMedium::Disk), ("Memory", EmptyDirMedium::Memory)];
    let (medium, medium_at) = (medium.unwrap_or_default(), at.field("medium"));
    let medium = match medium.starts_with("HugePages") {
        true => huge_pages::medium(&medium_at, &medium),
        false => medium_at.one_of("medium", &medium, &mediums),
    };
    let medium = medium.unwrap_or_default();
    let size_limit = size_limit.and_then(|q| parse_quantity(&at.field("sizeLimit"), &q)).map(|q| q.units() as u64);
    VolumeSource::EmptyDir { medium, size_limit: size_limit.filter(|bytes| *bytes > 0), mode }
}

/// Lowers a `hostPath`; a relative path starts at `base`.
pub(super) fn host_path_source(at: &Spot<'_>, source: core::HostPathVolumeSource, base: &Path) -> Option<VolumeSource> {
    let core::HostPathVolumeSource { path, type_ } = source;
    let types = [
        ("", HostPathType::Unset),
        ("DirectoryOrCreate", HostPathType::DirectoryOrCreate),
        ("Directory", HostPathType::Directory),
        ("FileOrCreate", HostPathType::FileOrCreate),
        ("File", HostPathType::File),
        ("Socket", HostPathType::Socket),
        ("CharDevice", HostPathType::CharDevice),
        ("BlockDevice", HostPathType::BlockDevice),
    ];
    let type_ = type_.unwrap_or_default();
    let kind = at.field("type").one_of("hostPath type", &type_, &types).unwrap_or_default();
    if path.is_empty() {
        at.missing("path");
        return None;
    }
    if path.split('/').any(|step| step == "..") {
        at.field("path").wrong(codes::FORM, format!("host path `{path}` must not contain `..`"));
        return None;
    }
    let absolute = if path.starts_with('/') { path } else { format!("{}/{path}", base.display()) };
    Some(VolumeSource::HostPath { path: form::cleaned(&absolute), kind })
}

fn ephemeral_source(at: &Spot<'_>, source: core::EphemeralVolumeSource) -> Option<VolumeSource> {
    let core::EphemeralVolumeSource { volume_claim_template } = source;
    if volume_claim_template.is_none() {
        at.missing("volumeClaimTemplate");
    }
    let claim = object::claim_template(&at.field("volumeClaimTemplate"), volume_claim_template?);
    Some(VolumeSource::Ephemeral { claim: Box::new(claim) })
}

fn image_source(at: &Spot<'_>, source: core::ImageVolumeSource) -> Option<VolumeSource> {
    let core::ImageVolumeSource { pull_policy, reference } = source;
    let pull_policy = container::pull_policy(&at.field("pullPolicy"), pull_policy);
    let Some(reference) = reference.filter(|reference| !reference.is_empty()) else {
        at.missing("reference");
        return None;
    };
    container::check_image(&at.field("reference"), &reference);
    Some(VolumeSource::Image { reference, pull_policy })
}

fn claim_source(at: &Spot<'_>, source: core::PersistentVolumeClaimVolumeSource) -> Option<VolumeSource> {
    let core::PersistentVolumeClaimVolumeSource { claim_name, read_only } = source;
    if claim_name.is_empty() {
        at.missing("claimName");
        return None;
    }
    let valid = at.field("claimName").check("claim name", &claim_name, form::dns_subdomain);
    valid.then(|| VolumeSource::Claim { name: claim_name, read_only: read_only.unwrap_or_default() })
}
