//! Writing a recipe while the archive is read.

use super::{INLINE, MAGIC, MAX_VERBATIM, RECIPE, VERSION};
use crate::image::archive::tar::{Source, Sparse, read_buffered};
use crate::image::digest::Digest;
use crate::image::layer::stream::Chunks;
use crate::sys::dir::Dir;
use flate2::Crc;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};

/// Level of compression: headers shrink to a twentieth at the fastest, and a higher one costs more than it saves.
const LEVEL: i32 = 1;

/// Encoded records that wait to be compressed.
const BATCH: usize = 128 * 1024;

/// Takes records down. A failure to write shows at the next [`Recorder::check`] or at the end.
pub(in crate::image::layer) struct Recorder {
    out: zstd::Encoder<'static, File>,
    verbatim: Vec<u8>,
    records: Vec<u8>,
    failure: Option<io::Error>,
}

impl Recorder {
    /// Starts the recipe of a layer that has none.
    pub fn create(layer: &Dir) -> io::Result<Self> {
        let mut file = layer.create_file(RECIPE, 0o600)?;
        file.write_all(MAGIC)?;
        file.write_all(&[VERSION])?;
        let mut out = zstd::Encoder::new(file, LEVEL)?;
        out.include_checksum(true)?;
        Ok(Self { out, verbatim: Vec::with_capacity(MAX_VERBATIM), records: Vec::with_capacity(BATCH), failure: None })
    }

    /// What went wrong so far.
    pub fn check(&mut self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The place of the entry whose header came last, when it is not its path.
    pub fn through(&mut self, place: &[u8]) {
        self.event(4, place, &[]);
    }

    /// What stood at a place is no longer there.
    pub fn replaced(&mut self, place: &[u8], spare: Option<u64>) {
        self.event(3, place, &[spare.map_or(0, |number| number + 1)]);
    }

    pub fn opaque(&mut self, place: &[u8]) {
        self.event(5, place, &[]);
    }

    /// Ends the recipe.
    pub fn finish(mut self, diff_id: &Digest, size: u64) -> io::Result<()> {
        self.flush_verbatim();
        self.records.push(0);
        self.records.extend(diff_id.bytes());
        number(&mut self.records, size);
        self.flush();
        self.check()?;
        self.out.finish().map(drop)
    }

    fn verbatim(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = MAX_VERBATIM - self.verbatim.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.verbatim.extend_from_slice(now);
            bytes = later;
            if self.verbatim.len() == MAX_VERBATIM {
                self.flush_verbatim();
            }
        }
    }

    fn event(&mut self, tag: u8, place: &[u8], numbers: &[u64]) {
        self.flush_verbatim();
        self.records.push(tag);
        string(&mut self.records, place);
        for value in numbers {
            number(&mut self.records, *value);
        }
        self.flush_full();
    }

    fn payload(&mut self, place: &[u8], crc: u32, pieces: &[(u64, u64)]) {
        self.flush_verbatim();
        self.records.push(2);
        string(&mut self.records, place);
        self.records.extend(crc.to_le_bytes());
        number(&mut self.records, pieces.len() as u64);
        for (offset, length) in pieces {
            number(&mut self.records, *offset);
            number(&mut self.records, *length);
        }
        self.flush_full();
    }

    fn flush_verbatim(&mut self) {
        if !self.verbatim.is_empty() {
            self.records.push(1);
            string(&mut self.records, &self.verbatim);
            self.verbatim.clear();
            self.flush_full();
        }
    }

    fn flush_full(&mut self) {
        if self.records.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Err(error) = self.out.write_all(&self.records) {
            self.failure.get_or_insert(error);
        }
        self.records.clear();
    }
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// An archive whose bytes go into the recipe as they are read, unless they are said to be payload.
pub(in crate::image::layer) struct Tap<'a> {
    source: &'a mut Chunks,
    pub recorder: &'a mut Recorder,
    payload: Option<Crc>,
}

impl<'a> Tap<'a> {
    pub fn new(source: &'a mut Chunks, recorder: &'a mut Recorder) -> Self {
        Self { source, recorder, payload: None }
    }

    /// Says that the next `stored` bytes are the content of a file. Small ones are recorded nevertheless.
    pub fn begin_payload(&mut self, stored: u64) {
        self.payload = (stored > INLINE).then(Crc::new);
    }

    /// Says where these bytes now are: from the beginning of the file, or where the map of a sparse one has them.
    pub fn end_payload(&mut self, place: &[u8], stored: u64, sparse: Option<&Sparse>) {
        if let Some(crc) = self.payload.take() {
            let whole = [(0, stored)];
            self.recorder.payload(place, crc.sum(), sparse.map_or(&whole[..], |sparse| &sparse.regions));
        }
    }
}

impl BufRead for Tap<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        let bytes = self.source.buffered(amount);
        match &mut self.payload {
            Some(crc) => crc.update(bytes),
            None => self.recorder.verbatim(bytes),
        }
        self.source.consume(amount);
    }
}

impl Read for Tap<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

impl Source for Tap<'_> {}
