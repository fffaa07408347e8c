//! All that is in a volume, which containers may change meanwhile.

use crate::sys::dir::Dir;
use rustix::fs::FileType;
use std::io;
use std::os::fd::OwnedFd;

/// Gone or replaced meanwhile by a container that has the volume too, or a mount of its own below: not this run's to change.
fn is_others(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ELOOP | libc::ENOTDIR | libc::EXDEV))
}

/// Shows each file and directory below `root`, opened by path only; nothing is followed out of it.
pub(super) fn each_below(root: &Dir, mut show: impl FnMut(&OwnedFd) -> io::Result<()>) -> io::Result<()> {
    let mut below = vec![Vec::new()];
    while let Some(path) = below.pop() {
        let dir = match path.is_empty() {
            true => root.try_clone()?,
            false => match root.beneath(&path) {
                Err(error) if is_others(&error) => continue,
                dir => dir?,
            },
        };
        for name in dir.names()? {
            let Some(stat) = dir.find(&name)? else { continue };
            let file = match dir.open_path(&name) {
                Err(error) if is_others(&error) => continue,
                file => file?,
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let mut child = path.clone();
                child.extend_from_slice(if child.is_empty() { b"" } else { b"/" });
                child.extend_from_slice(name.to_bytes());
                below.push(child);
            }
            show(&file)?;
        }
    }
    Ok(())
}
