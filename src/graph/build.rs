//! From what is wanted and what there is to what is to be done.

use super::plan::{Plan, StepId};
use super::state::{Amendment, Desired, DesiredImage, DesiredPod, Observed, ObservedPod, ObservedState};
use super::step::{Cause, Step, StepKind};
use super::{differ, uses};
use crate::model::{Application, Container, ObjectKind, Pod};
use std::collections::{BTreeSet, HashMap};

/// What exists, differs, and may not be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("pods or immutable objects exist and differ")]
pub struct Refusal {
    /// Name and differing fields of each pod that may not be replaced.
    pub pods: Vec<(String, Vec<String>)>,
    /// Pods that may not get other resources while they run, and why.
    pub resizes: Vec<(String, String)>,
    /// ConfigMaps and Secrets with `immutable: true` whose data would change.
    pub objects: Vec<(ObjectKind, String)>,
}

/// The plan that leads from `observed` to `desired`.
///
/// A pod that runs as wanted is left alone; one that exists as wanted and does not run is started; one that differs is removed
/// and made anew when `desired.replace` allows it, and it alone.
///
/// # Errors
/// Every pod that differs without that leave, and every immutable object that differs.
pub fn build(desired: &Desired<'_>, observed: &Observed) -> Result<Plan, Refusal> {
    let lost = lost_objects(desired, observed);
    let mut builder = Builder { desired, observed, lost, plan: Plan::default(), steps: HashMap::new() };
    let verdicts: Vec<_> = desired.pods.iter().map(|pod| builder.judge(pod)).collect();
    builder.refuse(&verdicts)?;
    builder.networks(&verdicts);
    builder.images(&verdicts);
    builder.objects();
    builder.volumes(&verdicts);
    builder.removed_pods();
    for (pod, verdict) in desired.pods.iter().zip(&verdicts) {
        builder.pod(pod, verdict);
    }
    Ok(builder.plan)
}

/// What is to become of one wanted pod.
#[derive(Debug)]
enum Verdict {
    Create,
    /// Start it, or wait until it has been started.
    Start {
        state: ObservedState,
    },
    Recreate {
        differences: Vec<String>,
        running: bool,
    },
    Refresh,
    Keep,
}

impl Verdict {
    fn makes_pod(&self) -> bool {
        matches!(self, Self::Create | Self::Recreate { .. })
    }

    fn starts_pod(&self) -> bool {
        matches!(self, Self::Create | Self::Recreate { .. } | Self::Start { .. })
    }
}

struct Builder<'a> {
    desired: &'a Desired<'a>,
    observed: &'a Observed,
    /// Objects that are to go.
    lost: BTreeSet<(ObjectKind, String)>,
    plan: Plan,
    steps: HashMap<StepKind, StepId>,
}

impl Builder<'_> {
    fn judge(&self, wanted: &DesiredPod<'_>) -> Verdict {
        let Some(found) = self.observed.pods.iter().find(|p| p.pod.name == wanted.pod.name) else {
            return Verdict::Create;
        };
        let differences = differences(found, wanted);
        match found.state {
            state if !differences.is_empty() => Verdict::Recreate { differences, running: state.is_alive() },
            ObservedState::Stopped | ObservedState::Starting if self.desired.start => {
                Verdict::Start { state: found.state }
            }
            ObservedState::Running if wanted.is_amended() || self.objects_changed(wanted.pod) => Verdict::Refresh,
            ObservedState::Stopped | ObservedState::Starting | ObservedState::Running | ObservedState::Completed => {
                Verdict::Keep
            }
        }
    }

    fn objects_changed(&self, pod: &Pod) -> bool {
        let mut used = uses::in_volumes(pod).into_iter();
        used.any(|used| self.object_cause(used.0, &used.1).is_some() || self.lost.contains(&used))
    }

    /// Why an object of the file is to be stored; `None` when it is stored already, or is not in the file.
    fn object_cause(&self, kind: ObjectKind, name: &str) -> Option<Cause> {
        let changed = |found: Option<bool>| match found {
            None => Some(Cause::Missing),
            Some(true) => None,
            Some(false) => Some(Cause::Changed { differences: Vec::new() }),
        };
        let application = self.desired.application;
        match kind {
            ObjectKind::ConfigMap => {
                let wanted = application.config_maps.iter().find(|o| o.name == name)?;
                changed(self.observed.config_maps.get(name).map(|found| found == wanted))
            }
            ObjectKind::Secret => {
                let wanted = application.secrets.iter().find(|o| o.name == name)?;
                changed(self.observed.secrets.get(name).map(|found| found == wanted))
            }
        }
    }

    fn refuse(&self, verdicts: &[Verdict]) -> Result<(), Refusal> {
        let differing = |(pod, verdict): (&DesiredPod<'_>, &Verdict)| match verdict {
            Verdict::Recreate { differences, .. } => Some((pod.pod.name.clone(), differences.clone())),
            _ => None,
        };
        let mut refusal = Refusal { objects: self.changed_immutables(), ..Refusal::default() };
        for (wanted, verdict) in self.desired.pods.iter().zip(verdicts).filter(|_| !self.desired.replace) {
            match (&wanted.amendment, differing((wanted, verdict))) {
                (_, None) => {}
                (Amendment::Refused(reason), Some((pod, _))) => refusal.resizes.push((pod, reason.clone())),
                (Amendment::None | Amendment::Possible, Some(pod)) => refusal.pods.push(pod),
            }
        }
        if refusal == Refusal::default() { Ok(()) } else { Err(refusal) }
    }

    /// Immutable is the data, and that it is (Kubernetes, "Immutable ConfigMaps"); labels may change.
    fn changed_immutables(&self) -> Vec<(ObjectKind, String)> {
        let application = self.desired.application;
        let maps = application.config_maps.iter().filter(|wanted| {
            let found = self.observed.config_maps.get(&wanted.name).filter(|found| found.immutable);
            found.is_some_and(|found| (&found.data, true) != (&wanted.data, wanted.immutable))
        });
        let secrets = application.secrets.iter().filter(|wanted| {
            let found = self.observed.secrets.get(&wanted.name).filter(|found| found.immutable);
            found.is_some_and(|found| (&found.data, true) != (&wanted.data, wanted.immutable))
        });
        let maps = maps.map(|object| (ObjectKind::ConfigMap, object.name.clone()));
        maps.chain(secrets.map(|object| (ObjectKind::Secret, object.name.clone()))).collect()
    }

    fn networks(&mut self, verdicts: &[Verdict]) {
        for (pod, _) in self.desired.pods.iter().zip(verdicts).filter(|(_, v)| v.makes_pod()) {
            for network in pod.networks.iter().filter(|n| !self.observed.networks.contains(*n)) {
                self.add(StepKind::CreateNetwork { network: network.clone() }, Cause::Missing);
            }
        }
    }

    fn images(&mut self, verdicts: &[Verdict]) {
        for (pod, _) in self.desired.pods.iter().zip(verdicts).filter(|(_, v)| v.makes_pod()) {
            for (step, cause) in image_steps(pod) {
                self.add(step, cause);
            }
        }
    }

    fn objects(&mut self) {
        for kind in [ObjectKind::ConfigMap, ObjectKind::Secret] {
            for name in given(self.desired.application, kind) {
                if let Some(cause) = self.object_cause(kind, name) {
                    self.add(store_object(kind, name), cause);
                }
            }
            let lost: Vec<_> = self.lost.iter().filter(|(of, _)| *of == kind).map(|(_, name)| name.clone()).collect();
            for name in lost {
                self.add(remove_object(kind, &name), Cause::NotInFile);
            }
        }
    }

    /// Volumes of claims in the file, and those that pods to be started refer to.
    fn volumes(&mut self, verdicts: &[Verdict]) {
        let application = self.desired.application;
        let mut wanted: BTreeSet<String> = application.claims.iter().map(|c| c.name.clone()).collect();
        for (pod, _) in self.desired.pods.iter().zip(verdicts).filter(|(_, v)| v.starts_pod()) {
            wanted.extend(uses::claims(pod.pod));
        }
        wanted.retain(|name| !self.observed.volumes.contains(name));
        // What a pod of that name had goes with it.
        for (pod, _) in self.desired.pods.iter().zip(verdicts).filter(|(_, v)| v.makes_pod()) {
            wanted.extend(uses::ephemeral(pod.pod));
        }
        for volume in wanted {
            self.add(StepKind::CreateVolume { volume }, Cause::Missing);
        }
    }

    fn removed_pods(&mut self) {
        let is_wanted = |found: &&ObservedPod| self.desired.pods.iter().any(|p| p.pod.name == found.pod.name);
        let lost = self.observed.pods.iter().filter(|found| self.desired.whole && !is_wanted(found));
        let lost: Vec<_> = lost.map(|found| (found.pod.name.clone(), found.state.is_alive())).collect();
        for (pod, running) in lost {
            if self.desired.prunes() {
                self.remove(&pod, running, &Cause::NotInFile);
            } else {
                self.plan.lost.push(pod);
            }
        }
    }

    fn remove(&mut self, pod: &str, running: bool, cause: &Cause) -> StepId {
        let stop = running.then(|| self.add(StepKind::StopPod { pod: pod.to_owned() }, cause.clone()));
        let remove = self.add(StepKind::RemovePod { pod: pod.to_owned() }, cause.clone());
        if let Some(stop) = stop {
            self.plan.wait(remove, stop, "its containers have ended");
        }
        remove
    }

    fn pod(&mut self, wanted: &DesiredPod<'_>, verdict: &Verdict) {
        let name = &wanted.pod.name;
        let update = self.update(wanted, verdict);
        match verdict {
            Verdict::Keep if update.is_some() => {}
            Verdict::Keep => self.plan.unchanged.push(name.clone()),
            Verdict::Refresh => self.refresh(wanted, update),
            // What runs of it already takes that up, too.
            Verdict::Start { state: ObservedState::Starting } if update.is_some() => {
                self.refresh(wanted, update);
                self.start(wanted, None, &Cause::Starting);
            }
            Verdict::Start { state: ObservedState::Starting } => self.start(wanted, None, &Cause::Starting),
            Verdict::Start { .. } => self.start(wanted, None, &Cause::Stopped),
            Verdict::Create => {
                let create = self.create(wanted, Cause::Missing);
                self.start_if_wanted(wanted, create, &Cause::Missing);
            }
            Verdict::Recreate { differences, running } => {
                let cause = Cause::Changed { differences: differences.clone() };
                let removed = self.remove(name, *running, &cause);
                let create = self.create(wanted, cause.clone());
                self.plan.wait(create, removed, "its name is free");
                self.start_if_wanted(wanted, create, &cause);
            }
        }
    }

    /// Has a pod with a supervisor take up what changed.
    fn refresh(&mut self, wanted: &DesiredPod<'_>, update: Option<StepId>) {
        let cause = update.map_or(Cause::ObjectsChanged, |update| self.plan.step(update).cause.clone());
        let refresh = self.add(StepKind::RefreshObjects { pod: wanted.pod.name.clone() }, cause);
        self.wait_for_objects(refresh, wanted.pod);
        if let Some(update) = update {
            self.plan.wait(refresh, update, "its labels and annotations may be files");
            self.resize(wanted, update);
        }
    }

    /// Gives what runs other CPU and memory.
    fn resize(&mut self, wanted: &DesiredPod<'_>, update: StepId) {
        let name = &wanted.pod.name;
        let Some(found) = self.observed.pods.iter().find(|found| found.pod.name == *name) else { return };
        let resized: Vec<_> = found.pod.resized(wanted.pod).collect();
        if resized.is_empty() && found.pod.total_resources() == wanted.pod.total_resources() {
            return;
        }
        let cause = Cause::Changed { differences: differ::resources(&found.pod, wanted.pod) };
        let resize = self.add(StepKind::ResizePod { pod: name.clone() }, cause);
        self.plan.wait(resize, update, "its resources are recorded");
        for (container, _) in resized.iter().filter(|(_, restarts)| *restarts) {
            let kind = StepKind::RestartContainer { pod: name.clone(), container: (*container).to_owned() };
            let restart = self.add(kind, Cause::ResizePolicy);
            self.plan.wait(restart, resize, "its pod has room for it");
        }
    }

    /// Records what changed of a pod that stays.
    fn update(&mut self, wanted: &DesiredPod<'_>, verdict: &Verdict) -> Option<StepId> {
        let found = self.observed.pods.iter().find(|found| found.pod.name == wanted.pod.name);
        let found = found.filter(|_| wanted.is_amended() && !verdict.makes_pod())?;
        let cause = Cause::Changed { differences: differ::fields(&found.pod, wanted.pod) };
        Some(self.add(StepKind::UpdatePod { pod: wanted.pod.name.clone() }, cause))
    }

    fn start_if_wanted(&mut self, wanted: &DesiredPod<'_>, create: StepId, cause: &Cause) {
        if self.desired.start {
            self.start(wanted, Some(create), cause);
        }
    }

    fn create(&mut self, wanted: &DesiredPod<'_>, cause: Cause) -> StepId {
        let create = self.add(StepKind::CreatePod { pod: wanted.pod.name.clone() }, cause);
        for (step, _) in image_steps(wanted) {
            self.wait_if_planned(create, &step, "its image is unpacked");
        }
        for network in &wanted.networks {
            let network = StepKind::CreateNetwork { network: network.clone() };
            self.wait_if_planned(create, &network, "its address is chosen");
        }
        self.wait_for_objects(create, wanted.pod);
        self.wait_for_volumes(create, wanted.pod);
        create
    }

    /// Sandbox, init containers one after another, then the regular ones side by side.
    fn start(&mut self, wanted: &DesiredPod<'_>, create: Option<StepId>, cause: &Cause) {
        let pod = wanted.pod.name.clone();
        let mut last = self.add(StepKind::Sandbox { pod: pod.clone() }, cause.clone());
        match create {
            Some(create) => self.plan.wait(last, create, "it is recorded"),
            None => {
                self.wait_if_planned(last, &StepKind::UpdatePod { pod: pod.clone() }, "its metadata is recorded");
                self.wait_for_objects(last, wanted.pod);
                self.wait_for_volumes(last, wanted.pod);
            }
        }
        let mut why = "the sandbox stands";
        for container in &wanted.pod.init_containers {
            let step = self.add(init_step(&pod, container), cause.clone());
            self.plan.wait(step, last, why);
            why = if container.sidecar { "the sidecar has started" } else { "the init container succeeded" };
            last = step;
        }
        for container in &wanted.pod.containers {
            let kind = StepKind::StartContainer { pod: pod.clone(), container: container.name.clone() };
            let step = self.add(kind, cause.clone());
            self.plan.wait(step, last, why);
        }
    }

    fn wait_for_objects(&mut self, step: StepId, pod: &Pod) {
        for (kind, name) in uses::objects(pod) {
            self.wait_if_planned(step, &store_object(kind, &name), "it refers to it");
            self.wait_if_planned(step, &remove_object(kind, &name), "what was optional is gone");
        }
    }

    fn wait_for_volumes(&mut self, step: StepId, pod: &Pod) {
        for claim in uses::claims(pod) {
            let volume = StepKind::CreateVolume { volume: claim };
            self.wait_if_planned(step, &volume, "it mounts it");
        }
    }

    fn wait_if_planned(&mut self, later: StepId, earlier: &StepKind, why: &'static str) {
        if let Some(earlier) = self.steps.get(earlier) {
            self.plan.wait(later, *earlier, why);
        }
    }

    /// Adds a step, or finds the one that is there already.
    fn add(&mut self, kind: StepKind, cause: Cause) -> StepId {
        if let Some(step) = self.steps.get(&kind) {
            return *step;
        }
        let step = self.plan.add(Step { kind: kind.clone(), cause });
        self.steps.insert(kind, step);
        step
    }
}

/// Objects that are to go: the input no longer has them, and no pod needs them.
fn lost_objects(desired: &Desired<'_>, observed: &Observed) -> BTreeSet<(ObjectKind, String)> {
    if !desired.prunes() {
        return BTreeSet::new();
    }
    let held: BTreeSet<_> = desired.pods.iter().flat_map(|pod| uses::held(pod.pod)).collect();
    let maps = observed.config_maps.keys().map(|name| (ObjectKind::ConfigMap, name.clone()));
    let secrets = observed.secrets.keys().map(|name| (ObjectKind::Secret, name.clone()));
    let mut lost: BTreeSet<_> = maps.chain(secrets).filter(|object| !held.contains(object)).collect();
    for kind in [ObjectKind::ConfigMap, ObjectKind::Secret] {
        for name in given(desired.application, kind) {
            lost.remove(&(kind, name.to_owned()));
        }
    }
    lost
}

/// Names of the objects of the input, in its order.
fn given(application: &Application, kind: ObjectKind) -> Vec<&str> {
    match kind {
        ObjectKind::ConfigMap => application.config_maps.iter().map(|o| o.name.as_str()).collect(),
        ObjectKind::Secret => application.secrets.iter().map(|o| o.name.as_str()).collect(),
    }
}

/// Fields in which a pod is not what is wanted; empty when it is.
fn differences(found: &ObservedPod, wanted: &DesiredPod<'_>) -> Vec<String> {
    if found.spec_hash != wanted.spec_hash && !wanted.is_amended() {
        let fields = differ::fields(&found.pod, wanted.pod);
        return if fields.is_empty() { vec!["options of the command".to_owned()] } else { fields };
    }
    let images = found.images.iter().zip(&wanted.images).zip(wanted.pod.images());
    let environment = (found.environment_hash != wanted.environment_hash)
        .then(|| "values of ConfigMaps or Secrets in its environment".to_owned());
    let images = images
        .filter(|((found, wanted), _)| wanted.differs(found))
        .map(|(_, (reference, _))| format!("the image `{reference}` now names another one"));
    environment.into_iter().chain(images).collect()
}

/// What brings the images of a pod here, and why.
fn image_steps(pod: &DesiredPod<'_>) -> Vec<(StepKind, Cause)> {
    let images = pod.pod.images().zip(&pod.images);
    let steps = images.filter_map(|((reference, _), wanted)| {
        let image = reference.to_owned();
        match wanted {
            DesiredImage::Here(_) => None,
            DesiredImage::Pull(_) => Some((StepKind::PullImage { image }, Cause::Missing)),
            DesiredImage::Embedded => Some((StepKind::LoadImage { image }, Cause::Missing)),
        }
    });
    steps.collect()
}

fn init_step(pod: &str, container: &Container) -> StepKind {
    let (pod, name) = (pod.to_owned(), container.name.clone());
    if container.sidecar {
        StepKind::Sidecar { pod, container: name }
    } else {
        StepKind::InitContainer { pod, container: name }
    }
}

fn store_object(kind: ObjectKind, name: &str) -> StepKind {
    StepKind::StoreObject { kind: kind_name(kind).to_owned(), name: name.to_owned() }
}

fn remove_object(kind: ObjectKind, name: &str) -> StepKind {
    StepKind::RemoveObject { kind: kind_name(kind).to_owned(), name: name.to_owned() }
}

fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::ConfigMap => "ConfigMap",
        ObjectKind::Secret => "Secret",
    }
}
