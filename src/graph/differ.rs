//! What distinguishes two pods, as field paths a user knows.

use crate::model::Pod;
use serde_json::{Map, Value};

/// Paths of a message; more say only how many more.
const LONGEST: usize = 6;

/// Fields in which the pods differ: `containers[app].image`, `labels.tier`; at most a handful. No values: some are private.
pub fn fields(old: &Pod, new: &Pod) -> Vec<String> {
    let value = |pod: &Pod| serde_json::to_value(pod).expect("a pod has string keys only");
    let mut found = Vec::new();
    compare("", &value(old), &value(new), &mut found);
    if found.len() > LONGEST {
        let more = found.len() - LONGEST;
        found.truncate(LONGEST);
        found.push(format!("{more} more"));
    }
    found
}

/// Those of them that are about CPU and memory.
pub fn resources(old: &Pod, new: &Pod) -> Vec<String> {
    let mut resized = old.clone();
    resized.resize(new);
    fields(old, &resized)
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        _ if old == new || (is_unset(old) && is_unset(new)) => {}
        (Value::Object(a), Value::Object(b)) => objects(path, a, b, found),
        (Value::Array(a), Value::Array(b)) if a.iter().chain(b).all(|v| name(v).is_some()) => named(path, a, b, found),
        _ => found.push(path.to_owned()),
    }
}

fn objects(path: &str, a: &Map<String, Value>, b: &Map<String, Value>, found: &mut Vec<String>) {
    let mut keys: Vec<&String> = a.keys().chain(b.keys().filter(|k| !a.contains_key(*k))).collect();
    // A different kind of value, such as another volume source, is one difference and not one for each field.
    if keys.len() > 1 && a.len() == 1 && b.len() == 1 {
        keys.clear();
        found.push(path.to_owned());
    }
    for key in keys {
        let inner = if path.is_empty() { field(key) } else { format!("{path}.{}", field(key)) };
        compare(&inner, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
    }
}

/// Lists of things with names are compared name by name; another order alone is a difference too.
fn named(path: &str, a: &[Value], b: &[Value], found: &mut Vec<String>) {
    let before = found.len();
    for old in a {
        let key = name(old).unwrap_or_default();
        match b.iter().find(|new| name(new) == Some(key)) {
            Some(new) => compare(&format!("{path}[{key}]"), old, new, found),
            None => found.push(format!("{path}[{key}]")),
        }
    }
    let is_new = |new: &&Value| !a.iter().any(|old| name(old) == name(new));
    found.extend(b.iter().filter(is_new).map(|new| format!("{path}[{}]", name(new).unwrap_or_default())));
    if found.len() == before {
        found.push(path.to_owned());
    }
}

fn name(value: &Value) -> Option<&str> {
    value.get("name").and_then(Value::as_str)
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A field of the model where Kubernetes has it.
fn field(key: &str) -> String {
    let known = match key {
        "cpu_request_milli" => "requests.cpu",
        "cpu_limit_milli" => "limits.cpu",
        "memory_request" => "requests.memory",
        "memory_limit" => "limits.memory",
        "ephemeral_storage_request" => "requests.ephemeral-storage",
        "ephemeral_storage_limit" => "limits.ephemeral-storage",
        key => return camel(key),
    };
    known.to_owned()
}

/// `env_from` as Kubernetes spells it.
fn camel(key: &str) -> String {
    let mut upper = false;
    let mut out = String::with_capacity(key.len());
    for letter in key.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                out.extend(letter.to_uppercase());
                upper = false;
            }
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Container, EnvValue, EnvVar};

    #[test]
    fn paths_name_the_field_and_never_the_value() {
        let container = |name: &str| Container { name: name.into(), image: "a".into(), ..Container::default() };
        let old = Pod { name: "web".into(), containers: vec![container("app")], ..Pod::default() };
        let mut new = old.clone();
        new.containers[0].image = "b".into();
        new.containers[0].env.push(EnvVar { name: "TOKEN".into(), value: EnvValue::Literal("hunter2".into()) });
        new.containers.push(container("side"));
        new.labels.insert("tier".into(), "front".into());
        new.host_network = true;
        let found = fields(&old, &new);
        assert_eq!(
            found,
            ["labels.tier", "containers[app].image", "containers[app].env[TOKEN]", "containers[side]", "hostNetwork"]
        );
        assert!(fields(&old, &old).is_empty());
    }
}
