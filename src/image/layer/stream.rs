//! The two halves of unpacking: one thread reads and inflates, the other consumes.

use super::{LayerError, Limits, Unpacked};
use crate::image::archive::tar::read_buffered;
use crate::image::compression::{self, Compression, CompressionError};
use crate::image::digest::{Digest, Hashing};
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

const CHUNK: usize = 256 * 1024;
/// Chunks on the way: enough to keep both threads busy while one of them waits for the disk.
const QUEUE: usize = 6;

/// What consuming an archive found.
pub(super) struct Extracted {
    pub entries: u64,
    pub opaque: bool,
}

type Piece = Result<Vec<u8>, StreamError>;

/// Why the stream ended early; carried through `io::Error`, as all that reads it speaks that.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error(transparent)]
    Compression(#[from] CompressionError),
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    #[error("larger than {0} times its compressed size")]
    Ratio(u64),
}

/// Runs `consume` on the plain content of `source`, and returns digests of both its forms.
pub(super) fn pipeline<F>(source: impl Read + Send, limits: &Limits, consume: F) -> Result<Unpacked, LayerError>
where
    F: FnOnce(&mut Chunks) -> Result<Extracted, LayerError>,
{
    let (send, receive) = sync_channel(QUEUE);
    let (give_back, spare) = channel();
    let packed = Arc::new(AtomicBool::new(false));
    let told = packed.clone();
    std::thread::scope(|scope| {
        let producer = scope.spawn(move || produce(source, limits, &send, &spare, &told));
        let mut chunks = Chunks::new(receive, give_back, packed);
        let result = consume(&mut chunks);
        let reason = chunks.failure.take();
        let size = chunks.count;
        let plain = chunks.finish();
        let produced = producer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // What broke the stream explains better than what the consumer made of the broken stream.
        if let Some(reason) = reason {
            return Err(reason.into());
        }
        let extracted = result?;
        let (compression, blob, blob_size) = produced.ok_or(LayerError::Read(io::ErrorKind::BrokenPipe.into()))?;
        let diff_id = if compression == Compression::None { blob.clone() } else { plain };
        let Extracted { entries, opaque } = extracted;
        Ok(Unpacked { diff_id, blob, blob_size, size, entries, opaque })
    })
}

impl From<StreamError> for LayerError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Read(e) => Self::Read(e),
            StreamError::Compression(e) => Self::Compression(e),
            StreamError::TooLarge(n) => Self::TooLarge(n),
            StreamError::Ratio(n) => Self::Ratio(n),
        }
    }
}

/// Reads, hashes and inflates the source; `None` when it failed or nobody listens any more.
fn produce(
    source: impl Read + Send,
    limits: &Limits,
    send: &SyncSender<Piece>,
    spare: &Receiver<Vec<u8>>,
    packed: &AtomicBool,
) -> Option<(Compression, Digest, u64)> {
    let consumed = AtomicU64::new(0);
    let mut hashing = Hashing::new(Counting { inner: source, count: &consumed });
    let outcome = inflate(&mut hashing, &consumed, limits, send, spare, packed);
    match outcome {
        Ok(compression) => {
            let (digest, size) = hashing.finish();
            compression.map(|compression| (compression, digest, size))
        }
        Err(error) => {
            let _ = send.send(Err(error));
            None
        }
    }
}

fn inflate(
    source: &mut (impl Read + Send),
    consumed: &AtomicU64,
    limits: &Limits,
    send: &SyncSender<Piece>,
    spare: &Receiver<Vec<u8>>,
    packed: &AtomicBool,
) -> Result<Option<Compression>, StreamError> {
    let (compression, mut reader) = compression::decompress(&mut *source)?;
    // Before the first chunk, whose arrival makes it seen.
    packed.store(compression != Compression::None, Ordering::Relaxed);
    let mut total = 0u64;
    loop {
        let mut chunk = spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK));
        chunk.clear();
        if reader.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)? == 0 {
            break;
        }
        total += chunk.len() as u64;
        if total > limits.bytes {
            return Err(StreamError::TooLarge(limits.bytes));
        }
        let packed = consumed.load(Ordering::Relaxed).max(1);
        if compression != Compression::None && total > limits.ratio_from && total / packed > limits.ratio {
            return Err(StreamError::Ratio(limits.ratio));
        }
        if send.send(Ok(chunk)).is_err() {
            return Ok(None);
        }
    }
    drop(reader);
    // Bytes behind the last frame belong to the blob, too.
    io::copy(source, &mut io::sink())?;
    Ok(Some(compression))
}

struct Counting<'a, R> {
    inner: R,
    count: &'a AtomicU64,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The plain stream as the consumer sees it; hashes every chunk that arrives, unless the blob is plain and hashed already.
pub(super) struct Chunks {
    packed: Arc<AtomicBool>,
    receive: Receiver<Piece>,
    give_back: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
    hash: Sha256,
    /// Bytes that came.
    count: u64,
    failure: Option<StreamError>,
}

impl Chunks {
    fn new(receive: Receiver<Piece>, give_back: Sender<Vec<u8>>, packed: Arc<AtomicBool>) -> Self {
        Self {
            packed,
            receive,
            give_back,
            chunk: Vec::new(),
            position: 0,
            hash: Sha256::new(),
            count: 0,
            failure: None,
        }
    }

    /// The next bytes, which [`BufRead::fill_buf`] has shown before.
    pub(super) fn buffered(&self, amount: usize) -> &[u8] {
        &self.chunk[self.position..self.position + amount]
    }

    /// Digest of all chunks that came, of no use when they were not packed; lets the producer go when there are more.
    fn finish(self) -> Digest {
        Digest::from_hash(self.hash)
    }
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.chunk.len() {
            let spent = std::mem::take(&mut self.chunk);
            self.position = 0;
            let _ = self.give_back.send(spent);
            match self.receive.recv() {
                Ok(Ok(chunk)) => {
                    if self.packed.load(Ordering::Relaxed) {
                        self.hash.update(&chunk);
                    }
                    self.count += chunk.len() as u64;
                    self.chunk = chunk;
                }
                Ok(Err(error)) => {
                    let text = io::Error::other(error.to_string());
                    self.failure = Some(error);
                    return Err(text);
                }
                Err(_) => {}
            }
        }
        Ok(&self.chunk[self.position..])
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount;
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}
