//! Images, as a play needs them.

use super::execute::{Actions, step};
use super::prepare::Prepared;
use super::progress::{Report, StepState};
use super::{Engine, EngineError};
use crate::graph::StepKind;
use crate::image::{ImageStore, Reference, demo};
use crate::store::record::ImageRecord;
use std::collections::BTreeMap;

impl Engine {
    /// The images below this root.
    pub fn images(&mut self) -> ImageStore<'_> {
        ImageStore::new(&self.config.layout, &mut self.database)
    }

    /// The image of that name or id; `None` when the store does not have it.
    pub(super) fn image_record(&mut self, reference: &str) -> Result<Option<ImageRecord>, EngineError> {
        let images = self.images();
        match images.resolve(reference)? {
            Some(_) => Ok(Some(images.to_record(reference)?)),
            None => Ok(None),
        }
    }

    /// Loads the embedded image when the plan says so; the images of the play.
    pub(super) fn load_images(
        &mut self,
        actions: &Actions,
        prepared: &Prepared,
        report: Report<'_>,
    ) -> Result<BTreeMap<String, ImageRecord>, EngineError> {
        let mut images = prepared.images.clone();
        for image in &actions.images {
            let kind = StepKind::LoadImage { image: image.clone() };
            report(step(kind.clone(), StepState::Started));
            self.images().ensure_demo()?;
            images.insert(image.clone(), self.images().to_record(image)?);
            report(step(kind, StepState::Done));
        }
        Ok(images)
    }
}

/// Whether the program carries the image.
pub(super) fn is_embedded(reference: &str) -> bool {
    let candidates = crate::image::reference::local_candidates(reference).unwrap_or_default();
    candidates.iter().filter_map(Reference::tagged).any(|name| name == demo::DEMO_IMAGE)
}
