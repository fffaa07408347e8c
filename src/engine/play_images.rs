//! The images of a play: which are here, which a registry has to give, and with which credentials it is asked.

use super::execute::{Actions, step};
use super::prepare::Prepared;
use super::progress::{Progress, Report, StepState};
use super::view::AppRef;
use super::{Engine, EngineError, PlayRequest, PullWhen};
use crate::graph::{DesiredImage, StepKind};
use crate::image::registry::PullSecret;
use crate::image::remote::{PullError, RemoteImage};
use crate::image::transfer::{Change, ImageSource};
use crate::image::{Found, ImageError, Reference};
use crate::model::{ObjectKind, Pod, PullPolicy};
use crate::store::objects::{self, Object};
use crate::store::record::{ImagePull, ImageRecord};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Registries asked at a time.
const PARALLEL: usize = 6;
/// Longest time in which nobody looks whether the user has had enough.
const TICK: Duration = Duration::from_millis(100);

/// An image of a play, before it is carried out.
pub(super) enum PlayImage {
    Here(Box<ImageRecord>),
    /// Asked for already: what it consists of is known.
    Pull {
        image: Box<RemoteImage>,
        id: String,
    },
    /// The program carries it, and the store does not have it yet.
    Embedded,
}

impl PlayImage {
    /// What the plan is made of.
    pub fn desired(&self) -> DesiredImage {
        match self {
            Self::Here(record) => DesiredImage::Here(record.id.clone()),
            Self::Pull { id, .. } => DesiredImage::Pull(id.clone()),
            Self::Embedded => DesiredImage::Embedded,
        }
    }
}

/// The images of a play that is being carried out, by reference as written.
#[derive(Default)]
pub(super) struct PlayedImages {
    pub records: BTreeMap<String, ImageRecord>,
    /// Of those that had to be pulled.
    pub pulls: BTreeMap<String, ImagePull>,
}

/// What the containers and volumes of a play want of one image.
#[derive(Default)]
struct Wanted {
    policy: Option<PullPolicy>,
    /// Names of Secrets of the pods that have it.
    secrets: BTreeSet<String>,
}

/// An image about which a registry is to be asked.
struct Question {
    reference: String,
    when: PullWhen,
    here: Option<Found>,
    image: RemoteImage,
}

impl Engine {
    /// Every image of the request, by reference as written; all that cannot be had are told at once.
    pub(super) fn play_images(
        &mut self,
        request: &PlayRequest,
        app: Option<&AppRef>,
        report: Report<'_>,
    ) -> Result<BTreeMap<String, PlayImage>, EngineError> {
        let (mut images, mut questions) = (BTreeMap::new(), Vec::new());
        let (mut missing, mut failures) = (Vec::new(), Vec::new());
        for (reference, wanted) in wanted_images(request) {
            if is_embedded(&reference) && !self.images().demo_is_current()? {
                images.insert(reference, PlayImage::Embedded);
                continue;
            }
            let here = self.images().resolve(&reference)?;
            let when = self.pull_when(&reference, wanted.policy, here.as_ref())?;
            match (when, here) {
                (PullWhen::Missing | PullWhen::Never, Some(found)) => {
                    let record = self.images().record_of(found)?;
                    images.insert(reference, PlayImage::Here(Box::new(record)));
                }
                (PullWhen::Never, None) => missing.push(reference),
                (when, here) => {
                    let secrets = self.pull_secrets(request, app, &wanted.secrets, report)?;
                    match self.remote_image(&reference, None, secrets) {
                        Ok(image) if when == PullWhen::Newer => {
                            questions.push(Question { reference, when, here, image: image.asked_once() });
                        }
                        Ok(image) => questions.push(Question { reference, when, here, image }),
                        Err(error) => failures.push(error),
                    }
                }
            }
        }
        if !missing.is_empty() {
            failures.push(EngineError::MissingImages { images: missing });
        }
        let answers = self.ask_registries(&questions)?;
        for (question, answer) in questions.into_iter().zip(answers) {
            match self.answer(question, answer, report)? {
                Ok((reference, image)) => drop(images.insert(reference, image)),
                Err(error) => failures.push(error),
            }
        }
        if failures.is_empty() { Ok(images) } else { Err(EngineError::several(failures)) }
    }

    /// Asks registries for the ids of images, several at a time.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`].
    fn ask_registries(&mut self, questions: &[Question]) -> Result<Vec<Result<String, PullError>>, EngineError> {
        let mut answers = Vec::new();
        for some in questions.chunks(PARALLEL) {
            answers.extend(std::thread::scope(|scope| {
                let (sender, ended) = channel::<Infallible>();
                let asked = some.iter().map(|question| {
                    let sender = sender.clone();
                    scope.spawn(move || {
                        let answer = question.image.id().map(str::to_owned);
                        drop(sender);
                        answer
                    })
                });
                let asked: Vec<_> = asked.collect();
                drop(sender);
                // It ends with the last sender: when all have answered.
                while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(TICK) {
                    if (self.interrupt.0)() {
                        some.iter().for_each(|question| question.image.cancel());
                        break;
                    }
                }
                let answers =
                    asked.into_iter().map(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
                answers.collect::<Vec<_>>()
            }));
            if let Err(interrupted) = self.check_interrupt() {
                // Their connections were cancelled.
                self.registries.forget();
                return Err(interrupted);
            }
        }
        Ok(answers)
    }

    /// What the answer of a registry means: the id of its image, or why it has none.
    fn answer(
        &mut self,
        question: Question,
        answer: Result<String, PullError>,
        report: Report<'_>,
    ) -> Result<Result<(String, PlayImage), EngineError>, EngineError> {
        let Question { reference, when, here, image } = question;
        let id = match (answer, here, when) {
            (Ok(id), Some(found), _) if id == found.id => {
                let record = self.images().record_of(found)?;
                return Ok(Ok((reference, PlayImage::Here(Box::new(record)))));
            }
            (Ok(id), _, _) => id,
            (Err(error), Some(found), PullWhen::Newer) => {
                let why = error.with_causes();
                report(Progress::Notice(format!("image `{reference}`: the one that is here is used: {why}")));
                let record = self.images().record_of(found)?;
                return Ok(Ok((reference, PlayImage::Here(Box::new(record)))));
            }
            (Err(error), _, _) => return Ok(Err(ImageError::from(error).into())),
        };
        Ok(Ok((reference, PlayImage::Pull { image: Box::new(image), id })))
    }

    /// When an image is asked of a registry: as `imagePullPolicy` says; without one, a `latest` that once was pulled is asked for
    /// again, but a registry that cannot be asked is no reason to fail (as podman's `newer`).
    fn pull_when(
        &mut self,
        reference: &str,
        policy: Option<PullPolicy>,
        here: Option<&Found>,
    ) -> Result<PullWhen, EngineError> {
        // What was made here comes from no registry.
        let is_local = |name: &str| name.starts_with("localhost/");
        if is_local(reference) || here.and_then(|found| found.name.as_deref()).is_some_and(is_local) {
            return Ok(PullWhen::Never);
        }
        Ok(match (policy, here) {
            (Some(PullPolicy::Never), _) => PullWhen::Never,
            (Some(PullPolicy::IfNotPresent), _) | (None, None) => PullWhen::Missing,
            (Some(PullPolicy::Always), _) => PullWhen::Always,
            (None, Some(found)) => {
                let latest = found.name.as_deref().is_some_and(|name| name.ends_with(":latest"));
                let pulled = latest && self.images().was_pulled(&found.id)?;
                if pulled { PullWhen::Newer } else { PullWhen::Missing }
            }
        })
    }

    /// The credentials in the Secrets of that name: of the request, else of the application, else of another. As on a kubelet, one
    /// that is not there is no reason not to try.
    fn pull_secrets(
        &self,
        request: &PlayRequest,
        app: Option<&AppRef>,
        names: &BTreeSet<String>,
        report: Report<'_>,
    ) -> Result<Vec<PullSecret>, EngineError> {
        let mut secrets = Vec::new();
        for name in names {
            let given = request.application.secrets.iter().find(|secret| secret.name == *name);
            let data = match given {
                Some(secret) => Some(secret.data.clone()),
                None => {
                    let app = app.map_or("", |app| &app.id);
                    match objects::find(self.database.connection(), app, ObjectKind::Secret, name)? {
                        Some(Object::Secret(secret)) => Some(secret.data),
                        _ => None,
                    }
                }
            };
            match data.as_ref().map(PullSecret::parse) {
                Some(Ok(secret)) => secrets.push(secret),
                Some(Err(why)) => {
                    report(Progress::Notice(format!("Secret `{name}` has no credentials of registries: {why}")))
                }
                None => {
                    report(Progress::Notice(format!("there is no Secret `{name}`, which `imagePullSecrets` names")))
                }
            }
        }
        Ok(secrets)
    }

    /// Brings the images here that the plan asks for; the images of the play.
    pub(super) fn load_images(
        &mut self,
        actions: &Actions,
        prepared: &Prepared,
        report: Report<'_>,
    ) -> Result<PlayedImages, EngineError> {
        let mut played = PlayedImages::default();
        let records = &mut played.records;
        let mut pulls = Vec::new();
        for (reference, image) in &prepared.images {
            match image {
                PlayImage::Here(record) => drop(records.insert(reference.clone(), record.as_ref().clone())),
                PlayImage::Embedded if actions.images.contains(reference) => {
                    let kind = StepKind::LoadImage { image: reference.clone() };
                    report(step(kind.clone(), StepState::Started));
                    self.images().ensure_demo()?;
                    records.insert(reference.clone(), self.images().to_record(reference)?);
                    report(step(kind, StepState::Done));
                }
                PlayImage::Pull { image, .. } if actions.images.contains(reference) => pulls.push((reference, image)),
                // Of a pod that stays as it is.
                PlayImage::Embedded | PlayImage::Pull { .. } => {}
            }
        }
        let sources: Vec<&dyn ImageSource> =
            pulls.iter().map(|(_, image)| image.as_ref() as &dyn ImageSource).collect();
        if sources.is_empty() {
            return Ok(played);
        }
        let began = Timestamp::now();
        let mut ends = BTreeMap::new();
        let loaded = self.take_in(&sources, &mut |event| {
            if let Change::Done { id } = &event.change {
                ends.insert(id.clone(), Timestamp::now());
            }
            report(Progress::Transfer(event));
        })?;
        let mut failures: Vec<EngineError> = Vec::new();
        for ((reference, _), loaded) in pulls.into_iter().zip(loaded) {
            match loaded {
                Ok(loaded) => {
                    let name = loaded.names.first().unwrap_or(&loaded.id);
                    records.insert(reference.clone(), self.images().to_record(name)?);
                    let ended = ends.get(&loaded.id).copied().unwrap_or_else(Timestamp::now);
                    let size = self.images().size(&loaded.id)?;
                    played.pulls.insert(reference.clone(), ImagePull { began, ended, size });
                }
                Err(error) => failures.push(error.into()),
            }
        }
        if failures.is_empty() { Ok(played) } else { Err(EngineError::several(failures)) }
    }
}

/// Images of the pods of a request by reference as written. Of two policies for one image the one that asks more counts.
fn wanted_images(request: &PlayRequest) -> BTreeMap<String, Wanted> {
    let mut images: BTreeMap<String, Wanted> = BTreeMap::new();
    for pod in &request.application.pods {
        for (reference, policy) in Pod::images(pod) {
            let wanted = images.entry(reference.to_owned()).or_default();
            wanted.secrets.extend(pod.image_pull_secrets.iter().cloned());
            wanted.policy = std::cmp::max_by_key(wanted.policy, policy, |policy| match policy {
                Some(PullPolicy::Never) => 1,
                Some(PullPolicy::IfNotPresent) => 2,
                None => 0,
                Some(PullPolicy::Always) => 3,
            });
        }
    }
    images
}

/// Whether the program carries the image.
pub(super) fn is_embedded(reference: &str) -> bool {
    let candidates = crate::image::reference::local_candidates(reference).unwrap_or_default();
    candidates.iter().filter_map(Reference::tagged).any(|name| name == crate::image::demo::DEMO_IMAGE)
}
