//! `env` and `envFrom` of a container.

use super::container::Around;
use super::references::{Target, Variables};
use super::spot::{Spot, did_you_mean, list};
use super::{codes, form, huge_pages};
use crate::model::diagnostic::Diagnostic;
use crate::model::environment::{FieldPath, references};
use crate::model::quantity::Quantity;
use crate::model::{EnvFrom, EnvFromSource, EnvValue, EnvVar, ObjectKind, ResourceName};
use k8s_openapi::api::core::v1 as core;
use std::collections::BTreeMap;

/// Lowers `envFrom`.
pub(super) fn env_from(at: &Spot<'_>, entries: Vec<core::EnvFromSource>) -> Vec<EnvFrom> {
    let mut lowered = Vec::new();
    for (i, entry) in entries.into_iter().enumerate() {
        let at = at.index(i);
        let core::EnvFromSource { config_map_ref, prefix, secret_ref } = entry;
        let prefix = prefix.unwrap_or_default();
        if !prefix.is_empty() {
            at.field("prefix").check("start of a variable name", &prefix, form::variable_name);
        }
        let (field, kind, name, optional) = match (config_map_ref, secret_ref) {
            (Some(core::ConfigMapEnvSource { name, optional }), None) => {
                ("configMapRef", ObjectKind::ConfigMap, name, optional)
            }
            (None, Some(core::SecretEnvSource { name, optional })) => ("secretRef", ObjectKind::Secret, name, optional),
            (Some(_), Some(_)) | (None, None) => {
                let message = "an entry of `envFrom` has either `configMapRef` or `secretRef`";
                at.on_key(Diagnostic::error(codes::CONFLICT, message), "");
                continue;
            }
        };
        let at = at.field(field);
        if name.is_empty() {
            at.missing("name");
            continue;
        }
        let optional = optional.unwrap_or_default();
        at.session.refer(&Target { kind, name: name.clone(), optional }, None, at.field("name").mark());
        let source = match kind {
            ObjectKind::ConfigMap => EnvFromSource::ConfigMap(name),
            ObjectKind::Secret => EnvFromSource::Secret(name),
        };
        lowered.push(EnvFrom { prefix, source, optional });
    }
    lowered
}

/// Lowers `env`.
pub(super) fn env(at: &Spot<'_>, vars: Vec<core::EnvVar>, from: &[EnvFrom], around: &Around<'_>) -> Vec<EnvVar> {
    let mut first = BTreeMap::new();
    let mut lowered: Vec<EnvVar> = Vec::new();
    for (i, var) in vars.into_iter().enumerate() {
        let at = at.index(i);
        let core::EnvVar { name, value, value_from } = var;
        if name.is_empty() {
            at.missing("name");
        } else {
            at.field("name").check("name of a variable", &name, form::variable_name);
        }
        if let Some(first) = first.insert(name.clone(), at.field("name").mark()).filter(|_| !name.is_empty()) {
            let warning =
                Diagnostic::warning(codes::SUSPICIOUS, format!("variable `{name}` is set twice; this one wins"));
            at.field("name").on_value(warning.also(first.span, "first here"), "");
        }
        let value = match (value.filter(|v| !v.is_empty()), value_from) {
            (Some(_), Some(_)) => {
                let error = Diagnostic::error(codes::CONFLICT, "`value` and `valueFrom` exclude each other");
                at.field("valueFrom").on_key(error.also(at.field("value").key_mark().span, "the other"), "");
                None
            }
            (value, None) => {
                let value = value.unwrap_or_default();
                check_variables(&at.field("value"), &value, &lowered, from);
                Some(EnvValue::Literal(value))
            }
            (None, Some(source)) => value_from_source(&at.field("valueFrom"), source, around),
        };
        lowered.extend(value.map(|value| EnvVar { name, value }));
    }
    lowered
}

fn check_variables(at: &Spot<'_>, value: &str, earlier: &[EnvVar], from: &[EnvFrom]) {
    let names: Vec<_> = references(value).map(str::to_owned).collect();
    if !names.is_empty() {
        let defined = earlier.iter().map(|v| v.name.clone()).collect();
        at.session.use_variables(Variables { names, defined, from: from.to_vec(), must: false, mark: at.mark() });
    }
}

fn value_from_source(at: &Spot<'_>, source: core::EnvVarSource, around: &Around<'_>) -> Option<EnvValue> {
    let core::EnvVarSource { config_map_key_ref, field_ref, file_key_ref, resource_field_ref, secret_key_ref } = source;
    let mut values: Vec<Option<EnvValue>> = Vec::new();
    values.extend(config_map_key_ref.map(|core::ConfigMapKeySelector { key, name, optional }| {
        let optional = optional.unwrap_or_default();
        let found = key_ref(&at.field("configMapKeyRef"), ObjectKind::ConfigMap, &name, &key, optional);
        found.then_some(EnvValue::ConfigMapKey { name, key, optional })
    }));
    values.extend(secret_key_ref.map(|core::SecretKeySelector { key, name, optional }| {
        let optional = optional.unwrap_or_default();
        let found = key_ref(&at.field("secretKeyRef"), ObjectKind::Secret, &name, &key, optional);
        found.then_some(EnvValue::SecretKey { name, key, optional })
    }));
    values.extend(field_ref.map(|field| self::field_ref(&at.field("fieldRef"), field, false)));
    values
        .extend(resource_field_ref.map(|field| resource_ref(&at.field("resourceFieldRef"), field, around.containers)));
    values.extend(file_key_ref.map(|file| file_ref(&at.field("fileKeyRef"), file, around)));
    if values.len() != 1 {
        let message = "`valueFrom` needs exactly one of `configMapKeyRef`, `secretKeyRef`, `fieldRef`, `resourceFieldRef`, \
                       `fileKeyRef`";
        at.on_key(Diagnostic::error(codes::CONFLICT, message), "");
    }
    values.pop().flatten()
}

/// Longest name of a variable in a file, as the API server takes it.
const LONGEST_FILE_KEY: usize = 128;

/// Lowers a `fileKeyRef`: other volumes than `emptyDir` are for files, which nobody promised to be variables.
fn file_ref(at: &Spot<'_>, file: core::FileKeySelector, around: &Around<'_>) -> Option<EnvValue> {
    let core::FileKeySelector { key, optional, path, volume_name } = file;
    let fields = [("volumeName", &volume_name), ("path", &path), ("key", &key)];
    for (field, _) in fields.iter().filter(|(_, text)| text.is_empty()) {
        at.missing(field);
    }
    if fields.iter().any(|(_, text)| text.is_empty()) {
        return None;
    }
    let name_at = at.field("volumeName");
    if !around.volumes.contains(&volume_name) {
        let error = Diagnostic::error(codes::TARGET, format!("the pod has no volume `{volume_name}`"));
        let label = did_you_mean(&volume_name, around.volumes.iter().map(String::as_str)).unwrap_or_default();
        name_at.on_value(error, label);
    } else if !around.empty_dirs.contains(&volume_name) {
        let message = format!("volume `{volume_name}` is no `emptyDir`, and variables are read from those alone");
        name_at.wrong(codes::CONFLICT, message);
    }
    let is_path = at.field("path").check("path below a volume", &path, form::path_below);
    let is_name = at.field("key").check("name of a variable", &key, form::variable_name);
    if key.len() > LONGEST_FILE_KEY {
        at.field("key").wrong(codes::VALUE, format!("a key may have at most {LONGEST_FILE_KEY} characters"));
    }
    let (path, optional) = (form::cleaned(&path), optional.unwrap_or_default());
    (is_path && is_name).then_some(EnvValue::FileKey { volume: volume_name, path, key, optional })
}

fn key_ref(at: &Spot<'_>, kind: ObjectKind, name: &str, key: &str, optional: bool) -> bool {
    for (field, text) in [("name", name), ("key", key)] {
        if text.is_empty() {
            at.missing(field);
        }
    }
    if name.is_empty() || key.is_empty() {
        return false;
    }
    let target = Target { kind, name: name.to_owned(), optional };
    at.session.refer(&target, None, at.field("name").mark());
    at.session.refer(&target, Some(key), at.field("key").mark());
    true
}

/// Lowers a `fieldRef`; only files can have all labels or annotations at once.
pub(super) fn field_ref(at: &Spot<'_>, field: core::ObjectFieldSelector, in_file: bool) -> Option<EnvValue> {
    let core::ObjectFieldSelector { api_version, field_path } = field;
    if let Some(version) = api_version.filter(|v| v != "v1") {
        at.field("apiVersion").wrong(codes::VALUE, format!("`apiVersion` of a field is `v1`, not `{version}`"));
    }
    if field_path.is_empty() {
        at.missing("fieldPath");
        return None;
    }
    let at = at.field("fieldPath");
    match FieldPath::parse(&field_path) {
        Some(FieldPath::Labels | FieldPath::Annotations) if !in_file => {
            let message = format!("`{field_path}` as a whole fits into a file, not into a variable");
            at.wrong_hint(codes::VALUE, message, format!("name one: `{field_path}['key']`"));
            None
        }
        Some(
            FieldPath::NodeName
            | FieldPath::ServiceAccountName
            | FieldPath::HostIp
            | FieldPath::HostIps
            | FieldPath::PodIp
            | FieldPath::PodIps,
        ) if in_file => {
            let message = format!("`{field_path}` can be the value of a variable, not of a file");
            at.wrong_hint(codes::VALUE, message, "files can have fields of `metadata`");
            None
        }
        Some(_) => Some(EnvValue::Field(field_path)),
        None => {
            let error = Diagnostic::error(codes::VALUE, format!("a pod has no field `{field_path}` to refer to"));
            let all = FieldPath::PLAIN.into_iter().chain(["metadata.labels['key']", "metadata.annotations['key']"]);
            let label = did_you_mean(&field_path, all.clone()).unwrap_or_default();
            at.on_value(error.hint(format!("possible: {}", list(&all.collect::<Vec<_>>()))), label);
            None
        }
    }
}

/// Lowers a `resourceFieldRef`.
pub(super) fn resource_ref(
    at: &Spot<'_>,
    field: core::ResourceFieldSelector,
    containers: &[String],
) -> Option<EnvValue> {
    let core::ResourceFieldSelector { container_name, divisor, resource } = field;
    let container = container_name.filter(|name| !name.is_empty());
    if let Some(name) = container.as_ref().filter(|name| !containers.contains(name)) {
        let error = Diagnostic::error(codes::TARGET, format!("the pod has no container `{name}`"));
        let label = did_you_mean(name, containers.iter().map(String::as_str)).unwrap_or_default();
        at.field("containerName").on_value(error, label);
    }
    if resource.is_empty() {
        at.missing("resource");
        return None;
    }
    let resources = [
        ("limits.cpu", (ResourceName::Cpu, true)),
        ("limits.memory", (ResourceName::Memory, true)),
        ("limits.ephemeral-storage", (ResourceName::EphemeralStorage, true)),
        ("requests.cpu", (ResourceName::Cpu, false)),
        ("requests.memory", (ResourceName::Memory, false)),
        ("requests.ephemeral-storage", (ResourceName::EphemeralStorage, false)),
    ];
    let (resource, limit) = match huge_pages::resource(&resource) {
        Some(pages) => pages,
        None => at.field("resource").one_of("resource of a container", &resource, &resources)?,
    };
    let divisor = divisor.map(|d| d.0).unwrap_or_default();
    check_divisor(&at.field("divisor"), &divisor, resource);
    Some(EnvValue::Resource { container, resource, limit, divisor })
}

fn check_divisor(at: &Spot<'_>, divisor: &str, resource: ResourceName) {
    const CPU: [&str; 2] = ["1m", "1"];
    const BYTES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    let allowed: &[&str] = if resource == ResourceName::Cpu { &CPU } else { &BYTES };
    let quantity = divisor.parse::<Quantity>();
    let same = |other: &str| other.parse::<Quantity>() == quantity;
    if divisor.is_empty() || quantity == Ok(Quantity::ZERO) || allowed.iter().any(|other| same(other)) {
        return;
    }
    let message = format!("`{}` is no divisor of this resource", super::spot::shown(divisor));
    at.wrong_hint(codes::VALUE, message, format!("possible: {}", list(allowed)));
}
