//! The same lines in the text format of the kubelet's log files: `<RFC 3339 time> stdout F <line>`.

use super::reader::Stream;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Appends to a file that both streams share.
#[derive(Debug)]
pub(super) struct TextCopy {
    file: File,
    stream: Stream,
}

impl TextCopy {
    pub fn open(path: &Path, stream: Stream) -> io::Result<Self> {
        Ok(Self { file: File::options().append(true).create(true).open(path)?, stream })
    }

    /// Adds what arrived at `time` (nanoseconds since the epoch); an unfinished line is marked `P`.
    pub fn append(&mut self, bytes: &[u8], time: u64) -> io::Result<()> {
        let time = super::reader::timestamp(time);
        let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 2);
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let (line, tag) = match line.strip_suffix(b"\n") {
                Some(whole) => (whole, 'F'),
                None => (line, 'P'),
            };
            write!(text, "{time:.9} {} {tag} ", self.stream.name())?;
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        self.file.write_all(&text)
    }
}
