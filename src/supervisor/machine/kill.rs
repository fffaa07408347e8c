//! Taking a container down: preStop hook, its turn, the stop signal, SIGKILL, the cgroup.

use super::state::{Kill, KillPhase};
use super::{
    Action, After, Cell, Exit, Goal, Hook, Index, Machine, Moment, Now, Role, Sandbox, Signal, Step, Stop, StopReason,
};

/// Left for the stop signal when a hook or a sidecar's turn used the grace up, as the kubelet does.
const LEAST_GRACE: u64 = 2_000;
/// From SIGKILL to killing the cgroup, and from that to giving up.
const KILL_PATIENCE: u64 = 10_000;
const SIGKILL: i32 = 9;

impl Machine {
    /// The pod is to go down; a stop under way only gets stricter.
    pub(super) fn stop(&mut self, reason: StopReason, grace: Option<u64>, after: After, now: Now) {
        let grace = grace.unwrap_or(self.spec.grace);
        let deadline = now.moment.plus(grace);
        let until = now.wall.checked_add(std::time::Duration::from_millis(grace)).ok();
        // Those that have their signal already get no longer than is asked for now.
        let signalled = self.state.cells.iter_mut().filter_map(|cell| cell.kill.as_mut());
        for kill in signalled.filter(|kill| kill.phase == KillPhase::Signalled) {
            kill.deadline = kill.deadline.min(deadline);
        }
        match &mut self.state.goal {
            Goal::Over => {}
            Goal::Run => {
                self.state.restarting_all = false;
                self.state.goal = Goal::Stop(Stop { reason, after, deadline, grace, until });
            }
            Goal::Stop(stop) => {
                stop.grace = stop.grace.min(grace);
                if deadline < stop.deadline {
                    (stop.deadline, stop.until) = (deadline, until);
                }
                if reason == StopReason::Asked {
                    // The latest wish counts, except that a removal stands.
                    stop.after = if stop.after == After::Remove { After::Remove } else { after };
                    stop.reason = reason;
                }
            }
        }
    }

    /// Starts to take one container down, or hurries it up.
    pub(super) fn begin_kill(&mut self, index: Index, grace: u64, now: Now, actions: &mut Vec<Action>) {
        let has_hook = self.spec.containers[index].pre_stop;
        let deadline = now.moment.plus(grace);
        let cell = &mut self.state.cells[index];
        if cell.exit.is_some() {
            return;
        }
        match cell.step {
            Step::Waiting if cell.held => cell.step = Step::Ended,
            Step::Waiting | Step::Creating | Step::Deleting | Step::Ended => {}
            Step::Created | Step::Starting => self.signal_kill(index, now, actions),
            Step::PostStart | Step::Running => match &mut cell.kill {
                Some(kill) if kill.phase >= KillPhase::Killed => {}
                Some(_) if grace == 0 => self.signal_kill(index, now, actions),
                Some(kill) => kill.deadline = kill.deadline.min(deadline),
                None if grace == 0 => self.signal_kill(index, now, actions),
                None if has_hook => {
                    let (attempt, hook) = (cell.attempt, Hook::PreStop);
                    cell.kill = Some(Kill { phase: KillPhase::Hook, deadline });
                    actions.push(Action::RunHook { index, attempt, hook, limit: Some(grace) });
                }
                None => {
                    cell.kill = Some(Kill { phase: KillPhase::Turn, deadline });
                    self.take_turn(index, now, actions);
                }
            },
        }
    }

    /// A preStop hook ended, well or not.
    pub(super) fn hook_over(&mut self, index: Index, now: Now, actions: &mut Vec<Action>) {
        if let Some(kill) = &mut self.state.cells[index].kill
            && kill.phase == KillPhase::Hook
        {
            kill.phase = KillPhase::Turn;
            self.take_turn(index, now, actions);
        }
    }

    /// Sends the stop signal once nothing that must go first is left.
    pub(super) fn take_turn(&mut self, index: Index, now: Now, actions: &mut Vec<Action>) {
        let is_turn = self.is_turn(index);
        let Some(kill) = &mut self.state.cells[index].kill else { return };
        if kill.phase == KillPhase::Turn && (is_turn || kill.deadline <= now.moment) {
            let deadline = kill.deadline.max(now.moment.plus(LEAST_GRACE));
            *kill = Kill { phase: KillPhase::Signalled, deadline };
            actions.push(Action::Signal { index, signal: Signal::Stop });
        }
    }

    /// While the pod goes down a sidecar waits for all regular containers and for the sidecars that were started after it.
    fn is_turn(&self, index: Index) -> bool {
        if self.state.goal == Goal::Run || self.spec.containers[index].role != Role::Sidecar {
            return true;
        }
        self.state.cells.iter().enumerate().all(|(other, cell)| {
            let first = match self.spec.containers[other].role {
                Role::Sidecar => other > index,
                Role::Init | Role::Regular | Role::Ephemeral => true,
            };
            !first || !cell.step.is_live()
        })
    }

    pub(super) fn signal_kill(&mut self, index: Index, now: Now, actions: &mut Vec<Action>) {
        let cell = &mut self.state.cells[index];
        if cell.kill.is_some_and(|k| k.phase >= KillPhase::Killed) {
            return;
        }
        cell.kill = Some(Kill { phase: KillPhase::Killed, deadline: now.moment.plus(KILL_PATIENCE) });
        actions.push(Action::Signal { index, signal: Signal::Number(SIGKILL) });
    }

    /// Takes the next, harder step where a deadline has passed.
    pub(super) fn escalate(&mut self, now: Now, actions: &mut Vec<Action>) {
        for index in 0..self.state.cells.len() {
            let cell = &mut self.state.cells[index];
            let Some(kill) = cell.kill.filter(|k| k.deadline <= now.moment && cell.exit.is_none()) else { continue };
            match kill.phase {
                KillPhase::Hook => self.hook_over(index, now, actions),
                KillPhase::Turn => self.take_turn(index, now, actions),
                KillPhase::Signalled => self.signal_kill(index, now, actions),
                KillPhase::Killed => {
                    let deadline = now.moment.plus(KILL_PATIENCE);
                    cell.kill = Some(Kill { phase: KillPhase::Abandoned, deadline });
                    actions.push(Action::KillAll { index });
                }
                KillPhase::Abandoned => {
                    let name = &self.spec.containers[index].name;
                    self.state.problems.push(format!("container `{name}` did not end after SIGKILL"));
                    cell.exit = Some(Exit::Unknown);
                    cell.exited_at = Some(now.wall);
                    self.delete(index, actions);
                }
            }
        }
    }

    /// Drives a pod that goes down, to the point where its sandbox can be taken away.
    pub(super) fn wind_down(&mut self, stop: &Stop, now: Now, actions: &mut Vec<Action>) {
        for index in 0..self.state.cells.len() {
            let left = stop.deadline.since(now.moment);
            let grace = if stop.grace == 0 { 0 } else { left.max(1) };
            let cell = &self.state.cells[index];
            if cell.kill.is_none() || stop.grace == 0 {
                self.begin_kill(index, grace, now, actions);
            } else if let Some(kill) = &mut self.state.cells[index].kill
                && kill.phase <= KillPhase::Turn
            {
                kill.deadline = kill.deadline.min(stop.deadline);
            }
            self.take_turn(index, now, actions);
        }
        let quiet = self.state.cells.iter().all(|c| !c.step.is_live());
        if !quiet {
            return;
        }
        match self.state.sandbox {
            Sandbox::Absent | Sandbox::Up => {
                self.state.sandbox = Sandbox::TearingDown;
                actions.push(Action::TearDown { remove: stop.after == After::Remove });
            }
            // Answers soon; what it made is taken away then.
            Sandbox::Making | Sandbox::Namespaces | Sandbox::TearingDown => {}
        }
    }

    pub(super) fn cell_deadline(&self, index: Index, cell: &Cell) -> Option<Moment> {
        let restart = match (&self.state.goal, cell.step) {
            (Goal::Run, Step::Waiting) if !cell.held && self.can_create() && self.may_run(index) => cell.not_before,
            _ => None,
        };
        let kill = cell.kill.filter(|_| cell.exit.is_none()).map(|k| k.deadline);
        [restart, kill, Self::probe_deadline(cell)].into_iter().flatten().min()
    }
}
