//! Reading a recipe, record by record.

use super::{MAGIC, MAX_PLACE, MAX_VERBATIM, RECIPE, RecipeError, VERSION};
use crate::image::digest::Digest;
use crate::sys::dir::{Dir, ReadError};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// More pieces than any archive may have regions.
const MAX_PIECES: u64 = 1 << 20;

/// One step of making the archive again; borrows from the reader.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::image::layer) enum Record<'a> {
    Verbatim(&'a [u8]),
    Payload { place: &'a [u8], crc: u32, pieces: &'a [(u64, u64)] },
    Replaced { place: &'a [u8], spare: Option<u64> },
    Through(&'a [u8]),
    Opaque(&'a [u8]),
    End { diff_id: Digest, size: u64 },
}

pub(in crate::image::layer) struct Reader {
    source: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    bytes: Vec<u8>,
    pieces: Vec<(u64, u64)>,
    /// Records read so far.
    count: u64,
}

impl Reader {
    /// Opens the recipe of a layer.
    pub fn open(layer: &Dir) -> Result<Self, RecipeError> {
        let mut file = layer.open_file(RECIPE).map_err(|error| match error {
            ReadError::Io(e) if e.kind() == io::ErrorKind::NotFound => RecipeError::Absent,
            ReadError::Io(e) => RecipeError::Read(e),
            _ => RecipeError::Damaged,
        })?;
        let mut start = [0; MAGIC.len() + 1];
        file.read_exact(&mut start).map_err(damaged)?;
        match start.split_last() {
            Some((&VERSION, magic)) if magic == MAGIC => {}
            Some((version, magic)) if magic == MAGIC => return Err(RecipeError::Version(*version)),
            _ => return Err(RecipeError::Damaged),
        }
        let decoder = zstd::Decoder::new(file).map_err(RecipeError::Read)?.single_frame();
        let source = BufReader::with_capacity(MAX_VERBATIM, decoder);
        Ok(Self { source, bytes: Vec::new(), pieces: Vec::new(), count: 0 })
    }

    /// Number of the record read last, from one.
    pub fn number(&self) -> u64 {
        self.count
    }

    /// The next record; nothing may be read after the end.
    pub fn next(&mut self) -> Result<Record<'_>, RecipeError> {
        self.count += 1;
        match self.byte()? {
            0 => self.end(),
            1 => {
                self.string(MAX_VERBATIM)?;
                Ok(Record::Verbatim(&self.bytes))
            }
            2 => self.payload(),
            3 => {
                self.string(MAX_PLACE)?;
                let spare = self.value()?.checked_sub(1);
                Ok(Record::Replaced { place: &self.bytes, spare })
            }
            4 => {
                self.string(MAX_PLACE)?;
                Ok(Record::Through(&self.bytes))
            }
            5 => {
                self.string(MAX_PLACE)?;
                Ok(Record::Opaque(&self.bytes))
            }
            _ => Err(RecipeError::Damaged),
        }
    }

    fn end(&mut self) -> Result<Record<'_>, RecipeError> {
        let mut hash = [0; 32];
        self.source.read_exact(&mut hash).map_err(damaged)?;
        let size = self.value()?;
        // Reading to the end of the frame is what compares its checksum.
        match self.source.fill_buf() {
            Ok([]) => Ok(Record::End { diff_id: Digest::from_bytes(&hash), size }),
            Ok(_) => Err(RecipeError::Damaged),
            Err(e) => Err(damaged(e)),
        }
    }

    fn payload(&mut self) -> Result<Record<'_>, RecipeError> {
        self.string(MAX_PLACE)?;
        let mut crc = [0; 4];
        self.source.read_exact(&mut crc).map_err(damaged)?;
        let count = self.value()?;
        if count > MAX_PIECES {
            return Err(RecipeError::Damaged);
        }
        self.pieces.clear();
        for _ in 0..count {
            let (offset, length) = (self.value()?, self.value()?);
            // No file is longer, and no sum of the two overflows.
            if offset.checked_add(length).is_none_or(|end| end > i64::MAX as u64) {
                return Err(RecipeError::Damaged);
            }
            self.pieces.push((offset, length));
        }
        Ok(Record::Payload { place: &self.bytes, crc: u32::from_le_bytes(crc), pieces: &self.pieces })
    }

    fn string(&mut self, limit: usize) -> Result<(), RecipeError> {
        let length = self.value()?;
        let length = usize::try_from(length).ok().filter(|n| *n <= limit).ok_or(RecipeError::Damaged)?;
        self.bytes.resize(length, 0);
        self.source.read_exact(&mut self.bytes).map_err(damaged)
    }

    fn value(&mut self) -> Result<u64, RecipeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecipeError::Damaged)
    }

    fn byte(&mut self) -> Result<u8, RecipeError> {
        let mut byte = [0];
        self.source.read_exact(&mut byte).map_err(damaged)?;
        Ok(byte[0])
    }
}

/// A recipe that ends too early, or does not decompress, is damaged; the rest is the disk's fault.
fn damaged(error: io::Error) -> RecipeError {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::UnexpectedEof, _) | (_, None) => RecipeError::Damaged,
        _ => RecipeError::Read(error),
    }
}
