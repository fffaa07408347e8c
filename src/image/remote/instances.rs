//! What registries have, to be put into a manifest list, and to be copied with one.

use super::access::{AccessError, RegistryAccess};
use super::pull::{Attempt, PullError};
use super::push::{PushError, push_place};
use super::signatures::BesideImage;
use crate::image::config::{ConfigDocument, Descriptor, Manifest, ManifestDocument, Platform};
use crate::image::digest::Digest;
use crate::image::media::{ManifestFormat, NotDocker, descriptor};
use crate::image::platform::WantedPlatform;
use crate::image::policy::{Origin, RegistrySignatures};
use crate::image::reference::Reference;
use crate::image::registry::{Fetched, RegistryError, Repository, Which};
use std::io::Read;

/// Bytes of a blob that are read at a time.
const PIECE: usize = 128 * 1024;

/// Images of a name at its registry.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteInstances {
    /// `host/path`
    pub repository: String,
    pub descriptors: Vec<Descriptor>,
}

/// Where something was found.
struct Place<'p> {
    /// The name that policies speak of.
    reference: &'p Reference,
    /// What is asked for there.
    at: Reference,
    repository: Repository,
}

impl RemoteInstances {
    /// The image of a name, or of an index all of its images, or that for this machine.
    pub fn find(access: &RegistryAccess, name: &str, all: bool) -> Result<Self, PullError> {
        first(access, name, |place| {
            let fetched = place.repository.manifest(&Which::from(&place.at))?;
            let descriptors = match ManifestDocument::parse(&fetched.bytes)? {
                ManifestDocument::Image(manifest) => vec![described(place, &fetched, &manifest)?],
                ManifestDocument::Index(descriptors) if all => descriptors,
                ManifestDocument::Index(descriptors) => {
                    let wanted = WantedPlatform::host();
                    vec![wanted.choose(&descriptors).cloned().ok_or(Attempt::Platform(wanted))?]
                }
            };
            Ok(Self { repository: place.reference.name(), descriptors })
        })
    }
}

/// The manifest or index of a name, as a registry has it.
pub fn manifest(access: &RegistryAccess, name: &str) -> Result<Vec<u8>, PullError> {
    first(access, name, |place| Ok(place.repository.manifest(&Which::from(&place.at))?.bytes))
}

/// Copies an image, named by its digest, to another repository, and describes it there by a manifest of that form. What is there
/// already is not sent, what the registry has elsewhere is taken over.
pub fn copy(
    access: &RegistryAccess,
    from: &Reference,
    to: &Reference,
    format: Option<ManifestFormat>,
) -> Result<Descriptor, CopyError> {
    let destination = push_place(access, to).map_err(PushError::from)?;
    let target = access.repository(&destination, &[]).map_err(PushError::from)?;
    let (fetched, source, at) = first(access, &from.to_string(), |place| {
        let fetched = place.repository.manifest(&Which::from(&place.at))?;
        let fetch = BesideImage { client: &access.client, repository: &place.repository };
        let (lookaside, digest) = (&access.lookaside, &fetched.digest);
        let signatures = RegistrySignatures { lookaside, fetch: &fetch, reference: &place.at, digest };
        access.policy.check(&Origin::Docker(place.reference), &fetched.bytes, digest, &signatures)?;
        Ok((fetched, place.repository.clone(), place.at.clone()))
    })?;
    let refused = |source| PushError::Registry { to: to.to_string(), source: Box::new(source) };
    let unread = |source| CopyError::Read { from: from.to_string(), source: Box::new(source) };
    let ManifestDocument::Image(manifest) = ManifestDocument::parse(&fetched.bytes)
        .map_err(|e| PullError::One { image: from.to_string(), source: Box::new(e.into()) })?
    else {
        return Err(CopyError::Nested(from.clone()));
    };
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        if target.has_blob(&blob.digest).map_err(refused)?.is_some() {
            continue;
        }
        let neighbour = at.registry == destination.reference.registry;
        // A registry that does not let it be taken over gets it sent.
        if neighbour && target.mount_blob(&blob.digest, &at.repository).unwrap_or(false) {
            continue;
        }
        let mut content = source.blob(&blob.digest, blob.size).map_err(unread)?;
        let mut upload = target.upload().map_err(refused)?;
        let mut piece = vec![0; PIECE];
        loop {
            match content.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => upload.send(&piece[..read]).map_err(refused)?,
                Err(error) => {
                    let host = at.registry.clone();
                    return Err(unread(
                        error.downcast().unwrap_or_else(|source| RegistryError::Broken { host, source }),
                    ));
                }
            }
        }
        upload.finish(&blob.digest).map_err(refused)?;
    }
    let was = ManifestFormat::of(&manifest);
    let (media_type, bytes) = match format.filter(|format| *format != was) {
        Some(format) => (format.manifest_type(), format.convert(&manifest)?.to_json().into_bytes()),
        None => (was.manifest_type(), fetched.bytes),
    };
    let which = Which::Digest(Digest::of(&bytes));
    let digest = target.put_manifest(&which, media_type, &bytes).map_err(refused)?;
    Ok(descriptor(media_type, digest, bytes.len() as u64))
}

/// Uploads an index; its images are there.
pub fn put_index(access: &RegistryAccess, to: &Reference, media_type: &str, index: &[u8]) -> Result<Digest, PushError> {
    let place = push_place(access, to)?;
    let put = access.repository(&place, &[])?.put_manifest(&Which::from(&place.reference), media_type, index);
    put.map_err(|source| PushError::Registry { to: to.to_string(), source: Box::new(source) })
}

/// Why an image was not copied from one repository to another.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error(transparent)]
    Push(#[from] PushError),
    #[error("cannot read `{from}`")]
    Read { from: String, source: Box<RegistryError> },
    #[error(transparent)]
    NotDocker(#[from] NotDocker),
    #[error("`{0}` is an index within a list, which cannot be copied")]
    Nested(Reference),
}

impl CopyError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Pull(error) => error.hint(),
            Self::Push(error) => error.hint(),
            Self::Read { source, .. } => source.hint(),
            Self::NotDocker(_) => Some("push with the format oci".to_owned()),
            Self::Nested(_) => None,
        }
    }
}

/// The descriptor of an image that was asked for by its name: the platform is in its configuration.
fn described(place: &Place<'_>, fetched: &Fetched, manifest: &Manifest) -> Result<Descriptor, Attempt> {
    let config = place.repository.blob_bytes(&manifest.config.digest, manifest.config.size)?;
    let ConfigDocument { architecture, os, variant, .. } = ConfigDocument::parse(&config)?;
    let media_type =
        if fetched.media_type.is_empty() { manifest.media_type.clone() } else { fetched.media_type.clone() };
    Ok(Descriptor {
        media_type,
        digest: fetched.digest.clone(),
        size: fetched.bytes.len() as u64,
        annotations: Default::default(),
        platform: Some(Platform { architecture, os, variant, ..Platform::default() }),
    })
}

/// What the first place says that knows a name.
fn first<T>(
    access: &RegistryAccess,
    name: &str,
    ask: impl Fn(&Place<'_>) -> Result<T, Attempt>,
) -> Result<T, PullError> {
    let mut attempts: Vec<(Reference, Attempt)> = Vec::new();
    for reference in access.registries.expand(name).map_err(AccessError::from)? {
        for source in access.registries.sources(&reference).map_err(AccessError::from)? {
            let repository = access.repository(&source, &[])?;
            let place = Place { reference: &reference, at: source.reference, repository };
            match ask(&place) {
                Ok(answer) => return Ok(answer),
                Err(why) => attempts.push((place.at, why)),
            }
        }
    }
    let image = name.to_owned();
    match attempts.len() {
        0 => Err(PullError::Nowhere(image)),
        1 => Err(PullError::One { image, source: Box::new(attempts.remove(0).1) }),
        _ => Err(PullError::Several { image, attempts }),
    }
}
