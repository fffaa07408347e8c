//! Manifest lists: put together here, pushed with their images.

use super::{Engine, EngineError};
use crate::image::config::{Descriptor, Platform};
use crate::image::media::descriptor;
use crate::image::platform::WantedPlatform;
use crate::image::remote::instances::{RemoteInstances, copy, manifest, put_index};
use crate::image::remote::{PushOptions, Pushed, push};
use crate::image::store::{Instance, InstanceOrigin, ListDocument, ManifestList};
use crate::image::transfer::{Change, TransferEvent};
use crate::image::{Digest, ImageError, Reference, Removed};

/// What is said about an image of a list instead of what the image says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceChange {
    pub os: Option<String>,
    pub architecture: Option<String>,
    pub variant: Option<String>,
    pub os_version: Option<String>,
    pub os_features: Vec<String>,
    pub features: Vec<String>,
    pub annotations: Vec<(String, String)>,
}

/// How a list is pushed.
#[derive(Debug, Clone, Default)]
pub struct ListPush {
    /// Also its images; otherwise they must be there.
    pub all: bool,
    /// Of the index and of images of this machine: what fits the images when it is left out.
    pub options: PushOptions,
}

impl InstanceChange {
    fn apply(&self, descriptor: &mut Descriptor) {
        let Self { os, architecture, variant, os_version, os_features, features, annotations } = self;
        let platform = descriptor.platform.get_or_insert_with(Platform::default);
        os.iter().for_each(|os| platform.os.clone_from(os));
        architecture.iter().for_each(|architecture| platform.architecture.clone_from(architecture));
        platform.variant = variant.clone().or_else(|| platform.variant.take());
        platform.os_version = os_version.clone().or_else(|| platform.os_version.take());
        if !os_features.is_empty() {
            platform.os_features.clone_from(os_features);
        }
        if !features.is_empty() {
            platform.features.clone_from(features);
        }
        descriptor.annotations.extend(annotations.iter().cloned());
    }
}

impl Engine {
    /// Makes a list of images; its id. With `all`, an image that is a list itself adds all of its images; with `amend`, a list of
    /// that name is extended.
    pub fn create_list(
        &mut self,
        name: &str,
        images: &[String],
        all: bool,
        amend: bool,
    ) -> Result<String, EngineError> {
        // Asked for before: a list that cannot be filled is not made.
        let mut instances = Vec::new();
        for image in images {
            instances.extend(self.instances(image, all)?);
        }
        let list = self.images().create_list(name, amend)?;
        self.images().change_list(&list.name, |document| {
            instances.into_iter().for_each(|instance| document.add(instance));
            Ok(())
        })?;
        Ok(list.id)
    }

    /// Adds an image of this machine, or of a registry (`docker://...`, or one that is not here); the list's id.
    pub fn add_to_list(
        &mut self,
        list: &str,
        image: &str,
        all: bool,
        change: &InstanceChange,
    ) -> Result<String, EngineError> {
        let list = self.list(list)?;
        let instances = self.instances(image, all)?;
        self.images().change_list(&list.name, |document| {
            for mut instance in instances {
                change.apply(&mut instance.descriptor);
                document.add(instance);
            }
            Ok(())
        })?;
        Ok(list.id)
    }

    /// Says something else about an image of a list; the list's id.
    pub fn annotate_list(
        &mut self,
        list: &str,
        digest: &Digest,
        change: &InstanceChange,
    ) -> Result<String, EngineError> {
        let list = self.list(list)?;
        self.images().change_list(&list.name, |document| {
            let absent = || ImageError::NoInstance { list: list.name.clone(), digest: digest.clone() };
            change.apply(&mut document.get_mut(digest).ok_or_else(absent)?.descriptor);
            Ok(())
        })?;
        Ok(list.id)
    }

    /// Takes an image out of a list; the list's id.
    pub fn remove_from_list(&mut self, list: &str, digest: &Digest) -> Result<String, EngineError> {
        let list = self.list(list)?;
        self.images().change_list(&list.name, |document| {
            if document.get_mut(digest).is_none() {
                return Err(ImageError::NoInstance { list: list.name.clone(), digest: digest.clone() });
            }
            document.instances.retain(|instance| instance.descriptor.digest != *digest);
            Ok(())
        })?;
        Ok(list.id)
    }

    /// The JSON of a list of this machine, else of what a registry has under that name.
    pub fn inspect_list(&mut self, name: &str) -> Result<Vec<u8>, EngineError> {
        let (name, remote) = registry_name(name);
        if !remote && let Some(ManifestList { document, .. }) = self.images().find_list(name)? {
            return Ok(document.to_index(document.format()));
        }
        Ok(manifest(&*self.registries()?, name).map_err(ImageError::from)?)
    }

    /// Whether this machine has a list of that name.
    pub fn list_exists(&mut self, name: &str) -> Result<bool, EngineError> {
        Ok(self.images().find_list(name)?.is_some())
    }

    /// Removes a list; its images stay.
    pub fn remove_list(&mut self, name: &str) -> Result<Removed, EngineError> {
        Ok(self.remove_list_if_any(name)?.ok_or_else(|| ImageError::ListNotFound(name.to_owned()))?)
    }

    pub(super) fn remove_list_if_any(&mut self, name: &str) -> Result<Option<Removed>, ImageError> {
        let Some(list) = self.images().find_list(name)? else { return Ok(None) };
        self.images().remove_list(&list.id)?;
        Ok(Some(Removed { untagged: vec![list.name], deleted: vec![list.id] }))
    }

    /// Pushes a list: its images, then the index of them. It goes to its own name, or to another one.
    pub fn push_list(
        &mut self,
        list: &str,
        to: Option<&str>,
        how: &ListPush,
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<Pushed, EngineError> {
        let ManifestList { name, mut document, .. } = self.list(list)?;
        let to = Reference::parse(to.unwrap_or(&name)).map_err(ImageError::from)?;
        let access = self.registries()?;
        for instance in document.instances.iter_mut().filter(|_| how.all) {
            let place = Reference { tag: None, digest: Some(instance.descriptor.digest.clone()), ..to.clone() };
            match instance.origin.clone() {
                InstanceOrigin::Local(id) => self.push_instance(&id, &place, instance, how, report)?,
                InstanceOrigin::Registry(from) => {
                    let from = format!("{from}@{}", instance.descriptor.digest);
                    let from = Reference::parse(&from).map_err(ImageError::from)?;
                    let mut tell = |change| report(TransferEvent { image: from.to_string(), change });
                    tell(Change::Resolving);
                    let copied = copy(&access, &from, &place, how.options.format).map_err(ImageError::from)?;
                    tell(Change::Done { id: copied.digest.to_string() });
                    instance.found_as(copied);
                }
            }
        }
        let format = how.options.format.unwrap_or_else(|| document.format());
        let (index, media_type) = (document.to_index(format), format.index_type().to_owned());
        let digest = put_index(&access, &to, &media_type, &index).map_err(ImageError::from)?;
        Ok(Pushed { digest, manifest: index, media_type, repository: to.name(), layers: Vec::new() })
    }

    /// Pushes an image of this machine, and takes down the digest it has there.
    fn push_instance(
        &mut self,
        id: &str,
        place: &Reference,
        instance: &mut Instance,
        how: &ListPush,
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<(), EngineError> {
        let access = self.registries()?;
        let outgoing = self.images().outgoing(id)?;
        let options = PushOptions { by_digest: true, ..how.options.clone() };
        let pushed = push(&access, &outgoing, place, &options, report).map_err(ImageError::from)?;
        self.images().remember_forms(&outgoing, &pushed.repository, &pushed.layers)?;
        instance.found_as(descriptor(&pushed.media_type, pushed.digest, pushed.manifest.len() as u64));
        Ok(())
    }

    fn list(&mut self, name: &str) -> Result<ManifestList, EngineError> {
        Ok(self.images().find_list(name)?.ok_or_else(|| ImageError::ListNotFound(name.to_owned()))?)
    }

    /// What a name adds to a list.
    fn instances(&mut self, text: &str, all: bool) -> Result<Vec<Instance>, EngineError> {
        let (name, remote) = registry_name(text);
        if !remote {
            // Of an image that came from a list, `all` means the list.
            if let Some(found) = self.images().resolve(name)?
                && !(all && self.images().was_pulled(&found.id)?)
            {
                return Ok(vec![self.images().instance(&found.id)?]);
            }
            if let Some(ManifestList { document, .. }) = self.images().find_list(name)? {
                return Ok(chosen(document, all));
            }
            if text.starts_with("containers-storage:") {
                return Err(ImageError::NotFound(name.to_owned()).into());
            }
        }
        let RemoteInstances { repository, descriptors } =
            RemoteInstances::find(&*self.registries()?, name, all).map_err(ImageError::from)?;
        let origin = InstanceOrigin::Registry(repository);
        let instance = |descriptor| Instance { descriptor, origin: origin.clone() };
        Ok(descriptors.into_iter().map(instance).collect())
    }
}

/// All images of a list, or that for this machine.
fn chosen(document: ListDocument, all: bool) -> Vec<Instance> {
    if all {
        return document.instances;
    }
    let descriptors: Vec<Descriptor> = document.instances.iter().map(|instance| instance.descriptor.clone()).collect();
    let wanted = WantedPlatform::host().choose(&descriptors).map(|chosen| chosen.digest.clone());
    document.instances.into_iter().filter(|instance| Some(&instance.descriptor.digest) == wanted.as_ref()).collect()
}

/// A name without its transport, and whether only a registry is meant.
fn registry_name(text: &str) -> (&str, bool) {
    match text.strip_prefix("docker://") {
        Some(name) => (name, true),
        None => (text.strip_prefix("containers-storage:").unwrap_or(text), false),
    }
}
