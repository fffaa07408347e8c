//! gzip (RFC 1952) by all processors: a stream is cut into blocks, each is deflated by itself, with the end of the one before as its
//! dictionary, up to a byte boundary, and what comes out follows one another in one member. The same content gives the same bytes on
//! any machine.

use flate2::{Compress, Compression, Crc, FlushCompress};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Bytes of content in a block.
const BLOCK: usize = 256 * 1024;
/// What a block can refer back to.
const WINDOW: usize = 32 * 1024;
/// More would wait for whoever takes what comes out.
const MOST_WORKERS: usize = 8;
/// No name, no time, no word of the level or the system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// A last block without content, in the fixed code of RFC 1951.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Compresses what is written to it. What was written last is there after [`GzipWriter::finish`] only.
pub struct GzipWriter<W: Write> {
    out: W,
    level: Compression,
    block: Block,
    checksum: Crc,
    /// Started when there is more than one block.
    workers: Option<Workers>,
    /// Blocks on their way, in their order.
    pending: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    begun: bool,
}

impl<W: Write> GzipWriter<W> {
    pub fn new(out: W, level: Compression) -> Self {
        let (block, checksum, pending) = (Block::default(), Crc::new(), VecDeque::new());
        Self { out, level, block, checksum, workers: None, pending, begun: false }
    }

    /// Writes what is left and the end; gives the inner writer back.
    pub fn finish(mut self) -> io::Result<W> {
        let last = std::mem::take(&mut self.block);
        let last = match last.content.is_empty() {
            true => Vec::new(),
            // This thread has nothing else to do.
            false => last.deflated(&mut Compress::new(self.level, false))?,
        };
        while !self.pending.is_empty() {
            self.take_oldest()?;
        }
        self.put(&last)?;
        self.put(&LAST_BLOCK)?;
        let (sum, amount) = (self.checksum.sum(), self.checksum.amount());
        self.put(&[sum.to_le_bytes(), amount.to_le_bytes()].concat())?;
        Ok(self.out)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let workers = match &mut self.workers {
            Some(workers) => workers,
            none => none.insert(Workers::start(self.level)?),
        };
        let next = self.block.next();
        let block = std::mem::replace(&mut self.block, next);
        let limit = workers.threads.len() + 1;
        self.pending.push_back(workers.deflate(block)?);
        while self.pending.len() > limit {
            self.take_oldest()?;
        }
        Ok(())
    }

    fn take_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.pending.pop_front() else { return Ok(()) };
        let deflated = oldest.recv().map_err(|_| io::Error::other("a thread that compresses has ended"))??;
        self.put(&deflated)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            self.out.write_all(&HEADER)?;
        }
        self.out.write_all(bytes)
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.content.len() == BLOCK {
            self.hand_over()?;
        }
        let taken = bytes.len().min(BLOCK - self.block.content.len());
        self.block.content.extend_from_slice(&bytes[..taken]);
        self.checksum.update(&bytes[..taken]);
        Ok(taken)
    }

    /// A block is not cut short for that.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[derive(Default)]
struct Block {
    /// What came before, [`WINDOW`] bytes at most.
    dictionary: Vec<u8>,
    content: Vec<u8>,
}

impl Block {
    /// The one that follows when this one is full.
    fn next(&self) -> Self {
        let dictionary = self.content[self.content.len().saturating_sub(WINDOW)..].to_vec();
        Self { dictionary, content: Vec::with_capacity(BLOCK) }
    }

    /// Blocks of RFC 1951, of which none is the last, up to a byte boundary.
    fn deflated(&self, compress: &mut Compress) -> io::Result<Vec<u8>> {
        compress.reset();
        if !self.dictionary.is_empty() {
            compress.set_dictionary(&self.dictionary).map_err(io::Error::other)?;
        }
        let mut out = Vec::with_capacity(self.content.len() / 2 + 1024);
        loop {
            let done = usize::try_from(compress.total_in()).map_err(io::Error::other)?;
            let rest = &self.content[done..];
            compress.compress_vec(rest, &mut out, FlushCompress::Sync).map_err(io::Error::other)?;
            // Room that is left says that nothing waits for more.
            if compress.total_in() == self.content.len() as u64 && out.len() < out.capacity() {
                return Ok(out);
            }
            out.reserve(self.content.len() / 4 + 1024);
        }
    }
}

type Job = (Block, SyncSender<io::Result<Vec<u8>>>);

/// Threads that deflate blocks; they end with this.
struct Workers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    fn start(level: Compression) -> io::Result<Self> {
        let (jobs, next) = channel::<Job>();
        let next = Arc::new(Mutex::new(next));
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
        let mut workers = Self { jobs: Some(jobs), threads: Vec::new() };
        for _ in 0..count {
            let next = Arc::clone(&next);
            let work = move || {
                let mut compress = Compress::new(level, false);
                let job = || next.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok((block, reply)) = job() {
                    // Who does not wait any more has failed elsewhere.
                    let _ = reply.send(block.deflated(&mut compress));
                }
            };
            workers.threads.push(Builder::new().name("gzip".to_owned()).spawn(work)?);
        }
        Ok(workers)
    }

    fn deflate(&self, block: Block) -> io::Result<Receiver<io::Result<Vec<u8>>>> {
        let (reply, answer) = sync_channel(1);
        let sent = self.jobs.as_ref().map(|jobs| jobs.send((block, reply)));
        match sent {
            Some(Ok(())) => Ok(answer),
            Some(Err(_)) | None => Err(io::Error::other("no thread is there that compresses")),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic of it was told as a lost answer.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::bufread::GzDecoder;
    use std::io::Read;

    /// Half noise, half text, by a generator of its own.
    fn content(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            match state >> 63 {
                0 => bytes.extend_from_slice(b"the same words again and again, "),
                _ => bytes.extend_from_slice(&state.to_be_bytes()),
            }
        }
        bytes.truncate(length);
        bytes
    }

    fn packed(content: &[u8], piece: usize) -> Vec<u8> {
        let mut writer = GzipWriter::new(Vec::new(), Compression::default());
        content.chunks(piece.max(1)).for_each(|piece| writer.write_all(piece).unwrap());
        writer.finish().unwrap()
    }

    #[test]
    fn one_member_gives_the_content_back() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 12_345] {
            let content = content(length);
            let packed = packed(&content, 70_001);
            let (mut plain, mut decoder) = (Vec::new(), GzDecoder::new(packed.as_slice()));
            decoder.read_to_end(&mut plain).unwrap();
            assert!(plain == content, "{length} bytes");
            assert!(decoder.into_inner().is_empty(), "one member, and nothing behind it: {length}");
        }
    }

    #[test]
    fn how_it_is_written_changes_no_byte() {
        let content = content(3 * BLOCK + 5);
        assert!(packed(&content, 4096) == packed(&content, content.len()));
    }

    #[test]
    fn it_is_hardly_larger_than_by_one_thread() {
        let content = content(8 * BLOCK);
        let mut one = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
        one.write_all(&content).unwrap();
        let (one, many) = (one.finish().unwrap().len(), packed(&content, BLOCK).len());
        assert!(many * 100 < one * 101, "{many} for {one}");
    }

    #[test]
    fn a_writer_that_fails_ends_it() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = GzipWriter::new(Full(100_000), Compression::default());
        let error = writer.write_all(&content(20 * BLOCK)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
