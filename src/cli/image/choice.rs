//! Short names that may be at several registries: which one is meant, asked for on a terminal and remembered.

use super::super::error::CommandError;
use super::super::output::{notice, warn};
use super::super::registry::short_names;
use super::explained;
use crate::engine::{Engine, PullWhen};
use crate::image::registry::short_names::remember;
use std::io::{self, IsTerminal};

/// What a user chose for a short name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// As typed.
    short: String,
    /// With the registry.
    pub full: String,
}

/// There was no answer that is a choice.
#[derive(Debug, thiserror::Error)]
enum ChoiceError {
    #[error("cannot read which `{name}` is meant")]
    Read { name: String, source: io::Error },
    #[error("`{answer}` is no number between 1 and {count}")]
    NotOne { answer: String, count: usize },
}

/// Asks which image is meant where that is not clear and somebody is there; otherwise the configuration decides.
pub fn of(engine: &mut Engine, name: &str, when: PullWhen) -> Result<Option<Choice>, CommandError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let not_asked = match when {
        PullWhen::Always => false,
        PullWhen::Never => true,
        // Nothing is asked about an image that is here.
        PullWhen::Missing | PullWhen::Newer => engine.images().resolve(name)?.is_some(),
    };
    let Some(candidates) = (if not_asked { None } else { engine.choices(name).map_err(explained)? }) else {
        return Ok(None);
    };
    notice(format!("`{name}` may be"));
    for (number, candidate) in candidates.iter().enumerate() {
        notice(format!("  {}) {candidate}", number + 1));
    }
    let read = |source| CommandError::invalid(ChoiceError::Read { name: name.to_owned(), source });
    let answer = super::super::secret::ask_openly("Which one? [1] ").map_err(read)?;
    let full = choose(&candidates, &answer).map_err(CommandError::invalid)?.to_owned();
    Ok(Some(Choice { short: name.to_owned(), full }))
}

/// The candidate of that number; the first without one.
fn choose<'c>(candidates: &'c [String], answer: &str) -> Result<&'c str, ChoiceError> {
    let number = if answer.trim().is_empty() { Some(1) } else { answer.trim().parse::<usize>().ok() };
    let chosen = number.and_then(|number| candidates.get(number.checked_sub(1)?));
    let not_one = || ChoiceError::NotOne { answer: answer.trim().to_owned(), count: candidates.len() };
    chosen.map(String::as_str).ok_or_else(not_one)
}

impl Choice {
    /// Writes it down for the next time; the image is here whether that succeeds or not.
    pub fn remember(&self) {
        let (short, full) = (without_tag(&self.short), without_tag(&self.full));
        if let Err(error) = remember(&short_names(), short, full) {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            warn(format!("what `{short}` stands for is not remembered: {error}{cause}"));
        }
    }
}

/// A name without tag and digest.
fn without_tag(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_chooses_and_nothing_is_the_first() {
        let candidates = ["a.test/x".to_owned(), "b.test/x".to_owned()];
        for (answer, chosen) in [("", "a.test/x"), (" 2 ", "b.test/x"), ("1", "a.test/x")] {
            assert_eq!(choose(&candidates, answer).unwrap(), chosen);
        }
        for bad in ["0", "3", "-1", "b.test/x", "y"] {
            assert!(choose(&candidates, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tags_and_digests_are_not_part_of_a_name() {
        for name in ["host:5000/a/b", "host:5000/a/b:1", "host:5000/a/b@sha256:00", "host:5000/a/b:1@sha256:00"] {
            assert_eq!(without_tag(name), "host:5000/a/b");
        }
    }
}
