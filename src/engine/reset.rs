//! `system reset`: everything goes.

use super::check::{cgroups, remove_cgroup, unmount_below};
use super::removal::remove_tree;
use super::{Engine, EngineError};
use crate::store::lock::FileLock;
use crate::store::{apps, pods};
use crate::supervisor::client;
use crate::sys::process::wait_within;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long supervisors are given that have nothing left to do.
const SUPERVISOR_END: Duration = Duration::from_secs(5);

/// What podkin makes below `<root>`; a root may be a directory that holds other things.
const BELOW_ROOT: &[&str] = &[
    "pods",
    "containers",
    "volumes",
    "layers",
    "init",
    "blobs",
    "networks",
    "seccomp",
    "tmp",
    "events.jsonl",
    "events.jsonl.1",
    "intake.lock",
    "state.db",
    "state.db-wal",
    "state.db-shm",
    "state.lock",
    "reserve",
    "service-account.key",
];

/// What podkin makes below `<run>`.
const BELOW_RUN: &[&str] = &["apps", "pods", "containers", "locks", "mounts", "networks"];

impl Engine {
    /// Stops and removes every application, then removes bridges, rules, images, volumes and both state directories.
    ///
    /// Goes on after a failure; all of them are returned.
    pub fn system_reset(mut self) -> Vec<EngineError> {
        let mut failures = Vec::new();
        if let Err(error) = self.remove_everything(&mut failures) {
            failures.push(error);
        }
        let layout = self.layout().clone();
        // Images that other commands bring here are waited for: they would end up in nothing.
        let _intake = match self.lock_intake() {
            Ok(lock) => lock,
            Err(error) => {
                failures.push(error);
                return failures;
            }
        };
        if let Err(error) = unmount_below(&layout.run).and_then(|()| unmount_below(&layout.in_root("containers"))) {
            failures.push(error);
            // Nothing is deleted through a mount that may be somebody's directory.
            return failures;
        }
        drop(self);
        let below = |directory: &std::path::Path, names: &[&str]| {
            names.iter().map(|name| directory.join(name)).collect::<Vec<_>>()
        };
        for path in below(&layout.run, BELOW_RUN).into_iter().chain(below(&layout.root, BELOW_ROOT)) {
            failures.extend(remove_tree(&path).err());
        }
        for directory in [&layout.run, &layout.root] {
            // What else is in it is not podkin's, and keeps it.
            let _ = std::fs::remove_dir(directory);
        }
        failures
    }

    fn lock_intake(&self) -> Result<FileLock, EngineError> {
        let path = self.layout().intake_lock();
        if let Some(lock) = FileLock::try_acquire(&path)? {
            return Ok(lock);
        }
        self.waits.tell("waiting for another command that brings images here");
        Ok(FileLock::acquire(&path)?)
    }

    fn remove_everything(&mut self, failures: &mut Vec<EngineError>) -> Result<(), EngineError> {
        let supervisors: Vec<OwnedFd> = apps::names(self.database.connection())?
            .iter()
            .filter_map(|(app, _)| client::connect(self.layout(), app).ok()??.process().ok())
            .collect();
        for (app, _) in apps::names(self.database.connection())? {
            let rows = pods::of_app(self.database.connection(), &app)?;
            match self.remove_pods_of(&app, &rows, Some(0)) {
                Ok(removal) => failures.extend(removal.failures),
                Err(error) => failures.push(error),
            }
            for row in rows {
                for cgroup in cgroups(&row.record.id) {
                    remove_cgroup(&cgroup);
                }
                failures.extend(self.networks().teardown(&row.record.id).err().map(EngineError::from));
            }
            failures.extend(self.drop_app(&app).err());
        }
        // They take their last files away themselves, after their locks.
        let end = Instant::now() + SUPERVISOR_END;
        for supervisor in supervisors {
            let left = end.saturating_duration_since(Instant::now());
            if !wait_within(&supervisor, Some(left)).unwrap_or(false) {
                tracing::warn!("a supervisor has not ended yet");
            }
        }
        let networks = self.networks();
        networks.remove_idle_bridges()?;
        for network in networks.list()? {
            networks.remove(network.name())?;
        }
        Ok(())
    }
}
