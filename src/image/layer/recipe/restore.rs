//! Making the archive again.

use super::replaced::Fate;
use super::{Reader, RecipeError, Record, Replaced, SPARE};
use crate::image::digest::{Digest, Hashing};
use crate::image::layer::DIFF;
use crate::sys::dir::{Dir, ReadError};
use flate2::Crc;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

const BUFFER: usize = 256 * 1024;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub diff_id: Digest,
    /// Bytes of the uncompressed archive.
    pub size: u64,
}

/// Writes the uncompressed archive that the layer in this directory was unpacked from.
///
/// # Errors
/// A file that is missing, or is not what was unpacked, ends it: what was written until then is of no use.
pub fn restore(layer: &Path, out: impl Write) -> Result<Restored, RecipeError> {
    let layer = Dir::open(layer).map_err(RecipeError::Layer)?;
    let (expected, restored) = replay(&layer, out, Err)?;
    if expected != restored.diff_id {
        return Err(RecipeError::DiffId { expected, found: restored.diff_id });
    }
    Ok(restored)
}

/// Writes the archive, asks `fault` about every file that is not as it should be, and goes on if that allows it. Returns the
/// digest that the recipe states, and what came out.
pub(in crate::image::layer) fn replay(
    layer: &Dir,
    out: impl Write,
    mut fault: impl FnMut(RecipeError) -> Result<(), RecipeError>,
) -> Result<(Digest, Restored), RecipeError> {
    let mut out = Hashing::new(out);
    let mut payloads = Payloads::open(layer)?;
    let mut reader = Reader::open(layer)?;
    loop {
        let at = reader.number() + 1;
        match reader.next()? {
            Record::Verbatim(bytes) => out.write_all(bytes).map_err(RecipeError::Write)?,
            Record::Payload { place, crc, pieces } => match payloads.copy(place, at, crc, pieces, &mut out) {
                Err(error @ RecipeError::Write(_)) => return Err(error),
                Err(error) => fault(error)?,
                Ok(()) => {}
            },
            Record::Replaced { .. } | Record::Through(_) | Record::Opaque(_) => {}
            Record::End { diff_id: expected, size: _ } => {
                out.flush().map_err(RecipeError::Write)?;
                let (diff_id, size) = out.finish();
                return Ok((expected, Restored { diff_id, size }));
            }
        }
    }
}

/// The content of files of a layer, where it is now.
pub(in crate::image::layer) struct Payloads {
    diff: Dir,
    spare: Option<Dir>,
    replaced: Replaced,
    /// The directory used last.
    parent: Option<(Vec<u8>, Dir)>,
    buffer: Vec<u8>,
}

impl Payloads {
    pub fn open(layer: &Dir) -> Result<Self, RecipeError> {
        let diff = layer.open_dir(DIFF).map_err(RecipeError::Layer)?;
        let spare = match layer.open_dir(SPARE) {
            Ok(spare) => Some(spare),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(RecipeError::Layer(e)),
        };
        // Without spares, all is where it was put.
        let replaced = if spare.is_some() { Replaced::collect(layer)? } else { Replaced::none() };
        Ok(Self { diff, spare, replaced, parent: None, buffer: vec![0; BUFFER] })
    }

    fn copy(
        &mut self,
        place: &[u8],
        at: u64,
        expected: u32,
        pieces: &[(u64, u64)],
        out: &mut impl Write,
    ) -> Result<(), RecipeError> {
        let path = || place.escape_ascii().to_string();
        let file = self.open_file(place, at).map_err(|error| match error {
            ReadError::Io(source) if gone(&source) => RecipeError::Missing { path: path() },
            ReadError::Io(source) => RecipeError::File { path: path(), source },
            ReadError::NotRegular | ReadError::TooLarge { .. } => RecipeError::Content { path: path() },
        })?;
        let mut crc = Crc::new();
        for (offset, length) in pieces {
            let mut done = 0;
            while done < *length {
                let wanted = (length - done).min(BUFFER as u64) as usize;
                let chunk = &mut self.buffer[..wanted];
                file.read_exact_at(chunk, offset + done).map_err(|source| match source.kind() {
                    io::ErrorKind::UnexpectedEof => RecipeError::Content { path: path() },
                    _ => RecipeError::File { path: path(), source },
                })?;
                crc.update(chunk);
                out.write_all(chunk).map_err(RecipeError::Write)?;
                done += wanted as u64;
            }
        }
        if crc.sum() == expected { Ok(()) } else { Err(RecipeError::Content { path: path() }) }
    }

    /// Opens what the record `at` put at `place`.
    fn open_file(&mut self, place: &[u8], at: u64) -> Result<File, ReadError> {
        match self.replaced.fate(place, at) {
            None => {
                let (parent, name) = split(place)?;
                if self.parent.as_ref().is_none_or(|(path, _)| path != parent) {
                    self.parent = Some((parent.to_vec(), self.diff.beneath(parent)?));
                }
                self.parent.as_ref().map_or(&self.diff, |(_, dir)| dir).open_file(&name)
            }
            Some(Fate::Removed) => Err(io::Error::from(io::ErrorKind::NotFound).into()),
            Some(Fate::Moved { number, rest }) => {
                let spare = self.spare.as_ref().ok_or(io::Error::from(io::ErrorKind::NotFound))?;
                let mut path = number.to_string().into_bytes();
                if !rest.is_empty() {
                    path.push(b'/');
                    path.extend(rest);
                }
                let (parent, name) = split(&path)?;
                spare.beneath(parent)?.open_file(&name)
            }
        }
    }
}

/// Directory and name of a place.
fn split(place: &[u8]) -> io::Result<(&[u8], CString)> {
    let (parent, name) = match place.iter().rposition(|b| *b == b'/') {
        Some(at) => (&place[..at], &place[at + 1..]),
        None => (&place[..0], place),
    };
    Ok((parent, CString::new(name)?))
}

/// Nothing of that path, or something else on the way.
fn gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
        || error.kind() == io::ErrorKind::NotFound
}
