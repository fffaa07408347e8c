//! The files of an archive on their way out: into a tar, or into a directory. The same files always give the same bytes.

use super::save::SaveError;
use super::writer::header;
use crate::image::digest::{Digest, Hashing};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tar::EntryType;

/// Size of tar's blocks.
const BLOCK: u64 = 512;
/// Layers are written in small pieces.
const BUFFER: usize = 128 * 1024;

/// Writes the content of a file.
pub(super) type Content<'c> = dyn FnMut(&mut dyn Write) -> Result<(), SaveError> + 'c;

/// Where the files of an archive go.
pub(super) enum Target<'w> {
    Tar { out: &'w mut dyn Write, scratch: &'w Path },
    Directory(&'w Path),
}

impl Target<'_> {
    /// A small file.
    pub fn put(&mut self, name: &str, content: &[u8]) -> Result<(), SaveError> {
        self.stream(name, content.len() as u64, &mut |out| Ok(out.write_all(content)?))
    }

    /// A file whose size is known before.
    pub fn stream(&mut self, name: &str, size: u64, content: &mut Content<'_>) -> Result<(), SaveError> {
        match self {
            Self::Tar { out, .. } => {
                let mut header = header(EntryType::Regular, size, 0o644);
                header.set_path(name)?;
                header.set_cksum();
                out.write_all(header.as_bytes())?;
                let written = counted(out, content)?;
                if written != size {
                    return Err(SaveError::Size { name: name.to_owned(), expected: size, found: written });
                }
                let padding = (BLOCK - size % BLOCK) % BLOCK;
                Ok(out.write_all(&[0; BLOCK as usize][..padding as usize])?)
            }
            Self::Directory(directory) => {
                let path = directory.join(name);
                std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
                counted(&mut File::create(path)?, content).map(drop)
            }
        }
    }

    /// A file that is named by the digest of its content, which is known afterwards; digest and size.
    pub fn blob(
        &mut self,
        name: &dyn Fn(&Digest) -> String,
        content: &mut Content<'_>,
    ) -> Result<(Digest, u64), SaveError> {
        match self {
            Self::Tar { scratch, .. } => {
                let mut file = crate::sys::dir::unnamed_file(scratch)?;
                let (digest, size) = hashed(&mut file, content)?;
                file.seek(SeekFrom::Start(0))?;
                self.stream(&name(&digest), size, &mut |out| Ok(io::copy(&mut file, out).map(drop)?))?;
                Ok((digest, size))
            }
            Self::Directory(directory) => {
                let unfinished: PathBuf = directory.join(".unfinished");
                let (digest, size) = hashed(&mut File::create(&unfinished)?, content)?;
                let path = directory.join(name(&digest));
                std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
                std::fs::rename(unfinished, path)?;
                Ok((digest, size))
            }
        }
    }

    /// Ends the archive.
    pub fn finish(self) -> Result<(), SaveError> {
        if let Self::Tar { out, .. } = self {
            out.write_all(&[0; 2 * BLOCK as usize])?;
            out.flush()?;
        }
        Ok(())
    }
}

fn counted(out: &mut dyn Write, content: &mut Content<'_>) -> Result<u64, SaveError> {
    let mut counting = Counting { out, count: 0 };
    let mut buffered = BufWriter::with_capacity(BUFFER, &mut counting);
    content(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    Ok(counting.count)
}

fn hashed(file: &mut File, content: &mut Content<'_>) -> Result<(Digest, u64), SaveError> {
    let mut hashing = Hashing::new(file);
    counted(&mut hashing, content)?;
    Ok(hashing.finish())
}

struct Counting<'w> {
    out: &'w mut dyn Write,
    count: u64,
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
