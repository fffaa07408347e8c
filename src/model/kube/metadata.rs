//! `metadata` of an object (Kubernetes API, `ObjectMeta`).

use super::spot::Spot;
use super::{codes, form};
use crate::model::diagnostic::Diagnostic;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// What podkin keeps of an object's metadata.
#[derive(Debug, Clone, Default)]
pub(super) struct Metadata {
    /// Empty when missing, which has been reported.
    pub name: String,
    pub namespace: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// Annotations of one object together, in bytes (API server limit).
const ANNOTATIONS_BYTES: usize = 256 << 10;

/// Reads the metadata of a named object; `at` is the object's `metadata`.
pub(super) fn lower(at: &Spot<'_>, meta: ObjectMeta) -> Metadata {
    let generated = meta.generate_name.is_some();
    let lowered = lower_unnamed(at, meta);
    match (lowered.name.is_empty(), generated) {
        (true, true) => at.field("generateName").on_key(
            Diagnostic::error(
                codes::UNSUPPORTED,
                "`generateName` is not supported: a name must be the same at every play",
            )
            .hint("set `metadata.name`"),
            "",
        ),
        (true, false) => at.missing("name"),
        (false, _) => {
            at.field("name").check("name", &lowered.name, form::dns_subdomain);
            at.field("generateName").no_effect(generated, "`name` is set");
        }
    }
    lowered
}

/// Reads the metadata of a pod template, which needs no name. What `generateName` means there the caller says.
pub(super) fn lower_unnamed(at: &Spot<'_>, meta: ObjectMeta) -> Metadata {
    let ObjectMeta {
        annotations,
        creation_timestamp,
        deletion_grace_period_seconds,
        deletion_timestamp,
        finalizers,
        generate_name: _,
        generation,
        labels,
        managed_fields,
        name,
        namespace,
        owner_references,
        resource_version,
        self_link,
        uid,
    } = meta;
    // What a cluster writes into objects; people paste it from `kubectl get -o yaml`.
    let by_cluster = "a cluster sets it";
    at.field("creationTimestamp").no_effect(creation_timestamp.is_some(), by_cluster);
    at.field("deletionGracePeriodSeconds").no_effect(deletion_grace_period_seconds.is_some(), by_cluster);
    at.field("deletionTimestamp").no_effect(deletion_timestamp.is_some(), by_cluster);
    at.field("finalizers").no_effect(finalizers.is_some(), "there is no controller that would remove it");
    at.field("generation").no_effect(generation.is_some(), by_cluster);
    at.field("managedFields").no_effect(managed_fields.is_some(), by_cluster);
    at.field("ownerReferences").no_effect(owner_references.is_some(), by_cluster);
    at.field("resourceVersion").no_effect(resource_version.is_some(), by_cluster);
    at.field("selfLink").no_effect(self_link.is_some(), by_cluster);
    at.field("uid").no_effect(uid.is_some(), by_cluster);
    let namespace = lower_namespace(&at.field("namespace"), namespace);
    let (labels, annotations) = (labels.unwrap_or_default(), annotations.unwrap_or_default());
    check_labels(&at.field("labels"), &labels);
    check_annotations(&at.field("annotations"), &annotations);
    Metadata { name: name.unwrap_or_default(), namespace, labels, annotations }
}

fn lower_namespace(at: &Spot<'_>, namespace: Option<String>) -> String {
    match namespace {
        Some(namespace) if !namespace.is_empty() => {
            at.check("namespace", &namespace, form::dns_label);
            if namespace != "default" {
                at.no_effect(true, "names are unique on the machine, whatever the namespace");
            }
            namespace
        }
        _ => "default".to_owned(),
    }
}

/// Checks keys and values of labels.
pub(super) fn check_labels(at: &Spot<'_>, labels: &BTreeMap<String, String>) {
    for (key, value) in labels {
        let at = at.field(key);
        check_key(&at, "label", key);
        at.check("label value", value, form::label_value);
    }
}

fn check_annotations(at: &Spot<'_>, annotations: &BTreeMap<String, String>) {
    annotations.keys().for_each(|key| check_key(&at.field(key), "annotation", key));
    let bytes: usize = annotations.iter().map(|(k, v)| k.len() + v.len()).sum();
    if bytes > ANNOTATIONS_BYTES {
        at.wrong(codes::VALUE, format!("annotations may have {ANNOTATIONS_BYTES} bytes together, not {bytes}"));
    }
}

fn check_key(at: &Spot<'_>, what: &str, key: &str) {
    // Kubernetes folds the case of annotation keys for this check.
    let folded = if what == "annotation" { key.to_lowercase() } else { key.to_owned() };
    if let Err(reason) = form::qualified_name(&folded) {
        let message = format!("`{}` is not a valid {what} key: {reason}", super::spot::shown(key));
        at.on_key(Diagnostic::error(codes::FORM, message), "");
    }
}
