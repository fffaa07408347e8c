//! Keeps the values of Secrets out of snippets.
//!
//! A snippet may come from a file that could not even be parsed, so this goes by the text: in a document that says `kind: Secret`,
//! a line shows its key, and its value only when the key is one that never holds a secret.

use std::ops::Range;

/// Shown instead of a value.
const HIDDEN: &str = "[hidden]";

/// Keys whose values are shown all the same.
const HARMLESS: &[&str] = &["apiVersion", "kind", "name", "namespace", "type", "immutable"];

/// Some whole lines of a text with the values of Secrets replaced.
#[derive(Debug, Default)]
pub struct Redacted {
    pub text: String,
    /// What was replaced: range in the lines as they were, range in `text`.
    replaced: Vec<(Range<usize>, Range<usize>)>,
}

impl Redacted {
    /// Redacts the lines in `window`, a byte range of `text` that starts and ends with lines.
    pub fn new(text: &str, window: Range<usize>) -> Self {
        let lines = &text[window.clone()];
        if !names_secret(text) {
            return Self { text: lines.to_owned(), replaced: Vec::new() };
        }
        let mut redacted = Self::default();
        let mut at = 0;
        let mut document = 0..0;
        for line in lines.split_inclusive('\n') {
            if !document.contains(&(window.start + at)) {
                document = document_around(text, window.start + at);
            }
            let content = line.trim_end();
            let shown = if names_secret(&text[document.clone()]) { harmless_part(content) } else { content.len() };
            redacted.text.push_str(&line[..shown]);
            if shown < content.len() {
                let start = redacted.text.len();
                redacted.text.push_str(HIDDEN);
                redacted.replaced.push((at + shown..at + content.len(), start..redacted.text.len()));
            }
            redacted.text.push_str(&line[content.len()..]);
            at += line.len();
        }
        redacted
    }

    /// Where a range of the original lines is now. What begins or ends in a hidden value spans all of it.
    pub fn range(&self, range: Range<usize>) -> Range<usize> {
        let moved = |offset: usize, end: bool| {
            let before = self.replaced.iter().take_while(|(old, _)| old.start <= offset).last();
            match before {
                None => offset,
                Some((old, new)) if end && offset == old.start => new.start,
                Some((old, new)) if offset < old.end => {
                    if end {
                        new.end
                    } else {
                        new.start
                    }
                }
                Some((old, new)) => offset - old.end + new.end,
            }
        };
        let start = moved(range.start, false);
        start..moved(range.end, range.end > range.start).max(start)
    }
}

/// The document that holds an offset: from `---` to `---`.
fn document_around(text: &str, offset: usize) -> Range<usize> {
    let line = text[..offset].rfind('\n').map_or(0, |n| n + 1);
    let line = if text[line..].starts_with("---") { line } else { text[..line].rfind("\n---").map_or(0, |n| n + 1) };
    let end = text[line..].get(1..).and_then(|rest| rest.find("\n---")).map_or(text.len(), |n| line + n + 2);
    line..end.max(offset + 1)
}

/// Whether the text says `kind: Secret`, in whichever notation.
fn names_secret(text: &str) -> bool {
    text.match_indices("kind").any(|(at, word)| {
        let rest = text[at + word.len()..].trim_start_matches(['"', '\'', ' ', '\t']);
        rest.strip_prefix(':').is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ', '\t']).starts_with("Secret"))
    })
}

/// How much of a line may be shown: up to the colon behind its key, or all of it.
fn harmless_part(line: &str) -> usize {
    let start = line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    let is_key = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '"' | '\'');
    let key_end = line[start..].find(|c| !is_key(c)).map_or(line.len(), |n| start + n);
    if line.is_empty() || line.trim_start().starts_with("---") {
        return line.len();
    }
    match line[key_end..].strip_prefix(':') {
        Some(value) if key_end > start && (value.is_empty() || value.starts_with([' ', '\t'])) => {
            let key = line[start..key_end].trim_matches(['"', '\'']);
            let shown = value.trim().is_empty() || HARMLESS.contains(&key);
            let blank = value.len() - value.trim_start().len();
            if shown { line.len() } else { key_end + 1 + blank }
        }
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_hidden_and_places_move_along() {
        let text =
            "kind: Pod\nname: a\n---\nkind: Secret\nname: s\ndata:\n  p: aHVudGVyMg==  \n  |\nhunter2\n---\nb: shown\n";
        let redacted = Redacted::new(text, 0..text.len());
        assert_eq!(
            redacted.text,
            "kind: Pod\nname: a\n---\nkind: Secret\nname: s\ndata:\n  p: [hidden]  \n  [hidden]\n[hidden]\n---\nb: shown\n"
        );
        let place = |part: &str| {
            let at = text.find(part).expect("is there");
            let range = redacted.range(at..at + part.len());
            redacted.text[range].to_owned()
        };
        assert_eq!(place("p"), "p");
        assert_eq!(place("aHVudGVyMg=="), "[hidden]");
        assert_eq!(place("dGVy"), "[hidden]");
        assert_eq!(place("hunter2"), "[hidden]");
        assert_eq!(place("b: shown"), "b: shown");
        assert_eq!(place("data:"), "data:");
    }

    #[test]
    fn a_part_of_a_file_is_redacted_by_its_document() {
        let text = "{\"kind\":\"Secret\",\n\"stringData\": {\"a\": \"hunter2\"},\n\"hunter3\"}\n";
        let start = text.find("\"string").expect("is there");
        assert_eq!(Redacted::new(text, start..text.len()).text, "\"stringData\": [hidden]\n[hidden]\n");
        let text = "kind:Secret\nPASSWORD=hunter2\nx";
        assert_eq!(Redacted::new(text, 0..text.len()).text, "[hidden]\n[hidden]\n[hidden]");
        assert_eq!(Redacted::new("kind: Pod\nx: Secret", 0..19).text, "kind: Pod\nx: Secret");
    }
}
