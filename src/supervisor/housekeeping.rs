//! What a pod takes of the disk, against what it may: `emptyDir.sizeLimit`, `limits["ephemeral-storage"]` of its containers and
//! the sum of those (Kubernetes, "Local ephemeral storage"). Rules and words are those of a kubelet's eviction manager.
//!
//! No file system of every machine tells of its own accord when a tree grows, so trees are walked: in a launcher, only for pods that
//! have such a limit, rarely while nothing changes, and never for more than a tenth of the time.

use super::launcher::{Reporter, chain, launch};
use super::machine::Moment;
use super::{context::Context, volume};
use crate::model::quantity::Quantity;
use crate::model::{EmptyDirMedium, VolumeSource};
use crate::store::layout::Layout;
use crate::store::record::PodRecord;
use crate::sys::dir;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Between two looks at a pod that does not grow, as a kubelet has it.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);
/// The share of the interval after which a pod that grows is looked at.
const HURRY: u32 = 10;
/// A walk takes a tenth of the time at most.
const REST: u32 = 10;
const LOWEST_PRIORITY: i32 = 19;

/// What a look at the disk has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    bytes: u64,
    /// Why the pod is to be evicted.
    pub over: Option<String>,
}

/// What is counted for a pod, and how much it may be.
#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    volumes: Vec<Entry>,
    containers: Vec<Entry>,
    total: Option<u64>,
}

/// Trees that count together; sizes in bytes.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    limit: Option<u64>,
    trees: Vec<PathBuf>,
}

/// Whether anything of the pod on disk is limited.
pub(super) fn is_limited(record: &PodRecord) -> bool {
    record.pod.storage_limit().is_some() || record.pod.volumes.iter().any(|v| on_disk(&v.source).flatten().is_some())
}

/// Looks at the disk, in a launcher; `live` says of which containers a process may exist.
pub(super) async fn look(context: &Rc<Context>, record: &PodRecord, live: Vec<bool>) -> Result<Found, String> {
    let body = |reporter: &mut Reporter| {
        // What it finds is not urgent; that it cannot wait for others is no reason not to look.
        let _ = rustix::process::setpriority_process(None, LOWEST_PRIORITY);
        let account = Account::of(&context.layout, record, &live);
        // What is moved while it is walked may be counted twice: no pod pays for that.
        let found =
            account.measure().and_then(|found| if found.over.is_some() { account.measure() } else { Ok(found) });
        reporter.send(&found.map_err(|error| error.to_string()));
        0
    };
    let mut launched = launch(&context.reaper, &[], body).map_err(|e| chain(&e))?;
    launched.report().await.map_err(|e| chain(&e))?
}

/// The limit of an `emptyDir` on disk, which may have none; `None` for other volumes.
fn on_disk(source: &VolumeSource) -> Option<Option<u64>> {
    match source {
        VolumeSource::EmptyDir { medium: EmptyDirMedium::Disk, size_limit, .. } => Some(*size_limit),
        _ => None,
    }
}

impl Account {
    fn of(layout: &Layout, record: &PodRecord, live: &[bool]) -> Self {
        let total = record.pod.storage_limit();
        let volumes = record.pod.volumes.iter().filter_map(|volume| {
            let limit = on_disk(&volume.source)?;
            let trees = vec![volume::source_path(layout, record, volume)];
            Some(Entry { name: volume.name.clone(), limit, trees })
        });
        let containers = record.containers.iter().enumerate().filter_map(|(index, container)| {
            // A layer whose container has ended is no longer counted, as by a kubelet; its log is.
            let layer = live.get(index).is_some_and(|live| *live).then(|| layout.container_upper(&container.id));
            let trees = layer.into_iter().chain([layout.container_log(&container.id)]).collect();
            let limit = record.spec(index)?.resources.ephemeral_storage_limit;
            Some(Entry { name: container.container.clone(), limit, trees })
        });
        Self {
            // Without a limit of the pod only volumes with one of their own matter.
            volumes: volumes.filter(|volume| total.or(volume.limit).is_some()).collect(),
            containers: containers.filter(|_| total.is_some()).collect(),
            total,
        }
    }

    fn measure(&self) -> io::Result<Found> {
        let volumes = self.sizes(&self.volumes)?;
        let containers = self.sizes(&self.containers)?;
        let bytes = volumes.iter().chain(&containers).fold(0_u64, |sum, size| sum.saturating_add(*size));
        Ok(Found { bytes, over: self.over(&volumes, &containers, bytes) })
    }

    /// What each takes, or more than any limit that it counts for.
    fn sizes(&self, entries: &[Entry]) -> io::Result<Vec<u64>> {
        let size = |entry: &Entry| {
            let enough = entry.limit.max(self.total).unwrap_or(u64::MAX);
            entry.trees.iter().try_fold(0_u64, |sum, tree| match dir::usage_up_to(tree, enough.saturating_sub(sum)) {
                Ok((bytes, _)) => Ok(sum.saturating_add(bytes)),
                // Not made yet, or taken away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(sum),
                Err(error) => Err(error),
            })
        };
        entries.iter().map(size).collect()
    }

    /// In a kubelet's order: volumes, the pod, containers.
    fn over(&self, volumes: &[u64], containers: &[u64], bytes: u64) -> Option<String> {
        let first = |entries: &[Entry], sizes: &[u64]| {
            let over = |(entry, size): (&Entry, &u64)| {
                let limit = entry.limit.filter(|limit| size > limit)?;
                Some((entry.name.clone(), Quantity::bytes_text(limit)))
            };
            entries.iter().zip(sizes).find_map(over)
        };
        if let Some((name, limit)) = first(&self.volumes, volumes) {
            return Some(format!("Usage of EmptyDir volume \"{name}\" exceeds the limit \"{limit}\". "));
        }
        if let Some(total) = self.total.filter(|total| bytes > *total) {
            let limit = Quantity::bytes_text(total);
            return Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "));
        }
        let (name, limit) = first(&self.containers, containers)?;
        Some(format!("Container {name} exceeded its local ephemeral storage limit \"{limit}\". "))
    }
}

/// When a pod is looked at: often while it grows, rarely while it does not.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    wait: Duration,
    bytes: u64,
    /// `None` while somebody looks.
    due: Option<Moment>,
    begun: Instant,
}

impl Pace {
    pub fn new(interval: Duration, now: Moment) -> Self {
        let wait = interval / HURRY;
        Self { interval, wait, bytes: 0, due: Some(after(now, wait)), begun: Instant::now() }
    }

    /// How long it is until the next look; `None` while somebody looks.
    pub fn left(&self, now: Moment) -> Option<Duration> {
        self.due.map(|due| Duration::from_millis(due.since(now)))
    }

    pub fn begin(&mut self) {
        (self.due, self.begun) = (None, Instant::now());
    }

    /// There was nothing to look at.
    pub fn skip(&mut self, now: Moment) {
        self.wait = self.interval / HURRY;
        self.due = Some(after(now, self.wait));
    }

    /// A look is over; `None` when it failed.
    pub fn end(&mut self, found: Option<&Found>, now: Moment) {
        self.wait = match found {
            Some(found) if found.bytes != self.bytes => self.interval / HURRY,
            Some(_) => (self.wait * 2).min(self.interval),
            None => self.interval,
        };
        self.bytes = found.map_or(self.bytes, |found| found.bytes);
        self.due = Some(after(now, self.wait.max(self.begun.elapsed() * REST)));
    }
}

fn after(now: Moment, wait: Duration) -> Moment {
    now.plus(wait.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, limit: Option<u64>) -> Entry {
        Entry { name: name.into(), limit, trees: Vec::new() }
    }

    #[test]
    fn limits_are_told_of_in_a_kubelets_words() {
        let account = Account {
            volumes: vec![entry("free", None), entry("v", Some(10 << 20))],
            containers: vec![entry("a", Some(5 << 20)), entry("b", Some(15 << 20)), entry("c", None)],
            total: Some(20 << 20),
        };
        for (volumes, containers, expected) in [
            ([0, 10], [5, 5, 0], None),
            ([0, 11], [9, 9, 9], Some("Usage of EmptyDir volume \"v\" exceeds the limit \"10Mi\". ")),
            (
                [10, 0],
                [6, 0, 5],
                Some("Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. "),
            ),
            ([0, 0], [6, 0, 9], Some("Container a exceeded its local ephemeral storage limit \"5Mi\". ")),
        ] {
            let bytes = |sizes: &[u64]| sizes.iter().map(|size| size << 20).collect::<Vec<_>>();
            let (volumes, containers) = (bytes(&volumes), bytes(&containers));
            let sum = volumes.iter().chain(&containers).sum();
            assert_eq!(account.over(&volumes, &containers, sum).as_deref(), expected, "{volumes:?} {containers:?}");
        }
    }

    #[test]
    fn trees_count_together_up_to_what_matters() {
        let root = std::env::temp_dir().join(format!("podkin-housekeeping-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        for tree in ["upper", "log"] {
            std::fs::create_dir_all(root.join(tree)).unwrap();
            std::fs::write(root.join(tree).join("file"), vec![1; 100_000]).unwrap();
        }
        let trees = ["upper", "log", "absent"].map(|tree| root.join(tree)).to_vec();
        let mut account = Account { total: Some(1 << 20), ..Account::default() };
        account.containers.push(Entry { name: "a".into(), limit: Some(150_000), trees });
        let found = account.measure().unwrap();
        assert!(found.bytes >= 200_000 && found.over.unwrap().starts_with("Container a exceeded"), "{}", found.bytes);
        account.total = Some(120_000);
        let found = account.measure().unwrap();
        assert!(found.over.unwrap().starts_with("Pod ephemeral local storage"));
        dir::remove_tree(&root).unwrap();
    }

    #[test]
    fn a_pod_that_does_not_grow_is_looked_at_less_and_less() {
        let found = |bytes| Found { bytes, over: None };
        let (mut pace, now) = (Pace::new(Duration::from_secs(10), Moment(0)), Moment(0));
        let seconds = |pace: &Pace| pace.left(now).map(|left| left.as_secs());
        let mut waits = vec![seconds(&pace)];
        for bytes in [0, 0, 0, 0, 0, 7, 7] {
            pace.begin();
            assert_eq!(pace.left(now), None);
            pace.end(Some(&found(bytes)), now);
            waits.push(seconds(&pace));
        }
        assert_eq!(waits, [1, 2, 4, 8, 10, 10, 1, 2].map(Some));
        pace.begin();
        pace.end(None, now);
        assert_eq!(seconds(&pace), Some(10), "what cannot be measured is tried again");
        pace.skip(now);
        assert_eq!(seconds(&pace), Some(1));
    }

    #[test]
    fn a_walk_that_takes_long_is_rare() {
        let (mut pace, now) = (Pace::new(Duration::from_millis(10), Moment(0)), Moment(0));
        pace.begin();
        std::thread::sleep(Duration::from_millis(20));
        pace.end(Some(&Found { bytes: 1, over: None }), now);
        assert!(pace.left(now) >= Some(Duration::from_millis(200)));
    }
}
