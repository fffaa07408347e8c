//! Counting what probes say (Kubernetes, "Container probes").

use super::spec::Timing;
use super::{Action, Cell, Index, Machine, Moment, Now, Step};
use crate::supervisor::protocol::Change;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeKind {
    Startup,
    Readiness,
    Liveness,
}

impl ProbeKind {
    pub const ALL: [ProbeKind; 3] = [ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness];

    /// As events name it.
    pub fn name(self) -> &'static str {
        match self {
            ProbeKind::Startup => "startup",
            ProbeKind::Readiness => "readiness",
            ProbeKind::Liveness => "liveness",
        }
    }
}

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub ok: bool,
    /// For events: status code, error, or what a program printed; never the body of an answer.
    pub message: String,
}

/// By [`ProbeKind`].
pub type Probes = [Counter; 3];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// When it runs next; `None` when it is not due at all.
    pub next: Option<Moment>,
    pub in_flight: bool,
    successes: u32,
    failures: u32,
    /// The latest verdict, once a threshold was reached.
    verdict: Option<bool>,
}

impl Counter {
    /// Counts a result; the verdict when it is a new one or a repeated failure at the threshold.
    fn count(&mut self, timing: &Timing, ok: bool) -> Option<bool> {
        let (count, threshold) = if ok {
            self.failures = 0;
            self.successes += 1;
            (self.successes, timing.success_threshold)
        } else {
            self.successes = 0;
            self.failures += 1;
            (self.failures, timing.failure_threshold)
        };
        if count < threshold || self.verdict == Some(ok) {
            return None;
        }
        self.verdict = Some(ok);
        Some(ok)
    }
}

impl Machine {
    /// Sets up the probes of a container that has just begun to run.
    pub(super) fn begin_probing(&mut self, index: Index, now: Now) {
        let probes = &self.spec.containers[index].probes;
        let has = |kind: ProbeKind| probes[kind as usize].is_some();
        let cell = &mut self.state.cells[index];
        cell.probes = Probes::default();
        cell.healthy = None;
        cell.started = !has(ProbeKind::Startup);
        cell.ready = cell.started && !has(ProbeKind::Readiness);
        if cell.started {
            self.arm(index, ProbeKind::Readiness, now);
            self.arm(index, ProbeKind::Liveness, now);
        } else {
            self.arm(index, ProbeKind::Startup, now);
        }
    }

    fn arm(&mut self, index: Index, kind: ProbeKind, now: Now) {
        let Some(timing) = self.spec.containers[index].probes[kind as usize] else { return };
        let cell = &mut self.state.cells[index];
        let first = cell.started_moment.unwrap_or(now.moment).plus(timing.initial_delay);
        cell.probes[kind as usize].next = Some(first.max(now.moment));
    }

    /// Starts the probes that are due.
    pub(super) fn run_probes(&mut self, now: Now, actions: &mut Vec<Action>) {
        for (index, cell) in self.state.cells.iter_mut().enumerate() {
            if !is_probed(cell) {
                continue;
            }
            for kind in ProbeKind::ALL {
                let Some(timing) = &self.spec.containers[index].probes[kind as usize] else { continue };
                let counter = &mut cell.probes[kind as usize];
                if counter.in_flight || counter.next.is_none_or(|next| next > now.moment) {
                    continue;
                }
                counter.in_flight = true;
                // A late tick must not be made up for by a burst.
                let planned = counter.next.map(|next| next.plus(timing.period));
                counter.next =
                    planned.map(|next| if next <= now.moment { now.moment.plus(timing.period) } else { next });
                actions.push(Action::Probe { index, attempt: cell.attempt, probe: kind });
            }
        }
    }

    pub(super) fn probed(
        &mut self,
        index: Index,
        kind: ProbeKind,
        outcome: Outcome,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        let Some(timing) = self.spec.containers[index].probes[kind as usize] else { return };
        let cell = &mut self.state.cells[index];
        let counter = &mut cell.probes[kind as usize];
        counter.in_flight = false;
        if !is_probed(cell) {
            return;
        }
        let verdict = cell.probes[kind as usize].count(&timing, outcome.ok);
        if !outcome.ok || verdict.is_some() {
            let id = self.spec.containers[index].id.clone();
            let (probe, ok, message) = (kind.name().to_owned(), outcome.ok, outcome.message);
            actions.push(Action::Emit(Change::Probe { id, probe, ok, message }));
        }
        match (kind, verdict) {
            (_, None) => {}
            (ProbeKind::Startup, Some(true)) => {
                cell.probes[ProbeKind::Startup as usize].next = None;
                cell.started = true;
                cell.ready = self.spec.containers[index].probes[ProbeKind::Readiness as usize].is_none();
                self.arm(index, ProbeKind::Readiness, now);
                self.arm(index, ProbeKind::Liveness, now);
            }
            (ProbeKind::Readiness, Some(ready)) => cell.ready = ready,
            (ProbeKind::Liveness, Some(true)) => cell.healthy = Some(true),
            (ProbeKind::Startup | ProbeKind::Liveness, Some(false)) => {
                cell.healthy = Some(false);
                cell.ready = false;
                let grace = timing.grace.unwrap_or(self.spec.grace);
                self.begin_kill(index, grace, now, actions);
            }
        }
    }

    pub(super) fn probe_deadline(cell: &Cell) -> Option<Moment> {
        if !is_probed(cell) {
            return None;
        }
        cell.probes.iter().filter(|p| !p.in_flight).filter_map(|p| p.next).min()
    }
}

fn is_probed(cell: &Cell) -> bool {
    cell.step == Step::Running && cell.kill.is_none() && cell.exit.is_none()
}
