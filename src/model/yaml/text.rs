//! Bytes to text: encodings and characters that YAML does not allow.

use crate::model::diagnostic::{Diagnostic, SourceId, Sources, Span};

/// Adds a file's bytes to the sources as text. UTF-16 with a byte order mark is converted. Bytes that are no text come in as
/// U+FFFD, and a diagnostic says where the first one is.
pub fn add_bytes(sources: &mut Sources, name: impl Into<String>, bytes: &[u8]) -> (SourceId, Option<Diagnostic>) {
    let (text, bad) = decode(bytes);
    let id = sources.add(name, text);
    let diagnostic = bad.map(|(offset, encoding)| {
        Diagnostic::error("K011", format!("the file is not {encoding} text"))
            .at(Span { source: id, start: offset, end: offset + char::REPLACEMENT_CHARACTER.len_utf8() }, "this byte")
            .hint("save the file as UTF-8; put binary data into `binaryData` as base64")
    });
    (id, diagnostic)
}

/// The text, and the offset in the text of what could not be decoded.
fn decode(bytes: &[u8]) -> (String, Option<(usize, &'static str)>) {
    match bytes {
        [0xff, 0xfe, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            Err(e) => (String::from_utf8_lossy(bytes).into_owned(), Some((e.valid_up_to(), "UTF-8"))),
        },
    }
}

fn decode_utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> (String, Option<(usize, &'static str)>) {
    let units = bytes.chunks(2).map(|pair| if let [a, b] = *pair { read([a, b]) } else { 0xd800 });
    let mut text = String::with_capacity(bytes.len());
    let mut bad = None;
    for unit in char::decode_utf16(units) {
        let offset = text.len();
        text.push(unit.unwrap_or_else(|_| {
            bad.get_or_insert((offset, "UTF-16"));
            char::REPLACEMENT_CHARACTER
        }));
    }
    (text, bad)
}

/// The first character that a YAML stream must not hold (YAML 1.2.2, section 5.1): byte offset and character.
pub fn forbidden_character(text: &str) -> Option<(usize, char)> {
    // Control characters are ASCII or start with 0xc2; non-characters with 0xef: most bytes are passed without decoding.
    text.bytes()
        .enumerate()
        .filter(|(_, b)| matches!(b, 0..=8 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f | 0xc2 | 0xef))
        .filter_map(|(at, _)| text[at..].chars().next().map(|c| (at, c)))
        .find(|(_, c)| match c {
            '\u{85}' => false,
            '\u{fffe}' | '\u{ffff}' => true,
            c => c.is_control(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_converted_and_other_bytes_are_reported() {
        let mut sources = Sources::default();
        let (id, bad) = add_bytes(&mut sources, "a", &[0xff, 0xfe, b'a', 0, b':', 0, 0xe9, 0]);
        assert_eq!((sources.text(id), bad), ("a:é", None));
        let (id, bad) = add_bytes(&mut sources, "b", b"a: \xff\xfe b");
        assert_eq!(sources.text(id), "a: \u{fffd}\u{fffd} b");
        assert_eq!(bad.and_then(|d| d.primary).map(|(span, _)| span.start), Some(3));
        let (_, bad) = add_bytes(&mut sources, "c", &[0xfe, 0xff, 0, b'a', 0]);
        assert_eq!(bad.and_then(|d| d.primary).map(|(span, _)| span.start), Some(1));
    }

    #[test]
    fn control_characters_are_found() {
        assert_eq!(forbidden_character("a\tb\r\n\u{85}é\u{feff}"), None);
        assert_eq!(forbidden_character("ab\0c"), Some((2, '\0')));
        assert_eq!(forbidden_character("é\u{7f}"), Some((2, '\u{7f}')));
        assert_eq!(forbidden_character("é\u{9b}"), Some((2, '\u{9b}')));
        assert_eq!(forbidden_character("\u{ffff}"), Some((0, '\u{ffff}')));
    }
}
