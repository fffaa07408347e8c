//! Huge pages: `hugepages-SIZE` of `resources`, and `emptyDir` volumes made of them (Kubernetes, "Manage HugePages").

use super::spot::Spot;
use super::{codes, quantity};
use crate::model::diagnostic::Diagnostic;
use crate::model::quantity::Quantity;
use crate::model::{EmptyDirMedium, Pod, ResourceName, VolumeSource};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use std::collections::BTreeMap;

/// What the names of these resources begin with.
pub(super) const PREFIX: &str = "hugepages-";

/// Takes the huge pages out of a container's `resources`: bytes by size of page; `at` is there.
pub(super) fn take(at: &Spot<'_>, resources: &mut core::ResourceRequirements) -> BTreeMap<u64, u64> {
    let limits = amounts(&at.field("limits"), &mut resources.limits);
    let requests = amounts(&at.field("requests"), &mut resources.requests);
    for (size, bytes) in &requests {
        if limits.get(size) != Some(bytes) {
            let name = name(*size);
            let message = format!("request and limit of `{name}` differ");
            at.field("requests").field(&name).wrong_hint(codes::QUANTITY, message, "write the same below `limits`");
        }
    }
    let others = [&resources.limits, &resources.requests].into_iter().flatten();
    let has_others = others.flat_map(BTreeMap::keys).any(|name| matches!(name.as_str(), "cpu" | "memory"));
    if !limits.is_empty() && !has_others {
        let error = Diagnostic::error(codes::CONFLICT, "huge pages need CPU or memory beside them");
        at.on_key(error.hint("add a request of `cpu` or `memory`"), "");
    }
    limits
}

/// What `limits.hugepages-SIZE` and `requests.hugepages-SIZE` name in a `resourceFieldRef`; whether it is the limit.
pub(super) fn resource(text: &str) -> Option<(ResourceName, bool)> {
    let (of, name) = text.split_once('.')?;
    let size = name.strip_prefix(PREFIX)?.parse::<Quantity>().ok().filter(|size| !size.is_negative())?;
    let limit = match of {
        "limits" => true,
        "requests" => false,
        _ => return None,
    };
    Some((ResourceName::HugePages(size.units() as u64), limit))
}

fn name(size: u64) -> String {
    format!("{PREFIX}{}", Quantity::bytes_text(size))
}

fn amounts(at: &Spot<'_>, list: &mut Option<BTreeMap<String, Text>>) -> BTreeMap<u64, u64> {
    let Some(list) = list else { return BTreeMap::new() };
    let (pages, rest) = std::mem::take(list).into_iter().partition(|(name, _)| name.starts_with(PREFIX));
    *list = rest;
    let pages: BTreeMap<String, Text> = pages;
    pages.iter().filter_map(|(name, amount)| amount_of(&at.field(name), name, amount)).collect()
}

/// Size of page and bytes, where the machine has that many of them.
fn amount_of(at: &Spot<'_>, name: &str, amount: &Text) -> Option<(u64, u64)> {
    let bytes = quantity::parse(at, amount)?.units() as u64;
    let size = size(at, name.trim_start_matches(PREFIX))?;
    if !bytes.is_multiple_of(size) {
        at.wrong(codes::QUANTITY, format!("`{}` is no multiple of the size of a page", amount.0));
        return None;
    }
    let reserved = at.session.machine.huge_pages.get(&size).copied().unwrap_or_default();
    if bytes > reserved {
        let (size_text, kib) = (Quantity::bytes_text(size), size >> 10);
        let reason = match reserved {
            0 => format!("this machine has reserved no pages of {size_text}"),
            _ => format!("this machine has reserved {} in pages of {size_text}", Quantity::bytes_text(reserved)),
        };
        let file = format!("/sys/kernel/mm/hugepages/hugepages-{kib}kB/nr_hugepages");
        at.refused(true, &reason, &format!("reserve some, as in `echo {} >{file}`", bytes / size));
    }
    (bytes > 0).then_some((size, bytes))
}

/// A size of page that this machine has.
fn size(at: &Spot<'_>, text: &str) -> Option<u64> {
    let sizes = &at.session.machine.huge_pages;
    let size = text.parse::<Quantity>().ok().map(|size| size.units() as u64);
    if size.is_none_or(|size| !sizes.contains_key(&size)) {
        let sizes: Vec<String> = sizes.keys().map(|size| Quantity::bytes_text(*size)).collect();
        let hint = if sizes.is_empty() { "remove it".to_owned() } else { format!("it has: {}", sizes.join(", ")) };
        at.refused(true, &format!("this machine has no pages of `{}`", super::spot::shown(text)), &hint);
        return None;
    }
    size
}

/// The medium of an `emptyDir` that names huge pages, `HugePages` (without a size yet) or `HugePages-SIZE`; `at` is its place.
pub(super) fn medium(at: &Spot<'_>, medium: &str) -> Option<EmptyDirMedium> {
    let size = match medium.strip_prefix("HugePages")? {
        "" => 0,
        text => size(at, text.strip_prefix('-')?)?,
    };
    Some(EmptyDirMedium::HugePages(size))
}

/// Gives each volume of huge pages the size that the pod's containers ask for; `at` is the pod's `volumes`.
pub(super) fn settle(at: &Spot<'_>, pod: &mut Pod) {
    let mut sizes: Vec<u64> = pod.all_containers().flat_map(|c| c.huge_pages.keys().copied()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for (i, volume) in pod.volumes.iter_mut().enumerate() {
        let VolumeSource::EmptyDir { medium: EmptyDirMedium::HugePages(size), .. } = &mut volume.source else {
            continue;
        };
        let volume_at = at.index(i);
        let source_at = volume_at.field("emptyDir");
        let at = source_at.field("medium");
        match (*size, sizes.as_slice()) {
            (0, [only]) => *size = *only,
            (0, []) => {
                let hint = format!("add `{PREFIX}2Mi` to the `limits` of those that use it");
                at.wrong_hint(codes::CONFLICT, "no container of the pod asks for huge pages", hint);
            }
            (0, _) => {
                let hint = "name one, as in `HugePages-2Mi`";
                at.wrong_hint(codes::CONFLICT, "the pod's containers ask for pages of several sizes", hint);
            }
            (size, _) if !sizes.contains(&size) => {
                let message = format!("no container of the pod asks for pages of {}", Quantity::bytes_text(size));
                at.wrong_hint(codes::CONFLICT, message, format!("add `{}` to the `limits` of one", name(size)));
            }
            _ => {}
        }
    }
}
