//! Appending one stream to its files.

use super::index::{RECORD_BYTES, Record};
use super::reader::Stream;
use super::text_copy::TextCopy;
use crate::sys::pipe::{self, Moved};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Most that is moved at once: what a pipe can hold.
pub(crate) const BATCH: usize = 1 << 20;
/// Batches that arrive within this many nanoseconds share a record.
const RESOLUTION: u64 = 1_000_000;

/// The files of one stream of one container, written by one process at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    directory: PathBuf,
    stream: Stream,
    data: File,
    index: File,
    offset: u64,
    index_end: u64,
    last: Option<Record>,
    max_size: Option<u64>,
    copy: Option<TextCopy>,
}

impl Writer {
    /// Opens or makes the files and goes on where they end; a torn index record is dropped.
    pub fn open(directory: &Path, stream: Stream, max_size: Option<u64>, copy: Option<&Path>) -> io::Result<Self> {
        let data = open(&directory.join(stream.data_name()))?;
        let index = open(&directory.join(stream.index_name()))?;
        let offset = data.metadata()?.len();
        let index_end = index.metadata()?.len() / RECORD_BYTES * RECORD_BYTES;
        index.set_len(index_end)?;
        let copy = copy.map(|path| TextCopy::open(path, stream)).transpose()?;
        Ok(Self { directory: directory.to_owned(), stream, data, index, offset, index_end, last: None, max_size, copy })
    }

    /// Bytes in the current file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Moves what the pipe holds, at most one batch, to the file. `time` in nanoseconds since the epoch.
    pub fn take(&mut self, source: impl AsFd, time: u64) -> io::Result<Moved> {
        self.prepare(time)?;
        let start = self.offset;
        let moved = pipe::splice_to_file(source, &self.data, &mut self.offset, BATCH)?;
        if let (Some(copy), Moved::Bytes(count)) = (&mut self.copy, moved) {
            let mut bytes = vec![0; count];
            self.data.read_exact_at(&mut bytes, start)?;
            copy.append(&bytes, time)?;
        }
        Ok(moved)
    }

    /// Appends bytes that did not come through a pipe.
    pub fn append(&mut self, bytes: &[u8], time: u64) -> io::Result<()> {
        self.prepare(time)?;
        self.data.write_all_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        self.copy.as_mut().map_or(Ok(()), |copy| copy.append(bytes, time))
    }

    fn prepare(&mut self, time: u64) -> io::Result<()> {
        if self.max_size.is_some_and(|max| self.offset >= max.max(1)) {
            self.rotate()?;
        }
        if self.last.is_some_and(|last| time < last.time.saturating_add(RESOLUTION)) {
            return Ok(());
        }
        let record = Record { offset: self.offset, time };
        self.index.write_all_at(&record.to_bytes(), self.index_end)?;
        self.index_end += RECORD_BYTES;
        self.last = Some(record);
        Ok(())
    }

    /// Starts the files anew and keeps the present ones as the only old ones. The index goes first: data without its index has
    /// times of 0, but an index without its data would give wrong ones.
    fn rotate(&mut self) -> io::Result<()> {
        for name in [self.stream.index_name(), self.stream.data_name()] {
            fs::rename(self.directory.join(name), self.directory.join(format!("{name}.1")))?;
        }
        self.index = open(&self.directory.join(self.stream.index_name()))?;
        self.data = open(&self.directory.join(self.stream.data_name()))?;
        (self.offset, self.index_end, self.last) = (0, 0, None);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
