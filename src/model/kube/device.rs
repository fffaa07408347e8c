//! Devices that a container asks for: keys of `resources` with a slash, and annotations `cdi.k8s.io/*` of its pod.
//!
//! | key | device |
//! |---|---|
//! | `vendor.com/class: N` | N of a kind (Kubernetes, "Extended resources") |
//! | `vendor.com/class=name: 1` | the one with that name (podman) |
//! | `podman.io/device=HOST[:CONTAINER][:rwm]: 1` | a node of the machine (podman) |

use super::spot::{Spot, shown};
use super::{codes, form, quantity};
use crate::model::Pod;
use crate::model::device::{Access, DeviceRequest, check_kind, check_qualified};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use std::collections::BTreeMap;

/// Annotations with this prefix name devices for every container of the pod.
const ANNOTATION: &str = "cdi.k8s.io/";
const PATH: &str = "podman.io/device=";
/// Devices of a kind for one container.
const MOST: i64 = 1024;

/// Takes the devices out of a container's `resources`; `at` is there.
pub(super) fn take(at: &Spot<'_>, resources: &mut core::ResourceRequirements) -> Vec<DeviceRequest> {
    let (limits_at, requests_at) = (at.field("limits"), at.field("requests"));
    let limits = take_keys(&mut resources.limits);
    let requests = take_keys(&mut resources.requests);
    let mut wanted: Vec<_> =
        limits.iter().filter_map(|(key, amount)| request(&limits_at.field(key), key, amount)).collect();
    for (key, amount) in &requests {
        let at = requests_at.field(key);
        let Some(requested) = request(&at, key, amount) else { continue };
        match limits.get(key) {
            Some(limit) if quantity::parse(&at, amount) != limit.0.parse().ok() => {
                at.wrong(codes::QUANTITY, format!("request and limit of `{}` differ", shown(key)));
            }
            Some(_) => {}
            None if matches!(requested, DeviceRequest::Counted { .. }) => {
                at.wrong_hint(codes::CONFLICT, "devices that are requested only", "write them below `limits`");
            }
            None => wanted.push(requested),
        }
    }
    wanted
}

/// Applies an annotation of a pod when it is one about devices, and says whether it is.
pub(super) fn annotation(at: &Spot<'_>, pod: &mut Pod, key: &str, value: &str) -> bool {
    if !key.starts_with(ANNOTATION) {
        return false;
    }
    for name in value.split(',').map(str::trim) {
        if at.check("device", name, check_qualified) {
            let request = DeviceRequest::Named(name.to_owned());
            for container in pod.init_containers.iter_mut().chain(&mut pod.containers) {
                if !container.device_requests.contains(&request) {
                    container.device_requests.push(request.clone());
                }
            }
        }
    }
    true
}

fn take_keys(list: &mut Option<BTreeMap<String, Text>>) -> BTreeMap<String, Text> {
    let Some(list) = list else { return BTreeMap::new() };
    let (devices, rest) = std::mem::take(list).into_iter().partition(|(key, _)| key.contains('/'));
    *list = rest;
    devices
}

/// The devices of one key; none for an amount of 0.
fn request(at: &Spot<'_>, key: &str, amount: &Text) -> Option<DeviceRequest> {
    let count = quantity::parse(at, amount)?;
    if !count.is_whole() || count.units() > MOST {
        at.wrong(codes::QUANTITY, format!("devices are counted: a whole number from 0 to {MOST}"));
        return None;
    }
    let count = count.units() as u32; // 0 to MOST
    if !key.contains('=') {
        let is_kind = at.check("kind of devices", key, check_kind);
        return (is_kind && count > 0).then(|| DeviceRequest::Counted { kind: key.to_owned(), count });
    }
    if count != 1 {
        at.wrong_hint(codes::QUANTITY, "a device that is named is one device", "write 1");
        return None;
    }
    match key.strip_prefix(PATH) {
        Some(text) => path(at, text),
        None => at.check("device", key, check_qualified).then(|| DeviceRequest::Named(key.to_owned())),
    }
}

/// `HOST[:CONTAINER][:rwm]`, as podman's `--device` reads it.
fn path(at: &Spot<'_>, text: &str) -> Option<DeviceRequest> {
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, access) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, second] if second.starts_with('/') => (host, second, "rwm"),
        [host, access] => (host, host, access),
        [host, container, access] => (host, container, access),
        _ => {
            at.wrong(codes::FORM, format!("`{}` has too many parts: HOST[:CONTAINER][:rwm]", shown(text)));
            return None;
        }
    };
    let Some(access) = Access::parse(access) else {
        at.wrong(
            codes::VALUE,
            format!("access `{}` has other letters than `r`, `w` and `m`, each once", shown(access)),
        );
        return None;
    };
    let is_path = |what: &str, path: &str| at.check(what, path, form::mount_path);
    (is_path("device", host) && is_path("path in the container", container)).then(|| DeviceRequest::Path {
        host: form::cleaned(host),
        container: form::cleaned(container),
        access,
    })
}
