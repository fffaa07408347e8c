//! `system check`: what is recorded against what is there.
//!
//! Rows are written before directories are made, and go after them. So a directory, mount or network entry without a row is garbage,
//! whatever other commands do at the same time - provided that it is listed before the rows are read.

use super::removal::remove_tree;
use super::{Engine, EngineError};
use crate::image::ImageStore;
use crate::image::store::{Depth, ProblemKind};
use crate::storage::VolumeProblem;
use crate::store::{apps, pods};
use crate::sys::mount;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is, as in `pod directory without a pod`.
    pub what: &'static str,
    /// Which one: a path, an id, a name.
    pub subject: String,
    /// Mended by this call.
    pub repaired: bool,
    /// Names or ids of the images that went for that.
    pub removed: Vec<String>,
    /// What to do first, of what could not be mended.
    pub hint: Option<&'static str>,
}

impl Engine {
    /// Compares the records with the disk, `<run>`, mounts and cgroups; with `repair`, mends what it can without losing data.
    ///
    /// What dead commands left is put right before, and is no problem.
    pub fn system_check(&mut self, repair: bool, depth: Depth) -> Result<Vec<Problem>, EngineError> {
        self.recover()?;
        let mut problems = Vec::new();
        self.check_database(&mut problems)?;
        self.check_images(repair, depth, &mut problems)?;
        self.check_mounts(repair, &mut problems)?;
        self.check_volumes(repair, &mut problems)?;
        let found = self.entries();
        self.check_pods(repair, &mut problems)?;
        self.check_network(repair, &mut problems)?;
        let known = self.known_ids()?;
        for (what, path) in found {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !known.contains(&name) {
                let repaired = repair && self.clear(&path)?;
                problems.push(Problem::new(what, path.display().to_string(), repaired));
            }
        }
        Ok(problems)
    }

    /// With `repair`: the name server runs if it is needed, and the rules of all pods are there.
    fn check_network(&self, repair: bool, problems: &mut Vec<Problem>) -> Result<(), EngineError> {
        if !repair {
            return Ok(());
        }
        if self.revive_names()? {
            let subject = self.layout().network_run().display().to_string();
            problems.push(Problem::new("name server that had ended", subject, true));
        }
        self.reload_rules()
    }

    fn check_database(&self, problems: &mut Vec<Problem>) -> Result<(), EngineError> {
        let mut statement = self.database.connection().prepare("PRAGMA quick_check")?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        let damage = lines.into_iter().filter(|line| line != "ok");
        problems.extend(damage.map(|subject| Problem::new("damage in the database", subject, false)));
        Ok(())
    }

    fn check_images(&mut self, repair: bool, depth: Depth, problems: &mut Vec<Problem>) -> Result<(), EngineError> {
        let mut images: ImageStore<'_> = self.images();
        for problem in images.check(repair, depth)? {
            let what = match problem.kind {
                ProblemKind::MissingLayer => "layer without its directory",
                ProblemKind::ChangedLayer => "layer that was changed",
                ProblemKind::Unverifiable => "layer that cannot be checked",
                ProblemKind::ExtraLayer => "layer directory without a layer",
                ProblemKind::HalfLayer => "layer of an interrupted command",
                ProblemKind::UnusedLayer => "layer without an image",
            };
            let mut subject = problem.subject;
            let removed = if problem.repaired { problem.images.clone() } else { Vec::new() };
            let hint = (repair && !problem.users.is_empty()).then_some("remove these containers' pods first");
            for (before, list) in [
                (" of ", problem.images.join(", ")),
                (": ", problem.details.join(", ")),
                (", used by ", problem.users.join(", ")),
            ] {
                if !list.is_empty() {
                    subject = format!("{subject}{before}{list}");
                }
            }
            problems.push(Problem { removed, hint, ..Problem::new(what, subject, problem.repaired) });
        }
        Ok(())
    }

    fn check_volumes(&mut self, repair: bool, problems: &mut Vec<Problem>) -> Result<(), EngineError> {
        for problem in self.volume_store().check(repair)? {
            problems.push(match problem {
                VolumeProblem::NoDirectory(subject) => Problem::new("volume without its directory", subject, repair),
                VolumeProblem::NoRow(subject) => Problem::new("volume directory without a volume", subject, false),
            });
        }
        Ok(())
    }

    /// Pods whose files the power took; cgroups of pods that do not run.
    fn check_pods(&mut self, repair: bool, problems: &mut Vec<Problem>) -> Result<(), EngineError> {
        for row in pods::all(self.database.connection())? {
            let record = row.record.clone();
            let files = [self.layout().pod_record(&record.id), self.layout().pod_objects(&record.id)];
            if !files.iter().all(|path| path.exists()) {
                if repair {
                    self.write_pod(&record)?;
                }
                problems.push(Problem::new("pod without its files", record.pod.name.clone(), repair));
            }
            if !self.view(row)?.is_running() {
                for cgroup in cgroups(&record.id) {
                    let repaired = repair && remove_cgroup(&cgroup);
                    let subject = cgroup.display().to_string();
                    problems.push(Problem::new("cgroup of a pod that does not run", subject, repaired));
                }
            }
        }
        Ok(())
    }

    /// Mounts of images that are gone, and mount points without a mount.
    fn check_mounts(&mut self, repair: bool, problems: &mut Vec<Problem>) -> Result<(), EngineError> {
        for (path, is_mounted) in self.images().stray_mounts()? {
            let what = if is_mounted { "mount of an image that is gone" } else { "mount point without a mount" };
            let repaired = repair && self.clear(&path)?;
            problems.push(Problem::new(what, path.display().to_string(), repaired));
        }
        Ok(())
    }

    /// Everything on disk that is named after a pod, container or application.
    fn entries(&self) -> Vec<(&'static str, PathBuf)> {
        let layout = self.layout();
        let places = [
            ("pod directory without a pod", layout.in_root("pods")),
            ("container directory without a container", layout.in_root("containers")),
            ("run directory without a pod", layout.run.join("pods")),
            ("run directory without a container", layout.run.join("containers")),
            ("run directory without an application", layout.run.join("apps")),
            ("network setup without a pod", layout.network_run().join("pods")),
        ];
        let list = |(what, directory): (&'static str, PathBuf)| {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            entries.map(move |entry| (what, entry.path()))
        };
        let mut found: Vec<_> = places.into_iter().flat_map(list).collect();
        found.sort();
        found
    }

    /// Ids of all applications, pods and containers.
    fn known_ids(&self) -> Result<BTreeSet<String>, EngineError> {
        let connection = self.database.connection();
        let mut known: BTreeSet<String> = apps::names(connection)?.into_iter().map(|(id, _)| id).collect();
        known.extend(pods::ids(connection)?);
        known.extend(pods::containers_by_prefix(connection, "")?.into_iter().map(|row| row.id));
        Ok(known)
    }

    /// Takes garbage away: network setup, mounts, cgroups, files.
    fn clear(&self, path: &Path) -> Result<bool, EngineError> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.starts_with(self.layout().network_run()) {
            self.networks().teardown(&name)?;
            return Ok(true);
        }
        unmount_below(path)?;
        for cgroup in cgroups(&name) {
            remove_cgroup(&cgroup);
        }
        remove_tree(path)?;
        Ok(true)
    }
}

impl Problem {
    fn new(what: &'static str, subject: String, repaired: bool) -> Self {
        Self { what, subject, repaired, removed: Vec::new(), hint: None }
    }
}

/// Detaches every mount at or below a path, inner ones first.
pub(super) fn unmount_below(path: &Path) -> Result<(), EngineError> {
    let fail = |attempt, path: &Path, source| EngineError::File { attempt, path: path.to_owned(), source };
    let points = mount::points().map_err(|source| fail("read", Path::new("/proc/self/mountinfo"), source))?;
    let mut points: Vec<PathBuf> = points.into_iter().filter(|point| point.starts_with(path)).collect();
    points.sort();
    for point in points.into_iter().rev() {
        mount::unmount(&point).map_err(|source| fail("unmount", &point, source))?;
    }
    Ok(())
}

/// The pod's cgroup in every hierarchy that has one.
pub(super) fn cgroups(pod_id: &str) -> Vec<PathBuf> {
    const ROOT: &str = "/sys/fs/cgroup";
    let hierarchies = std::fs::read_dir(ROOT).into_iter().flatten().flatten().map(|entry| entry.path());
    let roots = std::iter::once(PathBuf::from(ROOT)).chain(hierarchies);
    let paths = roots.map(|root| root.join("podkin").join(pod_id));
    paths.filter(|path| path.is_dir()).collect()
}

/// Kills what is in a cgroup and removes it with those below; false when something is still in it.
pub(super) fn remove_cgroup(path: &Path) -> bool {
    let children = std::fs::read_dir(path).into_iter().flatten().flatten();
    for child in children.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_cgroup(&child.path());
    }
    for attempt in 0..50 {
        let pids = std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        for pid in pids.lines().filter_map(|line| rustix::process::Pid::from_raw(line.parse().ok()?)) {
            // It may have ended since.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        match std::fs::remove_dir(path) {
            Ok(()) => return true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return true,
            Err(_) if attempt < 49 => std::thread::sleep(std::time::Duration::from_millis(10)),
            Err(_) => {}
        }
    }
    false
}
