//! A blob on its way to a registry (distribution specification 1.1, "Pushing blobs").

use super::address::Address;
use super::client::Pace;
use super::error::RegistryError;
use super::repository::Repository;
use super::retry::{Attempts, retrying};
use super::session::{Answer, Ask, To};
use crate::image::Digest;
use std::fmt;
use std::io::{self, Write};
use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE, RANGE};
use ureq::http::{HeaderName, Method};

/// Bytes in a request: few enough to keep for another attempt, enough that answers are not waited for all the time.
const CHUNK: usize = 8 << 20;
/// What a registry may demand instead.
const LARGEST_CHUNK: usize = 64 << 20;

const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// An upload: bytes in, in chunks, then [`Upload::finish`] with the digest. One that is dropped is forgotten by the registry
/// in its own time; [`Upload::cancel`] tells it.
///
/// A chunk that fails is sent again from where the registry says it stopped. A registry that lost what it had, as Docker's does
/// when a connection breaks within a chunk, gives [`RegistryError::UploadLost`], unless all of it is still at hand: the blob
/// has to be sent anew then.
pub struct Upload {
    repository: Repository,
    location: Address,
    /// Not sent yet.
    buffer: Vec<u8>,
    chunk: usize,
    /// Bytes that the registry has.
    sent: u64,
}

impl Upload {
    pub(super) fn begin(repository: Repository) -> Result<Self, RegistryError> {
        let (location, chunk) = start(&repository)?;
        Ok(Self { repository, location, buffer: Vec::new(), chunk, sent: 0 })
    }

    /// See [`Repository::mount_blob`].
    pub(super) fn mount(repository: &Repository, digest: &Digest, from: &str) -> Result<bool, RegistryError> {
        let path =
            format!("/v2/{}/blobs/uploads/?mount={}&from={}", repository.name, digest, super::address::encode(from));
        let mut ask = ask(repository, Method::POST, To::Path(path));
        // Without the right to read there nothing is mounted, and the registry says so by 202.
        ask.scope = format!("{} repository:{from}:pull", ask.scope);
        ask.body = Some(b"");
        let answer = retrying(repository.session.retry_policy(), || repository.session.ask(&ask, &[]))?;
        if answer.status == 201 {
            return Ok(true);
        }
        // An upload was begun instead. Whoever uploads begins another, and the registry forgets this one.
        let location = repository.session.location(&answer)?;
        let _ = repository.session.ask(&self::ask(repository, Method::DELETE, To::Address(&location)), &[]);
        Ok(false)
    }

    /// Sends bytes, or keeps them until there are enough for a chunk.
    pub fn send(&mut self, mut bytes: &[u8]) -> Result<(), RegistryError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.chunk - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == self.chunk {
                self.send_chunk()?;
            }
        }
        Ok(())
    }

    /// Ends the upload. The registry checks the digest.
    pub fn finish(mut self, digest: &Digest) -> Result<(), RegistryError> {
        // A small blob goes in one request, which can be repeated as a whole.
        if self.sent > 0 && !self.buffer.is_empty() {
            self.send_chunk()?;
        }
        let mut attempts = Attempts::new(self.repository.session.retry_policy());
        loop {
            let to = self.location.clone().with("digest", &digest.to_string());
            let mut ask = ask(&self.repository, Method::PUT, To::Address(&to));
            ask.body = Some(&self.buffer);
            let Err(error) = self.repository.session.ask(&ask, &[]).map(drop) else { return Ok(()) };
            attempts.wait(error)?;
            // It may be that only the answer was lost.
            if self.repository.has_blob(digest)?.is_some() {
                return Ok(());
            }
            if self.sent == 0 {
                self.location = start(&self.repository)?.0;
            }
        }
    }

    /// Ends the upload without result.
    pub fn cancel(self) -> Result<(), RegistryError> {
        let ask = ask(&self.repository, Method::DELETE, To::Address(&self.location));
        self.repository.session.ask(&ask, &[404]).map(drop)
    }

    /// Sends the buffer.
    fn send_chunk(&mut self) -> Result<(), RegistryError> {
        let mut attempts = Attempts::new(self.repository.session.retry_policy());
        // Bytes of the buffer that the registry has.
        let mut had = 0;
        loop {
            let (begin, end) = (self.sent + had as u64, self.sent + self.buffer.len() as u64);
            let mut ask = ask(&self.repository, Method::PATCH, To::Address(&self.location));
            ask.headers.push((CONTENT_RANGE, format!("{begin}-{}", end - 1)));
            ask.body = Some(&self.buffer[had..]);
            match self.repository.session.ask(&ask, &[]) {
                Ok(answer) => {
                    self.location = self.repository.session.location(&answer)?;
                    self.sent = end;
                    self.buffer.clear();
                    return Ok(());
                }
                Err(error) => attempts.wait(error)?,
            }
            had = match self.resume() {
                Ok(had) => had,
                Err(_) if self.sent == 0 => {
                    self.location = start(&self.repository)?.0;
                    0
                }
                Err(error) => {
                    let registry = self.repository.session.registry().to_owned();
                    return Err(RegistryError::UploadLost { registry, source: Box::new(error) });
                }
            };
            if had == self.buffer.len() {
                self.sent = end;
                self.buffer.clear();
                return Ok(());
            }
        }
    }

    /// Asks how much of the buffer the registry has, and where to go on.
    fn resume(&mut self) -> Result<usize, RegistryError> {
        let ask = ask(&self.repository, Method::GET, To::Address(&self.location));
        let answer = retrying(self.repository.session.retry_policy(), || self.repository.session.ask(&ask, &[]))?;
        let known = received(&answer).ok_or_else(|| self.repository.malformed("an upload without range"))?;
        let had = known.checked_sub(self.sent).and_then(|had| usize::try_from(had).ok());
        let had = had.filter(|had| *had <= self.buffer.len());
        let had = had.ok_or_else(|| self.repository.malformed("an upload with other bytes than were sent"))?;
        self.location = self.repository.session.location(&answer)?;
        Ok(had)
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)?;
        Ok(bytes.len())
    }

    /// Chunks have their size: nothing to do before the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({} bytes to {:?})", self.sent, self.repository)
    }
}

/// Begins an upload: its location, and the size of its chunks.
fn start(repository: &Repository) -> Result<(Address, usize), RegistryError> {
    let path = format!("/v2/{}/blobs/uploads/", repository.name);
    let mut ask = ask(repository, Method::POST, To::Path(path));
    ask.body = Some(b"");
    let answer = retrying(repository.session.retry_policy(), || repository.session.ask(&ask, &[]))?;
    let least = answer.header(CHUNK_MIN_LENGTH).and_then(|least| least.parse::<usize>().ok()).unwrap_or(0);
    if least > LARGEST_CHUNK {
        return Err(repository.malformed("a chunk size beyond reason"));
    }
    Ok((repository.session.location(&answer)?, CHUNK.max(least)))
}

fn ask<'a>(repository: &Repository, method: Method, to: To<'a>) -> Ask<'a> {
    let headers = match method {
        Method::PATCH | Method::PUT => vec![(CONTENT_TYPE, "application/octet-stream".to_owned())],
        _ => Vec::new(),
    };
    Ask {
        method,
        to,
        headers,
        body: None,
        scope: repository.scope("pull,push"),
        pace: Pace::Patient,
        what: format!("an upload to `{}`", repository.name),
    }
}

/// Bytes of an upload that a registry has. It cannot say "one" in another way than "none"; chunks are larger than that.
fn received(answer: &Answer) -> Option<u64> {
    let (_, last) = answer.header(RANGE)?.trim().trim_start_matches("bytes=").split_once('-')?;
    match last.parse::<u64>().ok()? {
        0 => Some(0),
        last => last.checked_add(1),
    }
}
