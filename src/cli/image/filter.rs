//! `--filter` of `images` and `image prune`.

use super::super::error::CommandError;
use super::super::filter::{Filters, id_matches};
use super::super::units::parse_time;
use super::ls::{NONE, names};
use crate::engine::Engine;
use crate::image::{ImageSummary, Reference};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What `images` knows.
pub const KEYS: [&str; 13] = [
    "after",
    "before",
    "containers",
    "dangling",
    "digest",
    "id",
    "intermediate",
    "label",
    "manifest",
    "readonly",
    "reference",
    "since",
    "until",
];

/// Filters whose values have been looked at.
pub struct ImageFilters {
    filters: Filters,
    /// The points in time that the values of `after`, `before`, `since` and `until` stand for.
    times: BTreeMap<String, Timestamp>,
}

/// A value that its filter cannot have.
#[derive(Debug, thiserror::Error)]
#[error("filter `{key}` is `true` or `false`, not `{value}`")]
struct BooleanError {
    key: &'static str,
    value: String,
}

impl ImageFilters {
    /// Checks keys and values.
    ///
    /// # Errors
    /// Also when `before`, `since` or `after` name an image that this machine does not have.
    pub fn parse(texts: &[String], known: &[&str], engine: &mut Engine) -> Result<Self, CommandError> {
        let filters = Filters::parse(texts, known)?;
        for key in ["dangling", "intermediate", "manifest", "readonly"] {
            check_boolean(&filters, key, &[])?;
        }
        check_boolean(&filters, "containers", &["external"])?;
        let now = Timestamp::now();
        let mut times = BTreeMap::new();
        for (key, value) in filters.pairs() {
            let time = match key.trim_end_matches('!') {
                "until" => parse_time(&value, now).map_err(CommandError::invalid)?,
                "before" | "since" | "after" => created(engine, &value)?,
                _ => continue,
            };
            times.insert(value, time);
        }
        Ok(Self { filters, times })
    }

    pub fn hold(&self, image: &ImageSummary) -> bool {
        let is = |wanted: &str, fact: bool| (wanted == "true") == fact;
        // An image without a time is neither before nor after another.
        let by_time = |value: &str, holds: fn(&Timestamp, &Timestamp) -> bool| {
            image.created.is_some_and(|time| holds(&time, &self.times[value]))
        };
        let filters = &self.filters;
        filters.any("id", |wanted| id_matches(&image.id, wanted.strip_prefix("sha256:").unwrap_or(wanted)))
            && filters.any("digest", |wanted| digest_matches(&image.digest, wanted))
            && filters.any("dangling", |wanted| is(wanted, image.is_dangling()))
            && filters.any("intermediate", |wanted| is(wanted, image.is_intermediate()))
            // No images but podkin's own, which can all be written, and no container but podkin's own uses one.
            && filters.any("readonly", |wanted| is(wanted, false))
            && filters.any("containers", |wanted| wanted != "external" && is(wanted, image.containers > 0))
            && filters.any("manifest", |wanted| is(wanted, image.is_list))
            && filters.any("before", |value| by_time(value, Timestamp::lt))
            && filters.any("until", |value| by_time(value, Timestamp::lt))
            && filters.any("since", |value| by_time(value, Timestamp::gt))
            && filters.any("after", |value| by_time(value, Timestamp::gt))
            && filters.labels(&image.labels)
            && filters.any("reference", |wanted| is_called(image, wanted))
    }
}

fn check_boolean(filters: &Filters, key: &'static str, more: &[&str]) -> Result<(), CommandError> {
    let negated = format!("{key}!");
    let mut values = filters.values(key).chain(filters.values(&negated));
    match values.find(|value| !matches!(*value, "true" | "false") && !more.contains(value)) {
        Some(value) => Err(CommandError::invalid(BooleanError { key, value: value.to_owned() })),
        None => Ok(()),
    }
}

/// When the image of that name was made; the beginning of time for one that does not say.
fn created(engine: &mut Engine, name: &str) -> Result<Timestamp, CommandError> {
    let inspected = engine.images().inspect(name);
    let image = inspected.map_err(|error| super::explain(engine, error))?;
    Ok(image.created.and_then(|time| time.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// The digest itself, or what it begins with before a final `*`.
fn digest_matches(digest: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(start) => digest.starts_with(start),
        None => digest == wanted || digest.strip_prefix("sha256:") == Some(wanted),
    }
}

fn is_called(image: &ImageSummary, pattern: &str) -> bool {
    // A name without a tag is one with `latest`; a pattern has only what was typed.
    let digest = Reference::parse_local(pattern).ok().and_then(|reference| reference.digest);
    if digest.is_some_and(|digest| digest.to_string() != image.digest) {
        return false;
    }
    let pattern = pattern.split('@').next().unwrap_or(pattern);
    names(image)
        .iter()
        .filter(|one| one.repository != NONE)
        .any(|one| is_match(one.repository, pattern) || is_match(&format!("{}:{}", one.repository, one.tag), pattern))
}

/// A name against a pattern with `*`, `?` and `[...]`: the whole name, or what is left of it without registry and namespaces.
fn is_match(name: &str, pattern: &str) -> bool {
    let tails = name.match_indices('/').map(|(at, _)| &name[at + 1..]);
    std::iter::once(name).chain(tails).any(|tail| glob(tail.as_bytes(), pattern.as_bytes()))
}

/// Shell patterns; `*` does not stop at slashes, so that `*web*` finds `localhost/web`.
fn glob(text: &[u8], pattern: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|at| glob(&text[at..], rest)),
        [b'?', rest @ ..] => text.split_first().is_some_and(|(_, text)| glob(text, rest)),
        [b'[', rest @ ..] => match (rest.iter().position(|b| *b == b']'), text.split_first()) {
            (Some(end), Some((first, text))) => in_set(*first, &rest[..end]) && glob(text, &rest[end + 1..]),
            _ => false,
        },
        [byte, rest @ ..] => text.split_first().is_some_and(|(first, text)| first == byte && glob(text, rest)),
    }
}

fn in_set(byte: u8, set: &[u8]) -> bool {
    let (negated, mut set) = set.strip_prefix(b"^").map_or((false, set), |rest| (true, rest));
    let mut found = false;
    while let [first, rest @ ..] = set {
        set = rest;
        match rest {
            [b'-', last, rest @ ..] => {
                found |= (*first..=*last).contains(&byte);
                set = rest;
            }
            _ => found |= *first == byte,
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_with_stars_and_without_registries() {
        assert!(is_match("localhost/podkin-demo", "podkin-*") && is_match("localhost/podkin-demo", "podkin-demo"));
        assert!(is_match("docker.io/library/redis:7", "redis:*") && !is_match("docker.io/library/redis", "nginx*"));
        assert!(is_match("docker.io/library/redis:7", "library/redis:[5-8]") && is_match("localhost/web", "*w?b"));
        assert!(!is_match("localhost/web", "w[^e]b") && is_match("localhost/web", "w[a-f]b"));
        let globs = |text: &str, pattern: &str| glob(text.as_bytes(), pattern.as_bytes());
        assert!(globs("abcabc", "*abc") && globs("abc", "a*b*c") && !globs("abd", "a*c") && !globs("a", "["));
    }

    #[test]
    fn digests_match_whole_or_by_a_beginning_with_a_star() {
        let digest = "sha256:abcd";
        assert!(
            digest_matches(digest, digest) && digest_matches(digest, "abcd") && digest_matches(digest, "sha256:a*")
        );
        assert!(!digest_matches(digest, "sha256:a") && !digest_matches(digest, "b*"));
    }
}
