//! Images from registries: on request, and as a play needs them.

use super::{Engine, EngineError};
use crate::image::platform::WantedPlatform;
use crate::image::registry::PullSecret;
use crate::image::remote::{AccessError, Known, PullError, RegistryAccess, RegistrySettings, RemoteImage};
use crate::image::store::{self, Loaded, ShortNames};
use crate::image::transfer::{ImageSource, TransferEvent};
use crate::image::{Found, ImageError, Reference};
use crate::store::Database;
use std::sync::{Arc, Mutex, OnceLock};

/// When an image that is here is asked for all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullWhen {
    #[default]
    Always,
    /// Only when it is not here.
    Missing,
    /// Not even then.
    Never,
    /// When the registry has another one; one that cannot be asked leaves the one that is here.
    Newer,
}

/// One image to pull.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// As a user typed it.
    pub name: String,
    /// This machine's when `None`.
    pub platform: Option<WantedPlatform>,
    pub when: PullWhen,
}

/// An image that is here now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// As a user typed it.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
}

/// What a request comes to before anything is transferred.
enum Decision {
    Here(Found),
    Pull(Box<RemoteImage>),
    Failed(EngineError),
}

impl Engine {
    /// Pulls images, several at a time. Results are in the order of the requests.
    ///
    /// # Errors
    /// What concerns all of them: the configuration of registries, the state.
    pub fn pull(
        &mut self,
        requests: &[PullRequest],
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<Vec<Result<Pulled, EngineError>>, EngineError> {
        let mut decisions = Vec::new();
        for request in requests {
            decisions.push(match self.decide(request) {
                Ok(decision) => decision,
                Err(error) => Decision::Failed(error),
            });
        }
        let sources: Vec<&dyn ImageSource> = decisions.iter().filter_map(Decision::source).collect();
        let mut loaded = match sources.is_empty() {
            true => Vec::new(),
            false => self.take_in(&sources, report)?,
        }
        .into_iter();
        let results = decisions.into_iter().zip(requests).map(|(decision, request)| {
            let id = match decision {
                Decision::Here(found) => found.id,
                Decision::Failed(error) => return Err(error),
                Decision::Pull(_) => loaded.next().expect("each source has a result")?.id,
            };
            Ok(Pulled { name: request.name.clone(), id })
        });
        Ok(results.collect())
    }

    /// Brings images here; connections that were cancelled because of a failure are replaced by the next that needs some.
    pub(super) fn take_in(
        &mut self,
        sources: &[&dyn ImageSource],
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<Vec<Result<Loaded, ImageError>>, EngineError> {
        let taken = self.images().take_in(sources, report);
        if taken.as_ref().map_or(true, |results| results.iter().any(Result::is_err)) {
            self.registries.forget();
        }
        taken.map_err(|error| match error {
            ImageError::Interrupted => EngineError::Interrupted,
            error => error.into(),
        })
    }

    /// Full names among which a user has to choose what a short one stands for, when somebody can be asked.
    pub fn choices(&self, name: &str) -> Result<Option<Vec<String>>, EngineError> {
        let choices = self.registries()?.registries.choices(name).map_err(AccessError::from);
        Ok(choices.map_err(PullError::from).map_err(ImageError::from)?)
    }

    /// Tags of a repository at its registry.
    pub fn remote_tags(&self, name: &str) -> Result<Vec<String>, EngineError> {
        Ok(RemoteImage::tags(&*self.registries()?, name).map_err(ImageError::from)?)
    }

    fn decide(&mut self, request: &PullRequest) -> Result<Decision, EngineError> {
        let here = match request.when {
            PullWhen::Always => None,
            _ => self.images().resolve(&request.name)?,
        };
        match (request.when, here) {
            (PullWhen::Missing | PullWhen::Never, Some(found)) => return Ok(Decision::Here(found)),
            (PullWhen::Never, None) => return Err(ImageError::NotFound(request.name.clone()).into()),
            (PullWhen::Newer, Some(found)) => {
                let remote = self.remote_image(&request.name, request.platform.clone(), Vec::new())?;
                return Ok(self.newer(found, remote.asked_once()));
            }
            (PullWhen::Always | PullWhen::Missing | PullWhen::Newer, _) => {}
        }
        let remote = self.remote_image(&request.name, request.platform.clone(), Vec::new())?;
        Ok(Decision::Pull(Box::new(remote)))
    }

    /// The one that is here, unless the registry has another.
    fn newer(&mut self, found: Found, remote: RemoteImage) -> Decision {
        match remote.id() {
            Ok(id) if id != found.id => Decision::Pull(Box::new(remote)),
            // One that cannot be asked leaves the one that is here: that is what `newer` means.
            Ok(_) | Err(_) => Decision::Here(found),
        }
    }

    pub(super) fn remote_image(
        &self,
        name: &str,
        platform: Option<WantedPlatform>,
        secrets: Vec<PullSecret>,
    ) -> Result<RemoteImage, EngineError> {
        let known = self.known_configurations(name);
        let image = RemoteImage::new(self.registries()?, name, known).map_err(ImageError::from)?;
        let image = image.with_secrets(secrets);
        Ok(match platform {
            Some(platform) => image.for_platform(platform),
            None => image,
        })
    }

    /// The configuration of registries, read at its first use.
    pub(super) fn registries(&self) -> Result<Arc<RegistryAccess>, EngineError> {
        self.registries.open()
    }

    /// Looks configurations up that need not be transferred again, from any thread. That of the image which has the name now is the
    /// one that is wanted most often, and costs no connection of its own.
    fn known_configurations(&self, name: &str) -> Arc<Known> {
        let names = self.registries.expand(name).into_iter().map(|full| full.to_string());
        let current = names.filter_map(|name| store::configuration_named(&self.database, &name)).next();
        let layout = self.config.layout.clone();
        let database: OnceLock<Option<Mutex<Database>>> = OnceLock::new();
        Arc::new(move |digest| {
            if let Some((_, config)) = current.as_ref().filter(|(id, _)| id == digest) {
                return Some(config.clone());
            }
            // Without it, what is known is transferred once more.
            let database = database.get_or_init(|| Database::open(&layout).ok().map(Mutex::new)).as_ref()?;
            let database = database.lock().ok()?;
            store::configuration(&database, digest)
        })
    }
}

impl Decision {
    fn source(&self) -> Option<&dyn ImageSource> {
        match self {
            Self::Pull(image) => Some(image.as_ref()),
            Self::Here(_) | Self::Failed(_) => None,
        }
    }
}

/// The configuration of registries, read at its first use.
#[derive(Default)]
pub(super) struct LazyRegistries {
    settings: RegistrySettings,
    opened: OnceLock<Arc<RegistryAccess>>,
}

impl LazyRegistries {
    pub fn new(settings: RegistrySettings) -> Self {
        Self { settings, opened: OnceLock::new() }
    }

    /// Asks for what will be wanted; what goes wrong is told when it is.
    pub fn ask_ahead(&self, images: &[&str]) {
        if let (false, Ok(access)) = (images.is_empty(), self.open()) {
            access.ask_ahead(images);
        }
    }

    /// Makes what was read be read anew, with connections of its own.
    pub fn forget(&mut self) {
        self.opened.take();
    }

    fn open(&self) -> Result<Arc<RegistryAccess>, EngineError> {
        if let Some(access) = self.opened.get() {
            return Ok(access.clone());
        }
        let access = RegistryAccess::open(&self.settings).map_err(PullError::from).map_err(ImageError::from)?;
        Ok(self.opened.get_or_init(|| Arc::new(access)).clone())
    }
}

impl ShortNames for LazyRegistries {
    fn expand(&self, name: &str) -> Vec<Reference> {
        // What is wrong with the configuration is told when something is asked of a registry.
        self.open().ok().and_then(|access| access.registries.expand(name).ok()).unwrap_or_default()
    }
}
