//! Starting, stopping, killing and removing what is there, by name.
//!
//! Names are found first; then the pods of each application are worked on by one request to its supervisor. One thing that fails
//! does not keep the others from being done.

use super::{ContainerView, Engine, EngineError, Outcome};
use crate::store::pods::{self, PodRow};
use crate::store::record::ConditionStatus;
use crate::supervisor::protocol::{Failure, Operation};
use crate::sys::watch::Watch;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Something named on the command line, found or not.
struct Target {
    given: String,
    found: Result<Found, EngineError>,
}

struct Found {
    /// Id of the pod or container.
    id: String,
    name: String,
    row: PodRow,
}

/// What is asked of a supervisor for some ids of its application.
type Ask<'a> = &'a dyn Fn(Vec<String>) -> Operation;

/// What a killed supervisor did not tell is found by the next look.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Tells when the status of a pod may have changed.
struct PodWatch {
    watch: Watch,
    directory: PathBuf,
}

impl PodWatch {
    fn wait(&self, limit: Duration) -> Result<(), EngineError> {
        let fail = |source| EngineError::File { attempt: "watch", path: self.directory.clone(), source };
        self.watch.wait(Some(limit)).map(drop).map_err(fail)
    }
}

impl Engine {
    pub fn start_pods(&mut self, names: &[String]) -> Result<Vec<Outcome>, EngineError> {
        let targets = self.find_pods(names)?;
        self.start_each("start pod", targets, &|pods| Operation::StartPods { pods })
    }

    pub fn restart_pods(&mut self, names: &[String]) -> Result<Vec<Outcome>, EngineError> {
        let targets = self.find_pods(names)?;
        self.start_each("restart pod", targets, &|pods| Operation::RestartPods { pods })
    }

    pub fn stop_pods(&mut self, names: &[String], grace_seconds: Option<u64>) -> Result<Vec<Outcome>, EngineError> {
        let targets = self.find_pods(names)?;
        self.ask_living("stop pod", targets, &|pods| Operation::StopPods { pods, grace_seconds })
    }

    pub fn kill_pods(&mut self, names: &[String], signal: i32) -> Result<Vec<Outcome>, EngineError> {
        let targets = self.find_pods(names)?;
        let targets = self.only_running(targets, "pod")?;
        self.ask_living("kill pod", targets, &|pods| Operation::KillPods { pods, signal })
    }

    pub fn start_containers(&mut self, names: &[String]) -> Result<Vec<Outcome>, EngineError> {
        let targets = self.find_containers(names)?;
        self.start_each("start container", targets, &|containers| Operation::StartContainers { containers })
    }

    pub fn stop_containers(
        &mut self,
        names: &[String],
        grace_seconds: Option<u64>,
    ) -> Result<Vec<Outcome>, EngineError> {
        let targets = self.find_containers(names)?;
        self.ask_living("stop container", targets, &|containers| Operation::StopContainers {
            containers,
            grace_seconds,
        })
    }

    /// Stops and starts again.
    pub fn restart_containers(
        &mut self,
        names: &[String],
        grace_seconds: Option<u64>,
    ) -> Result<Vec<Outcome>, EngineError> {
        let stopped = self.stop_containers(names, grace_seconds)?;
        let (good, mut bad): (Vec<_>, Vec<_>) = stopped.into_iter().partition(|outcome| outcome.result.is_ok());
        let names: Vec<_> = good.into_iter().map(|outcome| outcome.given).collect();
        bad.extend(self.start_containers(&names)?);
        Ok(bad)
    }

    pub fn kill_containers(&mut self, names: &[String], signal: i32) -> Result<Vec<Outcome>, EngineError> {
        let targets = self.find_containers(names)?;
        let targets = self.only_running(targets, "container")?;
        self.ask_living("kill container", targets, &|containers| Operation::KillContainers { containers, signal })
    }

    /// Removes pods; a running one only with `force`. `ignore_missing` makes an unknown name a success.
    pub fn remove_pods(
        &mut self,
        names: &[String],
        force: bool,
        ignore_missing: bool,
        grace_seconds: Option<u64>,
    ) -> Result<Vec<Outcome>, EngineError> {
        let targets = self.find_pods(names)?;
        self.remove_each(targets, force, ignore_missing, grace_seconds)
    }

    /// Says of a running pod whether conditions hold that its readiness gates ask for; the pod's name.
    pub fn set_conditions(
        &mut self,
        name: &str,
        conditions: Vec<(String, ConditionStatus)>,
    ) -> Result<String, EngineError> {
        let targets = self.find_pods(&[name.to_owned()])?;
        let targets = self.only_running(targets, "pod")?;
        let outcomes = self.ask_living("set conditions of pod", targets, &|pods| Operation::SetConditions {
            pods,
            conditions: conditions.clone(),
        })?;
        let mut given = name.to_owned();
        for outcome in outcomes {
            outcome.result?;
            given = outcome.name.unwrap_or(given);
        }
        Ok(given)
    }

    /// A container goes with its pod: refused with the pod's name, unless it is the pod's only one.
    pub fn remove_containers(
        &mut self,
        names: &[String],
        force: bool,
        ignore_missing: bool,
        grace_seconds: Option<u64>,
    ) -> Result<Vec<Outcome>, EngineError> {
        let mut targets = self.find_containers(names)?;
        for target in &mut targets {
            if let Ok(found) = &target.found
                && found.row.record.containers.len() > 1
            {
                let (name, pod) = (found.name.clone(), found.row.record.pod.name.clone());
                target.found = Err(EngineError::PartOfPod { container: name, pod });
            }
        }
        self.remove_each(targets, force, ignore_missing, grace_seconds)
    }

    /// Waits until `done` says something of a container, or it is no longer there (`None`). It is asked when something has become
    /// of the pod, and at the latest after `interval` again.
    pub fn wait_container<T>(
        &mut self,
        name: &str,
        interval: Duration,
        mut done: impl FnMut(&ContainerView) -> Option<T>,
    ) -> Result<Option<T>, EngineError> {
        let container = self.container(name)?;
        let (id, watch) = (container.id().to_owned(), self.watch_pods([container.pod.id()])?);
        loop {
            let answer = match self.container(&id) {
                Err(EngineError::NotFound { .. }) => return Ok(None),
                container => done(&container?),
            };
            if answer.is_some() {
                return Ok(answer);
            }
            self.check_interrupt()?;
            watch.wait(interval)?;
        }
    }

    /// Waits until none of these pods runs, or the user interrupts.
    pub fn wait_pods(&mut self, pods: &[String]) -> Result<(), EngineError> {
        let watch = self.watch_pods(pods.iter().map(String::as_str))?;
        loop {
            self.check_interrupt()?;
            let mut running = false;
            for pod in pods {
                running |= match self.pod(pod) {
                    Err(EngineError::NotFound { .. }) => false,
                    pod => pod?.is_running(),
                };
            }
            if !running {
                return Ok(());
            }
            watch.wait(LONGEST_WAIT)?;
        }
    }

    /// To be made before the pods are looked at.
    fn watch_pods<'p>(&self, pods: impl IntoIterator<Item = &'p str>) -> Result<PodWatch, EngineError> {
        let directory = self.layout().in_root("pods");
        let fail = |source| EngineError::File { attempt: "watch", path: directory.clone(), source };
        let watch = Watch::new().map_err(fail)?;
        for pod in pods {
            watch.names_in(&self.layout().pod(pod)).map_err(fail)?;
        }
        Ok(PodWatch { watch, directory })
    }

    fn find_pods(&mut self, names: &[String]) -> Result<Vec<Target>, EngineError> {
        self.recover()?;
        let find = |given: &String| {
            let row = self.pod_row(given);
            let found = row.map(|row| Found { id: row.record.id.clone(), name: row.record.pod.name.clone(), row });
            Target { given: given.clone(), found }
        };
        Ok(names.iter().map(find).collect())
    }

    fn find_containers(&mut self, names: &[String]) -> Result<Vec<Target>, EngineError> {
        self.recover()?;
        let find = |given: &String| {
            let found = self.container_row(given).map(|(row, id)| {
                let name = row.record.containers.iter().find(|c| c.id == id).map(|c| c.name.clone());
                Found { name: name.unwrap_or_default(), id, row }
            });
            Target { given: given.clone(), found }
        };
        Ok(names.iter().map(find).collect())
    }

    /// Turns targets that do not run into refusals.
    fn only_running(&mut self, targets: Vec<Target>, what: &'static str) -> Result<Vec<Target>, EngineError> {
        let mut checked = Vec::new();
        for mut target in targets {
            if let Ok(found) = &target.found {
                let view = self.view(found.row.clone())?;
                let container = view.containers().find(|container| container.id() == found.id);
                let running = container.map_or(view.is_running(), |container| container.is_running());
                if !running {
                    let name = found.name.clone();
                    target.found = Err(EngineError::WrongState { what, name, state: "not running".to_owned() });
                }
            }
            checked.push(target);
        }
        Ok(checked)
    }

    /// Asks supervisors that live or can be started; their pods' files are written anew first.
    ///
    /// Each application is held until its supervisor has the request: a pod that another command removes meanwhile would be started
    /// behind that command's back. It is not held until everything has started, which may take long.
    fn start_each(
        &mut self,
        attempt: &'static str,
        mut targets: Vec<Target>,
        ask: Ask<'_>,
    ) -> Result<Vec<Outcome>, EngineError> {
        let found = targets.iter().filter_map(|target| target.found.as_ref().ok());
        let apps: BTreeSet<String> = found.map(|found| found.row.record.app.clone()).collect();
        let mut failures = Vec::new();
        for app in apps {
            let lock = self.lock_app(&app)?;
            let mut ids = Vec::new();
            for target in &mut targets {
                let Ok(found) = &target.found else { continue };
                let record = &found.row.record;
                if record.app != app {
                    continue;
                }
                if pods::get(self.database.connection(), &record.id)?.is_some_and(|row| !row.removing) {
                    if let Err(error) = self.check_devices(record) {
                        target.found = Err(error);
                        continue;
                    }
                    self.write_pod(record)?;
                    ids.push(found.id.clone());
                } else {
                    let name = found.name.clone();
                    target.found = Err(EngineError::NotFound { what: "pod", name });
                }
            }
            if ids.is_empty() {
                continue;
            }
            let mut connection = self.supervisor(&app)?;
            let wanted = connection.send(ask(ids))?;
            failures.extend(match connection.settle(wanted)? {
                Some(failures) => failures,
                None => {
                    drop(lock);
                    self.until_done(&mut connection, wanted, |_| {})?
                }
            });
        }
        Ok(targets.into_iter().map(|target| outcome(attempt, target, &failures)).collect())
    }

    /// Asks supervisors; without one nothing runs, and what was to end has ended.
    fn ask_living(
        &mut self,
        attempt: &'static str,
        targets: Vec<Target>,
        ask: Ask<'_>,
    ) -> Result<Vec<Outcome>, EngineError> {
        // Takes over what has lost its supervisor and still runs.
        let rows: Vec<_> =
            targets.iter().filter_map(|t| t.found.as_ref().ok()).map(|found| found.row.clone()).collect();
        self.views(rows)?;
        self.ask_each(attempt, targets, ask)
    }

    fn ask_each(
        &mut self,
        attempt: &'static str,
        targets: Vec<Target>,
        ask: Ask<'_>,
    ) -> Result<Vec<Outcome>, EngineError> {
        let mut by_app: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for found in targets.iter().filter_map(|target| target.found.as_ref().ok()) {
            by_app.entry(found.row.record.app.clone()).or_default().push(found.id.clone());
        }
        let mut failures: Vec<Failure> = Vec::new();
        for (app, ids) in by_app {
            if self.is_supervised(&app) {
                let mut connection = self.supervisor(&app)?;
                failures.extend(self.ask(&mut connection, ask(ids), |_| {})?);
            }
        }
        Ok(targets.into_iter().map(|target| outcome(attempt, target, &failures)).collect())
    }

    fn remove_each(
        &mut self,
        targets: Vec<Target>,
        force: bool,
        ignore_missing: bool,
        grace_seconds: Option<u64>,
    ) -> Result<Vec<Outcome>, EngineError> {
        let mut outcomes = Vec::new();
        for Target { given, found } in targets {
            let (id, name, result) = match found {
                Ok(found) => {
                    let result = self.remove_one(&found, force, grace_seconds);
                    (Some(found.id), Some(found.name), result)
                }
                Err(EngineError::NotFound { .. }) if ignore_missing => (None, None, Ok(())),
                Err(error) => (None, None, Err(error)),
            };
            outcomes.push(Outcome { given, id, name, result });
        }
        Ok(outcomes)
    }

    fn remove_one(&mut self, found: &Found, force: bool, grace_seconds: Option<u64>) -> Result<(), EngineError> {
        let app = &found.row.record.app;
        let _lock = self.lock_app(app)?;
        let Some(row) = pods::get(self.database.connection(), &found.row.record.id)? else { return Ok(()) };
        let name = row.record.pod.name.clone();
        let view = self.view(row.clone())?;
        if !force && view.is_running() && !view.is_spent() {
            return Err(EngineError::WrongState { what: "pod", name, state: "running".to_owned() });
        }
        let removal = self.remove_pods_of(app, &[row], grace_seconds)?;
        if let Some(failure) = removal.failures.into_iter().next() {
            return Err(failure);
        }
        if pods::of_app(self.database.connection(), app)?.is_empty() {
            self.drop_app(app)?;
        }
        Ok(())
    }
}

fn outcome(attempt: &'static str, target: Target, failures: &[Failure]) -> Outcome {
    let Target { given, found } = target;
    match found {
        Err(error) => Outcome { given, id: None, name: None, result: Err(error) },
        Ok(Found { id, name, row }) => {
            let failed = failures.iter().find(|f| f.subject == id || f.subject == row.record.id);
            let result = failed.map_or(Ok(()), |failure| {
                Err(EngineError::Supervisor {
                    attempt,
                    subject: name.clone(),
                    message: failure.message.clone(),
                    kind: super::supervisor::failure_kind(failure.kind),
                })
            });
            Outcome { given, id: Some(id), name: Some(name), result }
        }
    }
}
