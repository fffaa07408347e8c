//! Reading tar: ustar, PAX and GNU archives as a stream of entries, every ambiguity an error.

use super::header::{BLOCK, Extended, GnuSparse, RawHeader, check_global, sparse_regions};
use std::io::{self, BufRead};

/// What an archive may ask of us before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct NameLimits {
    /// Bytes of a path or a link target.
    pub path: usize,
    /// Bytes of the extended headers of one entry.
    pub extended: u64,
    /// Regions of a sparse file.
    pub regions: usize,
}

impl Default for NameLimits {
    fn default() -> Self {
        // PATH_MAX; room for the largest set of extended attributes a file can have on ext4 and for long names.
        Self { path: 4096, extended: 1 << 20, regions: 1 << 16 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TarError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("archive ends in the middle of an entry")]
    Truncated,
    #[error("not a tar archive: wrong header checksum")]
    Checksum,
    #[error("tar header with a malformed {0}")]
    Field(&'static str),
    #[error("tar header and PAX record give two sizes, {header} and {pax} bytes")]
    SizeDisagrees { header: u64, pax: u64 },
    #[error("global PAX record `{0}` would apply to every entry")]
    Global(String),
    #[error("tar entry of the unknown type {0:?}")]
    Kind(char),
    #[error("tar entry with data that its type does not have")]
    UnexpectedData,
    #[error("name of more than {0} bytes")]
    LongName(usize),
    #[error("extended header of more than {0} bytes")]
    LongExtension(u64),
    #[error("sparse file with a malformed map")]
    Sparse,
}

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    HardLink,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
}

/// One entry; names are bytes as they stand in the archive.
#[derive(Debug, Clone)]
pub struct Entry {
    pub kind: EntryKind,
    pub path: Vec<u8>,
    /// Target of a link.
    pub link: Vec<u8>,
    /// Permission bits, with set-id and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds since the epoch.
    pub mtime: (i64, u32),
    pub device: (u32, u32),
    /// Bytes of data in the archive.
    pub stored: u64,
    /// For a sparse file: where the stored bytes belong, in order, and how long the file is.
    pub sparse: Option<Sparse>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sparse {
    /// Offset and length.
    pub regions: Vec<(u64, u64)>,
    pub size: u64,
}

/// What an archive is read from.
pub trait Source: BufRead {
    /// Passes over bytes; beyond the end it may go unnoticed until the next read.
    fn skip(&mut self, count: u64) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let available = self.fill_buf()?.len() as u64;
            if available == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let passed = available.min(left);
            // No larger than a buffer.
            self.consume(passed as usize);
            left -= passed;
        }
        Ok(())
    }
}

impl Source for &[u8] {}

/// `read` of what has a buffer.
pub(in crate::image) fn read_buffered(source: &mut impl BufRead, into: &mut [u8]) -> io::Result<usize> {
    let available = source.fill_buf()?;
    let length = available.len().min(into.len());
    into[..length].copy_from_slice(&available[..length]);
    source.consume(length);
    Ok(length)
}

/// Reads an archive from front to back.
pub struct TarReader<R> {
    source: R,
    limits: NameLimits,
    /// Bytes of the current entry's data, and then of its padding, still to come.
    data: u64,
    padding: u64,
    /// Bytes of the archive consumed.
    position: u64,
}

impl<R: Source> TarReader<R> {
    pub fn new(source: R, limits: NameLimits) -> Self {
        Self { source, limits, data: 0, padding: 0, position: 0 }
    }

    /// The next entry, `None` at the end. What was not read of the entry before is skipped.
    pub fn entry(&mut self) -> Result<Option<Entry>, TarError> {
        self.skip_rest()?;
        let mut extended = Extended::default();
        let mut seen = false;
        loop {
            let Some(block) = self.block()? else {
                return if seen { Err(TarError::Truncated) } else { Ok(None) };
            };
            let Some(header) = RawHeader::parse(block)? else {
                return if seen { Err(TarError::Truncated) } else { Ok(None) };
            };
            match header.kind() {
                b'x' => extended.apply(&self.extension(&header)?)?,
                b'g' => check_global(&self.extension(&header)?)?,
                b'L' => extended.path = Some(self.long_name(&header)?),
                b'K' => extended.link = Some(self.long_name(&header)?),
                // A volume label says nothing about files.
                b'V' => self.skip(padded(header.size()?))?,
                _ => return self.finish(&header, extended).map(Some),
            }
            seen = true;
        }
    }

    pub fn source_mut(&mut self) -> &mut R {
        &mut self.source
    }

    /// Byte offset in the archive of what is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of the current entry's data not read yet.
    pub fn remaining(&self) -> u64 {
        self.data
    }

    /// Gives at most `limit` bytes of the current entry's data to `take`, piece by piece, and returns how many.
    pub fn read(&mut self, limit: u64, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> Result<u64, TarError> {
        let wanted = limit.min(self.data);
        let mut left = wanted;
        while left > 0 {
            let chunk = self.source.fill_buf()?;
            if chunk.is_empty() {
                return Err(TarError::Truncated);
            }
            let length = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            take(&chunk[..length])?;
            self.source.consume(length);
            left -= length as u64;
            self.data -= length as u64;
            self.position += length as u64;
        }
        Ok(wanted)
    }

    /// The whole of a small entry.
    pub fn read_all(&mut self, limit: u64) -> Result<Vec<u8>, TarError> {
        if self.data > limit {
            return Err(TarError::LongExtension(limit));
        }
        let mut content = Vec::with_capacity(self.data as usize);
        self.read(u64::MAX, |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(content)
    }

    /// Reads what follows the end of the archive, so that a digest covers all of the stream.
    pub fn drain(&mut self) -> Result<u64, TarError> {
        let mut count = 0;
        loop {
            let length = self.source.fill_buf()?.len();
            if length == 0 {
                return Ok(count);
            }
            self.source.consume(length);
            count += length as u64;
        }
    }

    fn finish(&mut self, header: &RawHeader, extended: Extended) -> Result<Entry, TarError> {
        let stored = extended.stored_size(header.size()?)?;
        let path = extended.path.unwrap_or_else(|| header.name());
        let kind = kind(header, &path)?;
        if stored != 0 && kind != EntryKind::File {
            return Err(TarError::UnexpectedData);
        }
        self.data = stored;
        self.padding = padded(stored) - stored;
        let sparse = match header.kind() {
            b'S' => Some(self.gnu_sparse(header)?),
            _ if extended.sparse.present => Some(self.pax_sparse(extended.sparse)?),
            _ => None,
        };
        let link = extended.link.unwrap_or_else(|| header.link());
        for name in [&path, &link] {
            if name.len() > self.limits.path {
                return Err(TarError::LongName(self.limits.path));
            }
        }
        let device = match kind {
            EntryKind::CharDevice | EntryKind::BlockDevice => header.device()?,
            _ => (0, 0),
        };
        Ok(Entry {
            kind,
            path,
            link,
            mode: header.mode()?,
            uid: id(extended.uid, header.uid(), "uid")?,
            gid: id(extended.gid, header.gid(), "gid")?,
            mtime: extended.mtime.map_or_else(|| header.mtime().map(|seconds| (seconds, 0)), Ok)?,
            device,
            stored: self.data,
            sparse,
            xattrs: extended.xattrs,
        })
    }

    fn gnu_sparse(&mut self, header: &RawHeader) -> Result<Sparse, TarError> {
        if !header.is_gnu() {
            return Err(TarError::Sparse);
        }
        let GnuSparse { mut regions, mut more, size } = header.gnu_sparse()?;
        // Further map blocks stand before the data and are not counted in its size.
        while more {
            let block = self.block()?.ok_or(TarError::Truncated)?;
            regions.extend(sparse_regions(&block[..504])?);
            more = block[504] != 0;
            if regions.len() > self.limits.regions {
                return Err(TarError::Sparse);
            }
        }
        checked(regions, size, self.data)
    }

    fn pax_sparse(&mut self, sparse: super::header::PaxSparse) -> Result<Sparse, TarError> {
        let size = sparse.real_size.ok_or(TarError::Sparse)?;
        let numbers = if sparse.map_in_data { self.sparse_map()? } else { sparse.map };
        if numbers.len() % 2 != 0 || numbers.len() / 2 > self.limits.regions {
            return Err(TarError::Sparse);
        }
        checked(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), size, self.data)
    }

    /// The map of form 1.0: decimal numbers, one a line, the count of regions first, filled up to a block.
    fn sparse_map(&mut self) -> Result<Vec<u64>, TarError> {
        let mut numbers: Vec<u64> = Vec::new();
        let mut wanted = 1;
        let mut digits = String::new();
        while numbers.len() < wanted {
            let mut block = Vec::with_capacity(BLOCK);
            let read = self.read(BLOCK as u64, |bytes| {
                block.extend_from_slice(bytes);
                Ok(())
            })?;
            if read != BLOCK as u64 {
                return Err(TarError::Sparse);
            }
            for byte in block {
                match byte {
                    b'0'..=b'9' if digits.len() < 20 => digits.push(char::from(byte)),
                    b'\n' => {
                        numbers.push(std::mem::take(&mut digits).parse().map_err(|_| TarError::Sparse)?);
                        if numbers.len() == 1 {
                            let count = usize::try_from(numbers[0]).ok().filter(|n| *n <= self.limits.regions);
                            wanted = 1 + 2 * count.ok_or(TarError::Sparse)?;
                        }
                        if numbers.len() == wanted {
                            break;
                        }
                    }
                    _ => return Err(TarError::Sparse),
                }
            }
        }
        Ok(numbers.split_off(1))
    }

    fn extension(&mut self, header: &RawHeader) -> Result<Vec<u8>, TarError> {
        let size = header.size()?;
        if size > self.limits.extended {
            return Err(TarError::LongExtension(self.limits.extended));
        }
        let mut content = vec![0; padded(size) as usize];
        self.fill(&mut content)?;
        content.truncate(size as usize);
        Ok(content)
    }

    fn long_name(&mut self, header: &RawHeader) -> Result<Vec<u8>, TarError> {
        let mut name = self.extension(header)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        if name.contains(&0) { Err(TarError::Field("long name")) } else { Ok(name) }
    }

    fn skip_rest(&mut self) -> Result<(), TarError> {
        let rest = self.data + self.padding;
        self.data = 0;
        self.padding = 0;
        self.skip(rest)
    }

    fn skip(&mut self, count: u64) -> Result<(), TarError> {
        self.source.skip(count).map_err(cut_short)?;
        self.position += count;
        Ok(())
    }

    /// The next block; `None` at the end of the stream, which some writers leave without the blocks of zeros.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        if self.source.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.fill(&mut block)?;
        Ok(Some(block))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), TarError> {
        self.source.read_exact(buffer).map_err(cut_short)?;
        self.position += buffer.len() as u64;
        Ok(())
    }
}

fn cut_short(error: io::Error) -> TarError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => TarError::Truncated,
        _ => TarError::Io(error),
    }
}

/// Regions in order, apart, inside the file, and together as long as the stored data.
fn checked(regions: Vec<(u64, u64)>, size: u64, stored: u64) -> Result<Sparse, TarError> {
    let mut end = 0u64;
    let mut total = 0u64;
    for (offset, length) in &regions {
        let stop =
            offset.checked_add(*length).filter(|stop| *stop <= size && *offset >= end).ok_or(TarError::Sparse)?;
        end = stop;
        total += length;
    }
    if total == stored && i64::try_from(size).is_ok() { Ok(Sparse { regions, size }) } else { Err(TarError::Sparse) }
}

fn kind(header: &RawHeader, path: &[u8]) -> Result<EntryKind, TarError> {
    Ok(match header.kind() {
        // Before POSIX a directory was a file whose name ends so.
        0 if path.ends_with(b"/") => EntryKind::Directory,
        0 | b'0' | b'7' | b'S' => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        other => return Err(TarError::Kind(char::from(other))),
    })
}

/// A user or group id; the highest one means "leave it" to the kernel.
fn id(pax: Option<u64>, header: Result<u64, TarError>, field: &'static str) -> Result<u32, TarError> {
    let value = pax.map_or(header, Ok)?;
    u32::try_from(value).ok().filter(|id| *id != u32::MAX).ok_or(TarError::Field(field))
}

fn padded(size: u64) -> u64 {
    size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64)
}
