//! Field selectors (Kubernetes, "Field Selectors"): `status.phase=Running,metadata.name!=web`. Any path to a single value will do.

use super::jsonpath::{JsonPath, plain};
use serde_json::Value;

/// What fields must be; all requirements hold together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FieldSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    path: JsonPath,
    equal: bool,
    value: String,
}

/// A selector that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no field selector such as `status.phase=Running` or `metadata.name!=web`")]
pub struct FieldSelectorError(String);

impl FieldSelector {
    pub fn parse(text: &str) -> Result<Self, FieldSelectorError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts
            .map(|part| requirement(part).ok_or_else(|| FieldSelectorError(part.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// A field that is not there is an empty text, as for an API server.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|Requirement { path, equal, value }| {
            let found = path.find(object).unwrap_or_default();
            (found.first().map(|found| plain(found)).unwrap_or_default() == *value) == *equal
        })
    }
}

fn requirement(part: &str) -> Option<Requirement> {
    let unequal = part.split_once("!=").map(|(path, value)| (path, false, value));
    let equal = || part.split_once("==").or_else(|| part.split_once('=')).map(|(path, value)| (path, true, value));
    let (path, equal, value) = unequal.or_else(equal)?;
    let path = Some(path.trim()).filter(|path| !path.is_empty())?;
    Some(Requirement { path: JsonPath::parse_relaxed(path).ok()?, equal, value: value.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_choose_by_fields() {
        let pod =
            serde_json::json!({"metadata": {"name": "web"}, "status": {"phase": "Running"}, "spec": {"priority": 5}});
        for (selector, expected) in [
            ("", true),
            ("status.phase=Running", true),
            ("status.phase==Running,metadata.name=web", true),
            ("status.phase!=Running", false),
            ("metadata.name!=api", true),
            ("spec.nodeName=", true),
            ("spec.nodeName!=", false),
            ("spec.priority=5", true),
        ] {
            assert_eq!(FieldSelector::parse(selector).unwrap().matches(&pod), expected, "{selector}");
        }
        for wrong in ["status.phase", "=x", "a[=b"] {
            assert!(FieldSelector::parse(wrong).is_err(), "{wrong}");
        }
    }
}
