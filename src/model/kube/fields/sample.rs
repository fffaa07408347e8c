//! An object that has one field, and besides it only what it cannot be without.

use super::tree::Tree;
use super::values;
use crate::model::yaml::schema::{Collection, Shape};
use crate::model::yaml::{Path, PathElem};
use serde_json::{Map, Value, json};

/// An object as text, and where the field stands in it.
pub(super) struct Sample {
    pub text: String,
    /// `Pod/example · spec.containers[0].image`
    pub place: String,
}

/// The object with `value` at `path`.
pub(super) fn sample(tree: &Tree, path: &[&'static str], value: Value) -> Sample {
    let object = filled(tree, &[], path, value);
    let mut place = Path::root();
    for (depth, name) in path.iter().enumerate() {
        place.push(PathElem::Field((*name).to_owned()));
        let is_last = depth + 1 == path.len();
        let shape = tree.shape(&path[..=depth]).map(|(_, shape)| shape).filter(|_| !is_last);
        for collection in shape.into_iter().flat_map(|shape| &shape.around) {
            place.push(match collection {
                Collection::List => PathElem::Index(0),
                Collection::Map => PathElem::Field(values::KEY.to_owned()),
            });
        }
    }
    let label = format!("{}/example", tree.kind.name());
    Sample { text: format!("{object}\n---\n{}", beside()), place: format!("{label} · {place}") }
}

/// A pod for what is played only beside one.
fn beside() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "beside" },
        "spec": { "containers": [{ "name": "main", "image": "demo" }] },
    })
}

/// The struct at `at` with what it needs, and `value` further down.
fn filled(tree: &Tree, at: &[&'static str], rest: &[&'static str], value: Value) -> Value {
    let mut object = needed(tree, at, rest.first().copied().unwrap_or_default());
    if let Some((next, below)) = rest.split_first() {
        let path = [at, &[*next]].concat();
        let inner = if below.is_empty() {
            value
        } else {
            let inner = filled(tree, &path, below, value);
            tree.shape(&path).map_or(inner.clone(), |(_, shape)| wrapped(shape, inner))
        };
        object.insert((*next).to_owned(), inner);
    }
    Value::Object(object)
}

/// The lists and maps of a shape around a value.
pub(super) fn wrapped(shape: &Shape, inner: Value) -> Value {
    shape.around.iter().rev().fold(inner, |value, collection| match collection {
        Collection::List => json!([value]),
        Collection::Map => json!({ values::KEY: value }),
    })
}

/// What the struct at a path cannot be without, when `next` is the field that is looked at.
pub(super) fn needed(tree: &Tree, at: &[&'static str], next: &str) -> Map<String, Value> {
    let name = tree.level(at).map(|level| level.name).unwrap_or_default();
    if at.is_empty() {
        let header = json!({
            "apiVersion": tree.kind.api_version(), "kind": tree.kind.name(), "metadata": { "name": "example" },
        });
        return merged(header, values::needed(name, at, next));
    }
    merged(json!({}), values::needed(name, at, next))
}

fn merged(base: Value, more: Value) -> Map<String, Value> {
    [base, more].into_iter().filter_map(|value| value.as_object().cloned()).flatten().collect()
}
