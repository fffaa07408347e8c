//! Compressed streams, told by their first bytes: what a media type claims does not matter.

use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufReader, Cursor, Read};

/// How a stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

#[derive(Debug, thiserror::Error)]
pub enum CompressionError {
    #[error("compressed with {0}, which is not supported: use gzip, zstd or none")]
    Unsupported(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// zstd windows above this need more memory than an image may claim (128 MiB, the reference tool's limit, too).
const ZSTD_WINDOW_LOG: u32 = 27;

impl Compression {
    /// From the first bytes of a stream, at least six if it has as many.
    pub fn detect(start: &[u8]) -> Result<Self, CompressionError> {
        match start {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            // A skippable frame may come first.
            [b, 0x2a, 0x4d, 0x18, ..] if b & 0xf0 == 0x50 => Ok(Self::Zstd),
            [b'B', b'Z', b'h', ..] => Err(CompressionError::Unsupported("bzip2")),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(CompressionError::Unsupported("xz")),
            _ => Ok(Self::None),
        }
    }
}

/// Looks at the beginning of `source` and gives the reader of its plain content; every gzip member and zstd frame of it.
pub fn decompress<'a>(mut source: impl Read + Send + 'a) -> Result<(Compression, PlainReader<'a>), CompressionError> {
    // A pipe may give less than the six bytes that tell at once.
    let mut start = Vec::with_capacity(6);
    source.by_ref().take(6).read_to_end(&mut start)?;
    let compression = Compression::detect(&start)?;
    let source = BufReader::with_capacity(128 * 1024, Cursor::new(start).chain(source));
    let reader: PlainReader<'a> = match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(source)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    };
    Ok((compression, reader))
}

/// Plain content of a stream.
pub type PlainReader<'a> = Box<dyn Read + Send + 'a>;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn plain(packed: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        decompress(packed).unwrap().1.read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn every_member_and_frame_is_read() {
        let members = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(plain(&members), b"one two");
        let frames = [zstd::encode_all(&b"one "[..], 1).unwrap(), zstd::encode_all(&b"two"[..], 1).unwrap()].concat();
        assert_eq!(plain(&frames), b"one two");
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4][..], &frames].concat();
        assert_eq!(plain(&skippable), b"one two");
        assert_eq!(plain(b"text"), b"text");
        assert_eq!(plain(b""), b"");
    }

    #[test]
    fn unsupported_and_broken_streams_are_errors() {
        assert!(matches!(Compression::detect(b"BZh9"), Err(CompressionError::Unsupported("bzip2"))));
        let mut cut = gzip(&[7; 100_000]);
        cut.truncate(cut.len() - 9);
        assert!(decompress(&cut[..]).unwrap().1.read_to_end(&mut Vec::new()).is_err());
    }
}
