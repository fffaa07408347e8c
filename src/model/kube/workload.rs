//! Deployments to pods (Kubernetes API, `Deployment` v1 apps).

use super::metadata::{self, Metadata};
use super::pod::{self, Draft};
use super::spot::Spot;
use super::{annotations, codes, form};
use crate::model::diagnostic::Diagnostic;
use crate::model::{RestartPolicy, Workload, WorkloadKind};
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeMap;
use std::path::Path;

/// More pods than this on one machine are a slip.
const MOST_REPLICAS: i64 = 1000;

/// Lowers a Deployment to itself and its pods: `<name>-pod`, `<name>-pod-2` and on.
pub(super) fn deployment(at: &Spot<'_>, object: apps::Deployment, base: &Path) -> (Workload, Vec<Draft>) {
    let apps::Deployment { metadata: meta, spec, status } = object;
    at.field("status").no_effect(status.is_some(), "a cluster sets it");
    let meta_at = at.field("metadata");
    let Metadata { name, namespace, annotations, .. } = metadata::lower(&meta_at, meta);
    let apps::DeploymentSpec {
        min_ready_seconds,
        paused,
        progress_deadline_seconds,
        replicas,
        revision_history_limit,
        selector,
        strategy,
        template,
    } = spec;
    if !at.field("spec").exists() {
        at.missing("spec");
    }
    let at = at.field("spec");
    let rollout = "a changed Deployment is replaced pod by pod with --replace";
    at.field("minReadySeconds").no_effect(min_ready_seconds.is_some(), rollout);
    at.field("paused").no_effect(paused == Some(true), rollout);
    at.field("progressDeadlineSeconds").no_effect(progress_deadline_seconds.is_some(), rollout);
    at.field("revisionHistoryLimit").no_effect(revision_history_limit.is_some(), "no history is kept");
    check_strategy(&at.field("strategy"), strategy, rollout);
    let replicas_at = at.field("replicas");
    let replicas =
        replicas.map_or(1, |n| replicas_at.in_range("the number of replicas", n.into(), 0..=MOST_REPLICAS) as u32);
    let core::PodTemplateSpec { metadata: template_meta, spec: template_spec } = template;
    let selector_at = at.field("selector");
    let template_at = at.field("template");
    if !template_at.exists() {
        at.missing("template");
    }
    let template_meta_at = template_at.field("metadata");
    let template_meta = metadata::lower_unnamed(&template_meta_at, template_meta.unwrap_or_default());
    let named = "pods are named after the Deployment";
    template_meta_at.field("name").no_effect(!template_meta.name.is_empty(), named);
    let generated = template_meta_at.field("generateName");
    generated.no_effect(generated.exists(), named);
    check_selector(&selector_at, selector, &template_meta.labels, &at);
    let spec_at = template_at.field("spec");
    if template_at.exists() && !spec_at.exists() {
        template_at.missing("spec");
    }
    check_template(&spec_at, template_spec.as_ref());
    let of_pod = Metadata { name: format!("{name}-pod"), namespace, ..template_meta };
    let name_at = meta_at.field("name");
    let mut draft = pod::lower(&spec_at, template_spec.unwrap_or_default(), of_pod, base, name_at.mark());
    annotations::inherit(&meta_at.field("annotations"), &annotations, &mut draft.pod);
    draft.pod.workload = Some(name.clone());
    let names: Vec<_> = (1..=replicas).map(|n| pod_name(&name, n)).collect();
    if let Some(longest) =
        names.last().filter(|n| form::dns_subdomain(&name).is_ok() && form::dns_subdomain(n).is_err())
    {
        name_at.wrong(codes::FORM, format!("the name is too long: pod `{longest}` could not be named"));
    }
    let drafts = names.iter().map(|name| {
        let mut draft = draft.clone();
        draft.pod.name.clone_from(name);
        draft
    });
    let drafts = drafts.collect();
    (Workload { kind: WorkloadKind::Deployment, name, replicas, pods: names }, drafts)
}

/// Name of the n-th pod of a workload, from 1.
fn pod_name(workload: &str, n: u32) -> String {
    if n == 1 { format!("{workload}-pod") } else { format!("{workload}-pod-{n}") }
}

fn check_strategy(at: &Spot<'_>, strategy: Option<apps::DeploymentStrategy>, reason: &str) {
    let Some(apps::DeploymentStrategy { rolling_update, type_ }) = strategy else { return };
    let kinds = [("RollingUpdate", ()), ("Recreate", ())];
    let known = type_.as_ref().is_none_or(|t| at.field("type").one_of("strategy", t, &kinds).is_some());
    if rolling_update.is_some() && type_.as_deref() == Some("Recreate") {
        at.field("rollingUpdate").wrong(codes::CONFLICT, "`rollingUpdate` needs `type: RollingUpdate`");
    } else if known {
        at.no_effect(true, reason);
    }
}

/// What a template of a Deployment may not have.
fn check_template(at: &Spot<'_>, spec: Option<&core::PodSpec>) {
    let Some(spec) = spec else { return };
    let policy = spec.restart_policy.as_deref().unwrap_or("Always");
    let other = [("OnFailure", RestartPolicy::OnFailure), ("Never", RestartPolicy::Never)];
    if other.iter().any(|(name, _)| *name == policy) {
        let message = format!("pods of a Deployment restart always, not `{policy}`");
        at.field("restartPolicy").wrong_hint(codes::CONFLICT, message, "remove it, or use a Pod");
    }
    if spec.active_deadline_seconds.is_some() {
        let message = "pods of a Deployment have no deadline";
        let at = at.field("activeDeadlineSeconds");
        at.wrong_hint(codes::CONFLICT, message, "remove it, or use a Pod");
    }
}

fn check_selector(at: &Spot<'_>, selector: LabelSelector, labels: &BTreeMap<String, String>, spec: &Spot<'_>) {
    let LabelSelector { match_expressions, match_labels } = selector;
    let (expressions, wanted) = (match_expressions.unwrap_or_default(), match_labels.unwrap_or_default());
    if expressions.is_empty() && wanted.is_empty() {
        if at.exists() {
            at.on_key(
                Diagnostic::error(codes::REQUIRED, "the selector is empty").hint("list labels of the template"),
                "",
            );
        } else {
            spec.missing("selector");
        }
        return;
    }
    metadata::check_labels(&at.field("matchLabels"), &wanted);
    for (key, value) in &wanted {
        if labels.get(key) != Some(value) {
            let message = format!("the selector wants label `{key}: {value}`, which the template does not have");
            let hint = match labels.get(key) {
                Some(other) => format!("the template has `{key}: {other}`"),
                None => "add it to `spec.template.metadata.labels`".to_owned(),
            };
            at.field("matchLabels").field(key).wrong_hint(codes::SELECTOR, message, hint);
        }
    }
    let at = at.field("matchExpressions");
    for (i, expression) in expressions.into_iter().enumerate() {
        check_expression(&at.index(i), expression, labels);
    }
}

fn check_expression(at: &Spot<'_>, expression: LabelSelectorRequirement, labels: &BTreeMap<String, String>) {
    let LabelSelectorRequirement { key, operator, values } = expression;
    let (values, label) = (values.unwrap_or_default(), labels.get(&key));
    if key.is_empty() {
        return at.missing("key");
    }
    let is_in = label.is_some_and(|value| values.contains(value));
    let operators = [
        ("In", (is_in, true)),
        ("NotIn", (!is_in, true)),
        ("Exists", (label.is_some(), false)),
        ("DoesNotExist", (label.is_none(), false)),
    ];
    let Some((selects, takes_values)) = at.field("operator").one_of("operator", &operator, &operators) else { return };
    if takes_values == values.is_empty() {
        let message = if takes_values { "needs `values`" } else { "takes no `values`" };
        at.on_key(Diagnostic::error(codes::CONFLICT, format!("operator `{operator}` {message}")), "");
    } else if !selects {
        let message = format!("the selector's `{key}` {operator} does not select the template's own labels");
        at.on_key(Diagnostic::error(codes::SELECTOR, message), "");
    }
}
