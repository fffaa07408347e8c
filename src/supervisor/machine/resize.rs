//! CPU and memory of a pod that runs, brought to what is wanted (Kubernetes, "Resize CPU and Memory Resources assigned to
//! Containers").
//!
//! The pod's cgroup has room for what its containers have and for what they will have, until each has what is wanted: so it grows
//! before they do, and shrinks after them.

use super::{Action, Goal, Index, Machine, Now, Sandbox, Step};
use crate::model::Resources;
use crate::supervisor::protocol::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

/// CPU and memory of a cgroup.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Size {
    /// What it was given; `None` when it has none, or an earlier version made it.
    pub present: Option<Resources>,
    /// What it could not be given, and why. It is not tried again until somebody asks.
    pub refused: Option<(Resources, String)>,
}

/// What came of other values for a cgroup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resized {
    /// What it should have.
    pub wanted: Resources,
    /// What it has now.
    pub present: Resources,
    /// Why that is not all that it should have.
    pub problem: Option<String>,
}

impl Size {
    pub fn given(resources: Resources) -> Self {
        Self { present: Some(resources), refused: None }
    }

    pub(super) fn differs(&self, wanted: &Resources) -> bool {
        self.present.is_some_and(|present| !present.same_cpu(wanted) || !present.same_memory(wanted))
    }

    fn is_due(&self, wanted: &Resources) -> bool {
        self.differs(wanted) && self.refused.as_ref().is_none_or(|(refused, _)| refused != wanted)
    }

    fn take(&mut self, Resized { wanted, present, problem }: Resized) {
        self.present = Some(present);
        self.refused = problem.map(|problem| (wanted, problem));
    }
}

impl Machine {
    /// A supervisor of an earlier version did not note what it gave: that was what is wanted.
    pub(super) fn assume_sizes(&mut self) {
        let state = &mut self.state;
        if state.sandbox != Sandbox::Absent {
            state.size.present.get_or_insert(self.spec.resources);
        }
        for (cell, spec) in state.cells.iter_mut().zip(&self.spec.containers).filter(|(cell, _)| cell.step.is_live()) {
            cell.size.present.get_or_insert(spec.resources);
        }
    }

    /// Somebody changed what is wanted, or asks again. Returns the containers that are restarted for it.
    pub(super) fn amended(&mut self) -> Vec<Index> {
        self.state.size.refused = None;
        self.state.cells.iter_mut().for_each(|cell| cell.size.refused = None);
        (0..self.state.cells.len()).filter(|index| self.is_resized(*index) && self.restarts(*index)).collect()
    }

    /// Has containers restarted, and cgroups changed, that are not as wanted.
    pub(super) fn resize(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.state.resizing || !matches!(self.state.sandbox, Sandbox::Namespaces | Sandbox::Up) {
            return;
        }
        let due: Vec<Index> = (0..self.state.cells.len()).filter(|index| self.is_resized(*index)).collect();
        let (again, in_place): (Vec<_>, Vec<_>) = due.into_iter().partition(|index| self.restarts(*index));
        for index in again {
            let cell = &mut self.state.cells[index];
            (cell.wanted, cell.outcome) = (true, None);
            self.begin_kill(index, self.spec.grace, now, actions);
        }
        let pod = self.room();
        if in_place.is_empty() && !self.state.size.is_due(&pod) {
            return;
        }
        self.state.resizing = true;
        let containers = in_place
            .into_iter()
            .map(|index| (index, self.state.cells[index].attempt, self.spec.containers[index].resources));
        actions.push(Action::Resize { pod, containers: containers.collect() });
    }

    pub(super) fn resized(&mut self, pod: Resized, containers: Vec<(Index, u32, Resized)>) {
        self.state.resizing = false;
        self.state.size.take(pod);
        for (index, attempt, resized) in containers {
            let cell = &mut self.state.cells[index];
            if cell.attempt == attempt && cell.step.is_live() {
                cell.size.take(resized);
            }
        }
    }

    /// What the pod's cgroup should have for now.
    fn room(&self) -> Resources {
        let cells = self.state.cells.iter().zip(&self.spec.containers).filter(|(cell, _)| cell.step.is_live());
        let others = cells.filter_map(|(cell, spec)| Some((cell.size.present?, spec.resources)));
        others.fold(self.spec.resources, |room, (present, wanted)| room.with_room_for(&present, &wanted))
    }

    /// Whether the container runs with other resources than it should, and something can be done about that now.
    fn is_resized(&self, index: Index) -> bool {
        let cell = &self.state.cells[index];
        let has_cgroup = matches!(cell.step, Step::Created | Step::Starting | Step::PostStart | Step::Running);
        let stays = cell.exit.is_none() && cell.kill.is_none();
        has_cgroup && stays && cell.size.is_due(&self.spec.containers[index].resources)
    }

    /// Whether the container is restarted for that. One whose program has not begun has nothing to be told by a restart.
    fn restarts(&self, index: Index) -> bool {
        let (cell, spec) = (&self.state.cells[index], &self.spec.containers[index]);
        let runs = matches!(cell.step, Step::PostStart | Step::Running);
        runs && cell.size.present.is_some_and(|present| spec.resize.restarts(&present, &spec.resources))
    }

    /// Whether something is still to be changed that can be.
    pub(super) fn is_resizing(&self) -> bool {
        let cells = self.state.cells.iter().zip(&self.spec.containers);
        let mut live = cells.filter(|(cell, _)| cell.step.is_live());
        self.state.resizing
            || live.any(|(cell, spec)| cell.size.is_due(&spec.resources))
            || self.state.size.is_due(&self.room())
    }

    /// What the container has still, and should not.
    pub(super) fn held_resources(&self, index: Index) -> Option<Resources> {
        let (cell, spec) = (&self.state.cells[index], &self.spec.containers[index]);
        cell.size.present.filter(|_| cell.size.differs(&spec.resources))
    }

    /// What could not be changed: the subject's id, and why.
    pub(super) fn resize_failures(&self) -> Vec<Failure> {
        let cells = self.state.cells.iter().zip(&self.spec.containers);
        let of_cells = cells.map(|(cell, spec)| (&spec.id, &cell.size));
        let all = of_cells.chain([(&self.spec.pod, &self.state.size)]);
        let failures = all.filter_map(|(id, size)| {
            let (_, message) = size.refused.as_ref()?;
            Some(Failure { subject: id.clone(), kind: FailureKind::Resize, message: message.clone() })
        });
        failures.collect()
    }

    /// What came of a change, once nothing is left to be done; of the containers that are restarted for it, whether they run.
    pub(super) fn resize_outcome(&self, restarted: &[Index]) -> Option<Vec<Failure>> {
        if self.state.goal != Goal::Run {
            return Some(Vec::new());
        }
        if self.is_resizing() {
            return None;
        }
        let mut failures = self.resize_failures();
        if !restarted.is_empty() {
            failures.extend(self.containers_outcome(restarted)?);
        }
        Some(failures)
    }
}
