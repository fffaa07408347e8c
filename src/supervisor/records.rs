//! Reading what the engine wrote, and reading and writing what the supervisor keeps for its successor.
//!
//! ```text
//! <run>/apps/<app>/pods/<pod id>.json    the machine's state; its presence says that the pod is being looked after
//! ```

use super::machine::State;
use crate::store::atomic::{self, Durability, WriteError};
use crate::store::layout::Layout;
use crate::store::record::{PodObjects, PodRecord, PodStatus, RECORD_VERSION};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("cannot read `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}` is damaged", path.display())]
    Format { path: PathBuf, source: serde_json::Error },
    #[error("`{}` was written by a newer podkin (version {found}, this one knows {RECORD_VERSION})", path.display())]
    Newer { path: PathBuf, found: u32 },
}

impl ReadError {
    /// Whether no later try would read it.
    pub fn is_lost(&self) -> bool {
        self.is_absent() || matches!(self, ReadError::Format { .. })
    }

    /// Whether there is simply no such file.
    pub fn is_absent(&self) -> bool {
        matches!(self, ReadError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn read<T: DeserializeOwned>(path: PathBuf) -> Result<T, ReadError> {
    let bytes = std::fs::read(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
    let format = |source| ReadError::Format { path: path.clone(), source };
    let Versioned { version } = serde_json::from_slice(&bytes).map_err(format)?;
    if version > RECORD_VERSION {
        return Err(ReadError::Newer { path, found: version });
    }
    serde_json::from_slice(&bytes).map_err(format)
}

pub(super) fn pod(layout: &Layout, id: &str) -> Result<PodRecord, ReadError> {
    read(layout.pod_record(id))
}

/// The pod's ConfigMaps and Secrets; none when the engine wrote no file.
pub(super) fn objects(layout: &Layout, id: &str) -> Result<PodObjects, ReadError> {
    match read(layout.pod_objects(id)) {
        Err(error) if error.is_absent() => Ok(PodObjects::default()),
        other => other,
    }
}

pub(super) fn status(layout: &Layout, id: &str) -> Result<PodStatus, ReadError> {
    read(layout.pod_status(id))
}

pub(super) fn write_status(layout: &Layout, status: &PodStatus) -> Result<(), super::records::SaveError> {
    let bytes = serde_json::to_vec(status).map_err(SaveError::Format)?;
    Ok(atomic::replace(&layout.pod_status(&status.id), &bytes, Durability::Relaxed)?)
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SaveError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("cannot put the state into words")]
    Format(#[source] serde_json::Error),
}

/// A machine's state as a later supervisor finds it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    pub version: u32,
    /// Of another boot, it says nothing any more.
    pub boot_id: String,
    pub state: State,
}

fn saved_directory(layout: &Layout, app: &str) -> PathBuf {
    layout.app_run(app).join("pods")
}

fn saved_path(layout: &Layout, app: &str, pod: &str) -> PathBuf {
    saved_directory(layout, app).join(format!("{pod}.json"))
}

pub(super) fn save(layout: &Layout, app: &str, pod: &str, bytes: &[u8]) -> Result<(), WriteError> {
    atomic::replace(&saved_path(layout, app, pod), bytes, Durability::Relaxed)
}

pub(super) fn load(layout: &Layout, app: &str, pod: &str) -> Result<Saved, ReadError> {
    read(saved_path(layout, app, pod))
}

pub(super) fn forget(layout: &Layout, app: &str, pod: &str) -> io::Result<()> {
    match std::fs::remove_file(saved_path(layout, app, pod)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Ids of the pods that an earlier supervisor of the application left behind.
pub(super) fn saved_pods(layout: &Layout, app: &str) -> io::Result<Vec<String>> {
    let directory = saved_directory(layout, app);
    make_directory(&directory)?;
    let mut pods = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        pods.extend(name.to_str().and_then(|n| n.strip_suffix(".json")).map(str::to_owned));
    }
    Ok(pods)
}

fn make_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
