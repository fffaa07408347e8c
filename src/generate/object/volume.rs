//! PersistentVolumeClaims, the PersistentVolumes that they get, and StorageClasses.

use super::{Identity, Object, Played, Resource, identify, identify_cluster_wide};
use crate::generate::age::age;
use crate::generate::columns::UNSET;
use crate::generate::played;
use crate::model::{ClaimTemplate, Source};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// A claim; once there is a volume for it, it is bound: to a PersistentVolume, or to the volume of its own name.
pub fn claim(sources: &[Source], claim: &ClaimTemplate, bound: bool, identity: Identity<'_>, now: Timestamp) -> Object {
    let name = &claim.name;
    let mut whole: core::PersistentVolumeClaim =
        played::object(sources, "PersistentVolumeClaim", name).unwrap_or_default();
    identify(&mut whole.metadata, name, identity);
    let spec = whole.spec.get_or_insert_with(Default::default);
    let volume = claim.bound.as_ref().map_or(name, |volume| &volume.name);
    if bound {
        spec.volume_name = Some(volume.clone());
    }
    let size = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()?.get("storage").cloned());
    // A claim has all that its PersistentVolume holds.
    let of_volume = claim.bound.as_ref().and_then(|volume| capacity(sources, &volume.name));
    let size = of_volume.or(size);
    let modes = spec.access_modes.clone();
    let class = spec.storage_class_name.clone().unwrap_or_default();
    let mode = spec.volume_mode.clone().unwrap_or_else(|| FILESYSTEM.to_owned());
    let short = abbreviated(modes.as_deref());
    let phase = if bound { "Bound" } else { "Pending" };
    whole.status = Some(core::PersistentVolumeClaimStatus {
        phase: Some(phase.to_owned()),
        capacity: size.clone().filter(|_| bound).map(|size| [("storage".to_owned(), size)].into()),
        access_modes: modes.filter(|_| bound),
        ..Default::default()
    });
    let when_bound = |text: String| if bound { text } else { String::new() };
    let cells = vec![
        name.clone(),
        phase.to_owned(),
        when_bound(volume.clone()),
        when_bound(size.map(|size| size.0).unwrap_or_default()),
        when_bound(short),
        class,
        UNSET.to_owned(),
        age(Some(identity.created), now),
        mode,
    ];
    Object::new(Resource::PersistentVolumeClaim, &whole.metadata, &whole, cells)
}

/// A claim, as the PersistentVolume that it has names it.
pub fn claim_reference(sources: &[Source], name: &str) -> core::ObjectReference {
    let played: Option<core::PersistentVolumeClaim> = played::object(sources, "PersistentVolumeClaim", name);
    let namespace = played.and_then(|claim| claim.metadata.namespace).unwrap_or_else(|| "default".to_owned());
    core::ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("PersistentVolumeClaim".to_owned()),
        name: Some(name.to_owned()),
        namespace: Some(namespace),
        ..core::ObjectReference::default()
    }
}

const FILESYSTEM: &str = "Filesystem";

/// A PersistentVolume; `claim` is the one that it was given to.
pub fn persistent_volume(played: Played<'_>, name: &str, claim: Option<&core::ObjectReference>) -> Object {
    let mut whole: core::PersistentVolume = played::object(played.sources, KIND, name).unwrap_or_default();
    identify_cluster_wide(&mut whole.metadata, name, played.identity());
    let phase = if claim.is_some() { "Bound" } else { "Available" };
    whole.status =
        Some(core::PersistentVolumeStatus { phase: Some(phase.to_owned()), ..core::PersistentVolumeStatus::default() });
    let spec = whole.spec.get_or_insert_with(Default::default);
    if let Some(claim) = claim {
        spec.claim_ref = Some(claim.clone());
    }
    let policy = spec.persistent_volume_reclaim_policy.get_or_insert_with(|| "Retain".to_owned()).clone();
    let size = spec.capacity.as_ref().and_then(|capacity| capacity.get("storage"));
    let holder = |claim: &core::ObjectReference| {
        format!("{}/{}", claim.namespace.as_deref().unwrap_or("default"), claim.name.as_deref().unwrap_or_default())
    };
    let cells = vec![
        name.to_owned(),
        size.map(|size| size.0.clone()).unwrap_or_default(),
        abbreviated(spec.access_modes.as_deref()),
        policy,
        phase.to_owned(),
        spec.claim_ref.as_ref().map(holder).unwrap_or_default(),
        spec.storage_class_name.clone().unwrap_or_default(),
        UNSET.to_owned(),
        String::new(),
        played.age(),
        spec.volume_mode.clone().unwrap_or_else(|| FILESYSTEM.to_owned()),
    ];
    Object::new(Resource::PersistentVolume, &whole.metadata, &whole, cells)
}

const KIND: &str = "PersistentVolume";

/// What a PersistentVolume holds.
fn capacity(sources: &[Source], name: &str) -> Option<Quantity> {
    let volume: core::PersistentVolume = played::object(sources, KIND, name)?;
    volume.spec?.capacity?.remove("storage")
}

pub fn storage_class(played: Played<'_>, name: &str) -> Object {
    let mut whole: StorageClass = played::object(played.sources, "StorageClass", name).unwrap_or_default();
    identify_cluster_wide(&mut whole.metadata, name, played.identity());
    let cells = vec![
        if is_default_class(&whole.metadata) { format!("{name} (default)") } else { name.to_owned() },
        whole.provisioner.clone(),
        whole.reclaim_policy.clone().unwrap_or_else(|| "Delete".to_owned()),
        whole.volume_binding_mode.clone().unwrap_or_else(|| "Immediate".to_owned()),
        whole.allow_volume_expansion.unwrap_or_default().to_string(),
        played.age(),
    ];
    Object::new(Resource::StorageClass, &whole.metadata, &whole, cells)
}

/// Whether a StorageClass is marked as the one for claims that name none.
pub fn is_default_class(metadata: &ObjectMeta) -> bool {
    let annotations = metadata.annotations.as_ref();
    let mark = annotations.and_then(|all| all.get("storageclass.kubernetes.io/is-default-class"));
    mark.is_some_and(|value| value == "true")
}

/// As kubectl shortens access modes.
pub fn abbreviated(modes: Option<&[String]>) -> String {
    let short = |mode: &String| match mode.as_str() {
        "ReadWriteOnce" => "RWO".to_owned(),
        "ReadOnlyMany" => "ROX".to_owned(),
        "ReadWriteMany" => "RWX".to_owned(),
        "ReadWriteOncePod" => "RWOP".to_owned(),
        other => other.to_owned(),
    };
    modes.unwrap_or_default().iter().map(short).collect::<Vec<_>>().join(",")
}
