//! What a pod refers to: ConfigMaps, Secrets, named volumes.

use crate::model::{EnvFromSource, EnvValue, ObjectKind, Pod, Projection, VolumeSource};
use std::collections::BTreeSet;

/// Every ConfigMap and Secret the pod refers to, optional ones too, whether they exist or not.
pub fn objects(pod: &Pod) -> BTreeSet<(ObjectKind, String)> {
    let mut found = in_volumes(pod);
    found.extend(in_environment(pod).into_iter().map(|(kind, name, _)| (kind, name.to_owned())));
    found
}

/// Those among them that are files in the pod: a change reaches a running pod.
pub fn in_volumes(pod: &Pod) -> BTreeSet<(ObjectKind, String)> {
    files(pod).into_iter().map(|(kind, name, _)| (kind, name.to_owned())).collect()
}

/// Those that the pod cannot lose while it runs: variables were taken from them, or a volume must have them.
pub fn held(pod: &Pod) -> BTreeSet<(ObjectKind, String)> {
    let files = files(pod).into_iter().filter(|(_, _, optional)| !optional);
    let variables = in_environment(pod).into_iter().map(|(kind, name, _)| (kind, name.to_owned()));
    files.map(|(kind, name, _)| (kind, name.to_owned())).chain(variables).collect()
}

/// What the pod's volumes take from objects: the object, and whether it may be missing.
fn files(pod: &Pod) -> Vec<(ObjectKind, &str, bool)> {
    let mut found = Vec::new();
    for volume in &pod.volumes {
        match &volume.source {
            VolumeSource::ConfigMap { name, optional, .. } => {
                found.push((ObjectKind::ConfigMap, name.as_str(), *optional));
            }
            VolumeSource::Secret { name, optional, .. } => found.push((ObjectKind::Secret, name.as_str(), *optional)),
            VolumeSource::Projected { sources, .. } => found.extend(sources.iter().filter_map(projected)),
            VolumeSource::EmptyDir { .. }
            | VolumeSource::HostPath { .. }
            | VolumeSource::Claim { .. }
            | VolumeSource::Nfs(_)
            | VolumeSource::Image { .. }
            | VolumeSource::Ephemeral { .. }
            | VolumeSource::DownwardApi { .. } => {}
        }
    }
    found
}

/// What the pod's variables take from objects, in the order of its containers: the object, and the key if it is one alone.
pub fn in_environment(pod: &Pod) -> Vec<(ObjectKind, &str, Option<&str>)> {
    let mut found = Vec::new();
    for container in pod.all_containers() {
        found.extend(container.env_from.iter().map(|from| match &from.source {
            EnvFromSource::ConfigMap(name) => (ObjectKind::ConfigMap, name.as_str(), None),
            EnvFromSource::Secret(name) => (ObjectKind::Secret, name.as_str(), None),
        }));
        found.extend(container.env.iter().filter_map(|variable| match &variable.value {
            EnvValue::ConfigMapKey { name, key, .. } => {
                Some((ObjectKind::ConfigMap, name.as_str(), Some(key.as_str())))
            }
            EnvValue::SecretKey { name, key, .. } => Some((ObjectKind::Secret, name.as_str(), Some(key.as_str()))),
            EnvValue::Literal(_) | EnvValue::Field(_) | EnvValue::FileKey { .. } | EnvValue::Resource { .. } => None,
        }));
    }
    found
}

/// Names of the named volumes the pod has.
pub fn claims(pod: &Pod) -> BTreeSet<String> {
    pod.volumes.iter().filter_map(|volume| volume.claim(&pod.name)).collect()
}

/// Names of those among them that are made and removed with the pod.
pub fn ephemeral(pod: &Pod) -> BTreeSet<String> {
    let own = pod.volumes.iter().filter(|volume| matches!(volume.source, VolumeSource::Ephemeral { .. }));
    own.filter_map(|volume| volume.claim(&pod.name)).collect()
}

fn projected(source: &Projection) -> Option<(ObjectKind, &str, bool)> {
    match source {
        Projection::ConfigMap { name, optional, .. } => Some((ObjectKind::ConfigMap, name, *optional)),
        Projection::Secret { name, optional, .. } => Some((ObjectKind::Secret, name, *optional)),
        Projection::DownwardApi { .. } | Projection::ServiceAccountToken(_) => None,
    }
}
