//! ServiceAccounts, PriorityClasses and RuntimeClasses: what was played, as nothing becomes of them.

use super::{Object, Played, Resource, identify, identify_cluster_wide};
use crate::generate::played;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::scheduling::v1::PriorityClass;

pub fn service_account(played: Played<'_>, name: &str) -> Object {
    let mut whole: core::ServiceAccount = played::object(played.sources, "ServiceAccount", name).unwrap_or_default();
    identify(&mut whole.metadata, name, played.identity());
    Object::new(Resource::ServiceAccount, &whole.metadata, &whole, vec![name.to_owned(), played.age()])
}

pub fn priority_class(played: Played<'_>, name: &str) -> Object {
    let mut whole: PriorityClass = played::object(played.sources, "PriorityClass", name).unwrap_or_default();
    identify_cluster_wide(&mut whole.metadata, name, played.identity());
    let cells = vec![
        name.to_owned(),
        whole.value.unwrap_or_default().to_string(),
        whole.global_default.unwrap_or_default().to_string(),
        played.age(),
        whole.preemption_policy.clone().unwrap_or_else(|| "PreemptLowerPriority".to_owned()),
    ];
    Object::new(Resource::PriorityClass, &whole.metadata, &whole, cells)
}

pub fn runtime_class(played: Played<'_>, name: &str) -> Object {
    let mut whole: RuntimeClass = played::object(played.sources, "RuntimeClass", name).unwrap_or_default();
    identify_cluster_wide(&mut whole.metadata, name, played.identity());
    let cells = vec![name.to_owned(), whole.handler.clone(), played.age()];
    Object::new(Resource::RuntimeClass, &whole.metadata, &whole, cells)
}
