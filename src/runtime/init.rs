//! The program of `init/`, which is process 1 of a container that asks for one: it passes signals on to the container's program,
//! collects ended processes, and ends as that does.
//!
//! It is executed from a sealed file in memory: nothing of it is in the container's file tree, the image needs no file, and what
//! `/proc/1/exe` leads to cannot be written by anybody (CVE-2019-5736).

use super::RuntimeError;
use crate::sys::process;
use rustix::fs::{MemfdFlags, SealFlags};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

const NAME: &str = "podkin-init";
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/podkin-init"));

/// The program, ready to be executed.
pub(crate) struct InitProgram(OwnedFd);

impl InitProgram {
    pub(crate) fn new() -> Result<Self, RuntimeError> {
        let sealed = sealed().map_err(|source| RuntimeError::System { action: "make the init process", source })?;
        Ok(Self(sealed))
    }

    /// Becomes the parent of `program`, a child of this process, which has every signal blocked; returns only on failure.
    pub(crate) fn exec(&self, program: i32) -> io::Error {
        let args = [NAME.to_owned(), program.to_string()].map(|arg| CString::new(arg).unwrap_or_default());
        process::exec_descriptor(self.0.as_fd(), &args, &[])
    }
}

fn sealed() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = match rustix::fs::memfd_create(NAME, flags | MemfdFlags::EXEC) {
        // Before Linux 6.3 every such file can be executed, and the flag is not known.
        Err(rustix::io::Errno::INVAL) => rustix::fs::memfd_create(NAME, flags)?,
        result => result?,
    };
    let mut file = File::from(file);
    file.write_all(PROGRAM)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    // A file that is open for writing cannot be executed.
    reopened(&file)
}

fn reopened(file: &File) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    Ok(File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_cannot_be_changed() {
        let program = sealed().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&program));
        assert_eq!(std::fs::read(&path).unwrap(), PROGRAM);
        assert!(File::options().write(true).open(&path).and_then(|mut file| file.write_all(b"x")).is_err());
        assert!(PROGRAM.len() < 8192, "it stays a few pages");
    }
}
