//! `volumes` of a pod.

use super::quantity::parse as parse_quantity;
use super::references::Target;
use super::spot::Spot;
use super::{codes, env, form};
use crate::model::diagnostic::Diagnostic;
use crate::model::{
    DownwardFile, EmptyDirMedium, HostPathType, KeyToPath, ObjectKind, Projection, Volume, VolumeSource,
};
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
    let supported = "supported: emptyDir, hostPath, configMap, secret, persistentVolumeClaim, downwardAPI, projected";
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
    refuse(
        "ephemeral",
        ephemeral.is_some(),
        "a claim per pod is not made",
        "use `emptyDir` or `persistentVolumeClaim`",
    );
    refuse("fc", fc.is_some(), network, mounted);
    refuse("flexVolume", flex_volume.is_some(), "there are no volume drivers", supported);
    refuse("flocker", flocker.is_some(), network, mounted);
    refuse("gcePersistentDisk", gce_persistent_disk.is_some(), network, mounted);
    refuse("gitRepo", git_repo.is_some(), "Kubernetes deprecated it", "clone in an init container into an `emptyDir`");
    refuse("glusterfs", glusterfs.is_some(), network, mounted);
    refuse("image", image.is_some(), "images are not mounted yet", "copy from the image in an init container");
    refuse("iscsi", iscsi.is_some(), network, mounted);
    refuse("nfs", nfs.is_some(), network, mounted);
    refuse("photonPersistentDisk", photon_persistent_disk.is_some(), network, mounted);
    refuse("portworxVolume", portworx_volume.is_some(), network, mounted);
    refuse("quobyte", quobyte.is_some(), network, mounted);
    refuse("rbd", rbd.is_some(), network, mounted);
    refuse("scaleIO", scale_io.is_some(), network, mounted);
    refuse("storageos", storageos.is_some(), network, mounted);
    refuse("vsphereVolume", vsphere_volume.is_some(), network, mounted);
    sources.extend(config_map.map(|s| ("configMap", config_map_source(&at.field("configMap"), s))));
    sources.extend(downward_api.map(|s| ("downwardAPI", downward(&at.field("downwardAPI"), s, around))));
    sources.extend(empty_dir.map(|s| ("emptyDir", Some(empty_dir_source(&at.field("emptyDir"), s)))));
    sources.extend(host_path.map(|s| ("hostPath", host_path_source(&at.field("hostPath"), s, around.base))));
    let claim = "persistentVolumeClaim";
    sources.extend(persistent_volume_claim.map(|s| (claim, claim_source(&at.field(claim), s))));
    sources.extend(projected.map(|s| ("projected", Some(projected_source(&at.field("projected"), s, around)))));
    sources.extend(secret.map(|s| ("secret", secret_source(&at.field("secret"), s))));
    match sources.len() {
        // Kubernetes takes a volume without a source for an emptyDir.
        0 => Some(VolumeSource::EmptyDir { medium: EmptyDirMedium::Disk, size_limit: None }),
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
    at.field("mode").unsupported(mode.is_some(), "it is made with mode 0777", "change it in an init container");
    let mediums = [("", Some(EmptyDirMedium::Disk)), ("Memory", Some(EmptyDirMedium::Memory)), ("HugePages", None)];
    let medium = medium.unwrap_or_default();
    let medium = match medium.strip_prefix("HugePages-").map_or(medium.as_str(), |_| "HugePages") {
        "HugePages" => {
            at.field("medium").refused(true, "huge pages are not handed out", "use `medium: Memory`");
            EmptyDirMedium::Memory
        }
        name => at.field("medium").one_of("medium", name, &mediums).flatten().unwrap_or_default(),
    };
    let size_limit = size_limit.and_then(|q| parse_quantity(&at.field("sizeLimit"), &q)).map(|q| q.units() as u64);
    VolumeSource::EmptyDir { medium, size_limit: size_limit.filter(|bytes| *bytes > 0) }
}

fn host_path_source(at: &Spot<'_>, source: core::HostPathVolumeSource, base: &Path) -> Option<VolumeSource> {
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

fn claim_source(at: &Spot<'_>, source: core::PersistentVolumeClaimVolumeSource) -> Option<VolumeSource> {
    let core::PersistentVolumeClaimVolumeSource { claim_name, read_only } = source;
    if claim_name.is_empty() {
        at.missing("claimName");
        return None;
    }
    let valid = at.field("claimName").check("claim name", &claim_name, form::dns_subdomain);
    valid.then(|| VolumeSource::Claim { name: claim_name, read_only: read_only.unwrap_or_default() })
}

fn config_map_source(at: &Spot<'_>, source: core::ConfigMapVolumeSource) -> Option<VolumeSource> {
    let core::ConfigMapVolumeSource { default_mode, default_user, items, name, optional } = source;
    owner(&at.field("defaultUser"), default_user);
    let default_mode = default_mode_of(at, default_mode);
    let (items, optional) = object_items(at, "name", ObjectKind::ConfigMap, &name, items, optional)?;
    Some(VolumeSource::ConfigMap { name, items, default_mode, optional })
}

fn secret_source(at: &Spot<'_>, source: core::SecretVolumeSource) -> Option<VolumeSource> {
    let core::SecretVolumeSource { default_mode, default_user, items, optional, secret_name } = source;
    owner(&at.field("defaultUser"), default_user);
    let (name, default_mode) = (secret_name.unwrap_or_default(), default_mode_of(at, default_mode));
    let (items, optional) = object_items(at, "secretName", ObjectKind::Secret, &name, items, optional)?;
    Some(VolumeSource::Secret { name, items, default_mode, optional })
}

fn downward(at: &Spot<'_>, source: core::DownwardAPIVolumeSource, around: &Surroundings<'_>) -> Option<VolumeSource> {
    let core::DownwardAPIVolumeSource { default_mode, default_user, items } = source;
    owner(&at.field("defaultUser"), default_user);
    let default_mode = default_mode_of(at, default_mode);
    let items = downward_items(&at.field("items"), items.unwrap_or_default(), around, &mut BTreeMap::new());
    Some(VolumeSource::DownwardApi { items, default_mode })
}

fn projected_source(at: &Spot<'_>, source: core::ProjectedVolumeSource, around: &Surroundings<'_>) -> VolumeSource {
    let core::ProjectedVolumeSource { default_mode, default_user, sources } = source;
    owner(&at.field("defaultUser"), default_user);
    let default_mode = default_mode_of(at, default_mode);
    let mut paths = BTreeMap::new();
    let at = at.field("sources");
    let sources = sources.unwrap_or_default().into_iter().enumerate();
    let sources = sources.filter_map(|(i, s)| projection(&at.index(i), s, around, &mut paths)).collect();
    VolumeSource::Projected { sources, default_mode }
}

fn projection(
    at: &Spot<'_>,
    source: core::VolumeProjection,
    around: &Surroundings<'_>,
    paths: &mut Paths,
) -> Option<Projection> {
    let core::VolumeProjection {
        cluster_trust_bundle,
        config_map,
        downward_api,
        pod_certificate,
        secret,
        service_account_token,
    } = source;
    let reason = "there is no API server to ask";
    at.field("clusterTrustBundle").unsupported(cluster_trust_bundle.is_some(), reason, "use a ConfigMap");
    at.field("podCertificate").unsupported(pod_certificate.is_some(), reason, "use a Secret");
    at.field("serviceAccountToken").unsupported(service_account_token.is_some(), reason, "remove it");
    let unsupported = [cluster_trust_bundle.is_some(), pod_certificate.is_some(), service_account_token.is_some()];
    let present = [config_map.is_some(), downward_api.is_some(), secret.is_some()];
    let count = unsupported.iter().chain(&present).filter(|p| **p).count();
    if count != 1 {
        let message = format!("an entry of `sources` has one source, not {count}");
        at.on_key(Diagnostic::error(codes::CONFLICT, message), "");
    }
    if let Some(core::ConfigMapProjection { items, name, optional }) = config_map {
        let at = at.field("configMap");
        let (items, optional) = object_items(&at, "name", ObjectKind::ConfigMap, &name, items, optional)?;
        claim_paths(&at.field("items"), items.iter().map(|i| i.path.as_str()), paths);
        return Some(Projection::ConfigMap { name, items, optional });
    }
    if let Some(core::SecretProjection { items, name, optional }) = secret {
        let at = at.field("secret");
        let (items, optional) = object_items(&at, "name", ObjectKind::Secret, &name, items, optional)?;
        claim_paths(&at.field("items"), items.iter().map(|i| i.path.as_str()), paths);
        return Some(Projection::Secret { name, items, optional });
    }
    let core::DownwardAPIProjection { items } = downward_api?;
    let at = at.field("downwardAPI");
    let items = downward_items(&at.field("items"), items.unwrap_or_default(), around, paths);
    Some(Projection::DownwardApi { items })
}

/// Paths of a volume that are taken, with their places.
type Paths = BTreeMap<String, super::spot::Mark>;

/// Reports paths that a projected volume would have twice.
fn claim_paths<'p>(at: &Spot<'_>, items: impl Iterator<Item = &'p str>, paths: &mut Paths) {
    for (i, path) in items.enumerate() {
        let at = at.index(i);
        let at = at.field("path");
        if let Some(first) = paths.insert(path.to_owned(), at.mark()) {
            let error = Diagnostic::error(codes::DUPLICATE, format!("two files of the volume are `{path}`"));
            at.on_value(error.also(first.span, "first here"), "");
        }
    }
}

/// Reads name, `items` and `optional` of a source that is an object, and notes the references for later.
fn object_items(
    at: &Spot<'_>,
    name_field: &str,
    kind: ObjectKind,
    name: &str,
    items: Option<Vec<core::KeyToPath>>,
    optional: Option<bool>,
) -> Option<(Vec<KeyToPath>, bool)> {
    let optional = optional.unwrap_or_default();
    if name.is_empty() {
        at.missing(name_field);
        return None;
    }
    let target = Target { kind, name: name.to_owned(), optional };
    at.session.refer(&target, None, at.field(name_field).mark());
    let items_at = at.field("items");
    let mut paths = BTreeMap::new();
    let mut lowered = Vec::new();
    for (i, item) in items.unwrap_or_default().into_iter().enumerate() {
        let at = items_at.index(i);
        let core::KeyToPath { key, mode, path, user } = item;
        owner(&at.field("user"), user);
        let mode = mode.map(|m| mode_of(&at.field("mode"), m));
        if key.is_empty() {
            at.missing("key");
            continue;
        }
        at.session.refer(&target, Some(&key), at.field("key").mark());
        if check_file(&at, &path) {
            claim_one(&at, &path, &mut paths);
            lowered.push(KeyToPath { key, path, mode });
        }
    }
    Some((lowered, optional))
}

fn claim_one(at: &Spot<'_>, path: &str, paths: &mut Paths) {
    let at = at.field("path");
    if let Some(first) = paths.insert(path.to_owned(), at.mark()) {
        let error = Diagnostic::error(codes::DUPLICATE, format!("two files of the volume are `{path}`"));
        at.on_value(error.also(first.span, "first here"), "");
    }
}

fn downward_items(
    at: &Spot<'_>,
    items: Vec<core::DownwardAPIVolumeFile>,
    around: &Surroundings<'_>,
    paths: &mut Paths,
) -> Vec<DownwardFile> {
    let mut lowered = Vec::new();
    for (i, item) in items.into_iter().enumerate() {
        let at = at.index(i);
        let core::DownwardAPIVolumeFile { field_ref, mode, path, resource_field_ref, user } = item;
        owner(&at.field("user"), user);
        let mode = mode.map(|m| mode_of(&at.field("mode"), m));
        let value = match (field_ref, resource_field_ref) {
            (Some(field), None) => env::field_ref(&at.field("fieldRef"), field, true),
            (None, Some(resource)) => {
                let at = at.field("resourceFieldRef");
                if resource.container_name.as_deref().is_none_or(str::is_empty) {
                    at.missing("containerName");
                }
                env::resource_ref(&at, resource, around.containers)
            }
            (Some(_), Some(_)) | (None, None) => {
                let message = "a file needs either `fieldRef` or `resourceFieldRef`";
                at.on_key(Diagnostic::error(codes::CONFLICT, message), "");
                None
            }
        };
        if check_file(&at, &path) {
            claim_one(&at, &path, paths);
            lowered.extend(value.map(|value| DownwardFile { path, value, mode }));
        }
    }
    lowered
}

fn check_file(at: &Spot<'_>, path: &str) -> bool {
    if path.is_empty() {
        at.missing("path");
        return false;
    }
    at.field("path").check("path in a volume", path, form::file_path)
}

fn owner(at: &Spot<'_>, user: Option<i64>) {
    at.unsupported(user.is_some(), "files belong to root and the pod's `fsGroup`", "set `fsGroup` of the pod");
}

fn default_mode_of(at: &Spot<'_>, mode: Option<i32>) -> u32 {
    mode.map_or(0o644, |mode| mode_of(&at.field("defaultMode"), mode))
}

fn mode_of(at: &Spot<'_>, mode: i32) -> u32 {
    if (0..=0o777).contains(&mode) {
        return mode as u32;
    }
    let decimal = u32::from_str_radix(&mode.to_string(), 8).ok().filter(|m| *m <= 0o777);
    let hint = match decimal {
        Some(_) => format!("an octal number starts with a zero: write `0{mode}`"),
        None => "write an octal number such as `0644`".to_owned(),
    };
    at.wrong_hint(codes::VALUE, format!("mode must be from 0 to 0777, not {mode}"), hint);
    0o644
}
