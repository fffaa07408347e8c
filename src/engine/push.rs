//! Images to registries.

use super::{Engine, EngineError, ListPush};
use crate::image::remote::{PushOptions, Pushed, push};
use crate::image::transfer::TransferEvent;
use crate::image::{ImageError, Reference};

impl Engine {
    /// Sends an image, or a manifest list with its images, to a registry: under the name it has here, or another one.
    pub fn push(
        &mut self,
        image: &str,
        to: Option<&str>,
        options: &PushOptions,
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<Pushed, EngineError> {
        let access = self.registries()?;
        let outgoing = match self.images().resolve(image)? {
            Some(found) => self.images().outgoing(found.name.as_deref().unwrap_or(&found.id))?,
            None if self.list_exists(image)? => {
                let how = ListPush { all: true, options: options.clone() };
                return self.push_list(image, to, &how, report);
            }
            None => return Err(ImageError::NotFound(image.to_owned()).into()),
        };
        let to = match (to, &outgoing.name) {
            (Some(to), _) => Reference::parse(to).map_err(ImageError::from)?,
            (None, Some(name)) => Reference::parse(name).map_err(ImageError::from)?,
            (None, None) => return Err(ImageError::NoDestination(image.to_owned()).into()),
        };
        let pushed = push(&access, &outgoing, &to, options, report).map_err(ImageError::from)?;
        self.images().remember_forms(&outgoing, &pushed.repository, &pushed.layers)?;
        self.images().note("push", &outgoing.id, &[to.to_string()]);
        Ok(pushed)
    }
}
