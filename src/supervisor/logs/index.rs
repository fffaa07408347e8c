//! The index of times of one log file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

pub(crate) const RECORD_BYTES: u64 = 16;

/// The bytes from `offset` on arrived at `time`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub offset: u64,
    /// Nanoseconds since the epoch.
    pub time: u64,
}

impl Record {
    pub fn to_bytes(self) -> [u8; RECORD_BYTES as usize] {
        let mut bytes = [0; RECORD_BYTES as usize];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.time.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; RECORD_BYTES as usize]) -> Self {
        let number = |range: std::ops::Range<usize>| {
            bytes[range].iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte))
        };
        Self { offset: number(0..8), time: number(8..16) }
    }
}

/// Number of whole records; what a killed writer left of another one does not count.
pub(crate) fn count(index: &File) -> io::Result<u64> {
    Ok(index.metadata()?.len() / RECORD_BYTES)
}

pub(crate) fn record(index: &File, number: u64) -> io::Result<Record> {
    let mut bytes = [0; RECORD_BYTES as usize];
    index.read_exact_at(&mut bytes, number * RECORD_BYTES)?;
    Ok(Record::from_bytes(bytes))
}

/// Position of the first record for which `before` is false; records must be partitioned by it.
pub(crate) fn partition(index: &File, before: impl Fn(Record) -> bool) -> io::Result<u64> {
    let (mut low, mut high) = (0, count(index)?);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(record(index, middle)?) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Walks forward through an index and gives the time of ever higher offsets.
#[derive(Debug)]
pub(crate) struct Times {
    index: File,
    current: Option<Record>,
    next: u64,
    ahead: Option<Record>,
    /// Records there were at the latest look.
    count: u64,
}

impl Times {
    /// Starts at `offset`.
    pub fn new(index: File, offset: u64) -> io::Result<Self> {
        let next = partition(&index, |r| r.offset <= offset)?;
        let current = if next == 0 { None } else { Some(record(&index, next - 1)?) };
        let count = count(&index)?;
        Ok(Self { index, current, next, ahead: None, count })
    }

    /// Looks for new records: to be called after data was read, whose records were written before it.
    pub fn refresh(&mut self) -> io::Result<()> {
        self.count = count(&self.index)?;
        Ok(())
    }

    /// When the byte at `offset` arrived; 0 when nobody wrote it down.
    pub fn at(&mut self, offset: u64) -> io::Result<u64> {
        loop {
            if self.ahead.is_none() && self.next < self.count {
                self.ahead = Some(record(&self.index, self.next)?);
                self.next += 1;
            }
            match self.ahead {
                Some(ahead) if ahead.offset <= offset => {
                    self.current = Some(ahead);
                    self.ahead = None;
                }
                _ => return Ok(self.current.map_or(0, |r| r.time)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn index_of(records: &[(u64, u64)], torn: &[u8]) -> io::Result<File> {
        let path = std::env::temp_dir().join(format!("podkin-index-{}-{}", std::process::id(), records.len()));
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        for (offset, time) in records {
            file.write_all(&Record { offset: *offset, time: *time }.to_bytes())?;
        }
        file.write_all(torn)?;
        std::fs::remove_file(path)?;
        Ok(file)
    }

    #[test]
    fn times_follow_offsets() -> io::Result<()> {
        let records = [(0, 10), (5, 20), (5, 25), (9, 30)];
        let expected = [(0, 10), (4, 10), (5, 25), (8, 25), (9, 30), (100, 30)];
        let mut times = Times::new(index_of(&records, b"torn")?, 0)?;
        for (offset, time) in expected {
            assert_eq!(times.at(offset)?, time, "offset {offset}");
            assert_eq!(Times::new(index_of(&records, b"")?, offset)?.at(offset)?, time, "from {offset}");
        }
        assert_eq!(Times::new(index_of(&[], b"")?, 0)?.at(7)?, 0);
        Ok(())
    }
}
