//! Named volumes.

use super::view::VolumeView;
use super::{Engine, EngineError, Outcome, machine};
use crate::store::events::LoggedEvent;
use crate::store::pods;
use crate::store::volumes::{self, VolumeRow};
use std::collections::BTreeMap;

impl Engine {
    /// Every volume, by name.
    pub fn volumes(&mut self) -> Result<Vec<VolumeView>, EngineError> {
        self.recover()?;
        let connection = self.database.connection();
        let mut users = pods::volume_users(connection)?;
        let rows = volumes::all(connection)?;
        Ok(rows.into_iter().map(|row| self.volume_view(&mut users, row)).collect())
    }

    /// The volume of that name, or of the one name that begins so.
    pub fn volume(&mut self, name: &str) -> Result<VolumeView, EngineError> {
        let mut all = self.volumes()?;
        if let Some(exact) = all.iter().position(|volume| volume.name == name) {
            return Ok(all.swap_remove(exact));
        }
        let mut matches: Vec<_> = all.into_iter().filter(|volume| volume.name.starts_with(name)).collect();
        match matches.len() {
            1 if !name.is_empty() => Ok(matches.remove(0)),
            0 | 1 => Err(EngineError::NotFound { what: "volume", name: name.to_owned() }),
            _ => Err(EngineError::Ambiguous {
                what: "volume",
                prefix: name.to_owned(),
                matches: matches.into_iter().map(|volume| volume.name).collect(),
            }),
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
        let name = match name {
            Some(name) => checked(name)?,
            None => machine::random_id(machine::LONG_ID)?,
        };
        let row = VolumeRow {
            name: name.clone(),
            labels,
            options,
            created: jiff::Timestamp::now(),
            app: None,
            anonymous: false,
        };
        // The directory first: a volume that is listed has its data.
        self.make_volume_directory(&name)?;
        if self.database.write(|t| volumes::insert(t, &row))? {
            self.log_events(&[LoggedEvent::now("volume", "create", &name, &name)]);
        } else if !ignore_existing {
            return Err(EngineError::NameTaken { what: "volume", name, owner: None });
        }
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
            let found = self.volume(given);
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
        if !volume.used_by.is_empty() {
            if !force {
                let by = volume.used_by.iter().map(|pod| format!("pod `{pod}`")).collect();
                return Err(EngineError::InUse { what: "volume", name: volume.name.clone(), by });
            }
            for outcome in self.remove_pods(&volume.used_by, true, true, None)? {
                outcome.result?;
            }
        }
        self.remove_volume_now(&volume.name)
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

    fn volume_view(&self, users: &mut BTreeMap<String, Vec<String>>, row: VolumeRow) -> VolumeView {
        let VolumeRow { name, labels, options, created, app: _, anonymous } = row;
        VolumeView {
            mountpoint: self.layout().volume_data(&name),
            used_by: users.remove(&name).unwrap_or_default(),
            name,
            created,
            labels,
            options,
            anonymous,
        }
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

/// podman's rule for names: it begins with a letter or digit and has letters, digits, `_`, `.` and `-`.
fn checked(name: &str) -> Result<String, EngineError> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fine) && name.len() <= 255 {
        return Ok(name.to_owned());
    }
    Err(EngineError::BadOption {
        flag: "NAME",
        value: name.to_owned(),
        reason: "it must begin with a letter or digit and have only letters, digits, `_`, `.` and `-`".to_owned(),
    })
}
