//! Room kept for a disk that is full to the last byte: even a removal has to be noted before it frees anything.

use super::layout::Layout;
use std::io;

/// Bytes kept: more than the database's log grows by for the largest removal.
const SIZE: usize = 256 << 10;

/// Keeps the room, unless it is kept already.
pub fn keep(layout: &Layout) -> io::Result<()> {
    let path = layout.reserve();
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        known => return known.map(drop),
    }
    // Written, because a hole would keep nothing.
    std::fs::write(&path, vec![0; SIZE]).inspect_err(|_| {
        // What could not be kept whole is of more use to whoever filled the disk.
        let _ = std::fs::remove_file(&path);
    })
}

/// Gives the room back; false when there is none.
pub fn release(layout: &Layout) -> bool {
    std::fs::remove_file(layout.reserve()).is_ok()
}
