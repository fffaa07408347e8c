//! What an operation says while it works.

use crate::graph::StepKind;

/// One thing that happened during an operation, for showing; the result says it again as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    Step {
        kind: StepKind,
        state: StepState,
    },
    /// A container waits, and why: `CrashLoopBackOff`, an image that is being unpacked.
    Waiting {
        pod: String,
        container: String,
        reason: String,
    },
    /// The run failed, and this is being taken back.
    Undo {
        what: String,
    },
    /// A fact worth a line: a dead supervisor was replaced, a run that died was rolled back.
    Notice(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    Started,
    Done,
    Failed { message: String },
}

/// Receives [`Progress`].
pub type Report<'a> = &'a mut dyn FnMut(Progress);
