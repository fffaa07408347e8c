//! What can be checked only when every object is read: references to ConfigMaps, Secrets and variables.

use super::spot::{Mark, did_you_mean, list};
use super::{Session, codes};
use crate::model::diagnostic::Diagnostic;
use crate::model::{EnvFrom, EnvFromSource, ObjectKind};
use std::collections::{BTreeMap, BTreeSet};

/// The object that a reference names.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub kind: ObjectKind,
    pub name: String,
    pub optional: bool,
}

/// A place that refers to an object, or to one of its keys.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub target: Target,
    pub key: Option<String>,
    pub mark: Mark,
}

/// A text with `$(NAME)` in it.
#[derive(Debug, Clone)]
pub(super) struct Variables {
    pub names: Vec<String>,
    /// Variables of `env` that the text sees.
    pub defined: BTreeSet<String>,
    pub from: Vec<EnvFrom>,
    /// Whether an undefined one is an error; else it stays as written, which is seldom meant.
    pub must: bool,
    pub mark: Mark,
}

/// Names and keys of the objects that references can resolve to.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// `None` for an object whose keys are not known, because it could not be read as a whole.
    objects: BTreeMap<(ObjectKind, String), Option<BTreeSet<String>>>,
}

impl Index {
    pub fn add(&mut self, kind: ObjectKind, name: &str, keys: Option<BTreeSet<String>>) {
        self.objects.insert((kind, name.to_owned()), keys);
    }

    fn get(&self, kind: ObjectKind, name: &str) -> Option<&Option<BTreeSet<String>>> {
        self.objects.get(&(kind, name.to_owned()))
    }

    fn names(&self, kind: ObjectKind) -> Vec<&str> {
        self.objects.keys().filter(|(k, _)| *k == kind).map(|(_, name)| name.as_str()).collect()
    }
}

/// Reports what does not resolve.
pub(super) fn check(session: &Session, index: &Index) {
    for reference in session.references.take() {
        if !reference.target.optional {
            check_one(session, index, &reference);
        }
    }
    for variables in session.variables.take() {
        check_variables(session, index, &variables);
    }
}

fn check_one(session: &Session, index: &Index, reference: &Reference) {
    let Reference { target: Target { kind, name, .. }, key, mark } = reference;
    let (diagnostic, label) = match (index.get(*kind, name), key) {
        (None, None) => {
            let names = index.names(*kind);
            let error = Diagnostic::error(codes::OBJECT, format!("{kind} `{name}` does not exist"));
            let hint = match names.is_empty() {
                true => format!("add it to the file, play it before, or set `optional: true`; there is no {kind} yet"),
                false => format!("there is {}; set `optional: true` when it may be absent", list(&names)),
            };
            (error.hint(hint), did_you_mean(name, names.into_iter()))
        }
        (Some(Some(keys)), Some(key)) if !keys.contains(key) => {
            let error = Diagnostic::error(codes::KEY, format!("{kind} `{name}` has no key `{key}`"));
            let names: Vec<_> = keys.iter().map(String::as_str).collect();
            let hint =
                if names.is_empty() { "it has no keys".to_owned() } else { format!("its keys: {}", list(&names)) };
            (error.hint(hint), did_you_mean(key, names.into_iter()))
        }
        (Some(_), _) | (None, Some(_)) => return,
    };
    report(session, diagnostic, mark, label.unwrap_or_default());
}

fn check_variables(session: &Session, index: &Index, variables: &Variables) {
    let Variables { names, defined, from, must, mark } = variables;
    let mut known = defined.clone();
    for entry in from {
        let (kind, name) = match &entry.source {
            EnvFromSource::ConfigMap(name) => (ObjectKind::ConfigMap, name),
            EnvFromSource::Secret(name) => (ObjectKind::Secret, name),
        };
        match index.get(kind, name) {
            Some(Some(keys)) => known.extend(keys.iter().map(|key| format!("{}{key}", entry.prefix))),
            // It may bring any variable.
            Some(None) | None => return,
        }
    }
    for name in names.iter().filter(|name| !known.contains(*name)) {
        let label = did_you_mean(name, known.iter().map(String::as_str)).unwrap_or_default();
        let diagnostic = match must {
            true => Diagnostic::error(codes::VARIABLE, format!("variable `{name}` is not defined")),
            false => {
                Diagnostic::warning(codes::VARIABLE, format!("variable `{name}` is not defined before this place"))
                    .note(format!("`$({name})` stays as it is written"))
                    .hint(format!("define `{name}` earlier in `env`, or write `$$({name})` when the text is meant"))
            }
        };
        report(session, diagnostic, mark, label);
    }
}

fn report(session: &Session, mut diagnostic: Diagnostic, mark: &Mark, label: String) {
    diagnostic.path.clone_from(&mark.path);
    session.report(diagnostic.at(mark.span, label));
}
