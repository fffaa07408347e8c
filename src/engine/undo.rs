//! Taking back what one run made, by its journal: never by the input, which may name things that were there before.

use super::progress::{Progress, Report};
use super::removal::remove_tree;
use super::{Engine, EngineError, fault};
use crate::model::ObjectKind;
use crate::store::journal::{self, Made, MadeKind, Run};
use crate::store::pods::{self, PodRow};
use crate::store::{StoreError, apps, objects};
use crate::supervisor::protocol::Operation;
use rusqlite::Connection;

impl Engine {
    /// Undoes a run and closes it. Each part can be repeated. To be called with the application's lock held.
    pub(super) fn undo(&mut self, run: &Run, report: Report<'_>) -> Result<(), EngineError> {
        self.database.write(|t| journal::reopen(t, &run.id))?;
        let made = journal::made(self.database.connection(), &run.id)?;
        self.undo_pods(run, &made, report)?;
        fault("engine.undo.pods")?;
        self.undo_volumes(&made, report)?;
        fault("engine.undo.volumes")?;
        let refreshed = self.rows_of(&made, MadeKind::Refresh)?;
        self.database.write(|t| {
            made.iter().try_for_each(|thing| put_back(t, &run.app, thing))?;
            journal::finish(t, &run.id)
        })?;
        self.refresh_pods(&run.app, &refreshed)?;
        if apps::get(self.database.connection(), &run.app)?.is_none() {
            remove_tree(&self.layout().app_run(&run.app))?;
        }
        Ok(())
    }

    /// Removes the pods it made, stops those it started.
    fn undo_pods(&mut self, run: &Run, made: &[Made], report: Report<'_>) -> Result<(), EngineError> {
        let created = self.rows_of(made, MadeKind::Pod)?;
        for row in &created {
            report(Progress::Undo { what: format!("pod `{}`", row.record.pod.name) });
        }
        let removal = self.remove_pods_of(&run.app, &created, Some(0))?;
        if let Some(failure) = removal.failures.into_iter().next() {
            return Err(failure);
        }
        let started: Vec<_> = self.rows_of(made, MadeKind::Start)?;
        if !started.is_empty() && self.is_supervised(&run.app) {
            let pods = started.iter().map(|row| row.record.id.clone()).collect();
            let mut connection = self.supervisor(&run.app)?;
            self.ask_to_the_end(&mut connection, Operation::StopPods { pods, grace_seconds: None }, |_| {})?;
        }
        Ok(())
    }

    /// A volume that another pod came to use meanwhile stays.
    fn undo_volumes(&mut self, made: &[Made], report: Report<'_>) -> Result<(), EngineError> {
        let names: Vec<_> =
            made.iter().filter(|m| m.kind == MadeKind::Volume).map(|made| made.subject.clone()).collect();
        for name in self.remove_unused_volumes(&names)? {
            report(Progress::Undo { what: format!("volume `{name}`") });
        }
        Ok(())
    }

    fn rows_of(&self, made: &[Made], kind: MadeKind) -> Result<Vec<PodRow>, EngineError> {
        let ids = made.iter().filter(|made| made.kind == kind);
        let rows = ids.map(|made| pods::get(self.database.connection(), &made.subject));
        Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}

/// Puts back the row that was there before, or takes the new one away.
fn put_back(connection: &Connection, app: &str, thing: &Made) -> Result<(), StoreError> {
    let object = |kind| match &thing.before {
        Some(data) => objects::restore(connection, app, kind, &thing.subject, data),
        None => objects::delete(connection, app, kind, &thing.subject),
    };
    match (thing.kind, &thing.before) {
        (MadeKind::App, Some(before)) => apps::restore(connection, before),
        (MadeKind::App, None) => apps::delete(connection, &thing.subject),
        (MadeKind::Pod, _) => pods::delete(connection, &thing.subject),
        (MadeKind::ConfigMap, _) => object(ObjectKind::ConfigMap),
        (MadeKind::Secret, _) => object(ObjectKind::Secret),
        // A volume's row goes with its data, above; a volume that stays keeps its row.
        (MadeKind::Volume | MadeKind::Start | MadeKind::Refresh, _) => Ok(()),
    }
}
