//! ConfigMaps, Secrets and PersistentVolumeClaims.

use super::metadata::{self, Metadata};
use super::persistent::{self, Demand};
use super::quantity::parse as parse_quantity;
use super::spot::{Mark, Spot};
use super::{annotations, codes, form};
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::yaml::Node;
use crate::model::{ClaimTemplate, ConfigMap, Secret};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;
use std::collections::BTreeMap;

/// Bytes of all values of a ConfigMap or Secret (API server limit).
const DATA_BYTES: usize = 1 << 20;

pub(super) fn config_map(at: &Spot<'_>, object: core::ConfigMap) -> ConfigMap {
    let core::ConfigMap { binary_data, data, immutable, metadata } = object;
    let Metadata { name, labels, .. } = metadata::lower(&at.field("metadata"), metadata);
    let (text, binary) = (data.unwrap_or_default(), binary_data.unwrap_or_default());
    let (text_at, binary_at) = (at.field("data"), at.field("binaryData"));
    check_keys(&text_at, text.keys());
    check_keys(&binary_at, binary.keys());
    for key in binary.keys().filter(|key| text.contains_key(*key)) {
        let first = text_at.field(key).key_mark();
        let error = Diagnostic::error(codes::DUPLICATE, format!("key `{key}` is in `data` and in `binaryData`"));
        binary_at.field(key).on_key(error.also(first.span, "first here"), "");
    }
    let binary_keys = binary.keys().cloned().collect();
    let mut data: BTreeMap<String, Vec<u8>> = text.into_iter().map(|(k, v)| (k, v.into_bytes())).collect();
    data.extend(binary.into_iter().map(|(k, ByteString(v))| (k, v)));
    check_size(at, &data);
    ConfigMap { name, labels, data, binary_keys, immutable: immutable.unwrap_or_default() }
}

pub(super) fn secret(at: &Spot<'_>, object: core::Secret) -> Secret {
    let core::Secret { data, immutable, metadata, string_data, type_ } = object;
    let Metadata { name, labels, .. } = metadata::lower(&at.field("metadata"), metadata);
    let text = string_data.unwrap_or_default();
    let mut data: BTreeMap<_, _> = data.unwrap_or_default().into_iter().map(|(k, ByteString(v))| (k, v)).collect();
    check_keys(&at.field("data"), data.keys());
    check_keys(&at.field("stringData"), text.keys());
    data.extend(text.into_iter().map(|(k, v)| (k, v.into_bytes())));
    check_size(at, &data);
    let secret_type = type_.filter(|t| !t.is_empty()).unwrap_or_else(|| "Opaque".to_owned());
    check_type(at, &secret_type, &data);
    Secret { name, labels, secret_type, data, immutable: immutable.unwrap_or_default() }
}

/// The places of all values of a Secret, to be masked in snippets.
pub(super) fn secret_values(node: &Node) -> Vec<Span> {
    let parts = ["data", "stringData"].into_iter().filter_map(|part| node.get(part));
    parts.flat_map(|part| part.entries()).map(|entry| entry.value.span).collect()
}

/// Keys that a Secret of some type must have (Kubernetes, "Types of Secret").
fn check_type(at: &Spot<'_>, secret_type: &str, data: &BTreeMap<String, Vec<u8>>) {
    let is_to_be_filled = secret_type == "kubernetes.io/service-account-token" && !data.contains_key("token");
    let reason = "no controller puts a token into it; a projected volume with `serviceAccountToken` has one";
    at.field("type").no_effect(is_to_be_filled, reason);
    let needed: &[&str] = match secret_type {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in needed.iter().filter(|key| !data.contains_key(**key)) {
        let message = format!("a Secret of type `{secret_type}` needs the key `{key}`");
        at.field("type").on_value(Diagnostic::error(codes::REQUIRED, message), "");
    }
}

/// Lowers a claim, and what it asks of PersistentVolumes.
pub(super) fn claim(at: &Spot<'_>, object: core::PersistentVolumeClaim) -> (ClaimTemplate, Demand) {
    let core::PersistentVolumeClaim { metadata, spec, status } = object;
    at.field("status").no_effect(status.is_some(), "a cluster sets it");
    let meta_at = at.field("metadata");
    let Metadata { name, labels, annotations, .. } = metadata::lower(&meta_at, metadata);
    annotations::check_claim(&meta_at.field("annotations"), &annotations);
    let (claim, demand) = claim_spec(&at.field("spec"), spec.unwrap_or_default(), meta_at.field("name").mark());
    (ClaimTemplate { name, labels, annotations, ..claim }, demand)
}

/// Lowers `ephemeral.volumeClaimTemplate`: a claim of its pod, which always gets a new directory.
pub(super) fn claim_template(at: &Spot<'_>, template: core::PersistentVolumeClaimTemplate) -> ClaimTemplate {
    let core::PersistentVolumeClaimTemplate { metadata, spec } = template;
    let metadata = metadata.unwrap_or_default();
    let meta_at = at.field("metadata");
    for field in ["name", "generateName", "namespace"] {
        let field = meta_at.field(field);
        field.unsupported(
            field.exists(),
            "the claim is named after its pod and volume",
            "give labels and annotations only",
        );
    }
    let Metadata { labels, annotations, .. } = metadata::lower_unnamed(&meta_at, metadata);
    let spec_at = at.field("spec");
    let (claim, demand) = claim_spec(&spec_at, spec, at.mark());
    let own = "the claim of one pod gets a new directory";
    spec_at.field("selector").no_effect(demand.selector.is_some(), own);
    if demand.volume_name.is_some() {
        let warning = Diagnostic::warning(codes::PARTLY, format!("`volumeName` is passed over: {own}"));
        spec_at.field("volumeName").on_key(warning.hint("use `persistentVolumeClaim`"), "");
    }
    spec_at.field("volumeMode").refused(demand.block, own, "use `volumeMode: Filesystem`");
    ClaimTemplate { labels, annotations, ..claim }
}

/// Lowers `spec` of a claim, whose name stands at `mark`.
fn claim_spec(at: &Spot<'_>, spec: core::PersistentVolumeClaimSpec, mark: Mark) -> (ClaimTemplate, Demand) {
    let core::PersistentVolumeClaimSpec {
        access_modes,
        data_source,
        data_source_ref,
        resources,
        selector,
        storage_class_name,
        volume_attributes_class_name,
        volume_mode,
        volume_name,
    } = spec;
    at.field("volumeAttributesClassName")
        .no_effect(volume_attributes_class_name.is_some(), "every claim is a directory on this machine");
    let hint = "fill the volume with an init container";
    at.field("dataSource").unsupported(data_source.is_some(), "claims start empty", hint);
    at.field("dataSourceRef").unsupported(data_source_ref.is_some(), "claims start empty", hint);
    let mode_at = at.field("volumeMode");
    let mode_mark = mode_at.mark();
    let block = persistent::block_mode(&mode_at, volume_mode);
    let access_modes = access_modes.unwrap_or_default();
    persistent::check_access_modes(&at.field("accessModes"), &access_modes);
    let volume_mark = at.field("volumeName").mark();
    let class_mark = at.field("storageClassName").key_mark();
    let core::VolumeResourceRequirements { limits, requests } = resources.unwrap_or_default();
    let at = at.field("resources");
    at.field("limits").no_effect(limits.is_some(), "the size of a claim is not enforced");
    let at = at.field("requests");
    let storage = requests.unwrap_or_default().remove("storage");
    let storage_request = storage.and_then(|q| parse_quantity(&at.field("storage"), &q)).map(|q| q.units() as u64);
    let claim = ClaimTemplate { storage_request, access_modes, ..ClaimTemplate::default() };
    let volume_name = volume_name.filter(|name| !name.is_empty());
    (
        claim,
        Demand { class: storage_class_name, class_mark, mode_mark, volume_name, selector, block, mark, volume_mark },
    )
}

fn check_keys<'k>(at: &Spot<'_>, keys: impl Iterator<Item = &'k String>) {
    for key in keys {
        if let Err(reason) = form::config_key(key) {
            let message = format!("`{}` is not a valid key: {reason}", super::spot::shown(key));
            at.field(key).on_key(Diagnostic::error(codes::FORM, message), "");
        }
    }
}

fn check_size(at: &Spot<'_>, data: &BTreeMap<String, Vec<u8>>) {
    let bytes: usize = data.values().map(Vec::len).sum();
    if bytes > DATA_BYTES {
        let message = format!("the values may have {DATA_BYTES} bytes together, not {bytes}");
        at.field("data").on_key(Diagnostic::error(codes::VALUE, message), "");
    }
}
