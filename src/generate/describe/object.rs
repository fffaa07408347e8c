//! Objects other than pods, in the form of `kubectl describe`.

use super::container;
use super::tabs::Sheet;
use super::{date, lines, volume};
use crate::generate::columns::{NONE, UNSET};
use crate::generate::object::{Object, Resource, abbreviated, is_default_class};
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;

/// Everything about an object but a pod.
pub fn object(object: &Object) -> String {
    let mut sheet = Sheet::default();
    match object.resource {
        Resource::ConfigMap => config_map(&mut sheet, &typed(object)),
        Resource::Secret => secret(&mut sheet, &typed(object)),
        Resource::Deployment => deployment(&mut sheet, &typed(object)),
        Resource::PersistentVolumeClaim => return claim(object, Vec::new()),
        Resource::PersistentVolume => persistent_volume(&mut sheet, &typed(object)),
        Resource::StorageClass => storage_class(&mut sheet, &typed(object)),
        Resource::PriorityClass => priority_class(&mut sheet, &typed(object)),
        Resource::RuntimeClass => runtime_class(&mut sheet, &typed(object)),
        Resource::ServiceAccount => service_account(&mut sheet, &typed(object)),
        Resource::Event => event(&mut sheet, &typed(object)),
        Resource::Pod => {
            let pod: core::Pod = typed(object);
            head(&mut sheet, &pod.metadata, true);
        }
    }
    sheet.finish()
}

/// A claim and the pods that use it.
pub fn claim(object: &Object, used_by: Vec<String>) -> String {
    let core::PersistentVolumeClaim { metadata, spec, status } = typed(object);
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    let mut sheet = Sheet::default();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    sheet.pair(0, "Name", metadata.name.as_deref());
    sheet.pair(0, "Namespace", metadata.namespace.as_deref());
    sheet.line(0, format!("StorageClass:\t{}", text(&spec.storage_class_name)));
    sheet.pair(0, "Status", status.phase.as_deref());
    sheet.line(0, format!("Volume:\t{}", text(&spec.volume_name)));
    sheet.list(0, "Labels", lines(metadata.labels.as_ref(), "="));
    sheet.list(0, "Annotations", lines(metadata.annotations.as_ref(), ": "));
    let size = status.capacity.as_ref().and_then(|capacity| capacity.get("storage"));
    sheet.line(0, format!("Capacity:\t{}", size.map(|size| size.0.as_str()).unwrap_or_default()));
    sheet.line(0, format!("Access Modes:\t{}", abbreviated(status.access_modes.as_deref())));
    sheet.pair(0, "VolumeMode", Some(spec.volume_mode.as_deref().unwrap_or("Filesystem")));
    sheet.list(0, "Used By", used_by);
    sheet.pair(0, "Events", None);
    sheet.finish()
}

fn typed<T: DeserializeOwned>(object: &Object) -> T {
    serde_json::from_value(object.value.clone()).expect("an object reads back as what it was written from")
}

fn head(sheet: &mut Sheet, metadata: &ObjectMeta, namespaced: bool) {
    sheet.pair(0, "Name", metadata.name.as_deref());
    if namespaced {
        sheet.pair(0, "Namespace", metadata.namespace.as_deref());
    }
    sheet.list(0, "Labels", lines(metadata.labels.as_ref(), "="));
    sheet.list(0, "Annotations", lines(metadata.annotations.as_ref(), ": "));
}

fn config_map(sheet: &mut Sheet, map: &core::ConfigMap) {
    head(sheet, &map.metadata, true);
    sheet.line(0, "");
    sheet.line(0, "Data");
    sheet.line(0, "====");
    for (key, value) in map.data.iter().flatten() {
        sheet.line(0, format!("{key}:"));
        sheet.line(0, "----");
        value.split('\n').for_each(|line| sheet.line(0, line));
        sheet.line(0, "");
    }
    sheet.line(0, "");
    sheet.line(0, "BinaryData");
    sheet.line(0, "====");
    for (key, value) in map.binary_data.iter().flatten() {
        sheet.line(0, format!("{key}: {} bytes", value.0.len()));
    }
    sheet.line(0, "");
    sheet.pair(0, "Events", None);
}

/// Sizes only: a value is nobody's business who reads over a shoulder.
fn secret(sheet: &mut Sheet, secret: &core::Secret) {
    head(sheet, &secret.metadata, true);
    sheet.line(0, "");
    sheet.line(0, format!("Type:\t{}", secret.type_.as_deref().unwrap_or_default()));
    sheet.line(0, "");
    sheet.line(0, "Data");
    sheet.line(0, "====");
    for (key, value) in secret.data.iter().flatten() {
        sheet.line(0, format!("{key}:\t{} bytes", value.0.len()));
    }
}

fn deployment(sheet: &mut Sheet, deployment: &apps::Deployment) {
    let apps::Deployment { metadata, spec, status } = deployment;
    let status = status.clone().unwrap_or_default();
    sheet.pair(0, "Name", metadata.name.as_deref());
    sheet.pair(0, "Namespace", metadata.namespace.as_deref());
    sheet.pair(0, "CreationTimestamp", metadata.creation_timestamp.as_ref().map(date).as_deref());
    sheet.list(0, "Labels", lines(metadata.labels.as_ref(), "="));
    sheet.list(0, "Annotations", lines(metadata.annotations.as_ref(), ": "));
    let labels = lines(spec.selector.match_labels.as_ref(), "=").join(",");
    sheet.pair(0, "Selector", Some(&labels));
    let count = |n: Option<i32>| n.unwrap_or_default();
    let replicas = format!(
        "{} desired | {} updated | {} total | {} available | {} unavailable",
        spec.replicas.unwrap_or(1),
        count(status.updated_replicas),
        count(status.replicas),
        count(status.available_replicas),
        count(status.unavailable_replicas),
    );
    sheet.pair(0, "Replicas", Some(&replicas));
    sheet.line(0, "Pod Template:");
    let template = &spec.template;
    let labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref());
    sheet.list(1, "Labels", lines(labels, "="));
    let pod = template.spec.clone().unwrap_or_default();
    if let Some(init) = pod.init_containers.as_ref().filter(|init| !init.is_empty()) {
        sheet.line(1, "Init Containers:");
        sheet.deeper(1, |sheet| init.iter().for_each(|each| container::describe(sheet, each, &[])));
    }
    sheet.line(1, "Containers:");
    sheet.deeper(1, |sheet| pod.containers.iter().for_each(|each| container::describe(sheet, each, &[])));
    sheet.deeper(1, |sheet| volume::describe_all(sheet, pod.volumes.as_deref().unwrap_or_default()));
    if let Some(conditions) = status.conditions.filter(|conditions| !conditions.is_empty()) {
        sheet.line(0, "Conditions:");
        sheet.line(1, "Type\tStatus\tReason");
        sheet.line(1, "----\t------\t------");
        for apps::DeploymentCondition { type_, status, reason, .. } in conditions {
            let cells = [type_, status, reason].map(Option::unwrap_or_default);
            sheet.line(1, cells.join("\t"));
        }
    }
    sheet.pair(0, "Events", None);
}

fn persistent_volume(sheet: &mut Sheet, volume: &core::PersistentVolume) {
    let (spec, status) = (volume.spec.clone().unwrap_or_default(), volume.status.clone().unwrap_or_default());
    head(sheet, &volume.metadata, false);
    sheet.line(0, format!("StorageClass:\t{}", spec.storage_class_name.as_deref().unwrap_or_default()));
    sheet.pair(0, "Status", status.phase.as_deref());
    let claim = spec.claim_ref.as_ref().map(|claim| {
        format!("{}/{}", claim.namespace.as_deref().unwrap_or_default(), claim.name.as_deref().unwrap_or_default())
    });
    sheet.line(0, format!("Claim:\t{}", claim.unwrap_or_default()));
    sheet.pair(0, "Reclaim Policy", spec.persistent_volume_reclaim_policy.as_deref());
    sheet.line(0, format!("Access Modes:\t{}", abbreviated(spec.access_modes.as_deref())));
    sheet.pair(0, "VolumeMode", Some(spec.volume_mode.as_deref().unwrap_or("Filesystem")));
    let size = spec.capacity.as_ref().and_then(|capacity| capacity.get("storage"));
    sheet.pair(0, "Capacity", Some(size.map(|size| size.0.as_str()).unwrap_or_default()));
    sheet.line(0, format!("Message:\t{}", status.message.unwrap_or_default()));
    sheet.line(0, "Source:");
    if let Some(source) = &spec.host_path {
        sheet.line(2, "Type:\tHostPath (bare host directory volume)");
        sheet.line(2, format!("Path:\t{}", source.path));
        sheet.line(2, format!("HostPathType:\t{}", source.type_.as_deref().unwrap_or_default()));
    }
    if let Some(source) = &spec.local {
        sheet.line(2, "Type:\tLocalVolume (a persistent volume backed by local storage on a node)");
        sheet.line(2, format!("Path:\t{}", source.path));
    }
    sheet.pair(0, "Events", None);
}

fn storage_class(sheet: &mut Sheet, class: &StorageClass) {
    let StorageClass {
        allow_volume_expansion,
        allowed_topologies: _, // of clusters with more than one machine
        metadata,
        mount_options,
        parameters,
        provisioner,
        reclaim_policy,
        volume_binding_mode,
    } = class;
    sheet.pair(0, "Name", metadata.name.as_deref());
    sheet.pair(0, "IsDefaultClass", Some(if is_default_class(metadata) { "Yes" } else { "No" }));
    let joined = |map| Some(lines(map, "=").join(",")).filter(|all| !all.is_empty());
    sheet.pair(0, "Annotations", joined(metadata.annotations.as_ref()).as_deref());
    sheet.pair(0, "Provisioner", Some(provisioner));
    sheet.pair(0, "Parameters", joined(parameters.as_ref()).as_deref());
    let expansion = allow_volume_expansion.map(|may| if may { "True" } else { "False" });
    sheet.pair(0, "AllowVolumeExpansion", Some(expansion.unwrap_or(UNSET)));
    match mount_options.as_deref() {
        None | Some([]) => sheet.pair(0, "MountOptions", None),
        Some(options) => {
            sheet.line(0, "MountOptions:");
            options.iter().for_each(|option| sheet.line(1, option));
        }
    }
    sheet.pair(0, "ReclaimPolicy", Some(reclaim_policy.as_deref().unwrap_or("Delete")));
    sheet.pair(0, "VolumeBindingMode", Some(volume_binding_mode.as_deref().unwrap_or("Immediate")));
    sheet.pair(0, "Events", None);
}

fn priority_class(sheet: &mut Sheet, class: &PriorityClass) {
    let PriorityClass { description, global_default, metadata, preemption_policy, value } = class;
    sheet.pair(0, "Name", metadata.name.as_deref());
    sheet.pair(0, "Value", Some(&value.unwrap_or_default().to_string()));
    sheet.pair(0, "GlobalDefault", Some(&global_default.unwrap_or_default().to_string()));
    sheet.pair(0, "PreemptionPolicy", Some(preemption_policy.as_deref().unwrap_or("PreemptLowerPriority")));
    sheet.line(0, format!("Description:\t{}", description.as_deref().unwrap_or_default()));
    sheet.list(0, "Annotations", lines(metadata.annotations.as_ref(), ": "));
    sheet.pair(0, "Events", None);
}

fn runtime_class(sheet: &mut Sheet, class: &RuntimeClass) {
    head(sheet, &class.metadata, false);
    sheet.pair(0, "Handler", Some(&class.handler));
    let fixed = class.overhead.as_ref().and_then(|overhead| overhead.pod_fixed.as_ref());
    container::quantities(sheet, 0, "Overhead", fixed);
    sheet.pair(0, "Events", None);
}

fn service_account(sheet: &mut Sheet, account: &core::ServiceAccount) {
    head(sheet, &account.metadata, true);
    let names = account.image_pull_secrets.iter().flatten().map(|secret| secret.name.clone());
    sheet.list(0, "Image pull secrets", names);
    sheet.pair(0, "Events", None);
}

fn event(sheet: &mut Sheet, event: &core::Event) {
    head(sheet, &event.metadata, true);
    let of = &event.involved_object;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned());
    sheet.pair(0, "Involved Object", Some(&format!("{}/{}", text(&of.kind), text(&of.name))));
    for (key, value) in [("Type", &event.type_), ("Reason", &event.reason), ("Message", &event.message)] {
        sheet.pair(0, key, value.as_deref());
    }
    sheet.pair(0, "Count", Some(&event.count.unwrap_or(1).to_string()));
    for (key, time) in [("First Timestamp", &event.first_timestamp), ("Last Timestamp", &event.last_timestamp)] {
        sheet.pair(0, key, time.as_ref().map(date).as_deref());
    }
}
