//! Times of directories, which have to wait until nothing is added to them any more.

use crate::sys::dir::Dir;
use rustix::fs::{Timespec, Timestamps};
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom, Write};

/// Kept in memory up to here, some ten thousand directories; the rest goes to an unnamed file.
const MEMORY: usize = 1 << 20;

/// Directories and the times they get, in the order of the archive.
#[derive(Default)]
pub(super) struct Times {
    memory: Vec<u8>,
    spilled: Option<File>,
}

impl Times {
    /// Notes what `place` is to get at the end; `layer` has room for what does not fit in memory.
    pub fn note(&mut self, layer: &Dir, place: &[u8], mtime: (i64, u32)) -> io::Result<()> {
        // A place is no longer than the kernel's longest path.
        let length = u16::try_from(place.len()).map_err(|_| io::ErrorKind::InvalidFilename)?;
        self.memory.extend(mtime.0.to_le_bytes());
        self.memory.extend(mtime.1.to_le_bytes());
        self.memory.extend(length.to_le_bytes());
        self.memory.extend(place);
        if self.memory.len() > MEMORY { self.spill(layer) } else { Ok(()) }
    }

    fn spill(&mut self, layer: &Dir) -> io::Result<()> {
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(layer.unnamed_file()?),
        };
        file.write_all(&self.memory)?;
        self.memory.clear();
        Ok(())
    }

    /// Gives every directory below `root` its times; the last word on each counts.
    pub fn settle(mut self, root: &Dir) -> io::Result<()> {
        if let Some(mut file) = self.spilled.take() {
            file.seek(SeekFrom::Start(0))?;
            apply(BufReader::with_capacity(64 * 1024, file), root)?;
        }
        apply(&self.memory[..], root)
    }
}

fn apply(mut source: impl io::BufRead, root: &Dir) -> io::Result<()> {
    let mut place = Vec::new();
    while !source.fill_buf()?.is_empty() {
        let (mut seconds, mut nanos, mut length) = ([0; 8], [0; 4], [0; 2]);
        source.read_exact(&mut seconds)?;
        source.read_exact(&mut nanos)?;
        source.read_exact(&mut length)?;
        place.resize(usize::from(u16::from_le_bytes(length)), 0);
        source.read_exact(&mut place)?;
        // Replaced by something else later in the archive.
        let Ok(directory) = root.beneath(&place) else { continue };
        let time = Timespec { tv_sec: i64::from_le_bytes(seconds), tv_nsec: i64::from(u32::from_le_bytes(nanos)) };
        rustix::fs::futimens(&directory, &Timestamps { last_access: time, last_modification: time })?;
    }
    Ok(())
}
