//! Which image was made from which, told by their histories: a child has its parent's steps and layers, and one step more.

use super::super::config::{ConfigDocument, History};
use super::super::digest::Digest;
use super::super::error::ImageError;
use super::{ImageStore, stored, stored_all};
use std::collections::{BTreeMap, BTreeSet};

/// Parents of the images of a store.
#[derive(Debug, Default)]
pub(super) struct Family {
    parents: BTreeMap<String, String>,
}

/// One step of an image's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The image that the step made, when this machine has it.
    pub image: Option<String>,
    /// Names of that image; of steps before the last only.
    pub names: Vec<String>,
    pub entry: History,
    /// Bytes of the step's layer, unpacked; 0 without one.
    pub size: u64,
}

impl Family {
    pub(super) fn of<'a>(images: impl Iterator<Item = (&'a str, &'a ConfigDocument)> + Clone) -> Self {
        // An image without a history would be everybody's parent.
        let told = images.filter(|(_, document)| !document.history.is_empty());
        let known: BTreeMap<String, &str> =
            told.clone().map(|(id, document)| (key(&document.rootfs.diff_ids, &document.history), id)).collect();
        let parent = |(id, document): (&str, &ConfigDocument)| {
            let (last, before) = document.history.split_last()?;
            let layers = &document.rootfs.diff_ids;
            let below = if last.empty_layer { layers.len() } else { layers.len().checked_sub(1)? };
            let parent = known.get(&key(&layers[..below], before)).filter(|_| !before.is_empty())?;
            Some((id.to_owned(), (*parent).to_owned()))
        };
        Self { parents: told.filter_map(parent).collect() }
    }

    pub(super) fn parent(&self, id: &str) -> Option<&str> {
        self.parents.get(id).map(String::as_str)
    }

    /// Images that others were made from.
    pub(super) fn with_children(&self) -> BTreeSet<&str> {
        self.parents.values().map(String::as_str).collect()
    }
}

fn key(layers: &[Digest], history: &[History]) -> String {
    let history = serde_json::to_vec(history).expect("what was read from JSON can be written as JSON");
    let layers: Vec<String> = layers.iter().map(ToString::to_string).collect();
    format!("{} {}", layers.join(","), Digest::of(&history))
}

impl ImageStore<'_> {
    /// The images of a store and their configurations.
    pub(super) fn family(&self) -> Result<Family, ImageError> {
        let documents = stored_all(self.database.connection())?;
        Ok(Family::of(documents.iter().map(|(id, document)| (id.as_str(), document))))
    }

    /// Steps of an image with the sizes of their layers, the newest first.
    pub fn history(&self, text: &str) -> Result<Vec<Step>, ImageError> {
        let found = self.find(text)?;
        let connection = self.database.connection();
        let document = ConfigDocument::parse(stored(connection, &found.id)?.config.as_bytes())?;
        let mut sizes = self.layers_of(&found.id)?.into_iter().map(|layer| layer.size);
        let family = self.family()?;
        let mut steps: Vec<Step> = document
            .history
            .into_iter()
            .map(|entry| {
                let size = if entry.empty_layer { 0 } else { sizes.next().unwrap_or(0) };
                Step { image: None, names: Vec::new(), entry, size }
            })
            .collect();
        steps.reverse();
        let mut image = Some(found.id.as_str());
        for step in &mut steps {
            let Some(id) = image else { break };
            step.image = Some(id.to_owned());
            step.names = super::names_of(connection, id)?;
            image = family.parent(id);
        }
        Ok(steps)
    }
}
