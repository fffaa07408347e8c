//! The archive without the content of its files, to read its headers again.

use super::{Reader, RecipeError, Record};
use crate::image::archive::tar::{Source, read_buffered};
use crate::sys::dir::Dir;
use std::io::{self, BufRead, Read};

const ZEROS: [u8; 4096] = [0; 4096];

/// Bytes of an archive, zeros where a file of the layer has the content.
pub(in crate::image::layer) struct Skeleton {
    reader: Reader,
    verbatim: Vec<u8>,
    position: usize,
    /// Bytes of payload that come before the next verbatim ones.
    payload: u64,
    ended: bool,
    notes: Notes,
    failure: Option<RecipeError>,
}

/// What the recipe says of one entry beside its header.
#[derive(Debug, Default)]
pub(in crate::image::layer) struct Notes {
    /// Its place, when that is not its path.
    pub place: Option<Vec<u8>>,
    /// Directories that it made hide what other layers have in them.
    pub opaque: Vec<Vec<u8>>,
}

impl Skeleton {
    pub fn open(layer: &Dir) -> Result<Self, RecipeError> {
        Ok(Self {
            reader: Reader::open(layer)?,
            verbatim: Vec::new(),
            position: 0,
            payload: 0,
            ended: false,
            notes: Notes::default(),
            failure: None,
        })
    }

    /// To be called when a header was read and nothing behind it: what is said of that entry, and the number of a record after all
    /// that happened until it stood, and before all that happened later.
    pub fn notes(&mut self) -> Result<(Notes, u64), RecipeError> {
        if self.position == self.verbatim.len() && self.payload == 0 {
            self.advance()?;
        }
        Ok((std::mem::take(&mut self.notes), self.reader.number()))
    }

    /// The reason of an error that this source gave.
    pub fn failure(&mut self) -> Option<RecipeError> {
        self.failure.take()
    }

    /// Reads on to the next bytes.
    fn advance(&mut self) -> Result<(), RecipeError> {
        while !self.ended && self.payload == 0 {
            match self.reader.next()? {
                Record::Verbatim(bytes) => {
                    self.verbatim.clear();
                    self.verbatim.extend_from_slice(bytes);
                    self.position = 0;
                    break;
                }
                Record::Payload { pieces, .. } => {
                    let total = pieces.iter().try_fold(0u64, |sum, (_, length)| sum.checked_add(*length));
                    self.payload = total.ok_or(RecipeError::Damaged)?;
                }
                Record::Through(place) => self.notes.place = Some(place.to_vec()),
                Record::Opaque(place) => self.notes.opaque.push(place.to_vec()),
                Record::Replaced { .. } => {}
                Record::End { .. } => self.ended = true,
            }
        }
        Ok(())
    }
}

impl BufRead for Skeleton {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.verbatim.len()
            && self.payload == 0
            && let Err(error) = self.advance()
        {
            let text = io::Error::other(error.to_string());
            self.failure = Some(error);
            return Err(text);
        }
        if self.position < self.verbatim.len() {
            return Ok(&self.verbatim[self.position..]);
        }
        Ok(&ZEROS[..self.payload.min(ZEROS.len() as u64) as usize])
    }

    fn consume(&mut self, amount: usize) {
        if self.position < self.verbatim.len() {
            self.position += amount;
        } else {
            self.payload -= amount as u64;
        }
    }
}

impl Read for Skeleton {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

impl Source for Skeleton {
    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let available = self.fill_buf()?.len() as u64;
            if available == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // Content is passed over at once, however much it is.
            if self.position == self.verbatim.len() {
                let passed = count.min(self.payload);
                self.payload -= passed;
                count -= passed;
            } else {
                let passed = count.min(available);
                self.position += passed as usize;
                count -= passed;
            }
        }
        Ok(())
    }
}
