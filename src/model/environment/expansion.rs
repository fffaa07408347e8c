//! `$(NAME)` in values, commands and paths (Kubernetes, "Define Dependent Environment Variables").

/// Replaces each `$(NAME)` by what `lookup` gives; what it does not know stays as written. `$$` stands for one `$`, so that
/// `$$(NAME)` is the text `$(NAME)`; any other `$` stands for itself.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    for part in parts(text) {
        match part {
            Part::Text(literal) => result.push_str(literal),
            Part::Variable { name, written } => match lookup(name) {
                Some(value) => result.push_str(&value),
                None => result.push_str(written),
            },
        }
    }
    result
}

/// The names of all variables a text refers to, in order.
pub fn references(text: &str) -> impl Iterator<Item = &str> {
    parts(text).filter_map(|part| match part {
        Part::Variable { name, .. } => Some(name),
        Part::Text(_) => None,
    })
}

enum Part<'a> {
    Text(&'a str),
    Variable { name: &'a str, written: &'a str },
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, length) = first_part(rest);
        rest = &rest[length..];
        Some(part)
    })
}

/// The first part of a text that is not empty, and how many bytes of the text it stands for.
fn first_part(text: &str) -> (Part<'_>, usize) {
    let dollar = text.find('$').unwrap_or(text.len());
    if dollar > 0 {
        return (Part::Text(&text[..dollar]), dollar);
    }
    match text.as_bytes().get(1) {
        Some(b'$') => (Part::Text("$"), 2),
        Some(b'(') => match text.find(')') {
            Some(end) => (Part::Variable { name: &text[2..end], written: &text[..=end] }, end + 1),
            None => (Part::Text("$("), 2),
        },
        _ => (Part::Text("$"), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms() {
        let lookup = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "B" => Some("$(A)".to_owned()),
            "" => Some("nameless".to_owned()),
            _ => None,
        };
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(A)"),
            ("$(NOT)", "$(NOT)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$$$$(A)", "$$(A)"),
            ("$A ${A}", "$A ${A}"),
            ("cost: 5$", "cost: 5$"),
            ("$(A", "$(A"),
            ("$($(A)", "$($(A)"),
            ("$()", "nameless"),
            ("$ü$(A)", "$ü1"),
        ] {
            assert_eq!(expand(text, lookup), expected, "{text}");
        }
        assert_eq!(references("$(A) $$(B) $(C)").collect::<Vec<_>>(), ["A", "C"]);
    }
}
