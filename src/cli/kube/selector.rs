//! Label selectors (Kubernetes, "Labels and Selectors"): `app=web,tier!=db,env in (dev,test),!old`.

use std::collections::BTreeMap;

/// What labels must be; all requirements hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    /// Also true of an object without the label.
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// A selector that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no label selector such as `app=web`, `app!=web`, `app in (a,b)`, `app` or `!app`")]
pub struct SelectorError(String);

impl Selector {
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let parts = split(text).into_iter().map(str::trim).filter(|part| !part.is_empty());
        parts
            .map(|part| requirement(part).ok_or_else(|| SelectorError(part.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Requirement::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Absent(key) => !labels.contains_key(key),
        })
    }
}

/// At the commas that are not between parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth <= 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn requirement(part: &str) -> Option<Requirement> {
    if let Some(list) = part.strip_suffix(')') {
        let (head, values) = list.split_once('(')?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        let (key, operator, rest) = (words.next()?, words.next()?, words.next());
        return match (operator, rest) {
            ("in", None) => Some(Requirement::In(label(key)?, values)),
            ("notin", None) => Some(Requirement::NotIn(label(key)?, values)),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(Requirement::NotIn(label(key)?, vec![label_value(value)?]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Requirement::In(label(key)?, vec![label_value(value)?]));
    }
    match part.strip_prefix('!') {
        Some(key) => label(key).map(Requirement::Absent),
        None => label(part).map(Requirement::Exists),
    }
}

fn label(text: &str) -> Option<String> {
    label_value(text).filter(|key| !key.is_empty())
}

fn label_value(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_choose_by_labels() {
        let labels: BTreeMap<_, _> =
            [("app", "web"), ("example.com/tier", "front")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app = web , example.com/tier=front", true),
            ("app=api", false),
            ("app!=api", true),
            ("none!=api", true),
            ("app in (api, web)", true),
            ("app notin (api,web)", false),
            ("none notin (a)", true),
            ("app", true),
            ("!app", false),
            ("!none", true),
            ("none", false),
            ("app in (web),!none", true),
        ] {
            assert_eq!(Selector::parse(selector).unwrap().matches(&labels), expected, "{selector}");
        }
        for wrong in ["=x", "app in web", "app of (a)", "a b", "app=(x", "app in (a) b"] {
            assert!(Selector::parse(wrong).is_err(), "{wrong}");
        }
    }
}
