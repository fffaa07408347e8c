//! Quantities in objects, and `resources` of a container (Kubernetes, "Resource Management for Pods and Containers").

use super::spot::{Spot, did_you_mean, list};
use super::{codes, huge_pages};
use crate::model::diagnostic::Diagnostic;
use crate::model::quantity::Quantity;
use crate::model::{Pod, Resources};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use std::collections::BTreeMap;

/// Reads a quantity that must not be negative.
pub(super) fn parse(at: &Spot<'_>, text: &Text) -> Option<Quantity> {
    match text.0.parse::<Quantity>() {
        Ok(quantity) if quantity.is_negative() => {
            at.wrong(codes::QUANTITY, format!("`{}` must not be negative", text.0));
            None
        }
        Ok(quantity) => Some(quantity),
        Err(reason) => {
            let error = Diagnostic::error(codes::QUANTITY, format!("`{}` is no quantity", super::spot::shown(&text.0)));
            at.on_value(error.hint(hint_for(&text.0).unwrap_or_else(|| reason.to_string())), "");
            None
        }
    }
}

/// The suffix that was probably meant.
fn hint_for(text: &str) -> Option<String> {
    let (number, suffix) = text.split_at(text.find(|c: char| c.is_alphabetic())?);
    let number = number.trim();
    let meant = match suffix.to_ascii_lowercase().as_str() {
        "b" => "",
        "k" | "kb" => "k",
        "m" | "mb" => "M",
        "g" | "gb" => "G",
        "t" | "tb" => "T",
        "ki" | "kib" => "Ki",
        "mi" | "mib" => "Mi",
        "gi" | "gib" => "Gi",
        "ti" | "tib" => "Ti",
        _ => return None,
    };
    format!("{number}{meant}").parse::<Quantity>().ok().map(|_| format!("write `{number}{meant}`"))
}

const NAMES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Memory below this cannot hold a process.
const LEAST_MEMORY: i64 = 4 << 20;

pub(super) fn resources(at: &Spot<'_>, resources: core::ResourceRequirements) -> Resources {
    let core::ResourceRequirements { claims, limits, requests } = resources;
    let hint = "remove it";
    at.field("claims").unsupported(claims.is_some(), "there is no dynamic resource allocation", hint);
    let limits = amounts(&at.field("limits"), limits.unwrap_or_default());
    let mut requests = amounts(&at.field("requests"), requests.unwrap_or_default());
    for (name, limit) in &limits {
        let request = requests.entry(name.clone()).or_insert(*limit);
        if *request > *limit {
            let (at, limit_at) = (at.field("requests"), at.field("limits"));
            let limit_mark = limit_at.field(name).mark();
            let error = Diagnostic::error(codes::QUANTITY, format!("the {name} request is above the {name} limit"));
            at.field(name).on_value(error.also(limit_mark.span, "the limit"), "");
        }
    }
    check_memory(&at.field("limits"), limits.get("memory").copied());
    let get = |of: &BTreeMap<String, Quantity>, name: &str| of.get(name).filter(|q| !q.is_zero()).copied();
    let bytes = |q: Quantity| q.units() as u64;
    let milli = |q: Quantity| q.milli() as u64;
    Resources {
        cpu_request_milli: get(&requests, "cpu").map(milli),
        cpu_limit_milli: get(&limits, "cpu").map(milli),
        memory_request: get(&requests, "memory").map(bytes),
        memory_limit: get(&limits, "memory").map(bytes),
        ephemeral_storage_request: get(&requests, "ephemeral-storage").map(bytes),
        ephemeral_storage_limit: get(&limits, "ephemeral-storage").map(bytes),
        pids_limit: None,
    }
}

/// `resources` of a pod as a whole (Kubernetes, "Assign Pod-level CPU and memory resources").
pub(super) fn pod(at: &Spot<'_>, mut resources: core::ResourceRequirements) -> Resources {
    at.field("claims").refused(resources.claims.is_some(), "a pod's claims are its `resourceClaims`", "remove it");
    let requested: Vec<&str> = NAMES.into_iter().filter(|name| requests(&resources, name)).collect();
    for (field, list) in [("requests", &mut resources.requests), ("limits", &mut resources.limits)] {
        if list.as_mut().is_some_and(|list| list.remove("ephemeral-storage").is_some()) {
            let at = at.field(field);
            at.field("ephemeral-storage").wrong(codes::VALUE, "a pod as a whole has CPU and memory only");
        }
    }
    resources.claims = None;
    let mut lowered = self::resources(at, resources);
    // A request that is not written is settled when the containers are known.
    if !requested.contains(&"cpu") {
        lowered.cpu_request_milli = None;
    }
    if !requested.contains(&"memory") {
        lowered.memory_request = None;
    }
    lowered
}

fn requests(resources: &core::ResourceRequirements, name: &str) -> bool {
    resources.requests.as_ref().is_some_and(|requests| requests.contains_key(name))
}

/// One kind of resource.
type Amount = fn(&Resources) -> Option<u64>;

/// Compares a pod's own resources with its containers', and fills requests in: with those of the containers together, or, when they
/// have none, with the limit.
pub(super) fn settle_pod(at: &Spot<'_>, pod: &mut Pod) {
    let Some(mut own) = pod.resources else { return };
    let wrong = |field: &str, name: &str, message: String| {
        let at = at.field(field);
        at.field(name).wrong(codes::QUANTITY, message);
    };
    let kinds: [(&str, Amount, Amount); 2] =
        [("cpu", |r| r.cpu_request_milli, |r| r.cpu_limit_milli), ("memory", |r| r.memory_request, |r| r.memory_limit)];
    for (name, request, limit) in kinds {
        let together = pod.of_containers(request);
        if request(&own).or(limit(&own)).is_some_and(|own| own < together) {
            let field = if request(&own).is_some() { "requests" } else { "limits" };
            wrong(field, name, format!("the containers together request more {name} than the pod has"));
        }
        for container in pod.all_containers().filter(|c| limit(&own) < limit(&c.resources) && limit(&own).is_some()) {
            wrong("limits", name, format!("container `{}` has a {name} limit above the pod's", container.name));
        }
        let filled = request(&own).or(limit(&own).map(|limit| if together > 0 { together } else { limit }));
        match name {
            "cpu" => own.cpu_request_milli = filled,
            _ => own.memory_request = filled,
        }
    }
    pod.resources = Some(own);
}

/// Amounts of CPU and memory that come on top of a pod's.
pub(super) fn amounts_of_pod(at: &Spot<'_>, list: BTreeMap<String, Text>) -> Resources {
    let amounts = amounts(at, list);
    let get = |name: &str| amounts.get(name).filter(|q| !q.is_zero()).copied();
    Resources {
        cpu_request_milli: get("cpu").map(|q| q.milli() as u64),
        memory_request: get("memory").map(|q| q.units() as u64),
        ..Resources::default()
    }
}

fn amounts(at: &Spot<'_>, amounts: BTreeMap<String, Text>) -> BTreeMap<String, Quantity> {
    let mut read = BTreeMap::new();
    for (name, text) in amounts {
        let at = at.field(&name);
        if NAMES.contains(&name.as_str()) {
            read.extend(parse(&at, &text).map(|q| (name.clone(), q)));
        } else if name.starts_with(huge_pages::PREFIX) {
            at.refused(true, "containers ask for huge pages", "write them below `resources` of a container");
        } else if name.contains('/') {
            at.refused(true, "devices are given to containers", "write them below `resources` of a container");
        } else {
            let error = Diagnostic::error(codes::VALUE, format!("`{}` is no resource", super::spot::shown(&name)));
            let label = did_you_mean(&name, NAMES.into_iter()).unwrap_or_default();
            at.on_key(error.hint(format!("possible: {}", list(&NAMES))), label);
        }
    }
    read
}

fn check_memory(at: &Spot<'_>, limit: Option<Quantity>) {
    let Some(limit) = limit else { return };
    let at = at.field("memory");
    let hint = "write a number of bytes with a suffix, as in `128Mi`";
    if !limit.is_whole() {
        let warning = Diagnostic::warning(codes::SUSPICIOUS, "a memory limit of thousandths of a byte");
        at.on_value(warning.hint(hint), "`m` is a thousandth; did you mean `M` or `Mi`?");
    } else if limit.units() < LEAST_MEMORY && !limit.is_zero() {
        let message = format!("no program starts with {} bytes of memory", limit.units());
        at.on_value(Diagnostic::warning(codes::SUSPICIOUS, message).hint(hint), "");
    }
}
