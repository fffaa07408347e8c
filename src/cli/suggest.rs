//! "Did you mean": the known word closest to one that was typed.

/// The closest candidate, when it is close enough to be a slip: a third of the letters may differ, or it starts alike.
pub fn closest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = typed.to_lowercase();
    let scored = candidates.into_iter().map(|candidate| {
        let known = candidate.to_lowercase();
        let distance = strsim::damerau_levenshtein(&wanted, &known);
        let related = wanted.len() >= 3 && (known.starts_with(&wanted) || known.ends_with(&wanted));
        (if related { distance.min(1) } else { distance }, candidate)
    });
    let (distance, best) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1.max(typed.chars().count() / 3)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["web", "web-pod", "redis", "database"];
        assert_eq!(closest("wbe", names), Some("web"));
        assert_eq!(closest("redsi", names), Some("redis"));
        assert_eq!(closest("data", names), Some("database"));
        assert_eq!(closest("nginx", names), None);
        assert_eq!(closest("x", []), None);
    }
}
