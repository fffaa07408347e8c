//! Waking up when something has become of pods.
//!
//! Nothing is asked again and again: the kernel tells of statuses that supervisors write, of pods that come and go, of rows that are
//! written, and of a supervisor that dies without a word, whose pods are then taken over.
//!
//! ```text
//! <root>/pods              a pod's directory comes
//! <root>/pods/<id>         its status is replaced; the directory goes
//! <root>/state.db-wal      rows change
//! pidfd of a supervisor    it ended
//! ```

use super::{Engine, EngineError};
use crate::store::pods;
use crate::supervisor::client;
use crate::sys::watch::Watch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The supervisors whose end would be noticed.
enum Supervisors {
    Watched(Vec<OwnedFd>),
    /// One has just ended: look again at once.
    Lost,
}

impl Engine {
    /// Looks until there is an answer: first now, then whenever something may have become of a pod. `None` when the deadline has
    /// passed without one; the user's interrupt is an error.
    pub fn until<T>(
        &mut self,
        deadline: Option<Instant>,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>, EngineError>,
    ) -> Result<Option<T>, EngineError> {
        let fail = |engine: &Self, source: std::io::Error| EngineError::File {
            attempt: "watch",
            path: engine.layout().in_root("pods"),
            source,
        };
        let watch = Watch::new().map_err(|e| fail(self, e))?;
        loop {
            // Watch first, look then: nothing is missed.
            self.watch_pods_and_rows(&watch).map_err(|e| fail(self, e))?;
            let supervisors = self.living_supervisors()?;
            if let Some(answer) = look(self)? {
                return Ok(Some(answer));
            }
            self.check_interrupt()?;
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            if let Supervisors::Watched(supervisors) = supervisors {
                wait(&watch, &supervisors, left).map_err(|e| fail(self, e))?;
            }
        }
    }

    fn watch_pods_and_rows(&self, watch: &Watch) -> std::io::Result<()> {
        let pods = self.layout().in_root("pods");
        // The first pod makes the directory of all.
        watch.names_in(&self.layout().root)?;
        watch.names_in(&pods)?;
        match std::fs::read_dir(&pods) {
            Ok(entries) => entries.into_iter().try_for_each(|entry| watch.names_in(&entry?.path()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut log = self.layout().database().into_os_string();
        log.push("-wal");
        watch.writes_to(log.as_ref())
    }

    /// Those of applications with a pod that lives; one that was dead is followed by a new one first.
    fn living_supervisors(&mut self) -> Result<Supervisors, EngineError> {
        self.recover()?;
        let all = pods::all(self.database.connection())?;
        let living = self.views(all)?;
        let living = living.iter().filter(|pod| pod.is_running());
        let apps: BTreeSet<String> = living.map(|pod| pod.app.id.clone()).collect();
        let mut found = Vec::new();
        for app in apps {
            match client::connect(self.layout(), &app)? {
                Some(connection) => match connection.process() {
                    Ok(process) => found.push(process),
                    Err(_) => return Ok(Supervisors::Lost),
                },
                None => return Ok(Supervisors::Lost),
            }
        }
        Ok(Supervisors::Watched(found))
    }
}

fn wait(watch: &Watch, supervisors: &[OwnedFd], limit: Option<Duration>) -> std::io::Result<()> {
    let mut all: Vec<_> = supervisors.iter().map(|pidfd| PollFd::new(pidfd, PollFlags::IN)).collect();
    all.push(PollFd::new(watch, PollFlags::IN));
    let limit = limit.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: i64::from(t.subsec_nanos()) });
    match poll(&mut all, limit.as_ref()) {
        // A signal is a reason to look, too.
        Ok(_) | Err(rustix::io::Errno::INTR) => watch.wait(Some(Duration::ZERO)).map(drop),
        Err(error) => Err(error.into()),
    }
}
