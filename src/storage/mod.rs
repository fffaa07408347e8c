//! Directories that containers write to: overlay layers of their own, named volumes.
//!
//! ```text
//! <root>/containers/<id>/{upper,work}         one container's part of its root file system
//! <root>/containers/.tmp-<id>                 being removed
//! <root>/volumes/<name>/_data                 a named volume; its row says that it exists
//! <root>/volumes/.removed-<name>@<created>    being removed; put back when its row is still there
//! <root>/volumes/.lock-<name>                 held while it is made or removed
//! ```
//!
//! What containers wrote is never trusted: removal goes by directory descriptor, follows no link and enters no mount.

mod changes;
mod container;
mod export;
mod merged;
mod volume;

pub use changes::{Change, ChangeKind, layer_changes, tree_changes};
pub use container::{discard, remove_container, set_aside, sweep_containers};
pub use export::export;
pub use merged::Merged;
pub use volume::{FAILPOINTS, NewVolume, Volume, VolumeError, VolumeProblem, VolumeStore};
