//! `kube down`: removes what a play recorded, found by the files or by the names in them.

use super::progress::{Progress, Report, StepState};
use super::{DownReport, DownRequest, Engine, EngineError, identity};
use crate::graph::StepKind;
use crate::model::{Application, ObjectKind, Workload};
use crate::store::apps::{self, AppRow};
use crate::store::events::LoggedEvent;
use crate::store::objects::{self, ObjectRow};
use crate::store::pods::{self, PodRow};
use crate::store::volumes;
use std::collections::BTreeSet;

/// What of one application goes.
struct Extent {
    app: AppRow,
    /// The application as a whole.
    whole: bool,
    pods: Vec<PodRow>,
    objects: Vec<ObjectRow>,
}

impl Engine {
    /// Removes what a play of these files recorded; what is not there is no error.
    ///
    /// An application goes as a whole, also with what the files no longer have, when all files it was played from are given, or
    /// all of its pods; else only what the files name.
    pub fn down(&mut self, request: &DownRequest, report: Report<'_>) -> Result<DownReport, EngineError> {
        self.recover()?;
        let mut done = DownReport::default();
        for app in self.concerned(&request.application)? {
            let _lock = self.lock_app(&app)?;
            let Some(extent) = self.extent(&app, &request.application)? else { continue };
            self.take_down(request, &extent, &mut done, report)?;
        }
        if request.force {
            self.remove_named_volumes(&request.application, &mut done)?;
        }
        Ok(done)
    }

    /// Applications that the input names, by their pods, objects or files.
    fn concerned(&self, application: &Application) -> Result<BTreeSet<String>, EngineError> {
        let connection = self.database.connection();
        let names: Vec<&str> = application.pods.iter().map(|pod| pod.name.as_str()).collect();
        let mut found: BTreeSet<String> =
            pods::owners(connection, &names)?.into_iter().map(|(_, app, _)| app).collect();
        found.extend(apps::from_sources(connection, &identity::paths(application))?);
        if found.is_empty() && application.pods.is_empty() {
            found.extend(self.owners_of_objects(application)?);
        }
        Ok(found)
    }

    fn extent(&self, app: &str, application: &Application) -> Result<Option<Extent>, EngineError> {
        let connection = self.database.connection();
        let Some(app) = apps::get(connection, app)? else { return Ok(None) };
        let mut pods = pods::of_app(connection, &app.id)?;
        let mut objects = objects::of_app(connection, &app.id)?;
        // A workload is all its pods, however many it has had since.
        let of_workload = |name: &String| {
            let named = |workload: &&Workload| {
                application.workloads.iter().any(|w| (w.kind, &w.name) == (workload.kind, &workload.name))
            };
            app.workloads.iter().filter(named).any(|workload| workload.pods.contains(name))
        };
        let names_pod = |row: &PodRow| {
            let name = &row.record.pod.name;
            application.pods.iter().any(|pod| &pod.name == name) || of_workload(name)
        };
        let all_files = !identity::paths(application).is_empty() && identity::covers(application, &app);
        let whole = all_files || pods.iter().all(names_pod);
        if !whole {
            pods.retain(names_pod);
            objects.retain(|row| names_object(application, row));
        }
        Ok(Some(Extent { app, whole, pods, objects }))
    }

    fn take_down(
        &mut self,
        request: &DownRequest,
        extent: &Extent,
        done: &mut DownReport,
        report: Report<'_>,
    ) -> Result<(), EngineError> {
        let app = &extent.app.id;
        if extent.whole {
            self.database.write(|t| apps::mark_removing(t, app, request.force))?;
        }
        let kind = |row: &PodRow| StepKind::RemovePod { pod: row.record.pod.name.clone() };
        for row in &extent.pods {
            report(Progress::Step { kind: kind(row), state: StepState::Started });
        }
        let removal = self.remove_pods_of(app, &extent.pods, request.grace_seconds)?;
        for row in extent.pods.iter().filter(|row| removal.removed.contains(&row.record.id)) {
            report(Progress::Step { kind: kind(row), state: StepState::Done });
        }
        done.removed.stopped.extend(removal.stopped);
        done.removed.pods.extend(removal.removed);
        let complete = removal.failures.is_empty();
        done.failures.extend(removal.failures);
        if !complete {
            return Ok(());
        }
        if request.force {
            let names = match extent.whole {
                true => self.volumes_of(&extent.app, &extent.pods)?,
                false => claims_of(&extent.pods),
            };
            done.removed.volumes.extend(self.remove_unused_volumes(&names)?);
        }
        let secrets: Vec<_> = extent.objects.iter().filter(|row| row.object.kind() == ObjectKind::Secret).collect();
        done.removed.secrets.extend(secrets.iter().map(|row| row.id.clone()));
        if extent.whole {
            self.drop_app(app)?;
        } else {
            self.database.write(|t| {
                let objects = extent.objects.iter();
                objects.map(|row| &row.object).try_for_each(|o| objects::delete(t, app, o.kind(), o.name()))
            })?;
        }
        let logged: Vec<_> =
            secrets.iter().map(|row| LoggedEvent::now("secret", "remove", &row.id, row.object.name())).collect();
        self.log_events(&logged);
        Ok(())
    }

    /// Volumes that claims and pods of the files name, also when an earlier play made them.
    fn remove_named_volumes(&mut self, application: &Application, done: &mut DownReport) -> Result<(), EngineError> {
        let mut names: BTreeSet<String> = application.claims.iter().map(|claim| claim.name.clone()).collect();
        names.extend(application.pods.iter().flat_map(crate::graph::uses::claims));
        let names: Vec<String> = volumes::existing(self.database.connection(), names)?.into_iter().collect();
        done.removed.volumes.extend(self.remove_unused_volumes(&names)?);
        for name in names {
            let by = volumes::users(self.database.connection(), &name)?;
            if !by.is_empty() {
                let by = by.iter().map(|pod| format!("pod `{pod}`")).collect();
                done.failures.push(EngineError::InUse { what: "volume", name, by });
            }
        }
        Ok(())
    }
}

fn claims_of(rows: &[PodRow]) -> Vec<String> {
    let names = rows.iter().flat_map(|row| crate::graph::uses::claims(&row.record.pod));
    let names: BTreeSet<String> = names.collect();
    names.into_iter().collect()
}

fn names_object(application: &Application, row: &ObjectRow) -> bool {
    let name = row.object.name();
    match row.object.kind() {
        ObjectKind::ConfigMap => application.config_maps.iter().any(|object| object.name == name),
        ObjectKind::Secret => application.secrets.iter().any(|object| object.name == name),
    }
}
