//! Files that change as a whole.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Replaces a file: readers see the old or the new text. `beside`, on the same file system, holds it while it is written;
/// `synced` makes it outlive the power.
///
/// To be called under the lock of the networks: two writers would share `beside`.
pub fn replace(path: &Path, beside: &Path, text: &[u8], synced: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside)?;
    file.write_all(text)?;
    if synced {
        file.sync_all()?;
    }
    std::fs::rename(beside, path)?;
    match path.parent() {
        Some(parent) if synced => std::fs::File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// Removes a file; one that is not there is a success.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
