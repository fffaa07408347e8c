//! Named volumes.

use super::view::VolumeView;
use super::{Engine, EngineError, Outcome};
use crate::storage::{NewVolume, Volume, VolumeError, VolumeStore};
use crate::store::events::LoggedEvent;
use std::collections::BTreeMap;

impl Engine {
    pub(super) fn volume_store(&mut self) -> VolumeStore<'_> {
        VolumeStore::new(&self.config.layout, &mut self.database)
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
