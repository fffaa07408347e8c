//! One log file with its index, read line by line from some offset on.

use super::index::{self, Times};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const CHUNK: usize = 256 * 1024;
/// A longer line is handed out in parts.
const LONGEST_LINE: usize = 1 << 20;

/// What [`Segment::peek`] found next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// Bytes in the buffer that belong to it, the newline included.
    pub length: usize,
    /// Ends with a newline.
    pub whole: bool,
}

#[derive(Debug)]
pub(super) struct Segment {
    data: File,
    times: Times,
    buffer: Vec<u8>,
    /// Start of what was not consumed, in the buffer.
    start: usize,
    /// Bytes after `start` known to hold no newline.
    searched: usize,
    /// File offset of the buffer's end.
    read_to: u64,
    /// Something was read from the file since [`Segment::was_filled`] was asked.
    filled: bool,
}

impl Segment {
    pub fn open(data: &Path, index: &Path, offset: u64) -> io::Result<Self> {
        let times = Times::new(File::open(index)?, offset)?;
        let data = File::open(data)?;
        Ok(Self { data, times, buffer: Vec::new(), start: 0, searched: 0, read_to: offset, filled: false })
    }

    /// Whether the file had something new since the last call.
    pub fn was_filled(&mut self) -> bool {
        std::mem::take(&mut self.filled)
    }

    /// Whether the path names this segment's file.
    pub fn is(&self, data: &Path) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let (own, named) = (self.data.metadata()?, std::fs::metadata(data)?);
        Ok(own.dev() == named.dev() && own.ino() == named.ino())
    }

    /// The next line, or the unfinished rest at the end of the file; `None` when everything was consumed.
    pub fn peek(&mut self) -> io::Result<Option<Found>> {
        loop {
            let pending = &self.buffer[self.start..];
            let newline = pending[self.searched..].iter().position(|b| *b == b'\n').map(|at| self.searched + at + 1);
            let (length, whole) = match newline {
                Some(length) => (length, true),
                None if pending.len() >= LONGEST_LINE => (pending.len(), false),
                None => {
                    self.searched = pending.len();
                    if self.fill()? {
                        continue;
                    }
                    match self.searched {
                        0 => return Ok(None),
                        length => (length, false),
                    }
                }
            };
            let first = self.read_to - (self.buffer.len() - self.start) as u64;
            return Ok(Some(Found { time: self.times.at(first)?, length, whole }));
        }
    }

    /// Hands out and consumes what [`Segment::peek`] found.
    pub fn consume(&mut self, found: Found) -> &[u8] {
        let from = self.start;
        self.start += found.length;
        self.searched = 0;
        &self.buffer[from..from + found.length - usize::from(found.whole)]
    }

    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let old = self.buffer.len();
        self.buffer.resize(old + CHUNK, 0);
        let count = self.data.read_at(&mut self.buffer[old..], self.read_to)?;
        self.buffer.truncate(old + count);
        self.read_to += count as u64;
        self.filled |= count > 0;
        self.times.refresh()?;
        Ok(count > 0)
    }
}

/// Offset of the first line that began at `since` or later.
pub(super) fn offset_since(data: &Path, index: &Path, since: u64) -> io::Result<u64> {
    let (data, index) = (File::open(data)?, File::open(index)?);
    let number = index::partition(&index, |r| r.time < since)?;
    if number >= index::count(&index)? {
        return Ok(data.metadata()?.len());
    }
    let offset = index::record(&index, number)?.offset;
    line_start_from(&data, offset)
}

/// The first offset from `offset` on at which a line begins.
fn line_start_from(data: &File, offset: u64) -> io::Result<u64> {
    let Some(mut position) = offset.checked_sub(1) else { return Ok(0) };
    let mut chunk = vec![0; 4096];
    loop {
        match data.read_at(&mut chunk, position)? {
            0 => return Ok(position.max(offset)),
            count => match chunk[..count].iter().position(|b| *b == b'\n') {
                Some(at) => return Ok(position + at as u64 + 1),
                None => position += count as u64,
            },
        }
    }
}

/// Offset at which the last `lines` lines begin, and how many of them there are.
pub(super) fn offset_of_last(data: &Path, lines: usize) -> io::Result<(u64, usize)> {
    let data = File::open(data)?;
    let mut position = data.metadata()?.len();
    let (end, mut seen) = (position, 0);
    let mut chunk = vec![0; 64 * 1024];
    while position > 0 {
        let length = (chunk.len() as u64).min(position) as usize;
        let from = position - length as u64;
        data.read_exact_at(&mut chunk[..length], from)?;
        for at in (0..length).rev() {
            let offset = from + at as u64;
            // A newline ends the line before it and begins the one after it, if there is one.
            if chunk[at] == b'\n' && offset + 1 < end {
                seen += 1;
                if seen == lines {
                    return Ok((offset + 1, lines));
                }
            }
        }
        position = from;
    }
    Ok((0, if end == 0 { 0 } else { seen + 1 }))
}
