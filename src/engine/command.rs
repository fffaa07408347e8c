//! One command at a time for each application, and putting right what a dead one left.

use super::{Engine, EngineError};
use crate::store::lock::FileLock;
use crate::store::{apps, journal, pods};
use std::collections::BTreeSet;

/// The right to change an application; held until dropped.
#[derive(Debug)]
pub(super) struct AppLock {
    _lock: FileLock,
}

impl Engine {
    /// Waits for other commands on the application, then puts right what a dead one left of it.
    pub(super) fn lock_app(&mut self, app: &str) -> Result<AppLock, EngineError> {
        let lock = AppLock { _lock: self.take_lock(&self.app_lock(app))?.removing() };
        self.recover_app(app)?;
        Ok(lock)
    }

    /// Waits for a lock; says so when it takes longer than a command usually does.
    fn take_lock(&self, path: &std::path::Path) -> Result<FileLock, EngineError> {
        // There is no other way to be told of a lock and of the time.
        for round in 0_u64.. {
            if let Some(lock) = FileLock::try_acquire(path)? {
                return Ok(lock);
            }
            self.check_interrupt()?;
            if round == 25 {
                self.waits.tell("waiting for another podkin command to finish with this application");
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        unreachable!("the rounds do not end")
    }

    /// Puts right what dead commands left. Nothing to do costs three look-ups in small indices.
    pub(super) fn recover(&mut self) -> Result<(), EngineError> {
        let connection = self.database.connection();
        let mut suspects: BTreeSet<String> = journal::runs(connection)?.into_iter().map(|run| run.app).collect();
        suspects.extend(apps::removing(connection)?);
        suspects.extend(pods::removing(connection)?.into_iter().map(|(_, app)| app));
        for app in suspects {
            // A held lock means that a living command is at it.
            if let Some(lock) = FileLock::try_acquire(&self.app_lock(&app))? {
                let _lock = AppLock { _lock: lock.removing() };
                // What cannot be put right now must not keep anybody from looking.
                if let Err(error) = self.recover_app(&app) {
                    tracing::warn!(
                        app,
                        error = &error as &dyn std::error::Error,
                        "cannot put right what a command left"
                    );
                }
            }
        }
        self.forget_unknown_apps()?;
        self.remove_orphaned_claims()?;
        self.sweep_locks()
    }

    /// Killed commands leave the files of their locks.
    fn sweep_locks(&self) -> Result<(), EngineError> {
        for entry in std::fs::read_dir(self.layout().run.join("locks")).into_iter().flatten().flatten() {
            drop(FileLock::try_acquire(&entry.path())?.map(FileLock::removing));
        }
        Ok(())
    }

    /// A command that died before it recorded its application may have left the application's directory below `<run>`.
    fn forget_unknown_apps(&self) -> Result<(), EngineError> {
        let entries = std::fs::read_dir(self.layout().run.join("apps")).into_iter().flatten().flatten();
        let found: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        if found.is_empty() {
            return Ok(());
        }
        let known = apps::names(self.database.connection())?;
        for app in found.iter().filter(|id| known.binary_search_by(|(known, _)| known.cmp(id)).is_err()) {
            let Some(lock) = FileLock::try_acquire(&self.app_lock(app))? else { continue };
            let _lock = lock.removing();
            if apps::get(self.database.connection(), app)?.is_none() && !self.is_supervised(app) {
                self.remove_app_run(app)?;
            }
        }
        Ok(())
    }

    fn app_lock(&self, app: &str) -> std::path::PathBuf {
        self.layout().lock(&format!("app-{app}"))
    }

    /// To be called with the application's lock held.
    fn recover_app(&mut self, app: &str) -> Result<(), EngineError> {
        for run in journal::runs(self.database.connection())?.into_iter().filter(|run| run.app == app) {
            if run.accepted {
                self.database.write_relaxed(|t| journal::finish(t, &run.id))?;
            } else {
                tracing::warn!(command = run.command, app, "undoing what an interrupted command made");
                self.undo(&run, &mut |_| {})?;
            }
        }
        self.finish_removals(app)
    }
}
