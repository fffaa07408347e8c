//! `export`: the files of a container.

use super::{Engine, EngineError};
use crate::storage;
use std::io::Write;
use std::path::PathBuf;

impl Engine {
    /// Writes a container's file system as tar: what it is when the container runs, without what is mounted into it.
    pub fn export(&mut self, name: &str, out: impl Write) -> Result<(), EngineError> {
        let container = self.container(name)?;
        let layers = self.container_layers(&container, self.init_layer()?);
        let tree = self.merged(name, &layers)?;
        let fail = |source| EngineError::File { attempt: "export", path: PathBuf::from(name), source };
        storage::export(tree.root(), out).map_err(fail)
    }

    /// A layer with the directories that every container has for its mounts, the one with most in it; `None` as long as no container
    /// was ever made.
    fn init_layer(&self) -> Result<Option<PathBuf>, EngineError> {
        let directory = self.layout().init_layers();
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            entries => entries,
        };
        let paths = entries.and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>());
        let paths = paths.map_err(|source| EngineError::File { attempt: "read", path: directory, source })?;
        let is_layer = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !name.starts_with('.') && *path != self.layout().empty_layer()
        };
        // Layers are called by the files in them.
        Ok(paths.into_iter().filter(is_layer).max_by_key(|path| (path.as_os_str().len(), path.clone())))
    }
}
