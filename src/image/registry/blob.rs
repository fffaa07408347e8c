//! A blob as a stream that survives broken connections.

use super::error::{RegistryError, transport_error};
use super::repository::Repository;
use super::retry::Attempts;
use super::session::{Answer, Ask};
use crate::image::Digest;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read};
use ureq::BodyReader;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};

/// Reads a blob from a registry.
///
/// When the connection breaks, stalls, ends early, or the server fails, the rest is asked for again, a limited number of times
/// without a single byte in between. Every error of a read is a [`RegistryError`] within (see [`RegistryError::of`]).
///
/// The end is reached only when size and digest are right; a wrong digest is an error in place of the end, and never retried.
/// So whoever uses the bytes before the end must be able to take that back.
pub struct Blob {
    repository: Repository,
    digest: Digest,
    size: u64,
    state: State,
    done: u64,
    /// `None` between connections, and after the end.
    body: Option<Connection>,
    attempts: Attempts,
    /// Is told why something is tried again.
    again: Option<Again>,
}

/// Is told why the rest of a blob is asked for again.
pub type Again = Box<dyn Fn(&RegistryError) + Send>;

enum State {
    Reading(Sha256),
    /// All bytes were read. A reader that goes on after an error gets it again.
    Read {
        found: Digest,
        more: bool,
    },
}

struct Connection {
    host: String,
    reader: BodyReader<'static>,
}

impl Blob {
    pub(super) fn open(
        repository: Repository,
        digest: Digest,
        size: u64,
        again: Option<Again>,
    ) -> Result<Self, RegistryError> {
        let attempts = Attempts::new(repository.session.retry_policy());
        let state = State::Reading(Sha256::new());
        let mut blob = Self { repository, digest, size, state, done: 0, body: None, attempts, again };
        // Now, so that what is not there is not found out in the middle of something.
        blob.connect_patiently()?;
        Ok(blob)
    }

    /// Size of the whole blob.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that were read.
    pub fn position(&self) -> u64 {
        self.done
    }

    fn registry(&self) -> &str {
        self.repository.session.registry()
    }

    fn connect_patiently(&mut self) -> Result<(), RegistryError> {
        while self.body.is_none() {
            match self.connect() {
                Ok(connection) => self.body = Some(connection),
                Err(error) => self.wait(error)?,
            }
        }
        Ok(())
    }

    fn wait(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        let again = self.again.as_ref();
        self.attempts.wait_telling(error, &|error| again.into_iter().for_each(|again| again(error)))
    }

    /// Asks for what is missing.
    fn connect(&self) -> Result<Connection, RegistryError> {
        let mut ask = self.repository.blob_ask(&self.digest);
        if self.done > 0 {
            ask.headers.push((RANGE, format!("bytes={}-", self.done)));
        }
        let answer = self.repository.session.ask(&ask, &[416])?;
        let skip = self.check(&ask, &answer)?;
        let host = answer.address.host_and_port();
        let mut reader = answer.body.into_reader();
        let skipped = io::copy(&mut (&mut reader).take(skip), &mut io::sink());
        match skipped.map_err(|error| transport_error(error.into(), &host, self.registry()))? == skip {
            true => Ok(Connection { host, reader }),
            false => Err(RegistryError::Broken { host, source: io::ErrorKind::UnexpectedEof.into() }),
        }
    }

    /// Bytes at the beginning of an answer that are known already.
    fn check(&self, ask: &Ask<'_>, answer: &Answer) -> Result<u64, RegistryError> {
        let wrong = |found| RegistryError::WrongSize { what: ask.what.clone(), expected: self.size, found };
        let length: Option<u64> = answer.header(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        if answer.status == 416 {
            return Err(wrong(self.done));
        }
        if answer.status == 206 {
            let range = answer.header(CONTENT_RANGE).and_then(ContentRange::parse);
            let range = range.ok_or_else(|| self.repository.malformed("a part without its range"))?;
            if range.begin != self.done {
                return Err(self.repository.malformed("another part than was asked for"));
            }
            return range.total.filter(|total| *total != self.size).map_or(Ok(0), |total| Err(wrong(total)));
        }
        // The whole: the server knows no ranges, or was not asked for one. A shorter one may have been cut by something on
        // the way, and the rest is asked for.
        length.filter(|length| *length > self.size).map_or(Ok(self.done), |length| Err(wrong(length)))
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, RegistryError> {
        let left = usize::try_from(self.size - self.done).unwrap_or(usize::MAX).min(buffer.len());
        loop {
            self.connect_patiently()?;
            let Some(Connection { host, reader }) = &mut self.body else { unreachable!("connected above") };
            let source = match reader.read(&mut buffer[..left]) {
                Ok(0) => io::ErrorKind::UnexpectedEof.into(),
                Ok(read) => {
                    self.attempts.progress();
                    self.done += read as u64;
                    if let State::Reading(hash) = &mut self.state {
                        hash.update(&buffer[..read]);
                    }
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let error = transport_error(source.into(), host, self.repository.session.registry());
            self.body = None;
            self.wait(error)?;
        }
    }

    /// Checks what came.
    fn end(&mut self) -> Result<(), RegistryError> {
        if let State::Reading(hash) = &mut self.state {
            // Whatever is wrong with the connection now no longer matters, but for bytes that should not be there. Reading
            // the end also frees the connection for others.
            let more = self.body.take().map(|mut body| body.reader.read(&mut [0]));
            let found = Digest::from_hash(std::mem::take(hash));
            self.state = State::Read { found, more: matches!(more, Some(Ok(1..))) };
        }
        let what = || self.repository.blob_name(&self.digest);
        match &self.state {
            State::Read { more: true, .. } => {
                Err(RegistryError::WrongSize { what: what(), expected: self.size, found: self.size + 1 })
            }
            State::Read { found, .. } if *found != self.digest => {
                Err(RegistryError::WrongDigest { what: what(), expected: self.digest.clone(), found: found.clone() })
            }
            State::Read { .. } | State::Reading(_) => Ok(()),
        }
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.done == self.size {
            self.end()?;
            return Ok(0);
        }
        let read = self.read_some(buffer)?;
        Ok(read)
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} of {:?}, {} of {} bytes)", self.digest, self.repository, self.done, self.size)
    }
}

/// `bytes 10-99/100`, or `/*`.
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    begin: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(value: &str) -> Option<Self> {
        let (range, total) = value.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
        let (begin, _) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        Some(Self { begin: begin.trim().parse().ok()?, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(ContentRange::parse("bytes 10-99/100"), Some(ContentRange { begin: 10, total: Some(100) }));
        assert_eq!(ContentRange::parse("bytes 0-0/*"), Some(ContentRange { begin: 0, total: None }));
        for bad in ["", "bytes */100", "10-99/100", "bytes 10/100", "bytes a-b/c", "bytes 1-2"] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }
}
