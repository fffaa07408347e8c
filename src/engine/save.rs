//! Images to archives.

use super::{Engine, EngineError};
use crate::image::archive::save::{Destination, SaveError, SaveFormat, SavedImage, SavedLayers, save};
use crate::image::store::Outgoing;
use crate::image::transfer::TransferEvent;
use crate::image::{ImageError, Reference};
use crate::store::atomic::{Replacement, beside};
use crate::sys::dir;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Where an archive goes.
pub enum SaveTo<'a> {
    /// A file or a directory, which is there when all of it is.
    Path(&'a Path),
    Stream(&'a mut dyn Write),
}

impl Engine {
    /// Writes images to an archive. Several names of one image are names of it; an image given by its id has none.
    pub fn save(
        &mut self,
        images: &[String],
        format: SaveFormat,
        layers: SavedLayers,
        to: SaveTo<'_>,
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<(), EngineError> {
        let mut found: Vec<(Outgoing, Vec<String>)> = Vec::new();
        for text in images {
            let image = self.images().resolve(text)?.ok_or_else(|| ImageError::NotFound(text.clone()))?;
            let name = image.name.as_deref().and_then(tag_of);
            match found.iter_mut().find(|(known, _)| known.id == image.id) {
                Some((_, names)) => names.extend(name.filter(|name| !names.contains(name))),
                None => found.push((self.images().outgoing(&image.id)?, name.into_iter().collect())),
            }
        }
        self.save_as(&found, format, layers, to, report)
    }

    /// Writes one image to an archive (its form, path and perhaps the name it gets there) as [`Engine::save`] does.
    pub fn push_archive(
        &mut self,
        image: &str,
        (format, path, name): (SaveFormat, &Path, Option<&str>),
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<(), EngineError> {
        let found = self.images().resolve(image)?.ok_or_else(|| ImageError::NotFound(image.to_owned()))?;
        let name = match (name, format) {
            (Some(name), SaveFormat::DockerArchive) => Reference::parse(name).map_err(ImageError::from)?.tagged(),
            // What stands in an OCI layout need not be the name of an image.
            (Some(name), _) => Some(name.to_owned()),
            (None, _) => found.name.as_deref().and_then(tag_of),
        };
        let layers = match format {
            SaveFormat::OciArchive | SaveFormat::OciDirectory => SavedLayers::Gzip,
            SaveFormat::DockerArchive | SaveFormat::DockerDirectory => SavedLayers::Plain,
        };
        let outgoing = (self.images().outgoing(&found.id)?, name.into_iter().collect());
        self.save_as(&[outgoing], format, layers, SaveTo::Path(path), report)
    }

    /// Writes images under the names given.
    fn save_as(
        &self,
        images: &[(Outgoing, Vec<String>)],
        format: SaveFormat,
        layers: SavedLayers,
        to: SaveTo<'_>,
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<(), EngineError> {
        let images: Vec<SavedImage<'_>> = images.iter().map(|(image, names)| image.saved(names.clone())).collect();
        let what = match &to {
            SaveTo::Path(path) => path.display().to_string(),
            SaveTo::Stream(_) => "standard output".to_owned(),
        };
        let failed = |source| EngineError::from(ImageError::Save { to: what.clone(), source });
        let scratch = &self.config.layout.root;
        let mut write = |destination: Destination<'_>| save(destination, &images, format, layers, report);
        match to {
            SaveTo::Stream(out) => write(Destination::Stream { out, scratch }).map_err(failed),
            SaveTo::Path(path) if format.is_directory() => into_directory(path, &mut write).map_err(failed),
            // A pipe or a device stays what it is, and so does a link: `/dev/stdout` is one.
            SaveTo::Path(path) if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) => {
                let options = File::options().write(true).create(true).truncate(true).open(path);
                let mut out = options.map_err(|e| failed(e.into()))?;
                write(Destination::Stream { out: &mut out, scratch }).map_err(failed)
            }
            SaveTo::Path(path) => {
                let mut out = Replacement::create(path).map_err(|e| failed(e.into()))?;
                write(Destination::Stream { out: &mut out, scratch }).map_err(failed)?;
                out.commit().map_err(|e| failed(e.into()))
            }
        }
    }
}

/// The name of an image without a digest: archives know only tags.
fn tag_of(name: &str) -> Option<String> {
    Reference::parse(name).ok()?.tagged()
}

/// Fills a directory beside `path`, which takes its place when it is whole.
fn into_directory(
    path: &Path,
    write: &mut dyn FnMut(Destination<'_>) -> Result<(), SaveError>,
) -> Result<(), SaveError> {
    if std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(SaveError::NotEmpty(path.to_owned()));
    }
    let unfinished = beside(path);
    std::fs::create_dir(&unfinished)?;
    let result = write(Destination::Directory(&unfinished)).and_then(|()| Ok(std::fs::rename(&unfinished, path)?));
    if result.is_err() {
        // The error that matters is the first one.
        let _ = dir::remove_tree(&unfinished);
    }
    result
}
