//! The images of this machine.

use super::{Engine, EngineError};
use crate::image::{ImageError, ImageStore, Removal, Removed};
use std::io::Read;

/// What the removal of an image took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageRemoval {
    pub removed: Removed,
    /// Names of the pods that used it.
    pub pods: Vec<String>,
}

impl Engine {
    /// The images below this root.
    pub fn images(&mut self) -> ImageStore<'_> {
        let images = ImageStore::new(&self.config.layout, &mut self.database);
        images.interrupted_when(&*self.interrupt.0).with_short_names(&self.registries)
    }

    /// Begins to download an archive.
    pub fn download(&self, url: &str) -> Result<Box<dyn Read + Send>, EngineError> {
        // What stands behind may be a secret.
        let shown = url.split(['?', '#']).next().unwrap_or_default().to_owned();
        match self.registries()?.client.download(url) {
            Ok(Some(stream)) => Ok(stream),
            // A user and a password may be in it.
            Ok(None) => Err(ImageError::Url(shown.rsplit('@').next().unwrap_or_default().to_owned()).into()),
            Err(source) => Err(ImageError::Download { url: shown, source: Box::new(source) }.into()),
        }
    }

    /// Removes a manifest list, or an image as [`ImageStore::remove`] does, and unless `keep_parents` those without a name that it was made from. With
    /// [`Removal::Force`] the pods that use it go first.
    pub fn remove_image(&mut self, name: &str, how: Removal, keep_parents: bool) -> Result<ImageRemoval, ImageError> {
        if self.images().resolve(name)?.is_none()
            && let Some(removed) = self.remove_list_if_any(name)?
        {
            return Ok(ImageRemoval { removed, pods: Vec::new() });
        }
        let image = self.images().inspect(name).map_err(|error| match error {
            ImageError::Vanished(_) => ImageError::NotFound(name.to_owned()),
            error => error,
        })?;
        let goes = how == Removal::Force && self.images().goes_with(name, how)?;
        let pods = if goes { self.remove_users(&image.id) } else { Vec::new() };
        let mut removed = self.images().remove(name, how)?;
        if !keep_parents && !image.parent.is_empty() && removed.deleted.contains(&image.id) {
            removed.deleted.extend(self.images().remove_orphans(&image.parent)?);
        }
        Ok(ImageRemoval { removed, pods })
    }

    /// Removes the pods that use an image; the names of those that went.
    fn remove_users(&mut self, image: &str) -> Vec<String> {
        let pods = self.pods().unwrap_or_default();
        let users = pods.iter().filter(|pod| pod.record.images().any(|used| used.id == image));
        let users: Vec<String> = users.map(|pod| pod.name().to_owned()).collect();
        if users.is_empty() {
            return users;
        }
        // What could not be removed still uses the image, and the store says so.
        let outcomes = self.remove_pods(&users, true, true, None).unwrap_or_default();
        outcomes.into_iter().filter(|outcome| outcome.result.is_ok()).map(|outcome| outcome.given).collect()
    }
}
