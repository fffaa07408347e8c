//! What is different in the files of images and containers.

use super::view::ContainerView;
use super::{Engine, EngineError};
use crate::storage::{Change, Merged, layer_changes, tree_changes};
use crate::sys::dir::Dir;
use std::path::{Path, PathBuf};

/// What a name may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffKind {
    /// A container if there is one of that name, else an image.
    Any,
    Image,
    Container,
}

/// The layers of an image or a container, lowest first; what a container writes is its uppermost.
struct Stack(Vec<PathBuf>);

/// What every container has or is given, wherever it comes from: podman does not list it either.
const OF_ALL: [&str; 10] = [
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/run",
    "/run/.containerenv",
    "/run/secrets",
    "/sys",
];

impl Engine {
    /// What an image's uppermost layer changed, or a container's writing did to its image; with `other`, what makes `name` of it.
    /// Sorted by path.
    ///
    /// # Errors
    /// [`EngineError::Image`] when there is neither an image nor a container of a name.
    pub fn diff(&mut self, name: &str, other: Option<&str>, kind: DiffKind) -> Result<Vec<Change>, EngineError> {
        let Stack(mut layers) = self.stack(name, kind)?;
        let fail = |source| EngineError::File { attempt: "compare the files of", path: PathBuf::from(name), source };
        let mut changes = match other {
            Some(other) => {
                let other = self.stack(other, kind)?;
                let (new, old) = (self.merged(name, &layers)?, self.merged(name, &other.0)?);
                tree_changes(new.root(), old.root()).map_err(fail)?
            }
            None => {
                let Some(top) = layers.pop() else { return Ok(Vec::new()) };
                let below = self.merged(name, &layers)?;
                layer_changes(&Dir::open(&top).map_err(fail)?, below.root()).map_err(fail)?
            }
        };
        changes.retain(|change| !OF_ALL.iter().any(|path| change.path == Path::new(path)));
        Ok(changes)
    }

    fn stack(&mut self, name: &str, kind: DiffKind) -> Result<Stack, EngineError> {
        let container = match kind {
            DiffKind::Image => None,
            DiffKind::Container => Some(self.container(name)?),
            DiffKind::Any => match self.container(name) {
                Err(EngineError::NotFound { .. }) => None,
                found => Some(found?),
            },
        };
        Ok(Stack(match container {
            Some(container) => self.container_layers(&container, None),
            None => {
                let layers = self.images().to_record(name).map_err(EngineError::Image)?.layers;
                layers.iter().map(|chain| self.layout().layer_diff(chain)).collect()
            }
        }))
    }

    /// The layers of a container's image, perhaps one between, and what it writes to, lowest first.
    pub(super) fn container_layers(&self, container: &ContainerView, between: Option<PathBuf>) -> Vec<PathBuf> {
        let layout = self.layout();
        let image = container.record().image.layers.iter().map(|chain| layout.layer_diff(chain));
        let upper = layout.container_upper(container.id());
        // A container that never ran has written nothing.
        let upper = if upper.is_dir() { upper } else { layout.empty_layer() };
        image.chain(between).chain([upper]).collect()
    }

    /// The tree that layers are together.
    pub(super) fn merged(&self, name: &str, layers: &[PathBuf]) -> Result<Merged, EngineError> {
        let fail = |source| EngineError::File { attempt: "mount the layers of", path: PathBuf::from(name), source };
        Merged::of(self.layout(), layers).map_err(fail)
    }
}
