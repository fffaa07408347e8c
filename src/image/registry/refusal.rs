//! What a registry says when it refuses.

use super::error::RegistryError;
use super::retry::retry_after;
use super::session::Answer;
use serde::Deserialize;
use std::time::SystemTime;
use ureq::http::header::RETRY_AFTER;

/// More of an explanation nobody reads.
const MAX_BODY: u64 = 64 << 10;
const MAX_SAID: usize = 300;

/// Body of a refusal (distribution specification, "Error Codes").
#[derive(Default, Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Said>,
}

#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The error that an answer other than yes stands for.
pub(super) fn refusal(answer: Answer, registry: &str, what: &str) -> RegistryError {
    let status = answer.status;
    let after = answer.header(RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
    // What cannot be read explains nothing; the status does.
    let body = answer.bytes(registry, what, MAX_BODY).unwrap_or_default();
    let Said { code, message } = first(&body);
    let (registry, what) = (registry.to_owned(), what.to_owned());
    match status {
        404 => RegistryError::NotFound { registry, what },
        403 => RegistryError::Denied { registry, what, said: message },
        429 => RegistryError::RateLimited { registry, after },
        _ => {
            let said = if message.is_empty() { code.clone() } else { message };
            RegistryError::Said { registry, status, what, code, said, after }
        }
    }
}

fn first(body: &[u8]) -> Said {
    // HTML of some proxy on the way is no answer of a registry.
    let Errors { errors } = serde_json::from_slice(body).unwrap_or_default();
    let Said { code, message } = errors.into_iter().next().unwrap_or_default();
    Said { code: clean(&code), message: clean(&message) }
}

/// Cut, and without anything that a terminal would obey.
fn clean(text: &str) -> String {
    let cut: String = text.trim().chars().take(MAX_SAID).collect();
    let mut clean = String::with_capacity(cut.len());
    for character in cut.chars() {
        match character.is_control() || is_bidirectional(character) {
            true => clean.extend(character.escape_default()),
            false => clean.push(character),
        }
    }
    clean
}

/// Characters that make the text after them look like something else.
fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrys_words_are_cut_and_cleaned() {
        let said =
            first(br#"{"errors":[{"code":"MANIFEST_INVALID","message":"a\u001b[31mb\nc","detail":{"x":1}},{}]}"#);
        assert_eq!((said.code.as_str(), said.message.as_str()), ("MANIFEST_INVALID", "a\\u{1b}[31mb\\nc"));
        assert_eq!(first(b"<html>").message, "");
        assert_eq!(first(br#"{"errors":[]}"#).code, "");
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "x".repeat(5000));
        assert_eq!(first(long.as_bytes()).message.len(), MAX_SAID);
    }
}
