//! Images on their way to this machine: where they come from, and what is said meanwhile.

use super::config::Descriptor;
use super::error::ImageError;
use super::layer::Expected;
use std::io::{self, Read, Write};

/// Bytes of a layer between two reports.
pub(super) const STEP: u64 = 256 * 1024;

/// An image that is to be brought here.
pub trait ImageSource: Sync {
    /// What messages call it.
    fn label(&self) -> &str;

    /// Finds out what it consists of; runs on a thread of its own.
    fn resolve(&self) -> Result<Incoming<'_>, ImageError>;

    /// Ends what it waits for, in whatever thread: nobody wants the image any more. It cannot be used after that.
    fn cancel(&self) {}
}

/// Is told, in words, why something of a layer has to be asked for again.
pub type Again = Box<dyn Fn(&str) + Send>;

/// Gives the blobs of an image's layers, to several threads at a time.
pub trait LayerSource: Send + Sync {
    /// The blob of a layer, the lowest being number 0.
    fn open(&self, number: usize, again: Again) -> Result<OpenLayer<'_>, ImageError>;
}

/// A blob about to be read, and what it must turn out to be.
pub struct OpenLayer<'l> {
    pub blob: Box<dyn Read + Send + 'l>,
    pub expected: Expected,
}

/// What an image consists of.
pub struct Incoming<'s> {
    /// Full names it gets.
    pub names: Vec<String>,
    /// Configuration, byte for byte.
    pub config: Vec<u8>,
    /// Its manifest, byte for byte, then indexes that led to it; empty when it came without.
    pub manifests: Vec<Vec<u8>>,
    /// Blobs of the layers, lowest first, and the repository (`host/path`) that has them; empty when unknown.
    pub blobs: Vec<Descriptor>,
    pub repository: Option<String>,
    /// False for what can be made again at any time, and is checked before it is used.
    pub durable: bool,
    pub layers: Box<dyn LayerSource + 's>,
}

/// One thing that happened while images were brought here or sent away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferEvent {
    /// Label of the image.
    pub image: String,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is being asked for.
    Resolving,
    /// Its parts are known.
    Resolved {
        layers: usize,
    },
    /// Twelve digits of a layer's digest, and what became of it.
    Layer {
        layer: String,
        state: LayerState,
    },
    /// The last layer is there; it is being recorded.
    Storing,
    /// Id, or for one that was sent the digest of its manifest.
    Done {
        id: String,
    },
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerState {
    /// It was there already.
    Present,
    /// Another command works on it.
    Waiting,
    /// Its bytes come; `total` when it is known.
    Started { total: Option<u64> },
    /// Bytes that came so far.
    Progress { done: u64 },
    /// The connection failed, and the rest is about to be asked for again.
    Retrying { why: String },
    /// All came, and is where it belongs.
    Done,
}

/// Reports what is written.
pub(super) struct Told<'t, W> {
    pub inner: W,
    tell: &'t dyn Fn(LayerState),
    done: u64,
    told: u64,
}

impl<'t, W> Told<'t, W> {
    pub fn new(inner: W, tell: &'t dyn Fn(LayerState)) -> Self {
        Self { inner, tell, done: 0, told: 0 }
    }
}

impl<W: Write> Write for Told<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.done += written as u64;
        if self.done - self.told >= STEP {
            self.told = self.done;
            (self.tell)(LayerState::Progress { done: self.done });
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
