//! The points at which tests make a command fail or die.

use super::EngineError;
use crate::sys::failpoint;

/// Every failpoint of the engine, in the order a play, its undo and a removal pass them.
pub const FAILPOINTS: &[&str] = &[
    "engine.play.planned",
    "engine.play.replacing",
    "engine.play.replaced",
    "engine.play.networks",
    "engine.play.recorded",
    "engine.play.volumes",
    "engine.play.written",
    "engine.play.supervised",
    "engine.play.accepted",
    "engine.play.started",
    "engine.undo.pods",
    "engine.undo.volumes",
    "engine.undo.rows",
    "engine.remove.marked",
    "engine.remove.stopped",
    "engine.remove.directories",
    "engine.remove.claims",
    "engine.remove.app",
];

/// Passes a failpoint.
pub(super) fn fault(name: &str) -> Result<(), EngineError> {
    debug_assert!(FAILPOINTS.contains(&name), "{name} is listed");
    failpoint::reach(name).map_err(EngineError::Failpoint)
}
