//! Named volumes.

use super::view::VolumeView;
use super::{Engine, EngineError, Outcome};
use crate::image::layer::{self, Expected, Limits};
use crate::model::ClaimContent;
use crate::storage::{self, Merged, NewVolume, Volume, VolumeError, VolumeStore};
use crate::store::events::LoggedEvent;
use crate::store::layout::Layout;
use crate::store::volumes;
use crate::sys::dir::Dir;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

impl Engine {
    pub(super) fn volume_store(&mut self) -> VolumeStore<'_> {
        VolumeStore::new(&self.config.layout, &mut self.database)
    }

    /// Makes the directory of a recorded volume when it is missing, with the files that its claim asked for.
    pub(super) fn make_volume(&mut self, name: &str) -> Result<(), EngineError> {
        let options = volumes::options(self.database.connection(), name)?.unwrap_or_default();
        let Some(content) = volumes::content(&options) else {
            return Ok(self.volume_store().ensure_directory(name, None)?);
        };
        let layers = match &content {
            ClaimContent::Image(reference) => self.layers_of(reference)?,
            ClaimContent::Archive(_) => Vec::new(),
        };
        let layout = self.layout().clone();
        let mut fill = |into: &Path| match &content {
            ClaimContent::Archive(path) => fill_from_archive(into, Path::new(path)),
            ClaimContent::Image(_) => fill_from_layers(into, &layout, &layers),
        };
        Ok(self.volume_store().ensure_directory(name, Some(&mut fill))?)
    }

    /// The directories of an image's layers, lowest first.
    fn layers_of(&mut self, reference: &str) -> Result<Vec<PathBuf>, EngineError> {
        let missing = || EngineError::MissingImages { images: vec![reference.to_owned()] };
        if self.images().resolve(reference)?.is_none() {
            return Err(missing());
        }
        let image = self.images().to_record(reference)?;
        Ok(image.layers.iter().map(|chain| self.layout().layer_diff(chain)).collect())
    }

    /// Every volume, by name.
    pub fn volumes(&mut self) -> Result<Vec<VolumeView>, EngineError> {
        self.recover()?;
        Ok(self.volume_store().list()?.into_iter().map(VolumeView::from).collect())
    }

    /// The volume of that name, or of the one name that begins so.
    pub fn volume(&mut self, name: &str) -> Result<VolumeView, EngineError> {
        self.recover()?;
        match self.volume_store().find(name) {
            Err(VolumeError::NotFound(name)) => Err(EngineError::NotFound { what: "volume", name }),
            found => Ok(found?.into()),
        }
    }

    /// Makes a named volume; a random name when `None`.
    pub fn create_volume(
        &mut self,
        name: Option<&str>,
        labels: BTreeMap<String, String>,
        options: BTreeMap<String, String>,
        ignore_existing: bool,
    ) -> Result<String, EngineError> {
        self.recover()?;
        let new = NewVolume { name: name.map(str::to_owned), labels, options, app: None };
        let name = self.volume_store().create(new, ignore_existing)?.name;
        self.log_events(&[LoggedEvent::now("volume", "create", &name, &name)]);
        Ok(name)
    }

    /// Removes volumes; one in use only with `force`, together with the pods that use it.
    pub fn remove_volumes(
        &mut self,
        names: &[String],
        force: bool,
        ignore_missing: bool,
    ) -> Result<Vec<Outcome>, EngineError> {
        let mut outcomes = Vec::new();
        for given in names {
            // The whole name: half a one may be that of another, and what it holds is gone for good.
            let found = self.volume(given).and_then(|volume| match volume.name == *given {
                true => Ok(volume),
                false => Err(EngineError::NotFound { what: "volume", name: given.clone() }),
            });
            let (name, result) = match found {
                Ok(volume) => (Some(volume.name.clone()), self.remove_volume(&volume, force)),
                Err(EngineError::NotFound { .. }) if ignore_missing => (None, Ok(())),
                Err(error) => (None, Err(error)),
            };
            outcomes.push(Outcome { given: given.clone(), id: name.clone(), name, result });
        }
        Ok(outcomes)
    }

    fn remove_volume(&mut self, volume: &VolumeView, force: bool) -> Result<(), EngineError> {
        if force && !volume.used_by.is_empty() {
            for outcome in self.remove_pods(&volume.used_by, true, true, None)? {
                outcome.result?;
            }
        }
        let name = self.volume_store().remove(&volume.name)?;
        self.log_events(&[LoggedEvent::now("volume", "remove", &name, &name)]);
        Ok(())
    }

    /// Removes volumes nobody refers to and that match; their names. Keys: `label`, `label!`, `until` (a timestamp), `name`.
    pub fn prune_volumes(&mut self, filters: &[(String, String)]) -> Result<Vec<String>, EngineError> {
        let unused: Vec<_> = self.volumes()?.into_iter().filter(|volume| volume.used_by.is_empty()).collect();
        let mut names = Vec::new();
        for volume in unused {
            let results = filters.iter().map(|(key, value)| matches(&volume, key, value));
            if results.collect::<Result<Vec<_>, _>>()?.into_iter().all(|m| m) {
                names.push(volume.name);
            }
        }
        self.remove_unused_volumes(&names)
    }
}

type FillError = Box<dyn std::error::Error + Send + Sync>;

/// Unpacks a tar archive, compressed or not, with all the checks that a layer is given.
fn fill_from_archive(into: &Path, archive: &Path) -> Result<(), FillError> {
    let file = File::open(archive).map_err(|source| EngineError::File {
        attempt: "read",
        path: archive.to_owned(),
        source,
    })?;
    layer::unpack(file, &Expected::default(), &Dir::open(into)?, &Limits::default())?;
    Ok(())
}

/// Copies what layers are together: as a tar stream from their merged tree, so that links, owners and attributes are kept.
fn fill_from_layers(into: &Path, layout: &Layout, layers: &[PathBuf]) -> Result<(), FillError> {
    let merged = Merged::of(layout, layers)?;
    let (reader, writer) = std::io::pipe()?;
    let into = Dir::open(into)?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| storage::export(merged.root(), BufWriter::new(writer)));
        let unpacked = layer::unpack(reader, &Expected::default(), &into, &Limits::default());
        let written = writing.join().unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
        // Who reads no more makes the writer fail: the reason is the reader's.
        unpacked.map(drop).map_err(FillError::from)?;
        Ok(written?)
    })
}

impl From<Volume> for VolumeView {
    fn from(volume: Volume) -> Self {
        let Volume { name, mountpoint, labels, options, created, app: _, anonymous, used_by } = volume;
        Self { name, mountpoint, created, labels, options, anonymous, used_by }
    }
}

fn matches(volume: &VolumeView, key: &str, value: &str) -> Result<bool, EngineError> {
    let has_label = || match value.split_once('=') {
        Some((key, value)) => volume.labels.get(key).is_some_and(|found| found == value),
        None => volume.labels.contains_key(value),
    };
    let refuse = |reason: &str| EngineError::BadOption {
        flag: "--filter",
        value: format!("{key}={value}"),
        reason: reason.to_owned(),
    };
    match key {
        "label" => Ok(has_label()),
        "label!" => Ok(!has_label()),
        "name" => Ok(volume.name == value),
        "until" => {
            let until: jiff::Timestamp = value.parse().map_err(|_| refuse("it is no timestamp"))?;
            Ok(volume.created < until)
        }
        _ => Err(refuse("known are `label`, `label!`, `name`, `until`")),
    }
}
