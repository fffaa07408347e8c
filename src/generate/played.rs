//! Objects as they were played, read again from the sources that an application keeps.

use super::cut;
use crate::model::yaml::{self, Budgets, Dialect, TypedOptions};
use crate::model::{EnvValue, EnvVar, Pod, Source, diagnostic::Sources};
use crate::store::record::EphemeralContainer;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1 as core;
use serde::de::DeserializeOwned;

/// The pod as its file has it: a Pod, or what the template of its Deployment makes. What no source has any more is made up from
/// the names and images that are known.
pub fn pod(sources: &[Source], pod: &Pod) -> core::Pod {
    let found = match &pod.workload {
        None => object::<core::Pod>(sources, "Pod", &pod.name),
        Some(workload) => deployment(sources, workload).map(|deployment| {
            let core::PodTemplateSpec { metadata, spec } = deployment.spec.template;
            core::Pod { metadata: metadata.unwrap_or_default(), spec, status: None }
        }),
    };
    let mut found = found.unwrap_or_else(|| bare(pod));
    found.metadata.name = Some(pod.name.clone());
    found.metadata.namespace = Some(pod.namespace.clone());
    found
}

/// A Deployment as its file has it.
pub fn deployment(sources: &[Source], name: &str) -> Option<Deployment> {
    object(sources, "Deployment", name)
}

/// The latest document of that kind and name.
pub fn object<T: DeserializeOwned>(sources: &[Source], kind: &str, name: &str) -> Option<T> {
    let mut documents = sources.iter().flat_map(|source| source.documents.iter().map(move |d| (source, d)));
    let (source, document) = documents.rfind(|(_, d)| d.kind == kind && d.name == name)?;
    let text = cut(&source.text, document);
    let mut places = Sources::default();
    let id = places.add(&source.name, &text);
    let (documents, _) = yaml::parse(id, &text, Dialect::Kubernetes, &Budgets::default());
    let options = TypedOptions { object: kind, unknown_fields: None, secret: false };
    // What is wrong with it was said when it was played.
    yaml::typed(&documents.first()?.root, options).0
}

/// A container that was added to a running pod. No file has it: this is what the command that adds them can ask for.
pub fn ephemeral(added: &EphemeralContainer) -> core::EphemeralContainer {
    let EphemeralContainer { spec, target } = added;
    let list = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    let variable = |variable: &EnvVar| match &variable.value {
        EnvValue::Literal(value) => {
            Some(core::EnvVar { name: variable.name.clone(), value: Some(value.clone()), ..Default::default() })
        }
        _ => None,
    };
    let env: Vec<_> = spec.env.iter().filter_map(variable).collect();
    let privileged = spec.security.privileged;
    core::EphemeralContainer {
        args: list(&spec.args),
        command: list(&spec.command),
        env: (!env.is_empty()).then_some(env),
        image: Some(spec.image.clone()),
        name: spec.name.clone(),
        security_context: privileged
            .then(|| core::SecurityContext { privileged: Some(true), ..core::SecurityContext::default() }),
        stdin: spec.stdin.then_some(true),
        stdin_once: spec.stdin_once.then_some(true),
        target_container_name: target.clone(),
        tty: spec.tty.then_some(true),
        ..core::EphemeralContainer::default()
    }
}

fn bare(pod: &Pod) -> core::Pod {
    let container = |container: &crate::model::Container| core::Container {
        name: container.name.clone(),
        image: Some(container.image.clone()),
        ..core::Container::default()
    };
    let init: Vec<_> = pod.init_containers.iter().map(container).collect();
    let spec = core::PodSpec {
        containers: pod.containers.iter().map(container).collect(),
        init_containers: (!init.is_empty()).then_some(init),
        ..core::PodSpec::default()
    };
    let mut made = core::Pod { spec: Some(spec), ..core::Pod::default() };
    made.metadata.labels = (!pod.labels.is_empty()).then(|| pod.labels.clone());
    made.metadata.annotations = (!pod.annotations.is_empty()).then(|| pod.annotations.clone());
    made
}
