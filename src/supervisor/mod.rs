//! The process of one application: pod state machines, restarts, probes, hooks, logs, control socket.
//!
//! Started by the command that needs it as `podkin supervisor ...` (hidden), and gone when its last pod is.

pub mod client;
pub mod logs;
mod lower;
mod machine;
pub mod protocol;
mod volume;

/// Exit code of a supervisor that found another one living.
pub const EXIT_BUSY: i32 = 75;
