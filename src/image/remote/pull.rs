//! Images from registries: which places to ask, what an image consists of there, whether the policy lets it in.

use super::access::{AccessError, RegistryAccess};
use super::signatures::BesideImage;
use crate::image::Digest;
use crate::image::config::{ConfigDocument, Descriptor, DocumentError, Manifest, ManifestDocument};
use crate::image::error::ImageError;
use crate::image::layer::Expected;
use crate::image::platform::WantedPlatform;
use crate::image::policy::{Origin, PolicyError, RegistrySignatures};
use crate::image::reference::Reference;
use crate::image::registry::{Fetched, PullSecret, RegistriesError, RegistryError, Repository, Which};
use crate::image::transfer::{Again, ImageSource, Incoming, LayerSource, OpenLayer};
use crate::model::diagnostic::with_causes;
use std::io::Read;
use std::sync::{Arc, OnceLock};

/// Why an image could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error("cannot pull `{image}`")]
    One { image: String, source: Box<Attempt> },
    /// Tried at several places, in this order.
    #[error("cannot pull `{image}`: {}", attempts.iter().map(|(place, why)| format!("{place}: {}", with_causes(why))).collect::<Vec<_>>().join("; "))]
    Several { image: String, attempts: Vec<(Reference, Attempt)> },
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("nobody said where `{0}` comes from")]
    Nowhere(String),
}

/// Why an image could not be had at one place.
#[derive(Debug, thiserror::Error)]
pub enum Attempt {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("image is not there for {0}")]
    Platform(WantedPlatform),
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl PullError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::One { source, .. } => source.hint(),
            Self::Several { attempts, .. } => attempts.iter().find_map(|(_, why)| why.hint()),
            Self::Access(error) => error.hint(),
            Self::Nowhere(_) => None,
        }
    }

    /// The error and its causes, on one line.
    pub fn with_causes(&self) -> String {
        with_causes(self)
    }

    /// True when every place that was asked said that it has no such image.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::One { source, .. } => source.is_not_found(),
            Self::Several { attempts, .. } => attempts.iter().all(|(_, why)| why.is_not_found()),
            Self::Access(_) | Self::Nowhere(_) => false,
        }
    }
}

impl Attempt {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.hint(),
            Self::Policy(error) => error.hint(),
            Self::Access(error) => error.hint(),
            Self::Document(_) | Self::Platform(_) => None,
        }
    }

    fn is_not_found(&self) -> bool {
        matches!(self, Self::Registry(RegistryError::NotFound { .. }))
    }

    /// Whether another place may do better: a policy's or a user's word holds everywhere.
    fn is_final(&self) -> bool {
        matches!(self, Self::Policy(_) | Self::Access(_))
    }
}

impl AccessError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Policy(error) => error.hint(),
            Self::Registries(RegistriesError::NoSearch { name }) => {
                Some(format!("name the registry, as in `docker.io/{name}`"))
            }
            Self::Registries(_) | Self::Credentials(_) | Self::Lookaside(_) => None,
        }
    }
}

/// Gives the configuration of an image that is here already.
pub type Known = dyn Fn(&Digest) -> Option<Vec<u8>> + Send + Sync;

/// An image that a registry is to give.
pub struct RemoteImage {
    access: Arc<RegistryAccess>,
    label: String,
    /// In the order in which they are tried.
    candidates: Vec<Reference>,
    platform: WantedPlatform,
    secrets: Vec<PullSecret>,
    known: Arc<Known>,
    /// Something else does when the registry does not answer.
    once: bool,
    found: OnceLock<Found>,
}

/// What a registry said an image consists of.
struct Found {
    repository: Repository,
    /// The reference that led to it.
    reference: Reference,
    /// `host/path` of the place it was found at.
    place: String,
    manifest: Manifest,
    /// The manifest, then the index that led to it.
    manifests: Vec<Vec<u8>>,
    config: Vec<u8>,
    document: ConfigDocument,
}

impl RemoteImage {
    /// An image by the name a user gave; the name may be a short one.
    pub fn new(access: Arc<RegistryAccess>, name: &str, known: Arc<Known>) -> Result<Self, PullError> {
        let candidates = access.registries.expand(name).map_err(AccessError::from)?;
        let label = match candidates.as_slice() {
            [one] => one.to_string(),
            _ => name.to_owned(),
        };
        let (platform, secrets, found) = (WantedPlatform::host(), Vec::new(), OnceLock::new());
        Ok(Self { access, label, candidates, platform, secrets, known, once: false, found })
    }

    /// Tags of the repository that a name stands for: of the first place that knows it.
    pub fn tags(access: &RegistryAccess, name: &str) -> Result<Vec<String>, PullError> {
        let mut failure = PullError::Nowhere(name.to_owned());
        for reference in access.registries.expand(name).map_err(AccessError::from)? {
            for place in access.registries.sources(&reference).map_err(AccessError::from)? {
                match access.repository(&place, &[])?.tags() {
                    Ok(tags) => return Ok(tags),
                    Err(source) => failure = PullError::One { image: name.to_owned(), source: Box::new(source.into()) },
                }
            }
        }
        Err(failure)
    }

    /// For another platform than this machine's.
    pub fn for_platform(mut self, platform: WantedPlatform) -> Self {
        self.platform = platform;
        self
    }

    /// A registry that does not answer is not asked again, what it consists of.
    pub fn asked_once(mut self) -> Self {
        self.once = true;
        self
    }

    /// With credentials that come before the machine's.
    pub fn with_secrets(mut self, secrets: Vec<PullSecret>) -> Self {
        self.secrets = secrets;
        self
    }

    /// Id of the image: the digest of its configuration. Asks the registry, once.
    pub fn id(&self) -> Result<&str, PullError> {
        Ok(self.found()?.manifest.config.digest.hex())
    }

    /// Digests of its manifest and of the index that led to it. Asks the registry, once.
    pub fn digests(&self) -> Result<Vec<Digest>, PullError> {
        Ok(self.found()?.manifests.iter().map(|manifest| Digest::of(manifest)).collect())
    }

    fn found(&self) -> Result<&Found, PullError> {
        match self.found.get() {
            Some(found) => Ok(found),
            None => {
                let found = self.find()?;
                Ok(self.found.get_or_init(|| found))
            }
        }
    }

    fn find(&self) -> Result<Found, PullError> {
        let mut attempts: Vec<(Reference, Attempt)> = Vec::new();
        for reference in &self.candidates {
            match self.find_as(reference, &mut attempts) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(why) => attempts.push((reference.clone(), why)),
            }
        }
        let image = self.label.clone();
        match attempts.len() {
            0 => Err(PullError::Nowhere(image)),
            1 => Err(PullError::One { image, source: Box::new(attempts.remove(0).1) }),
            _ => Err(PullError::Several { image, attempts }),
        }
    }

    /// Asks the places that one name may be at.
    ///
    /// # Errors
    /// What holds for the name, wherever it is asked for; nobody is asked when that is known before.
    fn find_as(
        &self,
        reference: &Reference,
        attempts: &mut Vec<(Reference, Attempt)>,
    ) -> Result<Option<Found>, Attempt> {
        self.access.policy.check_before(&Origin::Docker(reference))?;
        for place in self.access.registries.sources(reference).map_err(AccessError::from)? {
            let repository = self.access.repository(&place, &self.secrets)?;
            match self.ask(reference, &place.reference, repository) {
                Ok(found) => return Ok(Some(found)),
                Err(why) if why.is_final() => return Err(why),
                Err(why) => attempts.push((place.reference, why)),
            }
        }
        Ok(None)
    }

    /// Asks one place. `reference` is the name that policies speak of, `place` what is asked for there.
    fn ask(&self, reference: &Reference, place: &Reference, repository: Repository) -> Result<Found, Attempt> {
        let asked = if self.once { repository.once() } else { repository.clone() };
        // What was asked ahead was asked with the machine's own credentials, and as often as it takes.
        let is_plain = !self.once && self.secrets.is_empty();
        let first = match is_plain.then(|| self.access.answer(place)).flatten() {
            Some(answer) => answer?,
            None => asked.manifest(&Which::from(place))?,
        };
        let mut manifests = vec![first];
        let manifest = loop {
            let latest: &Fetched = &manifests[0];
            match ManifestDocument::parse(&latest.bytes)? {
                ManifestDocument::Image(manifest) => break *manifest,
                // An index of indexes is nothing a registry has.
                ManifestDocument::Index(_) if manifests.len() > 1 => return Err(DocumentError::Ambiguous.into()),
                ManifestDocument::Index(descriptors) => {
                    let chosen = self.platform.choose(&descriptors);
                    let chosen = chosen.ok_or_else(|| Attempt::Platform(self.platform.clone()))?;
                    manifests.insert(0, repository.manifest(&Which::Digest(chosen.digest.clone()))?);
                }
            }
        };
        let origin = Origin::Docker(reference);
        let (bytes, digest) = (&manifests[0].bytes, &manifests[0].digest);
        let fetch = BesideImage { client: &self.access.client, repository: &repository };
        let lookaside = &self.access.lookaside;
        let signatures = RegistrySignatures { lookaside, fetch: &fetch, reference: place, digest };
        self.access.policy.check(&origin, bytes, digest, &signatures)?;
        let config = match (self.known)(&manifest.config.digest) {
            Some(config) => config,
            None => repository.blob_bytes(&manifest.config.digest, manifest.config.size)?,
        };
        let document = ConfigDocument::parse(&config)?;
        document.check_layers(manifest.layers.len())?;
        let manifests = manifests.into_iter().map(|fetched| fetched.bytes).collect();
        let (reference, place) = (reference.clone(), place.name());
        Ok(Found { repository, reference, place, manifest, manifests, config, document })
    }
}

impl ImageSource for RemoteImage {
    fn label(&self) -> &str {
        &self.label
    }

    fn resolve(&self) -> Result<Incoming<'_>, ImageError> {
        let found = self.found()?;
        Ok(Incoming {
            names: vec![stored_name(&found.reference)],
            config: found.config.clone(),
            manifests: found.manifests.clone(),
            blobs: found.manifest.layers.clone(),
            repository: Some(found.place.clone()),
            durable: true,
            layers: Box::new(RemoteLayers { image: &self.label, found }),
        })
    }

    fn cancel(&self) {
        self.access.client.cancel();
    }
}

/// The name a pulled image gets: a digest in it counts more than a tag, as in podman.
fn stored_name(reference: &Reference) -> String {
    match &reference.digest {
        Some(digest) => format!("{}@{digest}", reference.name()),
        None => reference.to_string(),
    }
}

struct RemoteLayers<'f> {
    image: &'f str,
    found: &'f Found,
}

impl LayerSource for RemoteLayers<'_> {
    fn open(&self, number: usize, again: Again) -> Result<OpenLayer<'_>, ImageError> {
        let Descriptor { digest, size, .. } = &self.found.manifest.layers[number];
        let failed =
            |source: RegistryError| PullError::One { image: self.image.to_owned(), source: Box::new(source.into()) };
        let again = Box::new(move |error: &RegistryError| again(&with_causes(error)));
        let blob = self.found.repository.blob_telling(digest, *size, again).map_err(failed)?;
        let blob: Box<dyn Read + Send> = Box::new(blob);
        let diff_id = self.found.document.rootfs.diff_ids[number].clone();
        Ok(OpenLayer { blob, expected: Expected { blob: Some((digest.clone(), Some(*size))), diff_id: Some(diff_id) } })
    }
}
