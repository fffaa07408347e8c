//! Files that hold variables, read from an `emptyDir` when a container starts.

use crate::store::layout::Layout;
use crate::store::record::PodRecord;
use crate::sys::dir::{Dir, ReadError};
use std::io;

/// As large as a kubelet reads.
const LIMIT: u64 = 64 * 1024;

/// The text of a file below a volume of the pod; `None` when it is not there.
///
/// Containers have the volume to themselves: links lead nowhere but into it, and only regular files are opened. May block.
pub fn env_file(layout: &Layout, record: &PodRecord, volume: &str, path: &str) -> Result<Option<String>, String> {
    let Some(volume) = record.pod.volume(volume) else { return Ok(None) };
    let root = super::source_path(layout, &record.id, volume);
    match Dir::open(&root).map_err(ReadError::Io).and_then(|dir| dir.read(path.as_bytes(), LIMIT)) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| "it is not UTF-8".to_owned()),
        Err(ReadError::Io(error)) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error.to_string()),
    }
}
