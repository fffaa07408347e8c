//! Objects in files: documents, items of a `List`, and what their headers say.

use super::kinds::{Kind, stranger};
use super::spot::{Spot, did_you_mean};
use super::{Input, Session, codes};
use crate::model::application::{DocumentRange, Source};
use crate::model::diagnostic::{Diagnostic, Severity, Sources, Span};
use crate::model::yaml::{self, Budgets, Dialect, Node, Value};
use std::path::PathBuf;

/// One object as it stands in a file.
#[derive(Debug)]
pub(super) struct Object {
    pub kind: Kind,
    /// `Pod/web`, for messages.
    pub label: String,
    pub node: Node,
    /// Directory that relative paths of the object start from.
    pub base: PathBuf,
}

/// Reads all objects of one input; what is no playable object is reported.
pub(super) fn read(session: &Session, sources: &mut Sources, input: &Input, base: PathBuf) -> (Vec<Object>, Source) {
    let id = sources.add(&input.name, &input.text);
    let (documents, diagnostics) = yaml::parse(id, &input.text, Dialect::Kubernetes, &Budgets::default());
    diagnostics.into_iter().for_each(|d| session.report(d));
    let mut reader = Reader { session, base, objects: Vec::new(), ranges: Vec::new() };
    for document in documents {
        reader.add(document.root, document.range, 0);
    }
    let source = Source {
        name: input.name.clone(),
        path: input.path.clone(),
        text: input.text.clone(),
        documents: reader.ranges,
    };
    (reader.objects, source)
}

struct Reader<'a> {
    session: &'a Session,
    base: PathBuf,
    objects: Vec<Object>,
    ranges: Vec<DocumentRange>,
}

/// A `List` in a `List` is allowed, a tower of them is not.
const LIST_DEPTH: usize = 4;

impl Reader<'_> {
    fn add(&mut self, node: Node, range: Span, depth: usize) {
        let kind = node.get("kind").and_then(Node::as_str).unwrap_or_default().to_owned();
        let name = node.get("metadata").and_then(|m| m.get("name")).and_then(Node::as_str).unwrap_or_default();
        let label = match (kind.as_str(), name) {
            ("", _) => "document".to_owned(),
            (kind, "") => kind.to_owned(),
            (kind, name) => format!("{kind}/{name}"),
        };
        let at = Spot::root(self.session, &label, &node);
        if !check_header(&at, &node, &kind) {
            return;
        }
        if kind == "List" && depth < LIST_DEPTH {
            return self.add_items(node, depth);
        }
        self.ranges.push(DocumentRange {
            kind: kind.clone(),
            name: name.to_owned(),
            start: range.start,
            end: range.end,
        });
        match Kind::parse(&kind) {
            Some(kind) => {
                let mut node = node.clone();
                check_version(&at, kind, &mut node);
                let base = self.base.clone();
                self.objects.push(Object { kind, label: label.clone(), node, base });
            }
            None => report_stranger(&at, &kind, name),
        }
    }

    fn add_items(&mut self, node: Node, depth: usize) {
        check_list(&Spot::root(self.session, "List", &node), &node);
        for item in node.entry("items").map(|e| e.value.items()).unwrap_or_default() {
            self.add(item.clone(), item.span, depth + 1);
        }
    }
}

/// Checks that the document is an object with `apiVersion` and `kind`.
fn check_header(at: &Spot<'_>, node: &Node, kind: &str) -> bool {
    if !matches!(node.value, Value::Mapping(_)) {
        let message = format!("a Kubernetes object is a mapping, not {}", node.kind_name());
        let hint = "an object starts with `apiVersion:` and `kind:`";
        at.wrong_hint(codes::HEADER, message, hint);
        return false;
    }
    for name in ["apiVersion", "kind"] {
        let field = at.field(name);
        match node.get(name) {
            None => {
                let keys = node.entries().iter().map(|e| &*e.key.text);
                let typo =
                    keys.clone().find(|key| key.eq_ignore_ascii_case(name) || strsim::levenshtein(key, name) == 1);
                let error = Diagnostic::error(codes::HEADER, format!("the document has no `{name}`"));
                match typo.map(|typo| (typo, at.field(typo))) {
                    Some((_, spot)) => spot.on_key(error, format!("did you mean `{name}`?")),
                    None if is_compose(node) => {
                        at.on_key(error.hint("this looks like a compose file; it is not Kubernetes YAML"), "");
                    }
                    None => at.on_key(error.hint("each document needs `apiVersion` and `kind`"), ""),
                }
            }
            Some(value) if value.as_str().is_none_or(str::is_empty) => {
                field.wrong(codes::HEADER, format!("`{name}` must be a string"));
            }
            Some(_) => continue,
        }
        // Without a kind there is nothing more to check; a wrong apiVersion alone hides no other problem.
        if name == "kind" {
            return false;
        }
    }
    !kind.is_empty()
}

/// Checks what a `List` consists of; its items are objects of their own.
fn check_list(at: &Spot<'_>, node: &Node) {
    const FIELDS: [&str; 4] = ["apiVersion", "kind", "metadata", "items"];
    match node.get("items") {
        Some(items) if matches!(items.value, Value::Sequence(_)) => {}
        Some(items) => {
            let message = format!("`items` must be a list, and this is {}", items.kind_name());
            at.field("items").wrong(codes::HEADER, message);
        }
        None => at.missing("items"),
    }
    if let Some(version) = node.get("apiVersion").and_then(Node::as_str).filter(|v| *v != "v1") {
        report_version(at, "List", version, "v1", "write `apiVersion: v1`".to_owned());
    }
    for entry in node.entries().iter().filter(|e| !FIELDS.contains(&&*e.key.text)) {
        let Some(severity) = at.session.validate.severity_of_unknown() else { return };
        let diagnostic = Diagnostic::new("K101", severity, format!("unknown field `{}` in List", entry.key.text));
        let label = did_you_mean(&entry.key.text, FIELDS.into_iter()).unwrap_or_default();
        at.field(&entry.key.text).on_key(diagnostic, label);
    }
}

fn is_compose(node: &Node) -> bool {
    node.get("services").is_some_and(|s| matches!(s.value, Value::Mapping(_)))
}

/// Reports an `apiVersion` that the kind does not have and puts the right one in its place.
fn check_version(at: &Spot<'_>, kind: Kind, node: &mut Node) {
    let expected = kind.api_version();
    let Value::Mapping(entries) = &mut node.value else { return };
    let Some(entry) = entries.iter_mut().find(|e| &*e.key.text == "apiVersion") else { return };
    let Some(version) = entry.value.as_str().map(str::to_owned) else { return };
    if version == expected {
        return;
    }
    let old = ["extensions/v1beta1", "apps/v1beta1", "apps/v1beta2"].contains(&version.as_str());
    let hint = match old && kind == Kind::Deployment {
        true => format!("Kubernetes 1.16 removed `{version}`; write `apiVersion: {expected}`, and set `spec.selector`"),
        false => format!("write `apiVersion: {expected}`"),
    };
    report_version(at, kind.name(), &version, expected, hint);
    entry.value.value = Value::String(expected.into());
}

fn report_version(at: &Spot<'_>, kind: &str, version: &str, expected: &str, hint: String) {
    let message = format!("{kind} is not in `{}`", super::spot::shown(version));
    let label = did_you_mean(version, [expected].into_iter()).unwrap_or_default();
    let severity = at.session.validate.severity_of_unsupported();
    at.field("apiVersion").on_value(Diagnostic::new(codes::API_VERSION, severity, message).hint(hint), label);
}

fn report_stranger(at: &Spot<'_>, kind: &str, name: &str) {
    let Some(severity) = at.session.validate.severity_of_unknown() else { return };
    let words = stranger(kind);
    let mut diagnostic = Diagnostic::new(codes::KIND, severity, words.message).hint(words.hint);
    if severity == Severity::Error {
        let what = if name.is_empty() { "it".to_owned() } else { format!("`{kind}/{name}`") };
        diagnostic = diagnostic.note(format!("play the rest without {what}: --validate=warn"));
    }
    at.field("kind").on_value(diagnostic, words.label);
}
