//! One 512-byte tar header block and the extended records that may precede an entry.
//!
//! Strict where readers of the format are known to differ: a header that two readers could take for different things is refused.

use super::tar::TarError;

pub(super) const BLOCK: usize = 512;

/// Sizes up to here fit the twelve octal digits of a header.
const MAX_OCTAL_SIZE: u64 = 0o77_777_777_777;

/// A header block as it stands, before extended records change it.
pub(super) struct RawHeader {
    block: [u8; BLOCK],
}

impl RawHeader {
    /// `None` for the block of zeros that ends an archive.
    pub fn parse(block: [u8; BLOCK]) -> Result<Option<Self>, TarError> {
        if block.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        let header = Self { block };
        let stored = header.number(148..156, "checksum")?;
        let sum = |signed: bool| -> i64 {
            let byte = |(i, b): (usize, &u8)| match (i, signed) {
                (148..156, _) => i64::from(b' '),
                (_, true) => i64::from(*b as i8),
                (_, false) => i64::from(*b),
            };
            header.block.iter().enumerate().map(byte).sum()
        };
        if stored != sum(false) && stored != sum(true) {
            return Err(TarError::Checksum);
        }
        Ok(Some(header))
    }

    pub fn kind(&self) -> u8 {
        self.block[156]
    }

    /// Whether the POSIX fields (prefix) hold what POSIX says; GNU puts other things there.
    fn is_posix(&self) -> bool {
        &self.block[257..263] == b"ustar\0"
    }

    pub fn is_gnu(&self) -> bool {
        &self.block[257..265] == b"ustar  \0"
    }

    /// The name field, with the POSIX prefix before it.
    pub fn name(&self) -> Vec<u8> {
        let name = until_nul(&self.block[0..100]);
        let prefix = until_nul(&self.block[345..500]);
        if self.is_posix() && !prefix.is_empty() { [prefix, b"/", name].concat() } else { name.to_vec() }
    }

    pub fn link(&self) -> Vec<u8> {
        until_nul(&self.block[157..257]).to_vec()
    }

    pub fn size(&self) -> Result<u64, TarError> {
        unsigned(self.number(124..136, "size")?, "size")
    }

    pub fn mode(&self) -> Result<u32, TarError> {
        Ok((self.number(100..108, "mode")? & 0o7777) as u32)
    }

    pub fn uid(&self) -> Result<u64, TarError> {
        unsigned(self.number(108..116, "uid")?, "uid")
    }

    pub fn gid(&self) -> Result<u64, TarError> {
        unsigned(self.number(116..124, "gid")?, "gid")
    }

    pub fn mtime(&self) -> Result<i64, TarError> {
        self.number(136..148, "mtime")
    }

    /// Major and minor number of a device.
    pub fn device(&self) -> Result<(u32, u32), TarError> {
        let part = |range, field| u32::try_from(self.number(range, field)?).map_err(|_| TarError::Field(field));
        Ok((part(329..337, "devmajor")?, part(337..345, "devminor")?))
    }

    pub fn gnu_sparse(&self) -> Result<GnuSparse, TarError> {
        Ok(GnuSparse {
            regions: sparse_regions(&self.block[386..482])?,
            more: self.block[482] != 0,
            size: unsigned(self.number(483..495, "realsize")?, "realsize")?,
        })
    }

    fn number(&self, range: std::ops::Range<usize>, field: &'static str) -> Result<i64, TarError> {
        number(&self.block[range]).ok_or(TarError::Field(field))
    }
}

/// What a GNU header says of a sparse file.
pub(super) struct GnuSparse {
    /// Offset and length of the first regions.
    pub regions: Vec<(u64, u64)>,
    /// More follow in blocks of their own.
    pub more: bool,
    /// The real size of the file.
    pub size: u64,
}

/// Regions of one block of a GNU sparse map, 24 bytes each; an empty one ends them.
pub(super) fn sparse_regions(bytes: &[u8]) -> Result<Vec<(u64, u64)>, TarError> {
    let field = |b: &[u8]| number(b).and_then(|n| u64::try_from(n).ok()).ok_or(TarError::Field("sparse map"));
    let used = bytes.chunks_exact(24).take_while(|region| region[0] != 0);
    used.map(|region| Ok((field(&region[..12])?, field(&region[12..])?))).collect()
}

fn unsigned(number: i64, field: &'static str) -> Result<u64, TarError> {
    u64::try_from(number).map_err(|_| TarError::Field(field))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// Octal digits between blanks, or GNU's base 256; an empty field is zero.
fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        return base256(field);
    }
    let text = until_nul(field).trim_ascii();
    text.iter().try_fold(0i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

fn base256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { i64::from(field[0] as i8) } else { i64::from(field[0] & 0x3f) };
    field[1..].iter().try_fold(first, |value, byte| value.checked_mul(256)?.checked_add(i64::from(*byte)))
}

/// What PAX records and GNU long names say about the next entry.
#[derive(Default)]
pub(super) struct Extended {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<(i64, u32)>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse: PaxSparse,
}

/// The three forms of sparse files in PAX records (GNU tar manual, "Storing Sparse Files").
#[derive(Default)]
pub(super) struct PaxSparse {
    /// Set for form 1.0: the map stands before the data.
    pub map_in_data: bool,
    pub map: Vec<u64>,
    pub real_size: Option<u64>,
    pub present: bool,
}

impl Extended {
    /// Takes the records of one `x` header in.
    pub fn apply(&mut self, records: &[u8]) -> Result<(), TarError> {
        for (key, value) in Records(records).collect::<Result<Vec<_>, _>>()? {
            self.record(key, value)?;
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarError> {
        let decimal = |field| text(value).parse::<u64>().map_err(|_| TarError::Field(field));
        if let Some(sparse) = key.strip_prefix(b"GNU.sparse.") {
            return self.sparse_record(sparse, value);
        }
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            self.xattrs.push((without_nul(name, "xattr")?, value.to_vec()));
            return Ok(());
        }
        match key {
            b"path" => self.path = Some(without_nul(value, "path")?),
            b"linkpath" => self.link = Some(without_nul(value, "linkpath")?),
            b"size" => self.size = Some(decimal("size")?),
            b"uid" => self.uid = Some(decimal("uid")?),
            b"gid" => self.gid = Some(decimal("gid")?),
            b"mtime" => self.mtime = Some(pax_time(text(value)).ok_or(TarError::Field("mtime"))?),
            // Access and change times, user names, comments, character sets: nothing a layer keeps.
            _ => {}
        }
        Ok(())
    }

    fn sparse_record(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarError> {
        let decimal = || text(value).parse::<u64>().map_err(|_| TarError::Field("GNU.sparse"));
        self.sparse.present = true;
        match key {
            b"name" => self.path = Some(without_nul(value, "GNU.sparse.name")?),
            b"realsize" | b"size" => self.sparse.real_size = Some(decimal()?),
            b"major" => self.sparse.map_in_data = decimal()? == 1,
            b"offset" | b"numbytes" => self.sparse.map.push(decimal()?),
            b"map" => {
                let list = text(value);
                let numbers = list.split(',').map(|n| n.parse().map_err(|_| TarError::Field("GNU.sparse.map")));
                self.sparse.map = numbers.collect::<Result<_, _>>()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Size of the stored data. A record that contradicts a header which could have told the same is refused: two readers would see
    /// two different archives.
    pub fn stored_size(&self, header: u64) -> Result<u64, TarError> {
        match self.size {
            None => Ok(header),
            Some(size) if size == header || (header == 0 && size > MAX_OCTAL_SIZE) => Ok(size),
            Some(pax) => Err(TarError::SizeDisagrees { header, pax }),
        }
    }
}

/// PAX records that apply to everything after them may not rename or resize it.
pub(super) fn check_global(records: &[u8]) -> Result<(), TarError> {
    for record in Records(records) {
        let (key, _) = record?;
        if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
            return Err(TarError::Global(text(key).into_owned()));
        }
    }
    Ok(())
}

/// `<length> <key>=<value>\n`, the length counting all of it.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), TarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = self.split();
        if record.is_none() {
            self.0 = &[];
        }
        Some(record.ok_or(TarError::Field("PAX record")))
    }
}

impl<'a> Records<'a> {
    fn split(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let space = self.0.iter().take(20).position(|b| *b == b' ')?;
        let digits = std::str::from_utf8(&self.0[..space]).ok()?;
        let length: usize = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
        let body = self.0.get(space + 1..length)?.strip_suffix(b"\n")?;
        self.0 = &self.0[length..];
        let equals = body.iter().position(|b| *b == b'=')?;
        Some((&body[..equals], &body[equals + 1..]))
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn without_nul(bytes: &[u8], field: &'static str) -> Result<Vec<u8>, TarError> {
    if bytes.contains(&0) { Err(TarError::Field(field)) } else { Ok(bytes.to_vec()) }
}

/// Decimal seconds with a fraction, as seconds and nanoseconds; the nanoseconds always count forward.
fn pax_time(text: impl AsRef<str>) -> Option<(i64, u32)> {
    let text = text.as_ref();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos: u32 = digits.parse().ok()?;
    match (whole.starts_with('-'), nanos) {
        (true, 1..) => Some((seconds - 1, 1_000_000_000 - nanos)),
        _ => Some((seconds, nanos)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_forms() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"0000648\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(number(&[0xff; 12]), Some(-1));
        assert_eq!(number(&[0xbf; 12]), None);
    }

    #[test]
    fn pax_records_are_taken_apart_strictly() {
        let mut extended = Extended::default();
        extended.apply(b"16 path=a/b c=d\n21 mtime=1.000000005\n").unwrap();
        assert_eq!(extended.path.as_deref(), Some(&b"a/b c=d"[..]));
        assert_eq!(extended.mtime, Some((1, 5)));
        for bad in [&b"8 path=a\n"[..], b"99 path=a\n", b"x path=a\n", b"+9 path=\n", b"11 path=a\0\n", b"7 path\n"] {
            assert!(Extended::default().apply(bad).is_err(), "{:?}", text(bad));
        }
        assert_eq!(pax_time("-1.25"), Some((-2, 750_000_000)));
        assert!(check_global(b"10 path=a\n").is_err() && check_global(b"13 comment=a\n").is_ok());
    }

    #[test]
    fn sizes_must_agree() {
        let mut extended = Extended::default();
        extended.apply(b"10 size=9\n").unwrap();
        assert_eq!(extended.stored_size(9).unwrap(), 9);
        assert!(extended.stored_size(0).is_err() && extended.stored_size(512).is_err());
        extended.apply(b"20 size=10000000000\n").unwrap();
        assert_eq!(extended.stored_size(0).unwrap(), 10_000_000_000);
    }
}
