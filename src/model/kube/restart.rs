//! What follows when a container ends: `restartPolicy` and `restartPolicyRules` (Kubernetes, "Pod Lifecycle").

use super::codes;
use super::spot::Spot;
use crate::model::diagnostic::Diagnostic;
use crate::model::{ExitCodes, RestartAction, RestartPolicy, RestartRule};
use k8s_openapi::api::core::v1 as core;

/// As many as the API server takes.
const MOST_RULES: usize = 20;
const MOST_CODES: usize = 255;

const POLICIES: [(&str, RestartPolicy); 3] =
    [("Always", RestartPolicy::Always), ("OnFailure", RestartPolicy::OnFailure), ("Never", RestartPolicy::Never)];

/// Lowers the policy of a pod or container; `None` when it says none.
pub(super) fn policy(at: &Spot<'_>, policy: Option<String>) -> Option<RestartPolicy> {
    policy.filter(|p| !p.is_empty()).and_then(|p| at.one_of("restart policy", &p, &POLICIES))
}

/// Lowers `restartPolicyRules` of the container at `at`; `has_policy` says whether it has a policy of its own.
pub(super) fn rules(at: &Spot<'_>, rules: Vec<core::ContainerRestartRule>, has_policy: bool) -> Vec<RestartRule> {
    let at = at.field("restartPolicyRules");
    if !rules.is_empty() && !has_policy {
        let message =
            "`restartPolicyRules` needs the container's own `restartPolicy`, for exit codes that match no rule";
        at.on_key(Diagnostic::error(codes::REQUIRED, message).hint("add `restartPolicy: Never` beside it"), "");
    }
    if rules.len() > MOST_RULES {
        at.wrong(codes::VALUE, format!("at most {MOST_RULES} rules are possible, not {}", rules.len()));
    }
    rules.into_iter().enumerate().filter_map(|(i, rule)| self::rule(&at.index(i), rule)).collect()
}

fn rule(at: &Spot<'_>, rule: core::ContainerRestartRule) -> Option<RestartRule> {
    let core::ContainerRestartRule { action, exit_codes } = rule;
    let actions = [("Restart", RestartAction::Restart), ("RestartAllContainers", RestartAction::RestartAllContainers)];
    let action = at.field("action").one_of("action of a rule", &action, &actions);
    let Some(core::ContainerRestartRuleOnExitCodes { operator, values }) = exit_codes else {
        at.missing("exitCodes");
        return None;
    };
    let at = at.field("exitCodes");
    let operator = at.field("operator").one_of("operator", &operator, &[("In", true), ("NotIn", false)]);
    let values = values.unwrap_or_default();
    if values.is_empty() {
        at.missing("values");
    } else if values.len() > MOST_CODES {
        at.field("values").wrong(codes::VALUE, format!("at most {MOST_CODES} exit codes are possible"));
    }
    let exit_codes = if operator? { ExitCodes::In(values) } else { ExitCodes::NotIn(values) };
    Some(RestartRule { action: action?, exit_codes })
}
