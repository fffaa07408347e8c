//! What a pod refers to: ConfigMaps, Secrets, named volumes.

use crate::model::{EnvFromSource, EnvValue, ObjectKind, Pod, Projection, VolumeSource};
use std::collections::BTreeSet;

/// Every ConfigMap and Secret the pod refers to, optional ones too, whether they exist or not.
pub fn objects(pod: &Pod) -> BTreeSet<(ObjectKind, String)> {
    let mut found = in_volumes(pod);
    for container in pod.all_containers() {
        for source in container.env_from.iter().map(|e| &e.source) {
            found.insert(match source {
                EnvFromSource::ConfigMap(name) => (ObjectKind::ConfigMap, name.clone()),
                EnvFromSource::Secret(name) => (ObjectKind::Secret, name.clone()),
            });
        }
        for variable in &container.env {
            match &variable.value {
                EnvValue::ConfigMapKey { name, .. } => found.insert((ObjectKind::ConfigMap, name.clone())),
                EnvValue::SecretKey { name, .. } => found.insert((ObjectKind::Secret, name.clone())),
                EnvValue::Literal(_) | EnvValue::Field(_) | EnvValue::Resource { .. } => false,
            };
        }
    }
    found
}

/// Those among them that are files in the pod: a change reaches a running pod.
pub fn in_volumes(pod: &Pod) -> BTreeSet<(ObjectKind, String)> {
    let mut found = BTreeSet::new();
    for volume in &pod.volumes {
        match &volume.source {
            VolumeSource::ConfigMap { name, .. } => drop(found.insert((ObjectKind::ConfigMap, name.clone()))),
            VolumeSource::Secret { name, .. } => drop(found.insert((ObjectKind::Secret, name.clone()))),
            VolumeSource::Projected { sources, .. } => found.extend(sources.iter().filter_map(projected)),
            VolumeSource::EmptyDir { .. }
            | VolumeSource::HostPath { .. }
            | VolumeSource::Claim { .. }
            | VolumeSource::DownwardApi { .. } => {}
        }
    }
    found
}

/// Names of the named volumes the pod mounts.
pub fn claims(pod: &Pod) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for volume in &pod.volumes {
        if let VolumeSource::Claim { name, .. } = &volume.source {
            names.insert(name.as_str());
        }
    }
    names
}

fn projected(source: &Projection) -> Option<(ObjectKind, String)> {
    match source {
        Projection::ConfigMap { name, .. } => Some((ObjectKind::ConfigMap, name.clone())),
        Projection::Secret { name, .. } => Some((ObjectKind::Secret, name.clone())),
        Projection::DownwardApi { .. } => None,
    }
}
