//! Desired and observed state to a plan: a directed acyclic graph of steps, each with its cause.
//!
//! Pure: the same two states give the same plan, in the same order, and a plan is a value that can be printed
//! ([`Plan::render`]) and compared. [`build`](build::build) decides, the engine acts and decides nothing.
//!
//! Reading order: [`step`] (what can be done, and why), [`plan`] (the graph), [`state`] (the two inputs), [`build`], [`differ`]
//! (what distinguishes two pods), [`render`].

pub mod plan;
pub mod render;
pub mod step;

pub use plan::{Plan, StepId};
pub use render::Format;
pub use step::{Cause, Step, StepKind};
