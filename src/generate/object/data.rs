//! ConfigMaps and Secrets, with the values that hold now.

use super::{Identity, Object, Resource, identify};
use crate::generate::age::age;
use crate::generate::played;
use crate::model::{ConfigMap, Secret, Source};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;

pub fn config_map(sources: &[Source], map: &ConfigMap, identity: Identity<'_>, now: Timestamp) -> Object {
    let ConfigMap { name, labels, data, binary_keys, immutable } = map;
    let mut whole: core::ConfigMap = played::object(sources, "ConfigMap", name).unwrap_or_default();
    identify(&mut whole.metadata, name, identity);
    whole.metadata.labels = (!labels.is_empty()).then(|| labels.clone());
    let (binary, text): (Vec<_>, Vec<_>) = data.iter().partition(|(key, _)| binary_keys.contains(key));
    let text = text.into_iter().map(|(key, value)| (key.clone(), String::from_utf8_lossy(value).into_owned()));
    let binary = binary.into_iter().map(|(key, value)| (key.clone(), ByteString(value.clone())));
    whole.data = Some(text.collect()).filter(|data: &std::collections::BTreeMap<_, _>| !data.is_empty());
    whole.binary_data = Some(binary.collect()).filter(|data: &std::collections::BTreeMap<_, _>| !data.is_empty());
    whole.immutable = immutable.then_some(true);
    let cells = vec![name.clone(), data.len().to_string(), age(Some(identity.created), now)];
    Object::new(Resource::ConfigMap, &whole.metadata, &whole, cells)
}

/// Its values are in the object, in base64, and in no cell.
pub fn secret(sources: &[Source], secret: &Secret, identity: Identity<'_>, now: Timestamp) -> Object {
    let Secret { name, labels, secret_type, data, immutable } = secret;
    let mut whole: core::Secret = played::object(sources, "Secret", name).unwrap_or_default();
    identify(&mut whole.metadata, name, identity);
    whole.metadata.labels = (!labels.is_empty()).then(|| labels.clone());
    let values = data.iter().map(|(key, value)| (key.clone(), ByteString(value.clone())));
    whole.data = Some(values.collect()).filter(|data: &std::collections::BTreeMap<_, _>| !data.is_empty());
    whole.string_data = None;
    whole.type_ = Some(secret_type.clone());
    whole.immutable = immutable.then_some(true);
    let cells = vec![name.clone(), secret_type.clone(), data.len().to_string(), age(Some(identity.created), now)];
    Object::new(Resource::Secret, &whole.metadata, &whole, cells)
}
