//! `--filter key=value`: one key's values are alternatives, different keys must all hold (labels: each must hold), and what
//! `key!=value` names must not.

use super::error::CommandError;

/// The filters of one command line, checked against the keys the command knows.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    entries: Vec<(String, String)>,
}

/// A filter that cannot be understood.
#[derive(Debug, thiserror::Error)]
enum FilterError {
    #[error("filter `{0}` is not of the form key=value")]
    NoValue(String),
    #[error("unknown filter `{key}`: known are {known}")]
    UnknownKey { key: String, known: String },
}

impl Filters {
    /// Splits and checks; `known` are the keys of this command.
    pub fn parse(texts: &[String], known: &[&str]) -> Result<Self, CommandError> {
        let mut entries = Vec::new();
        for text in texts {
            let Some((key, value)) = text.split_once('=') else {
                return Err(CommandError::invalid(FilterError::NoValue(text.clone())));
            };
            let key = key.trim().to_lowercase();
            if !known.contains(&key.trim_end_matches('!')) {
                let known = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
                return Err(CommandError::invalid(FilterError::UnknownKey { key, known }));
            }
            entries.push((key, value.to_owned()));
        }
        Ok(Self { entries })
    }

    /// The pairs as they were given.
    pub fn pairs(&self) -> Vec<(String, String)> {
        self.entries.clone()
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(k, _)| k == key)
    }

    /// The values given for a key.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.entries.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Whether one of the key's values is accepted, or the key was not given, and none of those given by `key!=value`.
    pub fn any(&self, key: &str, mut accept: impl FnMut(&str) -> bool) -> bool {
        let wanted = !self.has(key) || self.values(key).any(&mut accept);
        wanted && !self.values(&format!("{key}!")).any(accept)
    }

    /// Whether the labels have every `label=key[=value]` and no `label!=...` that was asked for.
    pub fn labels<'a>(&self, labels: impl IntoIterator<Item = (&'a String, &'a String)> + Clone) -> bool {
        let matches = |wanted: &str| {
            let (key, value) = wanted.split_once('=').map_or((wanted, None), |(k, v)| (k, Some(v)));
            labels.clone().into_iter().any(|(k, v)| k == key && value.is_none_or(|w| w == v))
        };
        self.values("label").all(&matches) && !self.values("label!").any(matches)
    }
}

/// Whether an id filter's value is meant: a prefix.
pub fn id_matches(id: &str, wanted: &str) -> bool {
    id.starts_with(wanted)
}

/// Whether a name filter's value is meant: a part of the name, `^` and `$` tie it to an end.
pub fn name_matches(name: &str, wanted: &str) -> bool {
    let (start, wanted) = wanted.strip_prefix('^').map_or((false, wanted), |w| (true, w));
    let (end, wanted) = wanted.strip_suffix('$').map_or((false, wanted), |w| (true, w));
    match (start, end) {
        (true, true) => name == wanted,
        (true, false) => name.starts_with(wanted),
        (false, true) => name.ends_with(wanted),
        (false, false) => name.contains(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn filters(texts: &[&str]) -> Filters {
        let texts: Vec<String> = texts.iter().map(|t| (*t).to_owned()).collect();
        Filters::parse(&texts, &["name", "label", "status"]).unwrap()
    }

    #[test]
    fn values_of_a_key_are_alternatives() {
        let f = filters(&["status=running", "status=exited"]);
        assert!(f.any("status", |v| v == "exited"));
        assert!(!f.any("status", |v| v == "created"));
        assert!(f.any("name", |_| false), "not asked for");
        let f = filters(&["status!=running", "status!=exited"]);
        assert!(!f.any("status", |v| v == "exited") && f.any("status", |v| v == "created"));
    }

    #[test]
    fn labels_must_all_hold() {
        let labels: BTreeMap<String, String> = [("app".into(), "web".into()), ("tier".into(), "".into())].into();
        assert!(filters(&["label=app=web", "label=tier"]).labels(&labels));
        assert!(!filters(&["label=app=web", "label=app=api"]).labels(&labels));
        assert!(!filters(&["label!=tier"]).labels(&labels));
        assert!(filters(&["label!=app=api"]).labels(&labels));
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_is_known() {
        let error = Filters::parse(&["nam=x".into()], &["name"]).unwrap_err();
        assert_eq!(format!("{error:?}"), "error: unknown filter `nam`: known are `name`\n");
        assert!(Filters::parse(&["name".into()], &["name"]).is_err());
    }

    #[test]
    fn names_match_by_part_and_anchor() {
        assert!(name_matches("web-pod", "b-p") && name_matches("web", "^web$"));
        assert!(!name_matches("web-pod", "^pod") && name_matches("web-pod", "pod$"));
    }
}
