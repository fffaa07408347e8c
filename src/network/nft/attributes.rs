//! Netlink attributes: length and kind in host order, value, padding to four bytes; numbers of nftables are big-endian.

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// Without the two flag bits.
const KIND: u16 = 0x3fff;
const HEADER: usize = 4;

/// Appends attributes to a message.
pub struct Attributes<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> Attributes<'a> {
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes }
    }

    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let start = self.start(kind);
        self.bytes.extend_from_slice(value);
        self.finish(start);
        self
    }

    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let start = self.start(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.finish(start);
        self
    }

    pub fn number(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub fn nested(&mut self, kind: u16, inner: impl FnOnce(&mut Attributes<'_>)) -> &mut Self {
        let start = self.start(kind | NESTED);
        inner(&mut Attributes::new(self.bytes));
        self.finish(start);
        self
    }

    fn start(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn finish(&mut self, start: usize) {
        // Attributes of a rule or set are a few hundred bytes.
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The value of the attribute of that kind among those in `bytes`; a malformed tail ends the search.
pub fn find(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let found = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?) & KIND;
        let value = bytes.get(HEADER..length)?;
        if found == kind {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found() {
        let mut bytes = Vec::new();
        Attributes::new(&mut bytes).text(1, "abc").number(2, 7).nested(3, |inner| {
            inner.bytes(1, &[9]);
        });
        assert_eq!(bytes.len(), 8 + 8 + 12);
        assert_eq!(find(&bytes, 1), Some(&b"abc\0"[..]));
        assert_eq!(find(&bytes, 2), Some(&[0, 0, 0, 7][..]));
        assert_eq!(find(&bytes, 3).and_then(|inner| find(inner, 1)), Some(&[9][..]));
        assert_eq!(find(&bytes, 4), None);
        assert_eq!(find(&bytes[..9], 2), None);
        assert_eq!(find(&[0, 0, 1, 0], 2), None);
    }
}
