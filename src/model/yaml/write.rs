//! Values to YAML text that every reader understands alike.
//!
//! The general writers follow YAML 1.2 and leave `yes`, `y` or `1_000` without quotes, which Kubernetes' readers take for a boolean or a
//! number. Here a string stands without quotes only when it is a string for go-yaml v2 and v3, and for readers that know base 60
//! and dates.

use super::{Dialect, Value, scalar};
use serde_json::Value as Json;
use std::fmt::Write as _;

/// Writes a value as a document in block style, two spaces a level, keys in the order given; ends with a line break.
pub fn write(value: &Json) -> String {
    let mut text = String::new();
    node(&mut text, value, 0, Place::Root);
    text
}

/// What the value stands behind.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Key,
    Dash,
}

fn node(text: &mut String, value: &Json, level: usize, place: Place) {
    match value {
        Json::Array(items) if !items.is_empty() => {
            // Lists stand in the column of their key, as kubectl writes them.
            let level = if place == Place::Key { level - 1 } else { level };
            for (i, item) in items.iter().enumerate() {
                line_start(text, level, place, i == 0);
                text.push('-');
                node(text, item, level + 1, Place::Dash);
            }
        }
        Json::Object(entries) if !entries.is_empty() => {
            for (i, (key, value)) in entries.iter().enumerate() {
                line_start(text, level, place, i == 0);
                string_on_one_line(text, key);
                text.push(':');
                node(text, value, level + 1, Place::Key);
            }
        }
        scalar => {
            if place != Place::Root {
                text.push(' ');
            }
            match scalar {
                Json::Null => text.push_str("null"),
                Json::Bool(b) => text.push_str(if *b { "true" } else { "false" }),
                Json::Number(number) => {
                    let _ = write!(text, "{number}");
                }
                Json::String(s) if is_block(s) => block(text, s, level.max(1)),
                Json::String(s) => string_on_one_line(text, s),
                Json::Array(_) => text.push_str("[]"),
                Json::Object(_) => text.push_str("{}"),
            }
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
    }
}

/// Starts the line of an element or entry: the first one behind a `-` stays on its line.
fn line_start(text: &mut String, level: usize, place: Place, first: bool) {
    match (place, first) {
        (Place::Dash, true) => text.push(' '),
        (Place::Key, true) => {
            text.push('\n');
            indent(text, level);
        }
        _ => indent(text, level),
    }
}

fn indent(text: &mut String, level: usize) {
    (0..level).for_each(|_| text.push_str("  "));
}

fn string_on_one_line(text: &mut String, s: &str) {
    if is_plain(s) {
        text.push_str(s);
    } else if s.chars().all(|c| c == ' ' || is_printable(c)) && !s.contains('\\') && s.contains('"') {
        let _ = write!(text, "'{}'", s.replace('\'', "''"));
    } else {
        double_quoted(text, s);
    }
}

fn double_quoted(text: &mut String, s: &str) {
    text.push('"');
    for c in s.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            c if c == ' ' || is_printable(c) => text.push(c),
            c if u32::from(c) <= 0xffff => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => {
                let _ = write!(text, "\\U{:08x}", u32::from(c));
            }
        }
    }
    text.push('"');
}

/// Text of several lines as `|`, so that it stays legible.
fn block(text: &mut String, s: &str, level: usize) {
    text.push('|');
    match s.bytes().rev().take_while(|b| *b == b'\n').count() {
        0 => text.push('-'),
        1 => {}
        _ => text.push('+'),
    }
    text.push('\n');
    for line in s.strip_suffix('\n').unwrap_or(s).split('\n') {
        if !line.is_empty() {
            indent(text, level);
            text.push_str(line);
        }
        text.push('\n');
    }
}

/// Whether a text can stand behind `|`: several lines, the first of which sets the indentation.
fn is_block(s: &str) -> bool {
    let legible = |c: char| matches!(c, '\n' | '\t' | ' ') || is_printable(c);
    let blank_end = s.lines().next_back().is_some_and(|line| line.trim().is_empty() && !line.is_empty());
    s.trim_end_matches('\n').contains('\n') && !s.starts_with([' ', '\n', '\t']) && !blank_end && s.chars().all(legible)
}

fn is_printable(c: char) -> bool {
    !c.is_control() && !c.is_whitespace() && !matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn is_plain(s: &str) -> bool {
    let mut characters = s.chars();
    let Some(first) = characters.next() else { return false };
    let starts_well = first.is_alphanumeric()
        || matches!(first, '/' | '.' | '_' | '$' | '(')
        || (first == '-'
            && characters.next().is_some_and(|c| c.is_alphanumeric() || c == '-')
            && !s.starts_with("---"));
    let number_like = first.is_ascii_digit()
        && s.contains([':', '-'])
        && s.chars().all(|c| !c.is_alphabetic() || c == 'T' || c == 'Z');
    starts_well
        && !number_like
        && !s.starts_with("...")
        && !s.ends_with([' ', ':'])
        && !s.contains(": ")
        && !s.contains(" #")
        && s.chars().all(|c| c == ' ' || is_printable(c))
        && [Dialect::Kubernetes, Dialect::Compose].iter().all(|d| matches!(scalar::resolve(s, *d), Value::String(_)))
}

#[cfg(test)]
mod tests {
    use super::write;
    use serde_json::json;

    #[test]
    fn objects_are_written_as_people_write_them() {
        let value = json!({
            "apiVersion": "v1",
            "metadata": {"name": "web", "labels": {}, "annotations": {"a/b": "yes"}},
            "spec": {"containers": [
                {"name": "c", "args": ["--x=1", "-y", "8080", "a: b", "it's \"x\"", "'a' \"b\""], "tty": true, "env": []},
                [1, [null, 1.5]],
            ]},
            "data": {"on": "1_000", "f": "a\n  b\n\nc\n", "g": "a\nb", "h": "a\n\n", "i": " a\nb", "t": "12:30:45"},
        });
        let expected = "\
apiVersion: v1
metadata:
  name: web
  labels: {}
  annotations:
    a/b: \"yes\"
spec:
  containers:
  - name: c
    args:
    - --x=1
    - -y
    - \"8080\"
    - \"a: b\"
    - it's \"x\"
    - '''a'' \"b\"'
    tty: true
    env: []
  - - 1
    - - null
      - 1.5
data:
  \"on\": \"1_000\"
  f: |
    a
      b

    c
  g: |-
    a
    b
  h: |+
    a

  i: \" a\\nb\"
  t: \"12:30:45\"
";
        // A text with several line breaks at its end, but only one line, is easier to read in quotes.
        assert_eq!(write(&value), expected.replace("h: |+\n    a\n\n", "h: \"a\\n\\n\"\n"));
        assert_eq!(write(&json!("x")), "x\n");
        assert_eq!(write(&json!([])), "[]\n");
        assert_eq!(write(&json!("a\nb")), "|-\n  a\n  b\n");
    }
}
