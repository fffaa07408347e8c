//! Names of archive entries: cleaned, bounded, and never leading out.

use super::EntryError;
use std::ffi::CString;

/// A cleaned path below the root of a layer; empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct LayerPath {
    /// Components joined by single slashes.
    bytes: Vec<u8>,
}

/// What a base name asks for (OCI image specification, "Whiteouts").
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Itself,
    /// Hides that name of the layers below.
    Whiteout(CString),
    /// Hides all that the layers below have in the directory.
    Opaque,
    /// Bookkeeping of old drivers, not content.
    Ignored,
}

impl LayerPath {
    /// Cleans a path: slashes and `.` vanish, `..` takes a component away and may not go above the root.
    pub fn parse(path: &[u8], depth: usize) -> Result<Self, EntryError> {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in path.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop().ok_or(EntryError::Outside)?;
                }
                part => parts.push(part),
            }
        }
        if parts.len() > depth {
            return Err(EntryError::Deep(depth));
        }
        if parts.iter().rev().skip(1).any(|part| part.starts_with(b".wh.")) || path.contains(&0) {
            return Err(EntryError::Name);
        }
        Ok(Self { bytes: parts.join(&b'/') })
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Directory and base name; `None` for the root.
    pub fn split(&self) -> Option<(&[u8], CString)> {
        let slash = self.bytes.iter().rposition(|b| *b == b'/');
        let (parent, name) = match slash {
            Some(at) => (&self.bytes[..at], &self.bytes[at + 1..]),
            None if self.bytes.is_empty() => return None,
            None => (&self.bytes[..0], &self.bytes[..]),
        };
        // Parsing has refused NUL.
        CString::new(name).ok().map(|name| (parent, name))
    }
}

/// Reads the meaning of a base name.
pub(super) fn meaning(name: &CString) -> Result<Meaning, EntryError> {
    let Some(rest) = name.to_bytes().strip_prefix(b".wh.") else { return Ok(Meaning::Itself) };
    match rest {
        b".wh..opq" => Ok(Meaning::Opaque),
        rest if rest.starts_with(b".wh.") => Ok(Meaning::Ignored),
        b"" | b"." | b".." => Err(EntryError::Name),
        hidden => CString::new(hidden).map(Meaning::Whiteout).map_err(|_| EntryError::Name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_bounded() {
        let clean = |p: &str| LayerPath::parse(p.as_bytes(), 8).map(|p| String::from_utf8(p.bytes).unwrap());
        assert_eq!(clean("./a//b/./c/").unwrap(), "a/b/c");
        assert_eq!(clean("/etc/../etc/passwd").unwrap(), "etc/passwd");
        assert_eq!(clean("./").unwrap(), "");
        for bad in ["..", "../x", "a/../../x", "/..", "a/b/c/d/e/f/g/h/i", ".wh.a/b", "a\0b"] {
            assert!(clean(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn whiteout_names() {
        let of = |n: &str| meaning(&CString::new(n).unwrap());
        assert_eq!(of("file").unwrap(), Meaning::Itself);
        assert_eq!(of(".wh.file").unwrap(), Meaning::Whiteout(c"file".to_owned()));
        assert_eq!(of(".wh..wh..opq").unwrap(), Meaning::Opaque);
        assert_eq!(of(".wh..wh.plnk").unwrap(), Meaning::Ignored);
        assert_eq!(of(".wh..hidden").unwrap(), Meaning::Whiteout(c".hidden".to_owned()));
        assert!(of(".wh.").is_err() && of(".wh..").is_err() && of(".wh...").is_err());
    }
}
