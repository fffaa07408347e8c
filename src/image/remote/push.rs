//! Images to registries: what a registry has already is not sent, and what it can take over from another repository of its own
//! is taken over.
//!
//! A layer whose compressed form the registry has keeps it; when that is so for all of them, the manifest goes as it came,
//! digest and all. Other layers are made again from the unpacked files, and compressed while they are sent.

use super::access::{AccessError, RegistryAccess};
use super::signing::{Signer, SigningError, sign_pushed};
use crate::image::config::Descriptor;
use crate::image::digest::{Digest, Hashing};
use crate::image::gzip::GzipWriter;
use crate::image::media::{GZIP_LAYER, ManifestFormat, NotDocker, ZSTD_LAYER, descriptor};
use crate::image::reference::Reference;
use crate::image::registry::{RegistriesError, RegistryError, Repository, Upload, Which};
use crate::image::store::{Outgoing, OutgoingLayer, RestoreError};
use crate::image::transfer::{Change, LayerState, Told, TransferEvent};
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

/// Layers sent at a time.
const PARALLEL: usize = 6;
/// Attempts with an upload that the registry loses.
const UPLOADS: usize = 3;
/// Known forms of a layer that the registry is asked about.
const FORMS: usize = 4;

/// How an image is to look at the registry.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// As it came, unless something else asks for another one.
    pub format: Option<ManifestFormat>,
    /// Of layers that have to be sent.
    pub compression: LayerCompression,
    pub level: Option<i32>,
    /// Compresses also layers that the registry has in another form.
    pub force: bool,
    pub signers: Vec<Signer>,
    /// Under its digest alone: it is one of a list.
    pub by_digest: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LayerCompression {
    #[default]
    Gzip,
    Zstd,
}

/// An image that a registry has now.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed {
    /// Of its manifest.
    pub digest: Digest,
    pub manifest: Vec<u8>,
    pub media_type: String,
    /// `host/path`.
    pub repository: String,
    /// Forms of the layers there, lowest first.
    pub layers: Vec<Descriptor>,
}

#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("cannot push to `{to}`")]
    Registry { to: String, source: Box<RegistryError> },
    #[error("cannot push to `{to}`")]
    Layer { to: String, source: RestoreError },
    #[error("cannot push to `{to}`: compressing failed")]
    Compress { to: String, source: io::Error },
    #[error("Docker's manifests know no zstd: push with the format oci, or compress with gzip")]
    DockerZstd,
    #[error("Docker's manifests cannot describe the image: push with the format oci")]
    DockerLayer(#[source] NotDocker),
    #[error("cannot sign `{to}`, which was pushed")]
    Signing { to: String, source: Box<SigningError> },
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl PushError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Registry { source, .. } => source.hint(),
            Self::Access(error) => error.hint(),
            Self::Layer { .. } => {
                Some("`podkin system check` says which layers are damaged; pull or load the image again".to_owned())
            }
            Self::Compress { .. } | Self::DockerZstd | Self::DockerLayer(_) | Self::Signing { .. } => None,
        }
    }
}

/// Sends an image to where `to` says.
pub fn push(
    access: &RegistryAccess,
    image: &Outgoing,
    to: &Reference,
    options: &PushOptions,
    report: &mut dyn FnMut(TransferEvent),
) -> Result<Pushed, PushError> {
    // Before anything is sent.
    if options.format == Some(ManifestFormat::Docker) && options.compression == LayerCompression::Zstd {
        return Err(PushError::DockerZstd);
    }
    let place = push_place(access, to)?;
    let label = to.to_string();
    let repository = access.repository(&place, &[])?;
    let mut tell = |change: Change| report(TransferEvent { image: label.clone(), change });
    tell(Change::Resolved { layers: image.layers.len() });
    let sending = Sending { to: &label, repository: &repository, place: &place.reference, image, options };
    let layers = sending.layers(&mut tell)?;
    tell(Change::Storing);
    let pushed = sending.finish(layers)?;
    options.signers.iter().try_for_each(|signer| sign_pushed(access, &repository, to, &pushed, signer))?;
    tell(Change::Done { id: pushed.digest.to_string() });
    Ok(pushed)
}

/// Where an image is sent: the registry itself, never a mirror.
pub(super) fn push_place(
    access: &RegistryAccess,
    to: &Reference,
) -> Result<crate::image::registry::Source, AccessError> {
    let mut places = access.registries.sources(to)?;
    places.pop().ok_or_else(|| RegistriesError::NoSearch { name: to.to_string() }.into())
}

/// One image on its way.
struct Sending<'s> {
    to: &'s str,
    repository: &'s Repository,
    place: &'s Reference,
    image: &'s Outgoing,
    options: &'s PushOptions,
}

/// From the thread of a layer.
enum Message {
    State(usize, LayerState),
    Done(usize, Box<Result<Descriptor, PushError>>),
}

impl Sending<'_> {
    /// Sees to it that the registry has every layer; how it has them, lowest first.
    fn layers(&self, tell: &mut dyn FnMut(Change)) -> Result<Vec<Descriptor>, PushError> {
        let count = self.image.layers.len();
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let mut done: Vec<Option<Descriptor>> = vec![None; count];
        let mut failure = None;
        std::thread::scope(|scope| {
            let (send, receive) = channel();
            for _ in 0..PARALLEL.min(count) {
                let (send, next, failed) = (send.clone(), &next, &failed);
                scope.spawn(move || {
                    while let number = next.fetch_add(1, Ordering::Relaxed)
                        && number < count
                        && !failed.load(Ordering::Relaxed)
                    {
                        // Whoever listens does so to the end.
                        let _ = send.send(Message::Done(number, Box::new(self.layer(number, &send))));
                    }
                });
            }
            drop(send);
            for message in receive {
                match message {
                    Message::State(number, state) => tell(self.change(number, state)),
                    Message::Done(number, result) => match *result {
                        Ok(descriptor) => done[number] = Some(descriptor),
                        Err(error) => {
                            failed.store(true, Ordering::Relaxed);
                            failure.get_or_insert(error);
                        }
                    },
                }
            }
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(done.into_iter().map(|layer| layer.expect("no layer failed")).collect()),
        }
    }

    fn change(&self, number: usize, state: LayerState) -> Change {
        Change::Layer { layer: self.image.layers[number].diff_id.hex()[..12].to_owned(), state }
    }

    /// Sees to it that the registry has one layer.
    fn layer(&self, number: usize, send: &Sender<Message>) -> Result<Descriptor, PushError> {
        let layer = &self.image.layers[number];
        let tell = |state| drop(send.send(Message::State(number, state)));
        if let Some(known) = self.known_form(number, layer)? {
            tell(LayerState::Present);
            return Ok(known);
        }
        tell(LayerState::Started { total: Some(layer.size) });
        let mut attempt = 1;
        loop {
            match self.send_layer(layer, &tell) {
                Err(PushError::Registry { source, .. })
                    if matches!(*source, RegistryError::UploadLost { .. }) && attempt < UPLOADS =>
                {
                    attempt += 1;
                }
                Ok(descriptor) => {
                    tell(LayerState::Done);
                    return Ok(descriptor);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A form of the layer that the registry has, or takes over from another of its repositories. That of the image's own manifest
    /// comes first, so that the manifest can stay what it is.
    fn known_form(&self, number: usize, layer: &OutgoingLayer) -> Result<Option<Descriptor>, PushError> {
        let own = self.image.manifest.layers.get(number).filter(|own| own.digest != layer.diff_id);
        let mut forms: Vec<(Option<&str>, &Descriptor)> = Vec::new();
        for (repository, form) in &layer.forms {
            let is_own = own.is_some_and(|own| own.digest == form.digest);
            forms.insert(if is_own { 0 } else { forms.len() }, (Some(repository), form));
        }
        if let Some(own) = own.filter(|own| forms.iter().all(|(_, form)| form.digest != own.digest)) {
            forms.insert(0, (None, own));
        }
        forms.retain(|(_, form)| self.is_wanted(form));
        for (repository, form) in forms.into_iter().take(FORMS) {
            if self.repository.has_blob(&form.digest).map_err(|e| self.failed(e))?.is_some_and(|size| size == form.size)
            {
                return Ok(Some(form.clone()));
            }
            let from = repository.and_then(|repository| self.neighbour(repository));
            // A registry that does not let it be taken over gets it sent.
            if let Some(from) = from
                && self.repository.mount_blob(&form.digest, from).unwrap_or(false)
            {
                return Ok(Some(form.clone()));
            }
        }
        Ok(None)
    }

    /// The path of another repository of the same registry.
    fn neighbour<'r>(&self, repository: &'r str) -> Option<&'r str> {
        let path = repository.strip_prefix(&self.place.registry)?.strip_prefix('/')?;
        (path != self.place.repository).then_some(path)
    }

    /// Whether a form will do.
    fn is_wanted(&self, form: &Descriptor) -> bool {
        let zstd = form.media_type.ends_with("zstd");
        let plain = !zstd && !form.media_type.ends_with("gzip");
        let docker = self.options.format == Some(ManifestFormat::Docker);
        let same = match self.options.compression {
            LayerCompression::Gzip => !zstd && !plain,
            LayerCompression::Zstd => zstd,
        };
        !(docker && zstd) && (same || !self.options.force)
    }

    fn send_layer(&self, layer: &OutgoingLayer, tell: &dyn Fn(LayerState)) -> Result<Descriptor, PushError> {
        let upload = self.repository.upload().map_err(|e| self.failed(e))?;
        let refusal = Mutex::new(None);
        let compressed = Hashing::new(Refusing { upload, refusal: &refusal });
        let written = match self.options.compression {
            LayerCompression::Gzip => {
                let level = self
                    .options
                    .level
                    .map_or(flate2::Compression::default(), |level| flate2::Compression::new(level.clamp(0, 9) as u32));
                let mut out = Told::new(GzipWriter::new(compressed, level), tell);
                layer.write_to(&mut out).map(|_| out.inner.finish())
            }
            LayerCompression::Zstd => {
                let encoder =
                    zstd::Encoder::new(compressed, self.options.level.unwrap_or(3)).map_err(|e| self.broken(e))?;
                let mut out = Told::new(encoder, tell);
                layer.write_to(&mut out).map(|_| out.inner.finish())
            }
        };
        let refused = |error: PushError| match refusal.lock().ok().and_then(|mut refusal| refusal.take()) {
            Some(source) => self.failed(source),
            None => error,
        };
        let compressed = match written {
            Ok(Ok(compressed)) => compressed,
            Ok(Err(error)) => return Err(refused(self.broken(error))),
            Err(source) => return Err(refused(PushError::Layer { to: self.to.to_owned(), source })),
        };
        let (inner, digest, size) = compressed.into_parts();
        inner.upload.finish(&digest).map_err(|e| self.failed(e))?;
        let media_type = match self.options.compression {
            LayerCompression::Gzip => GZIP_LAYER,
            LayerCompression::Zstd => ZSTD_LAYER,
        };
        Ok(descriptor(media_type, digest, size))
    }

    /// Sends configuration and manifest.
    fn finish(&self, layers: Vec<Descriptor>) -> Result<Pushed, PushError> {
        let config = Digest::of(&self.image.config);
        if self.repository.has_blob(&config).map_err(|e| self.failed(e))?.is_none() {
            let mut upload = self.repository.upload().map_err(|e| self.failed(e))?;
            upload.send(&self.image.config).and_then(|()| upload.finish(&config)).map_err(|e| self.failed(e))?;
        }
        let (manifest, media_type) = self.manifest(&layers)?;
        let which = match self.options.by_digest {
            true => Which::Digest(Digest::of(&manifest)),
            false => Which::from(self.place),
        };
        let digest = self.repository.put_manifest(&which, &media_type, &manifest).map_err(|e| self.failed(e))?;
        Ok(Pushed { digest, manifest, media_type, repository: self.place.name(), layers })
    }

    /// The manifest and its media type: the one it came with when it fits, else one of these layers.
    fn manifest(&self, layers: &[Descriptor]) -> Result<(Vec<u8>, String), PushError> {
        let own = &self.image.manifest;
        let was = ManifestFormat::of(own);
        let zstd = layers.iter().any(|layer| layer.media_type.ends_with("zstd"));
        let format = match self.options.format {
            Some(format) => format,
            None if zstd => ManifestFormat::Oci,
            None => was,
        };
        let same = own.layers.len() == layers.len() && own.layers.iter().zip(layers).all(|(a, b)| a.digest == b.digest);
        if same && format == was {
            return Ok((self.image.manifest_bytes.clone(), was.manifest_type().to_owned()));
        }
        let manifest = format.manifest(&self.image.config, layers).map_err(PushError::DockerLayer)?;
        Ok((manifest.to_json().into_bytes(), manifest.media_type))
    }

    fn failed(&self, source: RegistryError) -> PushError {
        PushError::Registry { to: self.to.to_owned(), source: Box::new(source) }
    }

    fn broken(&self, source: io::Error) -> PushError {
        PushError::Compress { to: self.to.to_owned(), source }
    }
}

/// Keeps what the registry said, which `io::Error` would only have in words.
struct Refusing<'r> {
    upload: Upload,
    refusal: &'r Mutex<Option<RegistryError>>,
}

impl Write for Refusing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.upload.send(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                let said = io::Error::other(error.to_string());
                if let Ok(mut refusal) = self.refusal.lock() {
                    *refusal = Some(error);
                }
                Err(said)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
