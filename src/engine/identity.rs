//! Which application some input belongs to.
//!
//! By the pods it names, if one of them exists; else, without pods, by its objects; else by the files it was read from; else
//! it is a new one.

use super::command::AppLock;
use super::machine::{self, SHORT_ID};
use super::view::AppRef;
use super::{Engine, EngineError};
use crate::model::{Application, ObjectKind};
use crate::store::apps::{self, AppRow};
use crate::store::lock::FileLock;
use crate::store::{objects, pods};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// An application that a command has to itself.
#[derive(Debug)]
pub(super) struct Claimed {
    pub app: AppRef,
    /// It is not recorded yet.
    pub is_new: bool,
    _app_lock: AppLock,
    /// Two first plays of one file would otherwise make two applications.
    _source_locks: Vec<FileLock>,
}

impl Engine {
    /// Finds or names the application and waits until this command has it to itself.
    pub(super) fn claim(&mut self, application: &Application) -> Result<Claimed, EngineError> {
        let keys = source_keys(application);
        let locks = keys.iter().map(|key| Ok(FileLock::acquire(&self.layout().lock(key))?.removing()));
        let source_locks = locks.collect::<Result<Vec<_>, EngineError>>()?;
        loop {
            let known = self.identify(application)?;
            let app = match &known {
                Some(app) => app.clone(),
                None => AppRef { id: machine::random_id(SHORT_ID)?, name: application.name.clone() },
            };
            let app_lock = self.lock_app(&app.id)?;
            // Whoever held the lock may have removed the application, or a recovery just did.
            if self.identify(application)?.map(|app| app.id) == known.as_ref().map(|app| app.id.clone()) {
                return Ok(Claimed { app, is_new: known.is_none(), _app_lock: app_lock, _source_locks: source_locks });
            }
        }
    }

    /// The recorded application some input belongs to.
    ///
    /// # Errors
    /// [`EngineError::TwoApplications`] when its pods belong to several.
    pub(super) fn identify(&self, application: &Application) -> Result<Option<AppRef>, EngineError> {
        let connection = self.database.connection();
        let names: Vec<&str> = application.pods.iter().map(|pod| pod.name.as_str()).collect();
        let owners = pods::owners(connection, &names)?;
        let by_app: BTreeMap<&str, &str> = owners.iter().map(|(_, id, name)| (id.as_str(), name.as_str())).collect();
        if by_app.len() > 1 {
            let pods = owners.into_iter().map(|(pod, id, name)| (pod, format!("{name} ({id})"))).collect();
            return Err(EngineError::TwoApplications { pods });
        }
        if let Some((id, name)) = by_app.into_iter().next() {
            return Ok(Some(AppRef { id: id.to_owned(), name: name.to_owned() }));
        }
        let mut candidates = apps::from_sources(connection, &paths(application))?;
        if candidates.is_empty() && application.pods.is_empty() {
            candidates = self.owners_of_objects(application)?;
        }
        let Some(id) = candidates.into_iter().next() else { return Ok(None) };
        Ok(apps::get(connection, &id)?.map(|app| AppRef { id: app.id, name: app.name }))
    }

    /// Applications that own an object of the input, by id.
    pub(super) fn owners_of_objects(&self, application: &Application) -> Result<Vec<String>, EngineError> {
        let config_maps = application.config_maps.iter().map(|o| (ObjectKind::ConfigMap, &o.name));
        let secrets = application.secrets.iter().map(|o| (ObjectKind::Secret, &o.name));
        let mut found = Vec::new();
        for (kind, name) in config_maps.chain(secrets) {
            found.extend(objects::owners(self.database.connection(), kind, name)?);
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
}

/// Absolute paths of the files the application was read from, sorted.
pub(super) fn paths(application: &Application) -> Vec<PathBuf> {
    let mut paths: Vec<_> = application.sources.iter().filter_map(|source| source.path.clone()).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Whether the input has every file that the application was played from. What came by standard input or from a URL cannot be
/// told from another such input.
pub(super) fn covers(application: &Application, app: &AppRow) -> bool {
    let given = paths(application);
    app.sources.iter().all(|source| match &source.path {
        Some(path) => given.contains(path),
        None => application.sources.iter().any(|other| other.path.is_none() && other.name == source.name),
    })
}

/// Names of the locks that keep first plays of the same input apart, in the order they are to be taken.
fn source_keys(application: &Application) -> Vec<String> {
    let mut names: Vec<String> = paths(application).iter().map(|path| path.to_string_lossy().into_owned()).collect();
    if names.is_empty() {
        names.push(format!("-{}", application.name));
    }
    let mut keys: Vec<String> = names.iter().map(|name| format!("source-{}", digest(name.as_bytes()))).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// The first 24 hexadecimal digits of the text's SHA-256.
fn digest(text: &[u8]) -> String {
    Sha256::digest(text)[..12].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // a String takes every write
        hex
    })
}
