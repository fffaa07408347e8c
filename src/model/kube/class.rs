//! PriorityClasses and RuntimeClasses, and what pods refer to them for (Kubernetes, "Pod Priority and Preemption", "Runtime
//! Class", "Pod Overhead").

use super::loader::at_mark;
use super::pod::Draft;
use super::spot::{Mark, Spot, did_you_mean, list, shown};
use super::{Session, codes, metadata, quantity};
use crate::model::Resources;
use crate::model::diagnostic::Diagnostic;
use k8s_openapi::api::{node::v1 as node, scheduling::v1 as scheduling};
use std::collections::BTreeMap;

/// Classes that every cluster has.
const SYSTEM: [(&str, i32); 2] = [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
/// The highest value of a class that is not the system's.
const HIGHEST: i32 = 1_000_000_000;
/// Handlers that mean podkin's own runtime: there is no other.
const HANDLERS: [&str; 4] = ["podkin", "runc", "crun", "youki"];

/// Classes that the files define.
#[derive(Debug, Default)]
pub(super) struct Classes {
    priority: BTreeMap<String, i32>,
    /// For pods that name none.
    default_priority: Option<i32>,
    /// With the overhead of each.
    runtime: BTreeMap<String, Option<Resources>>,
}

/// What a pod says about classes; settled when all files are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub priority: Option<(i32, Mark)>,
    pub priority_class: Option<(String, Mark)>,
    pub runtime_class: Option<(String, Mark)>,
    pub overhead: Option<(Resources, Mark)>,
}

impl Classes {
    pub fn add_priority(&mut self, at: &Spot<'_>, class: scheduling::PriorityClass) -> String {
        let scheduling::PriorityClass { description: _, global_default, metadata, preemption_policy, value } = class;
        let name = metadata::lower(&at.field("metadata"), metadata).name;
        at.field("preemptionPolicy").no_effect(preemption_policy.is_some(), "there is one machine");
        if value.is_none() {
            at.missing("value");
        }
        let value = value.unwrap_or_default();
        if value > HIGHEST {
            let message = format!("the value of a class is at most {HIGHEST}; higher ones are the system's");
            at.field("value").wrong(codes::VALUE, message);
        }
        if name.starts_with("system-") {
            at.field("metadata").field("name").wrong(codes::VALUE, "names that begin with `system-` are the system's");
        }
        if global_default == Some(true) && self.default_priority.replace(value).is_some() {
            at.field("globalDefault").wrong(codes::DUPLICATE, "there is another class with `globalDefault: true`");
        }
        self.priority.insert(name.clone(), value);
        name
    }

    pub fn add_runtime(&mut self, at: &Spot<'_>, class: node::RuntimeClass) -> String {
        let node::RuntimeClass { handler, metadata, overhead, scheduling } = class;
        let name = metadata::lower(&at.field("metadata"), metadata).name;
        at.field("scheduling").no_effect(scheduling.is_some(), "there is one machine");
        if !handler.is_empty() && !HANDLERS.contains(&handler.as_str()) {
            refuse_handler(&handler, |error, label| at.field("handler").on_value(error, label));
        }
        let overhead = overhead.and_then(|node::Overhead { pod_fixed }| pod_fixed);
        let overhead = overhead.map(|fixed| {
            let at = at.field("overhead");
            quantity::amounts_of_pod(&at.field("podFixed"), fixed)
        });
        self.runtime.insert(name.clone(), overhead);
        name
    }

    /// Settles what a pod wants.
    pub fn admit(&self, session: &Session, draft: &mut Draft) {
        let Wanted { priority, priority_class, runtime_class, overhead } = std::mem::take(&mut draft.wanted);
        draft.pod.priority = self.priority(session, priority, priority_class.as_ref());
        draft.pod.priority_class = priority_class.map(|(name, _)| name);
        let fixed = runtime_class.as_ref().and_then(|(name, mark)| self.runtime(session, name, mark));
        // As the API's admission does: the class alone says what the overhead is.
        if let Some((given, mark)) = overhead
            && fixed.as_ref() != Some(&given)
        {
            let message = "`overhead` is not supported: it is that of the pod's RuntimeClass";
            let error =
                Diagnostic::error(codes::UNSUPPORTED, message).hint("remove it, or write the class's `podFixed`");
            session.report(at_mark(error, &mark));
        }
        draft.pod.overhead = fixed;
        draft.pod.runtime_class = runtime_class.map(|(name, _)| name);
    }

    fn priority(&self, session: &Session, own: Option<(i32, Mark)>, class: Option<&(String, Mark)>) -> i32 {
        let of_class = class.and_then(|(name, mark)| {
            let system = SYSTEM.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
            let value = system.or_else(|| self.priority.get(name).copied());
            if value.is_none() {
                let message = format!("`priorityClassName` has no effect here: no PriorityClass `{}`", shown(name));
                let known = self.priority.keys().map(String::as_str).chain(SYSTEM.iter().map(|(name, _)| *name));
                let label = did_you_mean(name, known).unwrap_or_default();
                let mut note = Diagnostic::info(codes::NO_EFFECT, message).at(mark.span, label);
                note.path.clone_from(&mark.path);
                session.report(note);
            }
            value
        });
        let default = of_class.or(self.default_priority.filter(|_| class.is_none()));
        match (own, default) {
            (Some((own, mark)), Some(value)) if own != value => {
                let error = Diagnostic::error(codes::CONFLICT, format!("the pod's class has priority {value}"));
                session.report(at_mark(error.hint("remove `priority`"), &mark));
                value
            }
            (Some((own, _)), _) => own,
            (None, value) => value.unwrap_or_default(),
        }
    }

    /// The overhead of a class; a class that no file defines may be named like podkin's own handler.
    fn runtime(&self, session: &Session, name: &str, mark: &Mark) -> Option<Resources> {
        match self.runtime.get(name) {
            Some(overhead) => *overhead,
            None if HANDLERS.contains(&name) => None,
            None => {
                refuse_handler(name, |error, label| {
                    let mut error = error.at(mark.span, label);
                    error.path.clone_from(&mark.path);
                    session.report(error);
                });
                None
            }
        }
    }
}

fn refuse_handler(name: &str, report: impl FnOnce(Diagnostic, String)) {
    let message = format!("`{}` is not supported: there is one runtime", shown(name));
    let hint = format!("remove it, or add a RuntimeClass with one of the handlers {}", list(&HANDLERS));
    let error = Diagnostic::error(codes::UNSUPPORTED, message).hint(hint);
    report(error, did_you_mean(name, HANDLERS.into_iter()).unwrap_or_default());
}
