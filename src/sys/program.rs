//! Programs of the machine: where they are, and running one for a limited time.

use super::process;
use rustix::fs::MemfdFlags;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Bytes of what a program said that are kept.
const KEPT: u64 = 1024;

/// The program of that name in the first directory that has it.
pub fn find(name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
    let is_program =
        |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    directories.iter().map(|directory| directory.join(name)).find(is_program)
}

/// Runs a program to its end, or kills it when the time is up (`TimedOut`); its exit and the beginning of what it said.
pub fn run_within(command: &mut Command, limit: Duration) -> io::Result<(ExitStatus, String)> {
    let mut said = memory_file("output")?;
    let mut child = command.stdout(said.try_clone()?).stderr(said.try_clone()?).spawn()?;
    let pidfd = process::pidfd_open(child.id().cast_signed())?;
    if !process::wait_within(&pidfd, Some(limit))? {
        child.kill()?;
        child.wait()?;
        let message = format!("it did not end within {} seconds", limit.as_secs());
        return Err(io::Error::new(io::ErrorKind::TimedOut, message));
    }
    let status = child.wait()?;
    said.seek(SeekFrom::Start(0))?;
    let mut text = Vec::new();
    said.take(KEPT).read_to_end(&mut text)?;
    Ok((status, String::from_utf8_lossy(&text).trim().to_owned()))
}

/// A file rather than a pipe: nobody waits for a reader or writer that is not there.
pub fn memory_file(name: &str) -> io::Result<File> {
    Ok(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_directory_that_has_a_program_counts() {
        let directories = ["/nowhere", "/etc", "/usr/bin", "/bin"].map(PathBuf::from);
        assert_eq!(find("env", &directories), Some("/usr/bin/env".into()));
        assert_eq!(find("passwd", &directories[..2]), None, "no program");
        assert_eq!(find("env", &[]), None);
    }

    #[test]
    fn a_program_is_waited_for_and_heard() {
        let (status, said) =
            run_within(Command::new("/bin/sh").args(["-c", "echo no luck >&2; exit 3"]), Duration::from_secs(10))
                .unwrap();
        assert_eq!((status.code(), said.as_str()), (Some(3), "no luck"));
        let late = run_within(Command::new("/bin/sleep").arg("60"), Duration::from_millis(20)).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
