//! Carrying out a plan.
//!
//! ```text
//! images ─> old pods removed ─> networks ─> records (one transaction, opens the run) ─> files ─┐
//! supervisor is started or reached, beside all that ───────────────────────────────────────────┴─> start ─> run accepted
//! ```
//!
//! The plan's order within pods is the supervisor's to keep: it makes sandboxes, runs init containers and starts the others, and says
//! what it does.

use super::identity::Claimed;
use super::prepare::Prepared;
use super::progress::{Progress, Report, StepState};
use super::{Engine, EngineError, PlayRequest, Removed, fault};
use crate::graph::{Plan, StepKind};
use crate::model::ObjectKind;
use crate::store::journal::{self, Made, Run};
use crate::store::pods::{self, PodRow};
use crate::store::record::PodRecord;
use crate::supervisor::client::{self, ClientError, Connection};
use crate::supervisor::protocol::{Failure, FailureKind, Operation};
use std::collections::VecDeque;
use std::thread::JoinHandle;

/// What was done beside the plan's own steps.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub removed: Removed,
    pub failures: Vec<EngineError>,
}

/// The steps of a plan by what carries them out.
#[derive(Debug, Default)]
pub(super) struct Actions {
    pub images: Vec<String>,
    pub networks: Vec<String>,
    pub remove: Vec<String>,
    pub store: Vec<(ObjectKind, String)>,
    pub drop: Vec<(ObjectKind, String)>,
    pub volumes: Vec<String>,
    pub create: Vec<String>,
    /// Pods that are amended.
    pub update: Vec<String>,
    pub refresh: Vec<String>,
    pub start: Vec<String>,
}

impl Actions {
    pub fn of(plan: &Plan) -> Self {
        let mut actions = Self::default();
        for step in plan.steps() {
            match step.kind.clone() {
                StepKind::LoadImage { image } | StepKind::PullImage { image } => actions.images.push(image),
                StepKind::CreateNetwork { network } => actions.networks.push(network),
                StepKind::RemovePod { pod } => actions.remove.push(pod),
                StepKind::StoreObject { kind, name } => actions.store.push((object_kind(&kind), name)),
                StepKind::RemoveObject { kind, name } => actions.drop.push((object_kind(&kind), name)),
                StepKind::CreateVolume { volume } => actions.volumes.push(volume),
                StepKind::CreatePod { pod } => actions.create.push(pod),
                StepKind::UpdatePod { pod } => actions.update.push(pod),
                StepKind::RefreshObjects { pod } => actions.refresh.push(pod),
                StepKind::Sandbox { pod } => actions.start.push(pod),
                // Part of removing and of starting a pod.
                StepKind::StopPod { .. }
                | StepKind::InitContainer { .. }
                | StepKind::Sidecar { .. }
                // Part of refreshing it.
                | StepKind::ResizePod { .. }
                | StepKind::RestartContainer { .. }
                | StepKind::StartContainer { .. } => {}
            }
        }
        actions
    }

    fn needs_supervisor(&self) -> bool {
        !self.start.is_empty() || !self.refresh.is_empty()
    }
}

fn object_kind(name: &str) -> ObjectKind {
    if name == "Secret" { ObjectKind::Secret } else { ObjectKind::ConfigMap }
}

/// A supervisor being started or reached by a thread, because both sides have work to do meanwhile.
struct Starting {
    thread: Option<JoinHandle<Result<Connection, ClientError>>>,
}

impl Starting {
    fn begin(engine: &Engine, app: &str) -> Self {
        let (layout, app, launch) = (engine.layout().clone(), app.to_owned(), engine.launch());
        Self { thread: Some(std::thread::spawn(move || client::ensure(&layout, &app, &launch))) }
    }

    fn connection(mut self) -> Result<Connection, EngineError> {
        let thread = self.thread.take().expect("taken once, here or when dropped");
        thread.join().expect("reaching a supervisor does not panic").map_err(super::supervisor::with_log)
    }
}

impl Drop for Starting {
    /// A supervisor without pods ends with the connection; nothing may be cleaned up before it is known.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Engine {
    /// Does what the plan says, in one run of the journal.
    pub(super) fn carry_out(
        &mut self,
        request: &PlayRequest,
        claimed: &Claimed,
        prepared: &Prepared,
        run: &Run,
        report: Report<'_>,
    ) -> Result<Done, EngineError> {
        let actions = Actions::of(&prepared.plan);
        let app = &claimed.app.id;
        // Images come first, whatever time they take: nothing else waits for them half done.
        let images = self.load_images(&actions, prepared, report)?;
        self.check_interrupt()?;
        let starting = actions.needs_supervisor().then(|| Starting::begin(self, app));
        let removed = self.remove_old(run, &actions, prepared, report)?;
        self.check_interrupt()?;
        let definitions = self.network_definitions(&actions, prepared, report)?;
        fault("engine.play.networks")?;
        let made = self.record(request, claimed, prepared, &actions, &images, &definitions, run)?;
        fault("engine.play.recorded")?;
        let existing = prepared.rows.iter().map(|row| &row.record);
        let touched = |record: &&PodRecord| {
            let name = &record.pod.name;
            actions.start.contains(name) || actions.refresh.contains(name)
        };
        let replaced = |record: &&PodRecord| made.iter().any(|new| new.pod.name == record.pod.name);
        let records: Vec<&PodRecord> =
            made.iter().chain(existing.filter(|record| !replaced(record)).filter(touched)).collect();
        self.write_files(&actions, &records, report)?;
        fault("engine.play.written")?;
        self.check_interrupt()?;
        let mut done = Done { removed, failures: Vec::new() };
        let Some(starting) = starting else { return Ok(done) };
        let mut connection = starting.connection()?;
        fault("engine.play.supervised")?;
        self.refresh(&mut connection, &actions, &records, &prepared.plan, report)?;
        done.failures = self.start(&mut connection, request, &actions, &records, run, report)?;
        Ok(done)
    }

    fn remove_old(
        &mut self,
        run: &Run,
        actions: &Actions,
        prepared: &Prepared,
        report: Report<'_>,
    ) -> Result<Removed, EngineError> {
        let is_old = |row: &&PodRow| actions.remove.contains(&row.record.pod.name);
        let rows: Vec<PodRow> = prepared.rows.iter().filter(is_old).cloned().collect();
        for pod in &actions.remove {
            report(step(StepKind::RemovePod { pod: pod.clone() }, StepState::Started));
        }
        if !rows.is_empty() {
            // Before anything goes, so that it can be put back.
            let replaced: Vec<Made> = rows.iter().map(|row| self.replaced(row)).collect();
            self.database.write(|t| journal::begin(t, run, &replaced))?;
            fault("engine.play.replacing")?;
        }
        let removal = self.remove_pods_of(&run.app, &rows, None)?;
        fault("engine.play.replaced")?;
        for pod in &actions.remove {
            report(step(StepKind::RemovePod { pod: pod.clone() }, StepState::Done));
        }
        match removal.failures.into_iter().next() {
            Some(failure) => Err(failure),
            None => Ok(Removed { stopped: removal.stopped, pods: removal.removed, ..Removed::default() }),
        }
    }

    fn refresh(
        &mut self,
        connection: &mut Connection,
        actions: &Actions,
        records: &[&PodRecord],
        plan: &Plan,
        report: Report<'_>,
    ) -> Result<(), EngineError> {
        let pods = ids(records, &actions.refresh);
        if pods.is_empty() {
            return Ok(());
        }
        let failures = self.ask(connection, Operation::RefreshObjects { pods }, |_| {})?;
        let (partial, failures): (Vec<_>, Vec<_>) =
            failures.into_iter().partition(|failure| failure.kind == FailureKind::Resize);
        if let Some(failure) = failures.first() {
            return Err(start_failure("refresh pod", failure, records));
        }
        for failure in partial {
            report(Progress::Notice(resize_notice(&failure, records)));
        }
        let is_done = |kind: &StepKind| {
            matches!(
                kind,
                StepKind::RefreshObjects { .. } | StepKind::ResizePod { .. } | StepKind::RestartContainer { .. }
            )
        };
        for done in plan.steps().filter(|step| is_done(&step.kind)) {
            report(step(done.kind.clone(), StepState::Done));
        }
        Ok(())
    }

    /// Starts pods, at most `request.parallel` at a time. The failures, when they are to be kept.
    fn start(
        &mut self,
        connection: &mut Connection,
        request: &PlayRequest,
        actions: &Actions,
        records: &[&PodRecord],
        run: &Run,
        report: Report<'_>,
    ) -> Result<Vec<EngineError>, EngineError> {
        let mut left: VecDeque<String> = ids(records, &actions.start).into();
        let width = if request.parallel == 0 { left.len().max(1) } else { request.parallel };
        // All at once in one request, else each as soon as another is through.
        let size = if width >= left.len() { left.len() } else { 1 };
        let mut under_way = Vec::new();
        let mut failures = Vec::new();
        loop {
            while under_way.len() < width && !left.is_empty() {
                let batch = left.drain(..size).collect();
                under_way.push(connection.send(Operation::StartPods { pods: batch })?);
                if left.is_empty() {
                    // The supervisor has all of them: from here on they go forward whatever becomes of this command.
                    self.database.write_relaxed(|t| journal::accept(t, &run.id))?;
                }
                fault("engine.play.accepted")?;
            }
            if under_way.is_empty() {
                break;
            }
            let (done, failed) = self.until_any_done(connection, &under_way, |event| {
                if let Some(progress) = super::progress::from_event(&event, records) {
                    report(progress);
                }
            })?;
            under_way.retain(|id| *id != done);
            let (retried, failed): (Vec<_>, Vec<_>) =
                failed.into_iter().partition(|failure| failure.kind == FailureKind::InitRetried);
            for failure in retried {
                let pod = records.iter().find(|record| record.id == failure.subject);
                let pod = pod.map_or(failure.subject.as_str(), |record| record.pod.name.as_str());
                report(Progress::Notice(format!("pod `{pod}` waits: {}", failure.message)));
            }
            failures.extend(failed.iter().map(|failure| start_failure("start pod", failure, records)));
            if !failures.is_empty() && !request.keep_on_error {
                return Err(EngineError::several(failures));
            }
        }
        fault("engine.play.started")?;
        Ok(failures)
    }

    /// Gives pods their present metadata and objects again, after an undo put the old ones back.
    pub(super) fn refresh_pods(&mut self, app: &str, rows: &[PodRow]) -> Result<(), EngineError> {
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            self.write_pod(&row.record)?;
        }
        if !self.is_supervised(app) {
            return Ok(());
        }
        let pods = rows.iter().map(|row| row.record.id.clone()).collect();
        let mut connection = self.supervisor(app)?;
        self.ask_to_the_end(&mut connection, Operation::RefreshObjects { pods }, |_| {})?;
        Ok(())
    }

    /// Refuses names that another pod has, in the transaction that takes them.
    pub(super) fn check_names(connection: &rusqlite::Connection, record: &PodRecord) -> Result<(), EngineError> {
        let name = &record.pod.name;
        if let Some((_, _, app)) = pods::owners(connection, &[name])?.into_iter().next() {
            let owner = Some(format!("in application `{app}`"));
            return Err(EngineError::NameTaken { what: "pod", name: name.clone(), owner });
        }
        for container in &record.containers {
            if let Some((_, pod)) = pods::container_owner(connection, &container.name)? {
                let owner = Some(format!("in pod `{pod}`"));
                return Err(EngineError::NameTaken { what: "container", name: container.name.clone(), owner });
            }
        }
        Ok(())
    }
}

pub(super) fn step(kind: StepKind, state: StepState) -> Progress {
    Progress::Step { kind, state }
}

/// Ids of the named pods, in the order of the names.
fn ids(records: &[&PodRecord], names: &[String]) -> Vec<String> {
    let id = |name: &String| records.iter().find(|record| &record.pod.name == name).map(|record| record.id.clone());
    names.iter().filter_map(id).collect()
}

/// What a pod that got other resources did not get: no reason to take back the rest.
fn resize_notice(failure: &Failure, records: &[&PodRecord]) -> String {
    let container = records.iter().flat_map(|record| &record.containers).find(|c| c.id == failure.subject);
    let pod = records.iter().find(|record| record.id == failure.subject);
    let subject = match (container, pod) {
        (Some(container), _) => format!("container `{}`", container.name),
        (None, pod) => format!("pod `{}`", pod.map_or(failure.subject.as_str(), |record| record.pod.name.as_str())),
    };
    format!("{subject}: {}", failure.message)
}

fn start_failure(attempt: &'static str, failure: &Failure, records: &[&PodRecord]) -> EngineError {
    let pod = records.iter().find(|record| record.id == failure.subject);
    let containers = records.iter().flat_map(|record| &record.containers);
    let container = containers.filter(|c| c.id == failure.subject).map(|c| c.name.clone()).next();
    let (attempt, subject) = match (pod, container) {
        (None, Some(container)) => ("start container", container),
        (pod, _) => (attempt, pod.map_or_else(|| failure.subject.clone(), |record| record.pod.name.clone())),
    };
    EngineError::Supervisor {
        attempt,
        subject,
        message: failure.message.clone(),
        kind: super::supervisor::failure_kind(failure.kind),
    }
}
