//! What is: the part of a machine that is saved.

use super::probes::Probes;
use super::resize::Size;
use super::{After, BackOff, Exit, Index, StartFailure};
use crate::store::record::{Condition, PodPhase, Termination};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Milliseconds since boot, suspended time included (`CLOCK_BOOTTIME`): the same clock for every process until the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment(pub u64);

impl Moment {
    pub fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds since an earlier moment; 0 when that is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The two clocks: one to measure with, one to show.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub moment: Moment,
    pub wall: jiff::Timestamp,
}

/// A process that cannot be mistaken for another that got its pid later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// `/proc/<pid>/stat`, field 22.
    pub start_ticks: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub goal: Goal,
    pub sandbox: Sandbox,
    /// Init containers are through: from now on each container is looked after on its own.
    pub initialized: bool,
    /// A rule has all containers start anew: none does until every one is down.
    #[serde(default)]
    pub restarting_all: bool,
    /// Other values for cgroups were asked for, and nothing came of it yet.
    #[serde(default)]
    pub resizing: bool,
    /// Of the pod's cgroup.
    #[serde(default)]
    pub size: Size,
    pub cells: Vec<Cell>,
    pub ips: Vec<IpAddr>,
    pub started: Option<jiff::Timestamp>,
    pub started_moment: Option<Moment>,
    pub finished: Option<jiff::Timestamp>,
    /// Set when the goal is [`Goal::Over`].
    pub final_phase: Option<PodPhase>,
    pub final_reason: Option<StopReason>,
    pub message: Option<String>,
    /// What went wrong while taking things away; told to whoever asked for the stop.
    pub problems: Vec<String>,
    /// As they were last seen, with the time of their last change.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

impl State {
    pub(super) fn new(containers: usize) -> Self {
        Self {
            goal: Goal::Over,
            sandbox: Sandbox::Absent,
            initialized: false,
            restarting_all: false,
            resizing: false,
            size: Size::default(),
            cells: vec![Cell::default(); containers],
            ips: Vec::new(),
            started: None,
            started_moment: None,
            finished: None,
            final_phase: None,
            final_reason: None,
            message: None,
            problems: Vec::new(),
            conditions: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Goal {
    Run,
    Stop(Stop),
    /// Nothing, before the first start and after the last stop.
    Over,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    pub reason: StopReason,
    pub after: After,
    /// When the whole grace is used up.
    pub deadline: Moment,
    /// Milliseconds; 0 kills at once, without hooks and order.
    pub grace: u64,
    /// [`Stop::deadline`] for people.
    #[serde(default)]
    pub until: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    Asked,
    /// No container is left that runs or will run.
    Finished,
    /// An init container failed for good.
    InitFailed {
        index: Index,
    },
    /// Namespaces, volumes or network could not be made.
    Sandbox(StartFailure),
    ActiveDeadline,
    /// It took more of the disk than it may; the pod's message has the details.
    Evicted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sandbox {
    Absent,
    /// Asked for.
    Making,
    /// Containers can be created.
    Namespaces,
    /// Containers can be started.
    Up,
    TearingDown,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    #[default]
    Waiting,
    Creating,
    Created,
    Starting,
    PostStart,
    Running,
    Deleting,
    /// For good.
    Ended,
}

impl Step {
    /// Whether a process of the container may exist.
    pub fn is_live(self) -> bool {
        !matches!(self, Step::Waiting | Step::Ended)
    }
}

/// One container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    pub step: Step,
    /// Number of the run, from 1; results of earlier ones are ignored.
    pub attempt: u32,
    pub process: Option<Process>,
    /// The process ended, but not all of it is taken away.
    pub exit: Option<Exit>,
    /// Why this run could not start.
    pub failure: Option<StartFailure>,
    /// When its program was told to run: it may write before it is known that it does.
    #[serde(default)]
    pub start_asked: Option<jiff::Timestamp>,
    pub started_at: Option<jiff::Timestamp>,
    pub started_moment: Option<Moment>,
    pub exited_at: Option<jiff::Timestamp>,
    /// How the latest run that is over ended.
    pub ended: Option<Termination>,
    pub restart_count: u32,
    pub back_off: BackOff,
    /// Not started again before that.
    pub not_before: Option<Moment>,
    /// The next run is a restart by policy: counted, and on a fresh root file system.
    pub again: bool,
    /// Stopped on request: no policy starts it again.
    pub held: bool,
    /// Asked to be started while it goes down: it starts again whatever the policy says.
    #[serde(default)]
    pub wanted: bool,
    /// Passed its startup probe and postStart hook.
    pub started: bool,
    pub ready: bool,
    pub healthy: Option<bool>,
    pub probes: Probes,
    pub kill: Option<Kill>,
    /// Of its cgroup.
    #[serde(default)]
    pub size: Size,
    /// What came of the latest request to start it.
    pub outcome: Option<Result<(), StartFailure>>,
}

/// A container on its way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    pub phase: KillPhase,
    /// When the next, harder step is taken.
    pub deadline: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KillPhase {
    /// Its preStop hook runs.
    Hook,
    /// A sidecar that waits for those started after it.
    Turn,
    Signalled,
    Killed,
    /// SIGKILL did not end it.
    Abandoned,
}
