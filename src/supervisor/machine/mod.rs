//! The life of one pod as a pure state machine: what happened goes in, what to do comes out.
//!
//! No clock, file, process or network: time is an argument, everything slow is an [`Action`] whose result comes back as an
//! [`Input`]. The whole state is a plain value that is saved after each input and before its actions are carried out, so that
//! a supervisor that takes over from a killed one goes on where it was ([`Input::Adopt`]).
//!
//! ```text
//! pod         Run -> Stop (regular containers together, then sidecars in reverse) -> teardown -> over, or Run again
//! container   Waiting -> Creating -> Created -> Starting -> [PostStart ->] Running -> Deleting -> Waiting or Ended
//! kill        [Hook ->] [Turn ->] Signalled -> Killed -> Abandoned
//! ```
//!
//! Every input ends in the same question: given what is wanted and what is, what must be done now ([`Machine::handle`]).

mod apply;
mod back_off;
mod conditions;
mod decide;
mod kill;
mod occurrence;
mod probes;
mod resize;
#[cfg(test)]
mod restart_tests;
mod spec;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod waiters;
mod waiting;

pub use back_off::{BackOff, BackOffRule};
pub use occurrence::{Occurrence, occurrences};
pub use probes::{Outcome, ProbeKind};
pub use resize::{Resized, Size};
pub use spec::{Role, Spec};
pub use state::{Cell, Goal, Moment, Now, Process, Sandbox, State, Step, Stop, StopReason};
pub use status::{changes, status};

use super::protocol::{Change, Failure, FailureKind};
use crate::model::Resources;
use crate::store::record::ConditionStatus;
use std::net::IpAddr;

/// Position of a container in the pod's record.
pub type Index = usize;
/// Names a request that waits for an answer.
pub type Token = u64;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// Nobody was there to see it, and the kernel no longer says.
    Unknown,
}

/// Why a container could not be made or started.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StartFailure {
    pub kind: FailureKind,
    /// Causes joined by `: `.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Hook {
    PostStart,
    PreStop,
}

/// What follows once the pod is down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum After {
    #[default]
    Nothing,
    /// Up again.
    Start,
    /// Its files below `<run>` go.
    Remove,
}

/// What a new supervisor found of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No process, and nobody knows of one.
    Absent,
    /// Its program runs.
    Running,
    /// It ended while nobody looked.
    Gone(Exit),
}

/// Something that happened. Results carry the attempt they belong to; those of an earlier attempt are ignored.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    Start {
        token: Token,
    },
    /// Starts these alone; other containers that do not run stay down.
    StartContainers {
        containers: Vec<Index>,
        token: Token,
    },
    /// Grace in milliseconds, the pod's own when `None`.
    Stop {
        grace: Option<u64>,
        after: After,
        token: Token,
    },
    StopContainers {
        containers: Vec<Index>,
        grace: Option<u64>,
        token: Token,
    },
    Kill {
        containers: Vec<Index>,
        signal: i32,
        token: Token,
    },
    /// The pod's namespaces, volumes and files are there: containers can be created.
    NamespacesReady,
    /// The network stands: containers can be started.
    NetworkReady {
        ips: Vec<IpAddr>,
    },
    SandboxFailed(StartFailure),
    /// The pod takes more of the disk than it may; words for that.
    OverLimit {
        message: String,
    },
    Created {
        index: Index,
        attempt: u32,
        result: Result<Process, StartFailure>,
    },
    Started {
        index: Index,
        attempt: u32,
        result: Result<(), StartFailure>,
    },
    HookDone {
        index: Index,
        attempt: u32,
        hook: Hook,
        result: Result<(), String>,
    },
    Probed {
        index: Index,
        attempt: u32,
        probe: ProbeKind,
        outcome: Outcome,
    },
    Exited {
        index: Index,
        attempt: u32,
        exit: Exit,
    },
    /// Everything of the ended process is gone and its output has been read.
    Deleted {
        index: Index,
        attempt: u32,
        out_of_memory: bool,
        message: Option<String>,
        problems: Vec<String>,
    },
    TornDown {
        problems: Vec<String>,
    },
    /// What is wanted changed ([`Spec::amend`]); answered once the pod is so.
    Amended {
        token: Token,
    },
    /// What came of it for the pod, and for each container with its attempt.
    Resized {
        pod: Box<Resized>,
        containers: Vec<(Index, u32, Resized)>,
    },
    /// Somebody outside says whether a condition holds (readiness gates).
    SetConditions {
        conditions: Vec<(String, ConditionStatus)>,
        token: Token,
    },
    /// The moment [`Machine::deadline`] gave has come.
    Tick,
    /// A new supervisor took over; one entry per container.
    Adopt {
        found: Vec<Found>,
    },
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Answered by `NamespacesReady` then `NetworkReady`, or `SandboxFailed`.
    MakeSandbox,
    /// Answered by `Created`; `fresh` throws away what an earlier run wrote to its root file system.
    Create {
        index: Index,
        attempt: u32,
        fresh: bool,
    },
    /// Answered by `Started`; from then on `Exited` may come.
    Start {
        index: Index,
        attempt: u32,
    },
    /// Answered by `HookDone` within `limit` milliseconds.
    RunHook {
        index: Index,
        attempt: u32,
        hook: Hook,
        limit: Option<u64>,
    },
    /// Answered by `Probed`.
    Probe {
        index: Index,
        attempt: u32,
        probe: ProbeKind,
    },
    Signal {
        index: Index,
        signal: Signal,
    },
    /// Kills by cgroup what a signal did not end.
    KillAll {
        index: Index,
    },
    /// Answered by `Deleted`.
    Delete {
        index: Index,
        attempt: u32,
    },
    /// Removes the files of a container that has ended for good.
    Discard {
        index: Index,
    },
    /// Gives the pod's cgroup other CPU and memory, then those of containers, each with its attempt. Answered by `Resized`.
    Resize {
        pod: Resources,
        containers: Vec<(Index, u32, Resources)>,
    },
    /// Answered by `TornDown`.
    TearDown {
        remove: bool,
    },
    Emit(Change),
    Reply {
        token: Token,
        failures: Vec<Failure>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The container's stop signal.
    Stop,
    Number(i32),
}

/// One pod. `spec` is what is wanted and changes by ephemeral containers and [`Spec::amend`] only, `state` what
/// is.
#[derive(Debug, Clone)]
pub struct Machine {
    pub spec: Spec,
    pub state: State,
    waiters: Vec<waiters::Waiter>,
}

impl Machine {
    /// A pod of which nothing exists yet.
    pub fn new(spec: Spec) -> Self {
        let mut state = State::new(spec.containers.len());
        for (cell, spec) in state.cells.iter_mut().zip(&spec.containers) {
            // What was added to an earlier run of the pod is no part of this one.
            cell.held = spec.role == Role::Ephemeral;
        }
        Self { spec, state, waiters: Vec::new() }
    }

    /// Goes on from a saved state; feed [`Input::Adopt`] next.
    pub fn resume(spec: Spec, state: State) -> Self {
        let mut machine = Self { spec, state, waiters: Vec::new() };
        machine.fill();
        machine.assume_sizes();
        machine
    }

    /// Takes in containers that were added at the end; they wait to be started by request.
    pub fn extend(&mut self, spec: Spec) {
        self.spec = spec;
        self.fill();
    }

    fn fill(&mut self) {
        self.state.cells.resize(self.spec.containers.len(), Cell { held: true, ..Cell::default() });
    }

    /// Takes in what happened and says what to do, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        self.apply(now, input, &mut actions);
        self.decide(now, &mut actions);
        self.observe_conditions(now);
        self.answer(&mut actions);
        actions
    }

    /// When [`Input::Tick`] is due, if ever.
    pub fn deadline(&self) -> Option<Moment> {
        let cells = self.state.cells.iter().enumerate();
        let of_cells = cells.filter_map(|(index, cell)| self.cell_deadline(index, cell)).min();
        let of_pod = match self.state.goal {
            Goal::Run => self.active_deadline(),
            _ => None,
        };
        of_cells.into_iter().chain(of_pod).min()
    }

    /// Whether nothing of the pod is left to look after.
    pub fn is_over(&self) -> bool {
        self.state.goal == Goal::Over
    }
}
