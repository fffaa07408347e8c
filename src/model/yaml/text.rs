//! Bytes to text: encodings and characters that YAML does not allow.

/// Stands for bytes that are no text. YAML does not allow this character, so that it cannot come from anywhere else.
pub const UNDECODABLE: char = '\u{ffff}';

/// The text of a file: UTF-8, or UTF-16 with a byte order mark. It never fails: bytes that are no text become
/// [`UNDECODABLE`], which [`super::parse`] reports with its place.
pub fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xff, 0xfe, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
        _ => {
            let mut text = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                if !chunk.invalid().is_empty() {
                    text.push(UNDECODABLE);
                }
            }
            text
        }
    }
}

fn decode_utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> String {
    // Half a unit at the end is a lone surrogate, which is no text either.
    let units = bytes.chunks(2).map(|pair| if let [a, b] = *pair { read([a, b]) } else { 0xd800 });
    char::decode_utf16(units).map(|unit| unit.unwrap_or(UNDECODABLE)).collect()
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
    fn utf16_is_converted_and_other_bytes_are_marked() {
        assert_eq!(decode("a: é".as_bytes()), "a: é");
        assert_eq!(decode(&[0xff, 0xfe, b'a', 0, b':', 0, 0xe9, 0]), "a:é");
        assert_eq!(decode(b"a: \xff\xfe b"), "a: \u{ffff}\u{ffff} b");
        assert_eq!(decode(&[0xfe, 0xff, 0, b'a', 0]), "a\u{ffff}");
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
