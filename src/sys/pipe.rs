//! Named pipes and moving data out of them without copying it through this process (fifo(7), splice(2), tee(2)).

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// What a move found at the end of the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing in it now, and somebody may still write.
    Empty,
    /// Nothing in it, and nobody has it open for writing.
    End,
}

/// Makes a FIFO with exactly that mode; one that exists is kept.
pub fn make_fifo(path: &Path, mode: u32) -> io::Result<()> {
    match rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::from_raw_mode(mode), 0) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    Ok(rustix::fs::chmod(path, Mode::from_raw_mode(mode))?)
}

/// Opens a FIFO for reading without waiting for a writer; reads do not block.
pub fn open_reader(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::RDONLY | OFlags::NONBLOCK)
}

/// Opens a FIFO for reading and writing, so that the holder never gets SIGPIPE and the data outlives every reader (Linux).
pub fn open_both(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::RDWR)
}

fn open(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let fd = rustix::fs::open(path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())?;
    match FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) {
        FileType::Fifo => Ok(fd),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a named pipe")),
    }
}

/// Asks for a buffer of that many bytes; the kernel's limit may leave it smaller.
pub fn set_size(pipe: impl AsFd, bytes: usize) -> io::Result<()> {
    match rustix::pipe::fcntl_setpipe_size(pipe, bytes) {
        Ok(_) | Err(Errno::PERM | Errno::BUSY) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Moves up to `limit` bytes from a pipe into a file at `offset`, which advances by what was moved.
///
/// The file must not be open for appending (splice(2), EINVAL). A process killed in between has moved either all or nothing of
/// a page: what left the pipe is in the file.
pub fn splice_to_file(pipe: impl AsFd, file: &File, offset: &mut u64, limit: usize) -> io::Result<Moved> {
    loop {
        match rustix::pipe::splice(&pipe, None, file, Some(offset), limit, SpliceFlags::NONBLOCK | SpliceFlags::MOVE) {
            Ok(0) => return Ok(Moved::End),
            Ok(count) => return Ok(Moved::Bytes(count)),
            Err(Errno::AGAIN) => return Ok(Moved::Empty),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Copies what is in one pipe to another without taking it out; `None` when there is nothing, or no room.
pub fn tee(from: impl AsFd, to: impl AsFd, limit: usize) -> io::Result<Option<usize>> {
    match rustix::pipe::tee(from, to, limit, SpliceFlags::NONBLOCK) {
        Ok(0) | Err(Errno::AGAIN) => Ok(None),
        Ok(count) => Ok(Some(count)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn data_survives_without_a_reader_and_arrives_in_the_file() -> io::Result<()> {
        let dir = std::env::temp_dir().join(format!("podkin-pipe-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let fifo = dir.join("fifo");
        make_fifo(&fifo, 0o666)?;
        make_fifo(&fifo, 0o666)?;
        let mut writer = File::from(open_both(&fifo)?);
        writer.write_all(b"one\n")?;
        let file = File::create(dir.join("log"))?;
        let mut offset = 0;
        {
            let reader = open_reader(&fifo)?;
            assert_eq!(splice_to_file(&reader, &file, &mut offset, 1 << 20)?, Moved::Bytes(4));
            assert_eq!(splice_to_file(&reader, &file, &mut offset, 1 << 20)?, Moved::Empty);
        }
        writer.write_all(b"two\n")?;
        let reader = open_reader(&fifo)?;
        drop(writer);
        assert_eq!(splice_to_file(&reader, &file, &mut offset, 1 << 20)?, Moved::Bytes(4));
        assert_eq!(splice_to_file(&reader, &file, &mut offset, 1 << 20)?, Moved::End);
        assert_eq!(std::fs::read(dir.join("log"))?, b"one\ntwo\n");
        assert_eq!(offset, 8);
        std::fs::remove_dir_all(dir)
    }

    #[test]
    fn another_kind_of_file_is_refused() -> io::Result<()> {
        let path = std::env::temp_dir().join(format!("podkin-nofifo-{}", std::process::id()));
        std::fs::write(&path, "")?;
        assert!(open_reader(&path).is_err());
        std::fs::remove_file(path)
    }
}
