//! Taking pods, volumes and applications away.
//!
//! A removal is decided in one transaction (rows marked `removing`), then carried out: what runs, what lies on the disk, the rows. Each
//! step can be repeated, so that whoever finds marked rows finishes what an interrupted command began.

use super::{Engine, EngineError, fault};
use crate::storage::{self, VolumeError};
use crate::store::events::LoggedEvent;
use crate::store::pods::{self, PodRow};
use crate::store::record::PodPhase;
use crate::store::{apps, events, lock, volumes};
use crate::supervisor::protocol::{Failure, Operation};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What was removed, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Removal {
    /// Ids of pods that ran.
    pub stopped: Vec<String>,
    /// Ids of pods that are gone.
    pub removed: Vec<String>,
    pub failures: Vec<EngineError>,
}

/// How long a supervisor with nothing left to do is given to end.
const SUPERVISOR_END: Duration = Duration::from_secs(2);

impl Engine {
    /// Removes pods of one application, all at once. To be called with its lock held.
    pub(super) fn remove_pods_of(
        &mut self,
        app: &str,
        rows: &[PodRow],
        grace_seconds: Option<u64>,
    ) -> Result<Removal, EngineError> {
        if rows.is_empty() {
            return Ok(Removal::default());
        }
        let stopped = rows.iter().filter(|row| self.seems_alive(row)).map(|row| row.record.id.clone()).collect();
        self.database.write(|t| rows.iter().try_for_each(|row| pods::mark_removing(t, &row.record.id)))?;
        fault("engine.remove.marked")?;
        let failures = self.clear_run(app, rows, grace_seconds)?;
        fault("engine.remove.stopped")?;
        let mut removal = Removal { stopped, ..Removal::default() };
        for row in rows {
            match failures.iter().find(|failure| failure.subject == row.record.id) {
                Some(failure) => removal.failures.push(EngineError::Supervisor {
                    attempt: "remove pod",
                    subject: row.record.pod.name.clone(),
                    message: failure.message.clone(),
                    kind: super::supervisor::failure_kind(failure.kind),
                }),
                None => match self.remove_directories(row) {
                    Ok(()) => removal.removed.push(row.record.id.clone()),
                    Err(error) => removal.failures.push(error),
                },
            }
        }
        fault("engine.remove.directories")?;
        self.database.write(|t| removal.removed.iter().try_for_each(|id| pods::delete(t, id)))?;
        self.log_removed(rows.iter().filter(|row| removal.removed.contains(&row.record.id)));
        fault("engine.remove.claims")?;
        self.remove_orphaned_claims()?;
        Ok(removal)
    }

    /// Removes the volumes of `ephemeral` claims whose pods are gone.
    pub(super) fn remove_orphaned_claims(&mut self) -> Result<(), EngineError> {
        let orphaned = volumes::orphaned(self.database.connection())?;
        self.remove_unused_volumes(&orphaned).map(drop)
    }

    /// Ends what runs of the pods and takes away what they have below `<run>`, by the supervisor, if there is anything.
    fn clear_run(&self, app: &str, rows: &[PodRow], grace_seconds: Option<u64>) -> Result<Vec<Failure>, EngineError> {
        let layout = self.layout();
        let networks = self.networks();
        let traces = |row: &PodRow| {
            if networks.is_set_up(&row.record.id) {
                return true;
            }
            let containers = row.record.containers.iter().map(|c| layout.container_run(&c.id));
            std::iter::once(layout.pod_run(&row.record.id)).chain(containers).any(|path| path.exists())
        };
        if !self.is_supervised(app) && !rows.iter().any(traces) {
            return Ok(Vec::new());
        }
        let pods = rows.iter().map(|row| row.record.id.clone()).collect();
        let mut connection = self.supervisor(app)?;
        self.ask_to_the_end(&mut connection, Operation::RemovePods { pods, grace_seconds }, |_| {})
    }

    fn remove_directories(&self, row: &PodRow) -> Result<(), EngineError> {
        let layout = self.layout();
        for container in &row.record.containers {
            let path = layout.container(&container.id);
            storage::remove_container(layout, &container.id).map_err(|source| EngineError::File {
                attempt: "remove",
                path,
                source,
            })?;
        }
        let path = layout.pod(&row.record.id);
        storage::discard(&path).map_err(|source| EngineError::File { attempt: "remove", path, source })
    }

    /// Finishes removals that were decided and not carried out. To be called with the application's lock held.
    pub(super) fn finish_removals(&mut self, app: &str) -> Result<(), EngineError> {
        let connection = self.database.connection();
        let Some(row) = apps::get(connection, app)? else { return Ok(()) };
        if pods::removing(connection)?.iter().any(|(_, owner)| owner == app) {
            let rows = pods::of_app(connection, app)?;
            let marked: Vec<_> = rows.into_iter().filter(|row| row.removing).collect();
            let removal = self.remove_pods_of(app, &marked, Some(0))?;
            if let Some(failure) = removal.failures.into_iter().next() {
                return Err(failure);
            }
        }
        match row.state {
            apps::AppState::Present => Ok(()),
            apps::AppState::Removing { volumes } => {
                let names = if volumes { self.volumes_of(&row, &[])? } else { Vec::new() };
                self.remove_unused_volumes(&names)?;
                self.drop_app(app)
            }
        }
    }

    /// Forgets an application without pods, with its objects and its place below `<run>`.
    pub(super) fn drop_app(&mut self, app: &str) -> Result<(), EngineError> {
        self.await_supervisor_end(app);
        fault("engine.remove.app")?;
        self.database.write(|t| apps::delete(t, app))?;
        self.remove_app_run(app)
    }

    /// Removes an application's place below `<run>`; whoever still lives there is told to end.
    pub(super) fn remove_app_run(&self, app: &str) -> Result<(), EngineError> {
        let path = self.layout().app_run(app);
        if path.exists() {
            // Left by a supervisor that was killed just before its own end.
            let fail = |source| EngineError::File { attempt: "end the keeper of", path: path.clone(), source };
            crate::supervisor::end_keeper(self.layout(), app).map_err(fail)?;
        }
        remove_tree(&path)
    }

    /// Gives a supervisor that has nothing left to do the time to end: it takes its own files away.
    pub(super) fn await_supervisor_end(&self, app: &str) {
        let end = Instant::now() + SUPERVISOR_END;
        while lock::is_held(&self.layout().supervisor_lock(app)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Names of the volumes that go with an application: those it made, those its claims and pods name.
    pub(super) fn volumes_of(&self, app: &apps::AppRow, rows: &[PodRow]) -> Result<Vec<String>, EngineError> {
        let connection = self.database.connection();
        let mut names = volumes::of_app(connection, &app.id)?;
        names.extend(app.claims.iter().map(|claim| claim.name.clone()));
        names.extend(rows.iter().flat_map(|row| crate::graph::uses::claims(&row.record.pod)));
        names.sort();
        names.dedup();
        Ok(volumes::existing(connection, names)?.into_iter().collect())
    }

    /// Removes those of the volumes that no pod refers to; their names.
    pub(super) fn remove_unused_volumes(&mut self, names: &[String]) -> Result<Vec<String>, EngineError> {
        let mut removed = Vec::new();
        for name in names {
            match self.volume_store().remove(name) {
                Ok(name) => removed.push(name),
                Err(VolumeError::InUse { .. } | VolumeError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let logged: Vec<_> = removed.iter().map(|name| LoggedEvent::now("volume", "remove", name, name)).collect();
        self.log_events(&logged);
        Ok(removed)
    }

    /// By the supervisor's last word alone.
    pub(super) fn seems_alive(&self, row: &PodRow) -> bool {
        let text = std::fs::read(self.layout().pod_status(&row.record.id)).unwrap_or_default();
        let status = serde_json::from_slice::<crate::store::record::PodStatus>(&text);
        let Ok(status) = status else { return false };
        // A reboot ends every pod, and nobody writes that down.
        let is_of_this_boot = super::machine::boot_id().is_ok_and(|boot| boot == status.boot_id);
        is_of_this_boot && matches!(status.phase, PodPhase::Running | PodPhase::Pending)
    }

    fn log_removed<'a>(&self, rows: impl Iterator<Item = &'a PodRow>) {
        let mut logged = Vec::new();
        for PodRow { record, .. } in rows {
            let pod = &record.pod.name;
            logged.extend(record.containers.iter().map(|container| {
                LoggedEvent::now("container", "remove", &container.id, &container.name)
                    .with("image", &container.image.reference)
                    .with("podId", &record.id)
                    .with("podName", pod)
            }));
            logged.push(LoggedEvent::now("pod", "remove", &record.id, pod));
        }
        self.log_events(&logged);
    }

    /// Appends to the event log; a full disk must not fail what has been done.
    pub(super) fn log_events(&self, logged: &[LoggedEvent]) {
        if logged.is_empty() {
            return;
        }
        if let Err(error) = events::append(self.layout(), logged) {
            tracing::warn!(%error, "cannot append to the event log");
        }
    }
}

/// Removes a file or directory with all below it, following no link and entering no mount, however deep a container made it; one
/// that does not exist is a success.
pub(super) fn remove_tree(path: &Path) -> Result<(), EngineError> {
    let fail = |source| EngineError::File { attempt: "remove", path: PathBuf::from(path), source };
    crate::sys::dir::remove_tree(path).map_err(fail)
}
