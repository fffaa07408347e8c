//! Requests that wait for something to become true of the pod.

use super::{Action, After, Cell, Goal, Index, Machine, Role, Step, StopReason, Token};
use crate::supervisor::protocol::{Failure, FailureKind};

#[derive(Debug, Clone)]
pub(super) struct Waiter {
    pub token: Token,
    pub wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    /// Each of these has run, or could not.
    Started(Vec<Index>),
    /// CPU and memory are as wanted; these, which are restarted for that, run again.
    Resized(Vec<Index>),
    /// None of these runs.
    Ended(Vec<Index>),
    /// The pod is down and its sandbox gone.
    Down,
    /// Down, and then up again.
    Restarted,
}

impl Wanted {
    pub(super) fn of(after: After) -> Self {
        match after {
            After::Start => Wanted::Restarted,
            After::Nothing | After::Remove => Wanted::Down,
        }
    }
}

impl Machine {
    /// Replies to every waiter whose wish came true or cannot come true any more.
    pub(super) fn answer(&mut self, actions: &mut Vec<Action>) {
        let waiters = std::mem::take(&mut self.waiters);
        for mut waiter in waiters {
            if waiter.wanted == Wanted::Restarted && self.state.goal == Goal::Run {
                waiter.wanted = Wanted::Started(self.regulars());
            }
            match self.outcome(&waiter.wanted) {
                Some(failures) => actions.push(Action::Reply { token: waiter.token, failures }),
                None => self.waiters.push(waiter),
            }
        }
    }

    fn outcome(&self, wanted: &Wanted) -> Option<Vec<Failure>> {
        match wanted {
            Wanted::Nothing => Some(Vec::new()),
            Wanted::Started(containers) => self.start_outcome(containers),
            Wanted::Resized(restarted) => self.resize_outcome(restarted),
            Wanted::Ended(containers) => {
                let down = containers.iter().all(|i| !self.state.cells[*i].step.is_live());
                down.then(Vec::new)
            }
            Wanted::Down => (self.state.goal == Goal::Over).then(|| self.pod_problems()),
            Wanted::Restarted => (self.state.goal == Goal::Over).then(|| self.over_outcome(&[])),
        }
    }

    fn start_outcome(&self, containers: &[Index]) -> Option<Vec<Failure>> {
        match &self.state.goal {
            Goal::Run => self.containers_outcome(containers),
            // Wait for the end, so that nothing is half there when the failure is told.
            Goal::Stop(_) => match self.containers_outcome(containers) {
                Some(failures) if failures.is_empty() => Some(failures),
                _ => None,
            },
            Goal::Over => Some(self.over_outcome(containers)),
        }
    }

    fn over_outcome(&self, containers: &[Index]) -> Vec<Failure> {
        let mut failures = self.containers_outcome(containers).unwrap_or_default();
        if failures.is_empty() {
            let reason = self.state.final_reason.as_ref().unwrap_or(&StopReason::Asked);
            failures.extend(self.stop_failure(reason).map(|f| self.pod_failure(f.kind, f.message)));
        }
        failures
    }

    pub(super) fn containers_outcome(&self, containers: &[Index]) -> Option<Vec<Failure>> {
        // Ephemeral containers wait for nobody.
        let waits = containers.is_empty()
            || containers.iter().any(|index| self.spec.containers[*index].role != Role::Ephemeral);
        if let Some(failure) = self.crashing_init().filter(|_| waits) {
            return Some(vec![failure]);
        }
        // One that failed while it ran is told about once it is down.
        if containers.iter().map(|i| &self.state.cells[*i]).any(is_going_down_after_failure) {
            return None;
        }
        let outcomes: Option<Vec<_>> =
            containers.iter().map(|i| self.state.cells[*i].outcome.as_ref().map(|o| (*i, o))).collect();
        let failed = outcomes?.into_iter().filter_map(|(index, outcome)| {
            let failure = outcome.as_ref().err()?;
            let subject = self.spec.containers[index].id.clone();
            Some(Failure { subject, kind: failure.kind, message: failure.message.clone() })
        });
        Some(failed.collect())
    }

    /// An init container that waits after it failed more than once, or could not be run at all: it goes on trying, but nobody
    /// should wait for it.
    fn crashing_init(&self) -> Option<Failure> {
        if self.state.initialized {
            return None;
        }
        let index = self.first_blocking()?;
        let cell = &self.state.cells[index];
        let failed_again = cell.again && cell.restart_count > 0;
        let could_not_run = matches!(cell.outcome, Some(Err(_)));
        let crashed = cell.step == Step::Waiting && (failed_again || could_not_run);
        if !crashed || self.spec.containers[index].role == Role::Regular {
            return None;
        }
        let failure = self.init_failure(index);
        let (kind, outlook) = match cell.restart_count {
            // What is wrong with it will not pass.
            _ if could_not_run => (failure.kind, "it is tried again".to_owned()),
            restarts => (FailureKind::InitRetried, format!("{} times; it is tried again", restarts + 1)),
        };
        Some(self.pod_failure(kind, format!("{} ({outlook})", failure.message)))
    }

    fn pod_problems(&self) -> Vec<Failure> {
        self.state.problems.iter().map(|p| self.pod_failure(FailureKind::Other, p.clone())).collect()
    }

    fn pod_failure(&self, kind: FailureKind, message: String) -> Failure {
        Failure { subject: self.spec.pod.clone(), kind, message }
    }
}

fn is_going_down_after_failure(cell: &Cell) -> bool {
    matches!(cell.outcome, Some(Err(_))) && (cell.kill.is_some() || cell.step == Step::Deleting)
}
