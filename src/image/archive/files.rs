//! The named files of an image archive, wherever they lie: in a tar, or in a directory.

use super::ArchiveError;
use super::tar::{EntryKind, NameLimits, Source, TarReader};
use crate::image::compression::{Compression, decompress};
use crate::image::digest::Digest;
use crate::sys::dir::{Dir, ReadError};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Entries of an archive of images: files of layers are not among them, so that this is plenty.
const MAX_ENTRIES: usize = 100_000;
/// Links to links, as Docker's archives share layers by.
const MAX_LINKS: usize = 8;

/// Where an archive comes from.
pub enum Input<'a> {
    /// A file or the directory of an OCI layout.
    Path(&'a Path),
    /// Standard input, say.
    Stream(Box<dyn Read + Send + 'a>),
}

/// Files by name.
pub(super) enum Files {
    Tar { file: Arc<File>, members: HashMap<Vec<u8>, Member> },
    Directory(Dir),
}

pub(super) enum Member {
    /// Offset and length in the archive.
    Data(u64, u64),
    Link(Vec<u8>),
}

impl Files {
    /// Opens an archive. What is compressed or no file is first written to an unnamed file in `scratch`.
    pub fn open(input: Input<'_>, scratch: &Path) -> Result<Self, ArchiveError> {
        let file = match input {
            Input::Path(path) => {
                let file = File::open(path)?;
                let metadata = file.metadata()?;
                if metadata.is_dir() {
                    return Ok(Self::Directory(Dir::from_fd(file.into())));
                }
                match metadata.is_file() && is_plain(&file)? {
                    true => file,
                    false => spool(file, scratch)?,
                }
            }
            Input::Stream(stream) => spool(stream, scratch)?,
        };
        let file = Arc::new(file);
        Ok(Self::Tar { members: index(&file)?, file })
    }

    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Tar { .. } => self.locate(name).is_ok(),
            Self::Directory(dir) => dir.open_regular(name.as_bytes()).is_ok(),
        }
    }

    /// A stream of a file's content, and its size.
    pub fn stream(&self, name: &str) -> Result<(Box<dyn Read + Send>, u64), ArchiveError> {
        match self {
            Self::Tar { file, .. } => {
                let (offset, length) = self.locate(name)?;
                Ok((Box::new(Range { file: file.clone(), position: offset, end: offset + length }), length))
            }
            Self::Directory(dir) => {
                let file = dir.open_regular(name.as_bytes()).map_err(|e| absent_or(name, e))?;
                let size = file.metadata()?.len();
                Ok((Box::new(file), size))
            }
        }
    }

    /// The whole of a small file.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let (mut stream, size) = self.stream(name)?;
        if size > limit {
            return Err(ArchiveError::LargeFile { name: name.into(), limit });
        }
        let mut content = Vec::with_capacity(size as usize);
        stream.read_to_end(&mut content)?;
        Ok(content)
    }

    /// A blob of an OCI layout, checked against its descriptor.
    pub fn blob(&self, digest: &Digest, size: u64, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let content = self.read(&blob_name(digest), limit)?;
        let found = Digest::of(&content);
        if content.len() as u64 != size || found != *digest {
            return Err(ArchiveError::BlobMismatch { digest: digest.clone() });
        }
        Ok(content)
    }

    fn locate(&self, name: &str) -> Result<(u64, u64), ArchiveError> {
        let absent = || ArchiveError::MissingFile(name.to_owned());
        let Self::Tar { members, .. } = self else { return Err(absent()) };
        let mut current = clean(&[], name.as_bytes()).ok_or_else(absent)?;
        for _ in 0..MAX_LINKS {
            match members.get(&current).ok_or_else(absent)? {
                Member::Data(offset, length) => return Ok((*offset, *length)),
                Member::Link(target) => current = target.clone(),
            }
        }
        Err(absent())
    }
}

/// Name of a blob in an OCI layout.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn absent_or(name: &str, error: ReadError) -> ArchiveError {
    match error {
        ReadError::Io(e) if e.kind() != io::ErrorKind::NotFound => ArchiveError::Io(e),
        _ => ArchiveError::MissingFile(name.to_owned()),
    }
}

fn is_plain(file: &File) -> io::Result<bool> {
    let mut start = [0; 6];
    let length = file.read_at(&mut start, 0)?;
    Ok(matches!(Compression::detect(&start[..length]), Ok(Compression::None)))
}

/// Writes the plain content to a file without a name, which vanishes with its last descriptor.
fn spool(stream: impl Read + Send, scratch: &Path) -> Result<File, ArchiveError> {
    let (_, mut plain) = decompress(stream)?;
    std::fs::create_dir_all(scratch)?;
    let mut file = crate::sys::dir::unnamed_file(scratch)?;
    io::copy(&mut plain, &mut file)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn index(file: &Arc<File>) -> Result<HashMap<Vec<u8>, Member>, ArchiveError> {
    let end = file.metadata()?.len();
    let mut reader = TarReader::new(
        Seeking(BufReader::with_capacity(4096, Range { file: file.clone(), position: 0, end })),
        NameLimits::default(),
    );
    let mut members = HashMap::new();
    while let Some(entry) = reader.entry().map_err(ArchiveError::Tar)? {
        let Some(name) = clean(&[], &entry.path) else { continue };
        let member = match entry.kind {
            EntryKind::File if entry.sparse.is_none() => Member::Data(reader.position(), entry.stored),
            EntryKind::HardLink => match clean(&[], &entry.link) {
                Some(target) => Member::Link(target),
                None => continue,
            },
            EntryKind::Symlink => match clean(parent(&name), &entry.link) {
                Some(target) => Member::Link(target),
                None => continue,
            },
            _ => continue,
        };
        members.insert(name, member);
        if members.len() > MAX_ENTRIES {
            return Err(ArchiveError::ManyFiles(MAX_ENTRIES));
        }
    }
    Ok(members)
}

fn parent(name: &[u8]) -> &[u8] {
    name.iter().rposition(|b| *b == b'/').map_or(&[], |at| &name[..at])
}

/// A name joined to a directory of the archive, without `.`, `..` and needless slashes; `None` when it leads out.
fn clean(base: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let base: &[u8] = if name.starts_with(b"/") { &[] } else { base };
    for part in base.split(|b| *b == b'/').chain(name.split(|b| *b == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// Part of a file; several can be read at once.
struct Range {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Read for Range {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = (self.end - self.position).min(buffer.len() as u64) as usize;
        let read = self.file.read_at(&mut buffer[..wanted], self.position)?;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += read as u64;
        Ok(read)
    }
}

/// Passes over members without reading them.
struct Seeking(BufReader<Range>);

impl Source for Seeking {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        let buffered = self.0.buffer().len() as u64;
        if count <= buffered {
            io::BufRead::consume(&mut self.0, count as usize);
            return Ok(());
        }
        io::BufRead::consume(&mut self.0, buffered as usize);
        let range = self.0.get_mut();
        range.position = range.position.saturating_add(count - buffered);
        if range.position > range.end { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

impl Read for Seeking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl io::BufRead for Seeking {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_archive() {
        assert_eq!(clean(b"a/b", b"../c").unwrap(), b"a/c");
        assert_eq!(clean(b"a", b"/c/./d").unwrap(), b"c/d");
        assert_eq!(clean(b"a", b"../../c"), None);
    }
}
