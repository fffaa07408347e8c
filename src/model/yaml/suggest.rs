//! What was probably meant by an unknown field or a wrong value.

use super::node::{Key, Node, Path, PathElem};
use super::schema::{self, Level};
use super::typed::TypedOptions;
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::quantity::Quantity;
use serde::de::DeserializeOwned;
use std::fmt::Write as _;

/// A field that its object does not have.
#[derive(Debug)]
pub struct Unknown {
    pub key: Key,
    /// The object.
    pub path: Path,
    /// What the object has.
    pub fields: &'static [&'static str],
}

/// Names from docker and compose files, and what Kubernetes calls them: name, name here or where to look.
const FOREIGN: &[(&str, &str)] = &[
    ("build", "build the image first and name it in `image`"),
    ("capAdd", "`securityContext.capabilities.add`"),
    ("capDrop", "`securityContext.capabilities.drop`"),
    ("cmd", "`args`, or `command` to replace the image's entrypoint"),
    ("containerName", "`name`"),
    ("cpu", "`resources.limits.cpu`"),
    ("cpus", "`resources.limits.cpu`"),
    ("dependsOn", "`initContainers`, or a readiness probe of the other container"),
    ("dns", "`dnsConfig.nameservers`"),
    ("entrypoint", "`command`"),
    ("environment", "`env`, a list of `name` and `value`"),
    ("envFile", "`envFrom` with a ConfigMap or Secret"),
    ("expose", "`ports`"),
    ("extraHosts", "`hostAliases`"),
    ("healthcheck", "`livenessProbe` or `readinessProbe`"),
    ("links", "containers of a pod reach each other on localhost"),
    ("memLimit", "`resources.limits.memory`"),
    ("memory", "`resources.limits.memory`"),
    ("mounts", "`volumeMounts`"),
    ("networkMode", "`hostNetwork` of the pod"),
    ("pullPolicy", "`imagePullPolicy`"),
    ("restart", "`restartPolicy` of the pod"),
    ("stopGracePeriod", "`terminationGracePeriodSeconds` of the pod"),
    ("user", "`securityContext.runAsUser`"),
    ("volumes", "`volumeMounts`; the volumes themselves belong to the pod's `volumes`"),
];

/// How alike two names must be (Jaro-Winkler) for one to be offered for the other.
const ALIKE: f64 = 0.8;

/// What a reader calls the place: `Pod/web · spec.containers[0]`.
pub fn path_text(object: &str, path: &Path) -> String {
    match (object, path.is_empty()) {
        (_, true) => object.to_owned(),
        ("", false) => path.to_string(),
        (_, false) => format!("{object} · {path}"),
    }
}

/// The diagnostics of unknown fields of an object of type `T`.
pub fn explain<T: DeserializeOwned>(unknown: Vec<Unknown>, root: &Node, options: TypedOptions<'_>) -> Vec<Diagnostic> {
    let Some(severity) = options.unknown_fields else { return Vec::new() };
    let levels = if unknown.is_empty() { Vec::new() } else { schema::levels::<T>() };
    let one = |field: &Unknown| {
        let name = &field.key.text;
        let message = format!("unknown field `{name}` in {}", owner(&field.path, root, options.object));
        let mut diagnostic = Diagnostic::new("K101", severity, message).path(path_text(options.object, &field.path));
        let label = match suggestion(field, root, &levels) {
            Some(Suggestion::Name(name)) => format!("did you mean `{name}`?"),
            Some(Suggestion::Elsewhere(text)) => {
                diagnostic = diagnostic.hint(text);
                String::new()
            }
            None => {
                diagnostic = diagnostic.note(known(field.fields));
                String::new()
            }
        };
        diagnostic.at(field.key.span, label)
    };
    let mut diagnostics: Vec<Diagnostic> = unknown.iter().map(one).collect();
    if let (Severity::Error, Some(first)) = (severity, diagnostics.first_mut()) {
        first.notes.push("unknown fields are refused; --validate=warn reports them and goes on".to_owned());
    }
    diagnostics
}

enum Suggestion {
    /// A field of the same object.
    Name(&'static str),
    /// What to do instead, as a sentence.
    Elsewhere(String),
}

fn suggestion(field: &Unknown, root: &Node, levels: &[Level]) -> Option<Suggestion> {
    let name = &*field.key.text;
    let folded = fold(name);
    let same = field.fields.iter().find(|known| fold(known) == folded);
    let near = || closest(name, field.fields, |a, b| -(strsim::osa_distance(a, b) as f64), -1.0);
    if let Some(known) = same.copied().or_else(near) {
        return Some(Suggestion::Name(known));
    }
    let owner = last_field(&field.path);
    if owner == Some("resources") && ["cpu", "memory", "ephemeralstorage"].contains(&folded.as_str()) {
        return Some(Suggestion::Elsewhere("put it below `limits` or `requests`".to_owned()));
    }
    let in_pod = matches!(owner, Some("containers" | "initContainers" | "spec"));
    if let Some((_, here)) = FOREIGN.iter().find(|(foreign, _)| in_pod && fold(foreign) == folded) {
        return Some(Suggestion::Elsewhere(format!("Kubernetes calls this {here}")));
    }
    if let Some(place) = elsewhere(field, root, levels, &folded) {
        return Some(Suggestion::Elsewhere(format!("{place} has this field: move it there")));
    }
    closest(name, field.fields, strsim::jaro_winkler, ALIKE).map(Suggestion::Name)
}

/// The known name that is most alike, when it is alike enough.
fn closest(
    name: &str,
    known: &'static [&'static str],
    alike: impl Fn(&str, &str) -> f64,
    least: f64,
) -> Option<&'static str> {
    let name = fold(name);
    let rated = known.iter().map(|k| (*k, alike(&name, &fold(k))));
    rated.filter(|(_, rate)| *rate >= least).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(k, _)| k)
}

/// A level of the same object that does have the field: an ancestor, else one below, else a neighbour.
fn elsewhere(field: &Unknown, root: &Node, levels: &[Level], folded: &str) -> Option<String> {
    let here = names(&field.path);
    let having = levels.iter().filter(|l| l.path != here && l.fields.iter().any(|f| fold(f) == folded));
    let best = having
        .filter_map(|level| {
            let shared = level.path.iter().zip(&here).take_while(|(a, b)| a == b).count();
            let (up, down) = (here.len() - shared, level.path.len() - shared);
            // Far relatives that happen to have such a field only mislead. `metadata` is the most forgotten level.
            let near = (down == 0 && up <= 3) || (up == 0 && down <= 2) || (up == 1 && down == 1);
            let absent = usize::from(!exists(root, &level.path));
            near.then_some(((up + down + absent, up), level))
        })
        .min_by_key(|(distance, _)| *distance)?
        .1;
    Some(if best.path.is_empty() { "the top level".to_owned() } else { format!("`{}`", best.path.join(".")) })
}

/// Whether the document has anything at these fields.
fn exists(root: &Node, fields: &[&str]) -> bool {
    let Some((first, rest)) = fields.split_first() else { return true };
    let Some(next) = root.get(first) else { return false };
    match next.items() {
        [] => exists(next, rest),
        items => items.iter().any(|item| exists(item, rest)),
    }
}

fn names(path: &Path) -> Vec<&str> {
    path.elements().iter().filter_map(PathElem::name).collect()
}

fn last_field(path: &Path) -> Option<&str> {
    names(path).pop()
}

/// Lower case without separators: `working_dir` and `workingDir` are one.
fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// The object in words: "container `web`", "`spec`", "the Pod".
fn owner(path: &Path, root: &Node, object: &str) -> String {
    let Some(last) = path.elements().last() else {
        return format!("the {}", object.split('/').next().unwrap_or("object"));
    };
    let word = last_field(path).and_then(singular);
    match (last, word, root.at(path).and_then(|p| p.node.get("name")?.as_str().map(str::to_owned))) {
        (PathElem::Index(_), Some(word), Some(name)) => format!("{word} `{name}`"),
        (PathElem::Index(index), Some(word), None) => format!("{word} {index}"),
        (PathElem::Index(_), ..) => format!("`{path}`"),
        (PathElem::Field(name), ..) => format!("`{name}`"),
    }
}

fn singular(list: &str) -> Option<&'static str> {
    Some(match list {
        "containers" => "container",
        "initContainers" => "init container",
        "ephemeralContainers" => "ephemeral container",
        "volumes" => "volume",
        "volumeMounts" => "volume mount",
        "ports" => "port",
        "env" => "variable",
        "items" => "item",
        "hostAliases" => "host alias",
        _ => return None,
    })
}

/// The fields an object has, when they are few enough to be of use.
fn known(fields: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut text = "known fields: ".to_owned();
    for (i, field) in fields.iter().take(SHOWN).enumerate() {
        let _ = write!(text, "{}`{field}`", if i > 0 { ", " } else { "" });
    }
    if fields.len() > SHOWN {
        let _ = write!(text, " and {} more", fields.len() - SHOWN);
    }
    text
}

/// A quantity that a wrong one was probably meant to be: `512MB` for `512M`.
pub fn quantity(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, suffix) = text.split_at(digits);
    let suffix = match suffix.trim().to_ascii_lowercase().as_str() {
        "kb" | "k" => "k",
        "mb" | "m" => "M",
        "gb" | "g" => "G",
        "tb" | "t" => "T",
        "kib" | "ki" => "Ki",
        "mib" | "mi" => "Mi",
        "gib" | "gi" => "Gi",
        "tib" | "ti" => "Ti",
        "b" | "bytes" | "core" | "cores" | "cpu" | "cpus" => "",
        _ => return None,
    };
    let better = format!("{number}{suffix}");
    better.parse::<Quantity>().is_ok().then_some(better)
}
