//! Detach keys: a sequence of keys that ends a session and leaves the program running.

/// Keys that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no key: use a letter, or `ctrl-` and one of a-z, @, [, \\, ], ^, _")]
pub struct KeyError(String);

/// Finds the sequence in what is typed; keys that only began it are passed on when it does not go on.
#[derive(Debug, Clone)]
pub struct DetachKeys {
    sequence: Vec<u8>,
    /// Number of keys of the sequence that were typed last.
    matched: usize,
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q`; an empty text is no sequence.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let keys = text.split(',').filter(|_| !text.is_empty()).map(key);
        Ok(Self { sequence: keys.collect::<Result<_, _>>()?, matched: 0 })
    }

    /// What of `typed` goes to the program, and whether the sequence was completed (the rest is dropped then).
    pub fn filter(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        if self.sequence.is_empty() {
            return (typed.to_vec(), false);
        }
        let mut out = Vec::with_capacity(typed.len());
        for &byte in typed {
            if byte != self.sequence[self.matched] {
                out.extend_from_slice(&self.sequence[..self.matched]);
                self.matched = 0;
            }
            if byte != self.sequence[self.matched] {
                out.push(byte);
                continue;
            }
            self.matched += 1;
            if self.matched == self.sequence.len() {
                return (out, true);
            }
        }
        (out, false)
    }
}

fn key(text: &str) -> Result<u8, KeyError> {
    let failure = || KeyError(text.to_owned());
    let (control, key) = match text.strip_prefix("ctrl-") {
        Some(key) => (true, key),
        None => (false, text),
    };
    match (control, key.as_bytes()) {
        (false, [byte]) if byte.is_ascii_graphic() => Ok(*byte),
        (true, [byte @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')]) => {
            Ok(byte.to_ascii_uppercase() & 0x1f)
        }
        _ => Err(failure()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q").unwrap().sequence, [16, 17]);
        assert_eq!(DetachKeys::parse("ctrl-],a").unwrap().sequence, [29, b'a']);
        assert!(DetachKeys::parse("").unwrap().sequence.is_empty());
        for wrong in ["ctrl-", "ctrl-1", "ab", "ctrl-p,"] {
            assert!(DetachKeys::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_sequence_is_found_across_reads_and_what_is_not_it_passes() {
        let mut keys = DetachKeys::parse("ctrl-p,ctrl-q").unwrap();
        assert_eq!(keys.filter(b"ls\r"), (b"ls\r".to_vec(), false));
        assert_eq!(keys.filter(&[16]), (vec![], false));
        assert_eq!(keys.filter(b"x"), (vec![16, b'x'], false));
        assert_eq!(keys.filter(&[16, 16]), (vec![16], false));
        assert_eq!(keys.filter(&[17, b'z']), (vec![], true));
        assert_eq!(DetachKeys::parse("").unwrap().filter(&[16, 17]), (vec![16, 17], false));
    }
}
