//! Given what is wanted and what is: what must be done now.

use super::{Action, After, Goal, Index, Machine, Moment, Now, Role, Sandbox, Size, StartFailure, Step, StopReason};
use crate::store::record::PodPhase;
use crate::supervisor::protocol::FailureKind;

impl Machine {
    pub(super) fn decide(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.state.goal == Goal::Run {
            self.run(now, actions);
        }
        self.run_probes(now, actions);
        if let Goal::Stop(stop) = self.state.goal.clone() {
            self.wind_down(&stop, now, actions);
        }
    }

    fn run(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.active_deadline().is_some_and(|end| end <= now.moment) {
            self.state.message = Some("the pod was active longer than its deadline allows".to_owned());
            return self.stop(StopReason::ActiveDeadline, None, After::Nothing, now);
        }
        if self.state.restarting_all && !self.take_all_down(now, actions) {
            return;
        }
        if let Some(index) = self.failed_init() {
            return self.stop(StopReason::InitFailed { index }, None, After::Nothing, now);
        }
        if self.is_finished() {
            return self.stop(StopReason::Finished, None, After::Nothing, now);
        }
        if self.state.sandbox == Sandbox::Absent {
            self.state.sandbox = Sandbox::Making;
            self.state.size = Size::given(self.spec.resources);
            actions.push(Action::MakeSandbox);
        }
        self.resize(now, actions);
        self.state.initialized |= self.first_blocking().is_none();
        for index in 0..self.state.cells.len() {
            if self.may_run(index) {
                self.drive(index, now, actions);
            }
        }
    }

    /// Takes every container down for a rule that restarts them all: at once and without hooks, as the pod is known to be broken
    /// (KEP 5532, "Restart All Containers"). Once none is left they wait for their turn like those of a new pod, in the sandbox
    /// and with the volumes that are there; whether it has come to that.
    fn take_all_down(&mut self, now: Now, actions: &mut Vec<Action>) -> bool {
        let specs = self.spec.containers.iter().enumerate();
        let all: Vec<_> = specs.filter(|(_, c)| c.role != Role::Ephemeral).map(|(index, _)| index).collect();
        for index in all.iter().copied() {
            self.begin_kill(index, 0, now, actions);
        }
        if all.iter().any(|index| self.state.cells[*index].step.is_live()) {
            return false;
        }
        (self.state.restarting_all, self.state.initialized) = (false, false);
        for index in all {
            let cell = &mut self.state.cells[index];
            if !cell.held && cell.step == Step::Ended {
                (cell.step, cell.again) = (Step::Waiting, true);
            }
        }
        true
    }

    /// Takes one container a step nearer to running; one that was stopped while it was made, a step back.
    fn drive(&mut self, index: Index, now: Now, actions: &mut Vec<Action>) {
        let cell = &self.state.cells[index];
        if cell.held && matches!(cell.step, Step::Created | Step::Starting) {
            return self.signal_kill(index, now, actions);
        }
        let (sandbox, can_create) = (self.state.sandbox, self.can_create());
        let cell = &mut self.state.cells[index];
        match cell.step {
            Step::Waiting => {
                let due = cell.not_before.is_none_or(|moment| moment <= now.moment);
                if cell.held || !due || !can_create {
                    return;
                }
                cell.attempt += 1;
                cell.step = Step::Creating;
                cell.size = Size::given(self.spec.containers[index].resources);
                (cell.failure, cell.exit, cell.kill, cell.not_before) = (None, None, None, None);
                let fresh = std::mem::take(&mut cell.again);
                cell.restart_count += u32::from(fresh);
                actions.push(Action::Create { index, attempt: cell.attempt, fresh });
            }
            Step::Created if sandbox == Sandbox::Up => {
                (cell.step, cell.start_asked) = (Step::Starting, Some(now.wall));
                actions.push(Action::Start { index, attempt: cell.attempt });
            }
            _ => {}
        }
    }

    /// A container comes to be in a pod that has room for it.
    pub(super) fn can_create(&self) -> bool {
        !self.state.resizing && matches!(self.state.sandbox, Sandbox::Namespaces | Sandbox::Up)
    }

    /// Whether it is this container's time: init containers one after the other, the rest once those are through.
    pub(super) fn may_run(&self, index: Index) -> bool {
        let role = self.spec.containers[index].role;
        if self.state.initialized || role == Role::Ephemeral {
            return role != Role::Init;
        }
        match self.first_blocking() {
            Some(blocking) => {
                index == blocking || index < blocking && self.spec.containers[index].role == Role::Sidecar
            }
            None => self.spec.containers[index].role != Role::Init,
        }
    }

    /// The init container that the rest waits for.
    pub(super) fn first_blocking(&self) -> Option<Index> {
        let cells = self.spec.containers.iter().zip(&self.state.cells);
        cells.enumerate().find_map(|(index, (spec, cell))| {
            let through = match spec.role {
                Role::Init => cell.step == Step::Ended && cell.ended.as_ref().is_some_and(|e| e.exit_code == Some(0)),
                Role::Sidecar => cell.step == Step::Running && cell.started || cell.held,
                Role::Regular | Role::Ephemeral => true,
            };
            (!through).then_some(index)
        })
    }

    fn failed_init(&self) -> Option<Index> {
        if self.state.initialized {
            return None;
        }
        let index = self.first_blocking()?;
        let ended = self.state.cells[index].step == Step::Ended;
        (ended && self.spec.containers[index].role == Role::Init).then_some(index)
    }

    /// Whether every regular container has ended for good.
    fn is_finished(&self) -> bool {
        let regulars = self.regulars();
        let ended = |index: &Index| {
            let cell = &self.state.cells[*index];
            cell.step == Step::Ended || cell.step == Step::Waiting && cell.held
        };
        (self.state.initialized || regulars.iter().any(|i| self.state.cells[*i].attempt > 0))
            && !regulars.is_empty()
            && regulars.iter().all(ended)
    }

    pub(super) fn regulars(&self) -> Vec<Index> {
        let specs = self.spec.containers.iter().enumerate();
        specs.filter(|(_, c)| c.role == Role::Regular).map(|(index, _)| index).collect()
    }

    pub(super) fn active_deadline(&self) -> Option<Moment> {
        Some(self.state.started_moment?.plus(self.spec.active_deadline?))
    }

    pub(super) fn final_phase(&self, reason: &StopReason) -> PodPhase {
        let cells = self.state.cells.iter().zip(&self.spec.containers);
        let held = cells.filter(|(_, spec)| spec.role != Role::Ephemeral).any(|(cell, _)| cell.held);
        let failed = |index: &Index| {
            let ended = self.state.cells[*index].ended.as_ref();
            ended.is_none_or(|e| e.exit_code != Some(0))
        };
        match reason {
            StopReason::Asked => PodPhase::Stopped,
            StopReason::Finished if held => PodPhase::Stopped,
            StopReason::Finished if self.regulars().iter().any(failed) => PodPhase::Failed,
            StopReason::Finished => PodPhase::Succeeded,
            StopReason::InitFailed { .. }
            | StopReason::Sandbox(_)
            | StopReason::ActiveDeadline
            | StopReason::Evicted => PodPhase::Failed,
        }
    }

    /// What a stop for that reason means to who waits for the start; `None` when it is no failure.
    pub(super) fn stop_failure(&self, reason: &StopReason) -> Option<StartFailure> {
        let (kind, message) = match reason {
            StopReason::Asked => (FailureKind::Other, "stopped while it was starting".to_owned()),
            StopReason::Finished => return None,
            StopReason::Sandbox(failure) => return Some(failure.clone()),
            StopReason::ActiveDeadline => {
                (FailureKind::Other, "the active deadline passed while it was starting".to_owned())
            }
            StopReason::Evicted => {
                let why = self.state.message.as_deref().unwrap_or_default();
                (FailureKind::Other, format!("it was evicted: {}", why.trim_end()))
            }
            StopReason::InitFailed { index } => return Some(self.init_failure(*index)),
        };
        Some(StartFailure { kind, message })
    }

    /// Words for an init container that ended badly.
    pub(super) fn init_failure(&self, index: Index) -> StartFailure {
        let (spec, cell) = (&self.spec.containers[index], &self.state.cells[index]);
        let how = match (&cell.failure, cell.ended.as_ref()) {
            (Some(failure), _) => failure.message.clone(),
            (None, Some(ended)) => match ended.exit_code {
                Some(code) => format!("exit code {code}"),
                None => "its exit code is unknown".to_owned(),
            },
            (None, None) => "it never ran".to_owned(),
        };
        let message = format!("init container `{}` failed: {how}", spec.name);
        StartFailure { kind: FailureKind::InitFailed, message }
    }
}
