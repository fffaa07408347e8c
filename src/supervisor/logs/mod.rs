//! What containers print: kept as they wrote it, one file a stream, with an index of times beside it.
//!
//! ```text
//! <container>/log/stdout.log    the bytes, nothing added
//! <container>/log/stdout.idx    16 bytes a record, little endian: u64 offset, u64 nanoseconds since the epoch
//! <container>/log/*.1           the same before the latest rotation
//! ```
//!
//! While no supervisor lives, a FIFO keeps what is printed for as long as the container has it open: of a container that ends
//! before a new supervisor has come, what was still in the pipe is lost.
//!
//! A record says that the bytes from its offset on arrived at its time; it is written before them, so that every byte has
//! one however the writer ends. Of two records with one offset the later counts. Raw files let the writer move data from pipe to
//! file inside the kernel ([`crate::sys::pipe::splice_to_file`]); lines, times and order are put together by the
//! reader, who comes seldom.

pub(crate) mod index;
pub(super) mod pump;
pub mod reader;
mod segment;
mod text_copy;
pub(super) mod writer;

pub use reader::{Line, LogError, Options, Reader, Stream, open};
