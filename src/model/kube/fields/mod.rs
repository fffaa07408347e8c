//! Which fields the played kinds have, and what becomes of each here: for `kube explain` and for the table of what is supported.
//!
//! ```text
//! API types --tree--> fields --sample--> an object with one field --load--> what was said about it: its [`Support`]
//! ```
//!
//! No list of fields is kept by hand. The fields come from the API's own types ([`tree`]). What becomes of one is found by loading
//! an object that has it ([`sample`], [`values`]) and reading what the loader says; which ones are shown to work is in
//! `conformance/proven.json`. [`words`] has what fields are for.

mod proven;
mod sample;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod verdict;
mod words;

pub use proven::Proven;

use super::kinds::{self, Kind};
use super::spot::nearest;
use crate::model::yaml::schema::{Level, Shape};
use std::collections::BTreeMap;
use tree::Tree;

/// A field of a kind.
#[derive(Debug, Clone)]
pub struct Field {
    /// Type that has the field, by the name of the Kubernetes API reference: `Container`.
    pub owner: &'static str,
    /// Fields from the object down to here; lists have no step of their own.
    pub path: Vec<&'static str>,
    pub shape: Shape,
    pub support: Support,
    /// Whether that is so because of what holds the field: everything in `affinity`, say.
    pub inherited: bool,
    /// Values that fare worse than the field does with others.
    pub exceptions: Vec<Exception>,
    /// What the field is for, in a sentence.
    pub description: Option<&'static str>,
}

/// What becomes of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    /// It is obeyed; the conformance cases that fail without it.
    Works { cases: Vec<String> },
    /// It means nothing on one machine: kept for `kube generate`, and reported at level info.
    NoEffect { reason: String },
    /// An error, as ignoring it would be wrong.
    Refused { reason: String, hint: Option<String> },
}

/// A value that is refused or without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    pub value: String,
    pub support: Support,
}

impl Field {
    pub fn name(&self) -> &'static str {
        self.path.last().copied().unwrap_or_default()
    }

    /// `Container.image`, as claims of conformance cases have it.
    pub fn id(&self) -> String {
        format!("{}.{}", self.owner, self.name())
    }
}

/// A kind that is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayedKind {
    pub name: &'static str,
    pub api_version: &'static str,
    /// As `kubectl` takes it: `po`.
    pub short_name: Option<&'static str>,
}

/// The played kinds.
pub fn kinds() -> impl Iterator<Item = PlayedKind> {
    Kind::all().map(played)
}

fn played(kind: Kind) -> PlayedKind {
    PlayedKind { name: kind.name(), api_version: kind.api_version(), short_name: tree::short_name(kind) }
}

/// A kind or field and what it holds.
#[derive(Debug, Clone)]
pub struct Explained {
    pub kind: PlayedKind,
    /// `None` for the kind itself.
    pub field: Option<Field>,
    pub fields: Vec<Part>,
}

/// A field below the explained one.
#[derive(Debug, Clone)]
pub struct Part {
    pub field: Field,
    /// Empty unless all levels were asked for.
    pub fields: Vec<Part>,
}

/// Why nothing can be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    #[error("there is no kind `{name}`")]
    NoKind { name: String, hint: String },
    #[error("kind `{name}` is not played")]
    NotPlayed { name: String, hint: String },
    #[error("{owner} has no field `{name}`")]
    NoField { owner: String, name: String, hint: String },
}

impl ExplainError {
    /// What to do.
    pub fn hint(&self) -> &str {
        match self {
            Self::NoKind { hint, .. } | Self::NotPlayed { hint, .. } | Self::NoField { hint, .. } => hint,
        }
    }
}

/// Explains `pod.spec.containers`: a kind by its name, plural or short name, and fields; `recursive` with all levels below.
pub fn explain(path: &str, recursive: bool, proven: &Proven) -> Result<Explained, ExplainError> {
    let mut steps = path.split('.').map(|step| step.trim_end_matches("[]"));
    let kind = find_kind(steps.next().unwrap_or_default())?;
    let tree = Tree::of(kind);
    let mut at: Vec<&'static str> = Vec::new();
    for step in steps {
        let level = tree.level(&at);
        let known = level.map(|level| level.fields).unwrap_or_default();
        match known.iter().find(|field| **field == step) {
            Some(field) => at.push(field),
            None => return Err(no_field(&tree, &at, level, step)),
        }
    }
    let field = (!at.is_empty()).then(|| tree.field(&at, proven)).flatten();
    Ok(Explained { kind: played(kind), field, fields: parts(&tree, &at, recursive, proven) })
}

fn parts(tree: &Tree, at: &[&'static str], recursive: bool, proven: &Proven) -> Vec<Part> {
    let below = tree.level(at).map(|level| level.fields).unwrap_or_default();
    let part = |name: &&'static str| {
        let path = [at, &[*name]].concat();
        let fields = if recursive { parts(tree, &path, true, proven) } else { Vec::new() };
        tree.field(&path, proven).map(|field| Part { field, fields })
    };
    below.iter().filter_map(part).collect()
}

fn find_kind(name: &str) -> Result<Kind, ExplainError> {
    let folded = name.to_lowercase();
    if let Some(kind) = Kind::all().find(|kind| tree::names(*kind).contains(&folded)) {
        return Ok(kind);
    }
    if let Some((known, hint)) = kinds::not_played(&folded) {
        return Err(ExplainError::NotPlayed { name: known.to_owned(), hint });
    }
    let all: Vec<String> = Kind::all().flat_map(tree::names).collect();
    let hint = match nearest(&folded, all.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`podkin kube explain` without a name lists the kinds".to_owned(),
    };
    Err(ExplainError::NoKind { name: name.to_owned(), hint })
}

fn no_field(tree: &Tree, at: &[&'static str], level: Option<&Level>, name: &str) -> ExplainError {
    let dotted = |path: &[&str]| path.iter().fold(tree.kind.name().to_lowercase(), |all, step| all + "." + step);
    let owner = format!("`{}`", dotted(at));
    let Some(level) = level else {
        return ExplainError::NoField { owner, name: name.to_owned(), hint: "it has no fields".to_owned() };
    };
    let near = level.fields.iter().find(|field| field.eq_ignore_ascii_case(name)).copied();
    let near = near.or_else(|| nearest(name, level.fields.iter().copied()));
    let elsewhere = || tree.levels.iter().find(|l| l.path.starts_with(at) && l.fields.contains(&name));
    let hint = match (near, elsewhere()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, Some(level)) => format!("did you mean `{}.{name}`?", dotted(&level.path)),
        (None, None) => format!("its fields: {}", level.fields.join(", ")),
    };
    ExplainError::NoField { owner, name: name.to_owned(), hint }
}

/// A field of a type, whichever kind holds the type: a row of the table of what is supported.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where it is best supported; a container's ports, say, and not those of an init container.
    pub field: Field,
    /// Kind whose field it is.
    pub kind: &'static str,
    /// Fields that hold the type where less becomes of it: `spec.initContainers`, and what.
    pub elsewhere: Vec<(String, Support)>,
}

/// Every field of every type of the played kinds once, in the order of `Type.field`.
pub fn table(proven: &Proven) -> Vec<Row> {
    let mut found: BTreeMap<String, Vec<(&'static str, Field)>> = BTreeMap::new();
    for kind in Kind::all() {
        let tree = Tree::of(kind);
        for level in &tree.levels {
            for name in level.fields {
                let path = [level.path.as_slice(), &[*name]].concat();
                let field = tree.field(&path, proven);
                field.into_iter().for_each(|f| found.entry(f.id()).or_default().push((kind.name(), f)));
            }
        }
    }
    found.into_values().filter_map(row).collect()
}

fn row(places: Vec<(&'static str, Field)>) -> Option<Row> {
    let rank = |support: &Support| match support {
        Support::Works { .. } => 0,
        Support::NoEffect { .. } => 1,
        Support::Refused { .. } => 2,
    };
    let best = places.iter().map(|(_, field)| rank(&field.support)).min()?;
    let (kind, field) = places.iter().find(|(_, field)| rank(&field.support) == best).cloned()?;
    // What is below a field that is not supported is told by that one.
    let less = places.into_iter().filter(|(_, other)| rank(&other.support) > best && !other.inherited);
    let mut elsewhere: Vec<(String, Support)> = Vec::new();
    for (_, other) in less {
        if elsewhere.iter().all(|(_, support)| *support != other.support) {
            elsewhere.push((other.path[..other.path.len() - 1].join("."), other.support));
        }
    }
    Some(Row { field, kind, elsewhere })
}
