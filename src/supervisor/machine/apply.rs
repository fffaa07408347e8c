//! Taking in what happened.

use super::state::KillPhase;
use super::waiters::{Waiter, Wanted};
use super::{
    Action, After, Exit, Found, Goal, Hook, Index, Input, Machine, Now, Role, Sandbox, Signal, StartFailure, Step,
    StopReason, Token,
};
use crate::model::RestartAction;
use crate::store::record::Termination;
use crate::supervisor::protocol::FailureKind;

/// SIGINT, SIGQUIT, SIGABRT, SIGKILL, SIGTERM: who sends these by hand wants the container down.
const DEADLY: [i32; 5] = [2, 3, 6, 9, 15];
const SIGKILL: i32 = 9;

impl Machine {
    pub(super) fn apply(&mut self, now: Now, input: Input, actions: &mut Vec<Action>) {
        match input {
            Input::Start { token } => self.start_all(token, now),
            Input::StartContainers { containers, token } => self.start_some(containers, token, now),
            // Nothing is there to be stopped first.
            Input::Stop { after: After::Start, token, .. } if self.state.goal == Goal::Over => {
                self.start_all(token, now)
            }
            Input::Stop { grace, after, token } => {
                self.waiters.push(Waiter { token, wanted: Wanted::of(after) });
                self.stop(StopReason::Asked, grace, after, now);
            }
            Input::StopContainers { containers, grace, token } => {
                for index in containers.iter().copied() {
                    self.state.cells[index].held = true;
                    self.begin_kill(index, grace.unwrap_or(self.spec.grace), now, actions);
                }
                self.waiters.push(Waiter { token, wanted: Wanted::Ended(containers) });
            }
            Input::Kill { containers, signal, token } => self.kill_by_hand(containers, signal, token, actions),
            Input::NamespacesReady => self.sandbox_became(Sandbox::Making, Sandbox::Namespaces),
            Input::NetworkReady { ips } => {
                self.state.ips = ips;
                self.sandbox_became(Sandbox::Namespaces, Sandbox::Up);
            }
            Input::SandboxFailed(failure) => {
                // What was half made is torn down like the rest.
                self.state.sandbox = Sandbox::Up;
                self.state.message = Some(failure.message.clone());
                self.stop(StopReason::Sandbox(failure), Some(0), After::Nothing, now);
            }
            Input::OverLimit { message } => {
                // One that goes down already has its reason for that.
                if self.state.goal == Goal::Run {
                    self.state.message = Some(message);
                    self.stop(StopReason::Evicted, Some(0), After::Nothing, now);
                }
            }
            Input::Created { index, attempt, result } => {
                if self.is_current(index, attempt, &[Step::Creating]) {
                    let cell = &mut self.state.cells[index];
                    match result {
                        Ok(process) => {
                            cell.process = Some(process);
                            cell.step = Step::Created;
                        }
                        Err(failure) => {
                            cell.failure = Some(failure);
                            self.delete(index, actions);
                        }
                    }
                }
            }
            Input::Started { index, attempt, result } => {
                if self.is_current(index, attempt, &[Step::Starting]) {
                    self.started(index, result, now, actions);
                }
            }
            Input::HookDone { index, attempt, hook, result } => {
                self.hook_done(index, attempt, hook, result, now, actions)
            }
            Input::Probed { index, attempt, probe, outcome } => {
                if self.state.cells[index].attempt == attempt {
                    self.probed(index, probe, outcome, now, actions);
                }
            }
            Input::Exited { index, attempt, exit } => {
                let live = [Step::Created, Step::Starting, Step::PostStart, Step::Running];
                if self.is_current(index, attempt, &live) {
                    self.exited(index, exit, now, actions);
                }
            }
            Input::Deleted { index, attempt, out_of_memory, message, problems } => {
                if self.is_current(index, attempt, &[Step::Deleting]) {
                    self.state.problems.extend(problems);
                    self.settle(index, out_of_memory, message, now);
                    self.discard(index, actions);
                }
            }
            Input::TornDown { problems } => self.torn_down(problems, now),
            Input::Amended { token } => {
                let restarted = self.amended();
                self.waiters.push(Waiter { token, wanted: Wanted::Resized(restarted) });
            }
            Input::Resized { pod, containers } => self.resized(*pod, containers),
            Input::SetConditions { conditions, token } => {
                self.set_conditions(conditions, now);
                self.waiters.push(Waiter { token, wanted: Wanted::Nothing });
            }
            Input::Tick => self.escalate(now, actions),
            Input::Adopt { found } => self.adopt(&found, now, actions),
        }
    }

    fn is_current(&self, index: Index, attempt: u32, steps: &[Step]) -> bool {
        let cell = &self.state.cells[index];
        cell.attempt == attempt && steps.contains(&cell.step)
    }

    fn sandbox_became(&mut self, from: Sandbox, to: Sandbox) {
        if self.state.sandbox == from {
            self.state.sandbox = to;
        }
    }

    fn start_all(&mut self, token: Token, now: Now) {
        if let Goal::Stop(stop) = &mut self.state.goal {
            stop.after = stop.after.max(After::Start);
            return self.waiters.push(Waiter { token, wanted: Wanted::Restarted });
        }
        self.begin();
        // A container that is through by its policy stays so.
        let ended = |cell: &super::Cell| cell.step == Step::Ended && !cell.held;
        let cells = self.state.cells.iter().zip(&self.spec.containers);
        let through: Vec<bool> = cells.map(|(cell, spec)| ended(cell) || spec.role == Role::Ephemeral).collect();
        self.wake(|index| !through[index], now);
        self.waiters.push(Waiter { token, wanted: Wanted::Started(self.regulars()) });
    }

    fn start_some(&mut self, containers: Vec<Index>, token: Token, now: Now) {
        let untouched = self.state.sandbox == Sandbox::Absent && self.state.started.is_none();
        if untouched {
            for index in self.regulars() {
                self.state.cells[index].held = !containers.contains(&index);
            }
        }
        if let Goal::Stop(stop) = &mut self.state.goal {
            stop.after = stop.after.max(After::Start);
            return self.waiters.push(Waiter { token, wanted: Wanted::Restarted });
        }
        self.begin();
        self.wake(|index| containers.contains(&index), now);
        self.waiters.push(Waiter { token, wanted: Wanted::Started(containers) });
    }

    fn begin(&mut self) {
        if self.state.goal == Goal::Over {
            self.state.goal = Goal::Run;
            self.state.problems.clear();
            (self.state.final_phase, self.state.final_reason) = (None, None);
        }
    }

    /// Makes containers that ended, were stopped or wait for their back-off start now.
    fn wake(&mut self, which: impl Fn(Index) -> bool, now: Now) {
        self.state.started.get_or_insert(now.wall);
        self.state.started_moment.get_or_insert(now.moment);
        for (index, cell) in self.state.cells.iter_mut().enumerate().filter(|(index, _)| which(*index)) {
            let runs_once = self.spec.containers[index].role == Role::Init && self.state.initialized;
            if runs_once {
                continue;
            }
            cell.held = false;
            if cell.kill.is_some() || cell.step == Step::Deleting {
                // It is going down: up again afterwards, whatever the policy.
                cell.wanted = true;
                cell.outcome = None;
            }
            if matches!(cell.step, Step::Waiting | Step::Ended) {
                cell.step = Step::Waiting;
                cell.not_before = None;
                cell.outcome = None;
                cell.failure = None;
            }
        }
    }

    fn kill_by_hand(&mut self, containers: Vec<Index>, signal: i32, token: Token, actions: &mut Vec<Action>) {
        for index in containers.iter().copied() {
            let cell = &mut self.state.cells[index];
            cell.held |= DEADLY.contains(&signal);
            match cell.step {
                Step::PostStart | Step::Running if cell.exit.is_none() => {
                    actions.push(Action::Signal { index, signal: Signal::Number(signal) });
                }
                Step::Waiting if cell.held && cell.attempt > 0 => cell.step = Step::Ended,
                _ => {}
            }
        }
        let wanted = if signal == SIGKILL { Wanted::Ended(containers) } else { Wanted::Nothing };
        self.waiters.push(Waiter { token, wanted });
    }

    fn started(&mut self, index: Index, result: Result<(), StartFailure>, now: Now, actions: &mut Vec<Action>) {
        let post_start = self.spec.containers[index].post_start;
        let cell = &mut self.state.cells[index];
        match result {
            Err(failure) => {
                cell.failure = Some(failure);
                if cell.exit.is_some() {
                    self.delete(index, actions);
                } else {
                    // The process ends by itself after an exec failure; one that does not is killed.
                    actions.push(Action::Signal { index, signal: Signal::Number(SIGKILL) });
                    cell.step = Step::Running;
                    cell.kill =
                        Some(super::state::Kill { phase: KillPhase::Killed, deadline: now.moment.plus(10_000) });
                }
            }
            Ok(()) => {
                cell.started_at = cell.start_asked.take().or(Some(now.wall));
                cell.started_moment = Some(now.moment);
                if cell.exit.is_some() {
                    cell.outcome = Some(Ok(()));
                    self.delete(index, actions);
                } else if post_start {
                    cell.step = Step::PostStart;
                    actions.push(Action::RunHook { index, attempt: cell.attempt, hook: Hook::PostStart, limit: None });
                } else {
                    self.runs(index, now);
                }
            }
        }
    }

    fn runs(&mut self, index: Index, now: Now) {
        let cell = &mut self.state.cells[index];
        cell.step = Step::Running;
        cell.outcome = Some(Ok(()));
        self.begin_probing(index, now);
    }

    fn hook_done(
        &mut self,
        index: Index,
        attempt: u32,
        hook: Hook,
        result: Result<(), String>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        match hook {
            Hook::PostStart if self.is_current(index, attempt, &[Step::PostStart]) => match result {
                Ok(()) => self.runs(index, now),
                Err(error) => {
                    let cell = &mut self.state.cells[index];
                    let message = format!("postStart hook failed: {error}");
                    cell.outcome = Some(Err(StartFailure { kind: FailureKind::PostStart, message }));
                    cell.step = Step::Running;
                    self.begin_kill(index, self.spec.grace, now, actions);
                }
            },
            Hook::PreStop if self.state.cells[index].attempt == attempt => self.hook_over(index, now, actions),
            _ => {}
        }
    }

    fn exited(&mut self, index: Index, exit: Exit, now: Now, actions: &mut Vec<Action>) {
        let cell = &mut self.state.cells[index];
        cell.exit = Some(exit);
        cell.exited_at = Some(now.wall);
        cell.ready = false;
        match cell.step {
            // The report of the execution is still to come and says what the exit means.
            Step::Starting => {}
            Step::PostStart => {
                cell.outcome = Some(Ok(()));
                self.delete(index, actions);
            }
            _ => self.delete(index, actions),
        }
    }

    pub(super) fn delete(&mut self, index: Index, actions: &mut Vec<Action>) {
        let cell = &mut self.state.cells[index];
        cell.step = Step::Deleting;
        cell.kill = None;
        actions.push(Action::Delete { index, attempt: cell.attempt });
    }

    /// The process and its traces are gone: remembers how it ended and decides what becomes of the container.
    fn settle(&mut self, index: Index, out_of_memory: bool, message: Option<String>, now: Now) {
        let stopping = self.state.goal != Goal::Run;
        let spec = &self.spec.containers[index];
        let cell = &mut self.state.cells[index];
        let never_ran = cell.started_at.is_none() && cell.exit.is_none() && cell.failure.is_some();
        // No policy speaks of a container that never came to be, and nothing ended: it is made again until it is there.
        let to_be_made = never_ran && spec.role != Role::Ephemeral;
        let ended = termination(cell, out_of_memory, message, now);
        let exit_code = ended.exit_code;
        if let Some(failure) = cell.failure.clone() {
            cell.outcome = Some(Err(failure));
        }
        let created_but_unwanted = cell.started_at.is_none() && cell.failure.is_none();
        if !created_but_unwanted && !to_be_made {
            cell.ended = Some(ended);
        }
        (cell.process, cell.exit, cell.exited_at, cell.healthy) = (None, None, None, None);
        cell.size = super::Size::default();
        (cell.started, cell.ready) = (false, false);
        let next = if to_be_made { Some(RestartAction::Restart) } else { spec.after_end(exit_code) };
        let started_moment = cell.started_moment.take();
        cell.started_at = None;
        let wanted = std::mem::take(&mut cell.wanted);
        if wanted && !cell.held && !stopping {
            cell.step = Step::Waiting;
            cell.again = !never_ran;
            (cell.not_before, cell.outcome, cell.failure) = (None, None, None);
            return;
        }
        let next = match next {
            Some(action) if !cell.held && !stopping => action,
            _ => {
                cell.step = Step::Ended;
                return;
            }
        };
        cell.step = Step::Waiting;
        cell.again = !never_ran;
        if self.state.restarting_all {
            // It was taken down, and did not fail.
            cell.not_before = None;
            return;
        }
        self.state.restarting_all = next == RestartAction::RestartAllContainers;
        cell.not_before = Some(cell.back_off.after_end(self.spec.back_off, started_moment, now.moment));
    }

    /// Has the files of a container removed that asked for it and is not to run again.
    fn discard(&mut self, index: Index, actions: &mut Vec<Action>) {
        if self.spec.containers[index].auto_remove && self.state.cells[index].step == Step::Ended {
            actions.push(Action::Discard { index });
        }
    }

    fn torn_down(&mut self, problems: Vec<String>, now: Now) {
        self.state.problems.extend(problems);
        self.state.sandbox = Sandbox::Absent;
        let Goal::Stop(stop) = self.state.goal.clone() else { return };
        self.state.finished = Some(now.wall);
        if stop.after == After::Start {
            self.begin_again(now);
        } else {
            self.state.final_phase = Some(self.final_phase(&stop.reason));
            self.state.final_reason = Some(stop.reason);
            self.state.goal = Goal::Over;
        }
    }

    fn begin_again(&mut self, now: Now) {
        let state = &mut self.state;
        for (cell, spec) in state.cells.iter_mut().zip(&self.spec.containers) {
            let attempt = cell.attempt;
            let (ended, restart_count) = (cell.ended.take(), cell.restart_count);
            // An ephemeral container belonged to the run of the pod that is over.
            let held = spec.role == Role::Ephemeral;
            let step = if held { Step::Ended } else { Step::Waiting };
            *cell = super::Cell { step, attempt, ended, restart_count, held, ..Default::default() };
        }
        state.goal = Goal::Run;
        state.problems.clear();
        (state.initialized, state.restarting_all) = (false, false);
        state.started = Some(now.wall);
        state.started_moment = Some(now.moment);
        state.finished = None;
        state.message = None;
    }

    fn adopt(&mut self, found: &[Found], now: Now, actions: &mut Vec<Action>) {
        // Whatever came of it: it does no harm twice.
        self.state.resizing = false;
        match self.state.sandbox {
            Sandbox::Making | Sandbox::Namespaces => self.state.sandbox = Sandbox::Absent,
            Sandbox::TearingDown => {
                let remove = matches!(&self.state.goal, Goal::Stop(stop) if stop.after == After::Remove);
                actions.push(Action::TearDown { remove });
            }
            Sandbox::Absent | Sandbox::Up => {}
        }
        for (index, found) in found.iter().enumerate() {
            self.adopt_cell(index, *found, now, actions);
        }
    }

    fn adopt_cell(&mut self, index: Index, found: Found, now: Now, actions: &mut Vec<Action>) {
        let cell = &mut self.state.cells[index];
        cell.probes.iter_mut().for_each(|p| p.in_flight = false);
        if let Some(kill) = &mut cell.kill
            && kill.phase == KillPhase::Hook
        {
            // The hook's own process ended with the supervisor that ran it, or goes on unseen: it had its chance.
            kill.phase = KillPhase::Turn;
        }
        match (cell.step, found) {
            // Whoever was to do it may have been killed before.
            (Step::Ended, _) => self.discard(index, actions),
            (Step::Waiting, _) => {}
            (Step::Deleting, _) => actions.push(Action::Delete { index, attempt: cell.attempt }),
            (Step::Creating | Step::Created, _) | (Step::Starting, Found::Absent) => {
                (cell.step, cell.process, cell.exit) = (Step::Waiting, None, None);
            }
            (Step::Starting, Found::Running) => {
                cell.started_at = cell.start_asked.take().or(Some(now.wall));
                cell.started_moment = Some(now.moment);
                self.runs(index, now);
            }
            (Step::Starting, Found::Gone(exit)) => {
                cell.started_at = cell.start_asked.take().or(Some(now.wall));
                self.exited(index, exit, now, actions);
                self.delete(index, actions);
            }
            (Step::PostStart, Found::Running) => self.runs(index, now),
            (Step::Running, Found::Running) => {}
            (Step::PostStart | Step::Running, Found::Gone(exit)) => self.exited(index, exit, now, actions),
            (Step::PostStart | Step::Running, Found::Absent) => self.exited(index, Exit::Unknown, now, actions),
        }
    }
}

fn termination(cell: &super::Cell, out_of_memory: bool, message: Option<String>, now: Now) -> Termination {
    let (exit_code, signal) = match (&cell.failure, cell.exit) {
        (Some(failure), _) => (Some(failure_code(failure.kind)), None),
        (None, Some(Exit::Code(code))) => (Some(code), None),
        (None, Some(Exit::Signal(signal))) => (Some(128 + signal), Some(signal)),
        (None, Some(Exit::Unknown) | None) => (None, None),
    };
    let reason = match (&cell.failure, exit_code) {
        (Some(_), _) => "ContainerCannotRun",
        (None, _) if out_of_memory && exit_code != Some(0) => "OOMKilled",
        (None, Some(0)) => "Completed",
        (None, _) => "Error",
    };
    Termination {
        exit_code,
        signal,
        reason: reason.to_owned(),
        message: cell.failure.as_ref().map(|f| f.message.clone()).or(message),
        started_at: cell.started_at,
        finished_at: cell.exited_at.unwrap_or(now.wall),
    }
}

/// As shells have it: 127 not found, 126 found but not executable; 128 for what failed before the program (kubelet).
fn failure_code(kind: FailureKind) -> i32 {
    match kind {
        FailureKind::CommandNotFound => 127,
        FailureKind::CommandNotInvocable => 126,
        FailureKind::NotFound
        | FailureKind::PortInUse
        | FailureKind::InitFailed
        | FailureKind::InitRetried
        | FailureKind::Config
        | FailureKind::ImageMissing
        | FailureKind::PostStart
        | FailureKind::Volume
        | FailureKind::Resize
        | FailureKind::Other => 128,
    }
}
