//! Desired and observed state to a plan: a directed acyclic graph of steps, each with its cause.
//!
//! Pure: the same two states give the same plan, in the same order, and a plan is a value that can be printed
//! ([`Plan::render`]) and compared. [`build`] decides, the engine acts and decides nothing.
//!
//! Reading order: `step` (what can be done, and why), `plan` (the graph), `state` (the two inputs), `build`, [`differ`] (what
//! distinguishes two pods), [`uses`] (what a pod refers to), `render`.

mod build;
pub mod differ;
mod plan;
mod render;
mod state;
mod step;
pub mod uses;

pub use build::{Refusal, build};
pub use plan::{Plan, StepId};
pub use render::Format;
pub use state::{Amendment, Desired, DesiredImage, DesiredPod, Observed, ObservedPod, ObservedState};
pub use step::{Cause, Step, StepKind};

#[cfg(test)]
mod tests;
