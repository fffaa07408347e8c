//! Taking back what one run made, by its journal: never by the input, which may name things that were there before.

use super::progress::{Progress, Report};
use super::{Engine, EngineError, fault};
use crate::model::ObjectKind;
use crate::store::journal::{self, Made, MadeKind, Run};
use crate::store::pods::{self, PodRow};
use crate::store::record::{PodNetwork, PodRecord};
use crate::store::{StoreError, apps, objects};
use crate::supervisor::protocol::Operation;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

impl Engine {
    /// Undoes a run and closes it. Each part can be repeated. To be called with the application's lock held.
    pub(super) fn undo(&mut self, run: &Run, report: Report<'_>) -> Result<(), EngineError> {
        self.database.write(|t| journal::reopen(t, &run.id))?;
        let made = journal::made(self.database.connection(), &run.id)?;
        self.undo_pods(run, &made, report)?;
        fault("engine.undo.pods")?;
        self.undo_volumes(&made, report)?;
        fault("engine.undo.volumes")?;
        let lost = self.finish_replaced(run, &made)?;
        let refused = self.database.write(|t| {
            made.iter().try_for_each(|thing| put_back(t, &run.app, thing))?;
            let mut refused = Vec::new();
            for record in &lost {
                // Other applications may have taken names and addresses while they were free.
                match taken(t, record)? {
                    None => pods::insert(t, record)?,
                    Some(why) => refused.push((record.pod.name.clone(), why)),
                }
            }
            Ok::<_, EngineError>(refused)
        })?;
        for (name, why) in refused {
            report(Progress::Notice(format!("pod `{name}`, which --replace had removed, cannot be made again: {why}")));
        }
        fault("engine.undo.rows")?;
        let refreshed = self.rows_of(&made, MadeKind::Refresh)?;
        self.refresh_pods(&run.app, &refreshed)?;
        self.start_replaced(run, &made, report)?;
        self.database.write(|t| journal::finish(t, &run.id))?;
        if apps::get(self.database.connection(), &run.app)?.is_none() {
            self.await_supervisor_end(&run.app);
            self.remove_app_run(&run.app)?;
        }
        Ok(())
    }

    /// The journal's entry of a pod that is about to be removed.
    pub(super) fn replaced(&self, row: &PodRow) -> Made {
        let replaced = Replaced { record: row.record.clone(), alive: self.seems_alive(row) };
        let text = serde_json::to_string(&replaced).expect("a record has string keys only");
        Made { before: Some(text), ..Made::new(MadeKind::Replaced, &row.record.id) }
    }

    /// Carries a removal that was begun to its end; records of the pods that are gone and have to be put back.
    fn finish_replaced(&mut self, run: &Run, made: &[Made]) -> Result<Vec<PodRecord>, EngineError> {
        let half: Vec<_> = self.rows_of(made, MadeKind::Replaced)?.into_iter().filter(|row| row.removing).collect();
        let removal = self.remove_pods_of(&run.app, &half, Some(0))?;
        if let Some(failure) = removal.failures.into_iter().next() {
            return Err(failure);
        }
        let mut lost = Vec::new();
        for Replaced { record, .. } in made.iter().filter_map(Replaced::of) {
            if pods::get(self.database.connection(), &record.id)?.is_none() {
                lost.push(record);
            }
        }
        Ok(lost)
    }

    /// Starts replaced pods again. One that can no longer be started is told and stays: nothing is won by trying for ever.
    fn start_replaced(&mut self, run: &Run, made: &[Made], report: Report<'_>) -> Result<(), EngineError> {
        let mut replaced = Vec::new();
        for one in made.iter().filter_map(Replaced::of) {
            // One that was never removed has its status still; one that could not be put back has no row.
            let is_back = !self.layout().pod_status(&one.record.id).exists();
            if is_back && pods::get(self.database.connection(), &one.record.id)?.is_some() {
                replaced.push(one);
            }
        }
        for Replaced { record, .. } in &replaced {
            self.write_pod(record)?;
        }
        let pods: Vec<String> = replaced.iter().filter(|r| r.alive).map(|r| r.record.id.clone()).collect();
        let failures = if pods.is_empty() {
            Vec::new()
        } else {
            // The supervisor has them then, and takes them forward: their init containers may take for ever.
            let mut connection = self.supervisor(&run.app)?;
            let wanted = connection.send(Operation::StartPods { pods })?;
            connection.settle(wanted)?.unwrap_or_default()
        };
        for Replaced { record, .. } in &replaced {
            let name = &record.pod.name;
            let mut ids = record.containers.iter().map(|c| &c.id).chain([&record.id]);
            let how = match failures.iter().find(|failure| ids.any(|id| *id == failure.subject)) {
                None => format!("pod `{name}`, which --replace had removed, was made again"),
                Some(failure) => {
                    format!("pod `{name}`, which --replace had removed, cannot be started again: {}", failure.message)
                }
            };
            report(Progress::Notice(how));
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

/// A pod that made room for another, or is no longer wanted.
#[derive(Serialize, Deserialize)]
struct Replaced {
    record: PodRecord,
    /// It ran, or was being started.
    alive: bool,
}

impl Replaced {
    fn of(made: &Made) -> Option<Self> {
        let text = made.before.as_ref().filter(|_| made.kind == MadeKind::Replaced)?;
        // Written by this version, or by an older one whose records it reads.
        serde_json::from_str(text).ok()
    }
}

/// What another pod has by now that this one needs to be recorded.
fn taken(connection: &Connection, record: &PodRecord) -> Result<Option<String>, EngineError> {
    match Engine::check_names(connection, record) {
        Err(error @ EngineError::NameTaken { .. }) => return Ok(Some(error.to_string())),
        checked => checked?,
    }
    if let PodNetwork::Networks(attachments) = &record.network {
        for attachment in attachments {
            let leases = pods::leases(connection, &attachment.network)?;
            if let Some(ip) = attachment.ips.iter().find(|ip| leases.contains(ip)) {
                return Ok(Some(format!("its address {ip} was given to another pod")));
            }
        }
    }
    Ok(None)
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
        (MadeKind::Refresh, Some(before)) => pods::restore(connection, &thing.subject, before),
        (MadeKind::Replaced | MadeKind::Volume | MadeKind::Start | MadeKind::Refresh, _) => Ok(()),
    }
}
