//! `kube play`: prepare, decide, carry out; take back on failure.

use super::identity::Claimed;
use super::prepare::Prepared;
use super::progress::{Progress, Report};
use super::{Engine, EngineError, PlayReport, PlayRequest, PlayedPod, PodOutcome, Removed, fault};
use crate::graph::{Plan, StepKind};
use crate::store::apps::{self, AppRow, AppState};
use crate::store::journal::{self, Run};
use crate::store::pods::{self, PodRow};

impl Engine {
    /// What [`Engine::play`] would do now; changes nothing.
    ///
    /// # Errors
    /// Those of [`Engine::play`] that come before anything is made.
    pub fn plan(&mut self, request: &PlayRequest, report: Report<'_>) -> Result<Plan, EngineError> {
        self.recover()?;
        let app = self.identify(&request.application)?;
        Ok(self.prepare(request, app.as_ref(), report)?.plan)
    }

    /// Makes reality as `request` has it.
    ///
    /// # Errors
    /// What the request refers to does not exist or clashes: nothing was made then. Something could not be made or started, or the
    /// user interrupted: what this run made has been taken back, unless `keep_on_error`.
    pub fn play(&mut self, request: &PlayRequest, report: Report<'_>) -> Result<PlayReport, EngineError> {
        self.recover()?;
        let claimed = self.claim(&request.application)?;
        let prepared = self.prepare(request, (!claimed.is_new).then_some(&claimed.app), report)?;
        fault("engine.play.planned")?;
        if prepared.plan.is_empty() {
            self.keep_sources(request, &claimed, &prepared)?;
            if self.revive_names()? {
                report(Progress::Notice("the name server had ended and was started again".to_owned()));
            }
            return self.played(request, &claimed, prepared.plan, Removed::default(), Vec::new());
        }
        let run = Run {
            id: super::machine::random_id(super::machine::SHORT_ID)?,
            command: "kube play".to_owned(),
            app: claimed.app.id.clone(),
            accepted: false,
        };
        match self.carry_out(request, &claimed, &prepared, &run, report) {
            Ok(done) => {
                self.database.write_relaxed(|t| journal::finish(t, &run.id))?;
                self.played(request, &claimed, prepared.plan, done.removed, done.failures)
            }
            Err(error) if request.keep_on_error => {
                self.database.write_relaxed(|t| journal::finish(t, &run.id))?;
                Err(error)
            }
            Err(error) => {
                self.take_back(&run, &prepared, report);
                Err(error)
            }
        }
    }

    /// Undoes a failed run; what cannot be undone now stays in the journal for the next command.
    fn take_back(&mut self, run: &Run, prepared: &Prepared, report: Report<'_>) {
        if let Err(error) = self.undo(run, report) {
            report(Progress::Notice(format!(
                "could not take everything back, the next command will try again: {error}"
            )));
        }
        let lost = prepared.plan.steps().filter_map(|step| match &step.kind {
            StepKind::RemovePod { pod } => Some(pod.as_str()),
            _ => None,
        });
        let gone = |name: &&str| matches!(pods::by_name(self.database.connection(), name), Ok(None));
        for pod in lost.filter(gone).collect::<Vec<_>>() {
            report(Progress::Notice(format!("pod `{pod}` was removed by --replace and is gone")));
        }
    }

    /// An unchanged application may still have been played from another place, or with other comments.
    fn keep_sources(
        &mut self,
        request: &PlayRequest,
        claimed: &Claimed,
        prepared: &Prepared,
    ) -> Result<(), EngineError> {
        let Some(before) = apps::get(self.database.connection(), &claimed.app.id)? else { return Ok(()) };
        let after = app_row(request, claimed, Some(&before), prepared.is_part(&[]));
        if after != before {
            self.database.write_relaxed(|t| apps::put(t, &after))?;
        }
        Ok(())
    }

    fn played(
        &mut self,
        request: &PlayRequest,
        claimed: &Claimed,
        plan: Plan,
        removed: Removed,
        failures: Vec<EngineError>,
    ) -> Result<PlayReport, EngineError> {
        let rows = pods::of_app(self.database.connection(), &claimed.app.id)?;
        let wanted = request.application.pods.iter();
        let pods = wanted.filter_map(|pod| rows.iter().find(|row| row.record.pod.name == pod.name));
        let pods = pods.map(|row| played_pod(row, &plan)).collect();
        let volumes = plan.steps().filter_map(|step| match &step.kind {
            StepKind::CreateVolume { volume } => Some(volume.clone()),
            _ => None,
        });
        let volumes = volumes.collect();
        let secrets = self.stored_secrets(claimed, &plan)?;
        Ok(PlayReport { app: claimed.app.clone(), volumes, secrets, pods, removed, failures, plan })
    }

    /// Name and id of the secrets this plan stored.
    fn stored_secrets(&self, claimed: &Claimed, plan: &Plan) -> Result<Vec<(String, String)>, EngineError> {
        let stored = |name: &str| {
            plan.steps().any(|step| {
                matches!(&step.kind, StepKind::StoreObject { kind, name: stored } if kind == "Secret" && stored == name)
            })
        };
        let rows = crate::store::objects::of_app(self.database.connection(), &claimed.app.id)?;
        let secrets = rows.into_iter().filter(|row| row.object.kind() == crate::model::ObjectKind::Secret);
        let named = secrets.map(|row| (row.object.name().to_owned(), row.id));
        Ok(named.filter(|(name, _)| stored(name)).collect())
    }
}

fn played_pod(row: &PodRow, plan: &Plan) -> PlayedPod {
    let name = row.record.pod.name.clone();
    let has = |kind: StepKind| plan.find(&kind).is_some();
    let outcome = if has(StepKind::RemovePod { pod: name.clone() }) {
        PodOutcome::Replaced
    } else if has(StepKind::CreatePod { pod: name.clone() }) {
        PodOutcome::Created
    } else if has(StepKind::Sandbox { pod: name.clone() }) {
        PodOutcome::Started
    } else if has(StepKind::RefreshObjects { pod: name.clone() }) || has(StepKind::UpdatePod { pod: name.clone() }) {
        PodOutcome::Refreshed
    } else {
        PodOutcome::Unchanged
    };
    let containers = row.record.containers.iter().map(|c| (c.name.clone(), c.id.clone())).collect();
    PlayedPod { id: row.record.id.clone(), name, outcome, containers }
}

/// What there was and is not given again, then what is given: later ones count where both speak of one thing.
fn merged<T: Clone>(before: Option<&Vec<T>>, given: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let kept = before.into_iter().flatten().filter(|old| !given.iter().any(|new| same(old, new)));
    kept.chain(given).cloned().collect()
}

/// The application's row as this play leaves it; `part`: it has pods that the input does not speak of.
pub(super) fn app_row(request: &PlayRequest, claimed: &Claimed, before: Option<&AppRow>, part: bool) -> AppRow {
    let application = &request.application;
    let kept = before.filter(|_| part);
    AppRow {
        id: claimed.app.id.clone(),
        name: claimed.app.name.clone(),
        sources: merged(kept.map(|app| &app.sources), &application.sources, |a, b| match (&a.path, &b.path) {
            (Some(a), Some(b)) => a == b,
            (None, None) => a.name == b.name,
            _ => false,
        }),
        workloads: merged(kept.map(|app| &app.workloads), &application.workloads, |a, b| {
            (a.kind, &a.name) == (b.kind, &b.name)
        }),
        claims: merged(kept.map(|app| &app.claims), &application.claims, |a, b| a.name == b.name),
        created: before.map_or_else(jiff::Timestamp::now, |app| app.created),
        state: AppState::Present,
    }
}
