//! The event log: `<root>/events.jsonl`, one JSON object a line, appended by commands and supervisors alike.
//!
//! Each append is one `write` of whole lines to a file opened for appending, which Linux does not interleave with another's. A line that
//! cannot be read (the disk was full in the middle of it) is passed over. When the file has grown to [`MAX_BYTES`] it
//! becomes `events.jsonl.1` and the one before it goes. Nothing is synced: the log is for people and tools, not for decisions.

use super::layout::Layout;
use crate::sys::watch::Watch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

/// [`LoggedEvent::kind`] of what a kubelet would tell of a pod; `action` is the reason, id and name are the pod's, and the attributes
/// are `type` (`Normal`, `Warning`), `message`, `namespace`, `uid`, and for one container `fieldPath`.
pub const KUBE: &str = "kube";

/// Size at which the log starts anew.
pub const MAX_BYTES: u64 = 8 << 20;

/// Something that happened to a pod, container, image, volume or secret. Never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedEvent {
    pub time: jiff::Timestamp,
    /// `pod`, `container`, `image`, `volume`, `secret`, `network`; or [`KUBE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// podman's words: `create`, `start`, `died`, `stop`, `kill`, `remove`, `health_status`, `restart`, `exec`, `load`, `tag`, `untag`...
    pub action: String,
    pub id: String,
    pub name: String,
    /// `image`, `podName`, `podId`, `containerExitCode`, `healthStatus`, `appName`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

impl LoggedEvent {
    /// An event of now without attributes.
    pub fn now(kind: &str, action: &str, id: &str, name: &str) -> Self {
        Self {
            time: jiff::Timestamp::now(),
            kind: kind.to_owned(),
            action: action.to_owned(),
            id: id.to_owned(),
            name: name.to_owned(),
            attributes: BTreeMap::new(),
        }
    }

    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(key.to_owned(), value.into());
        self
    }
}

/// Appends events, all in one write.
pub fn append(layout: &Layout, events: &[LoggedEvent]) -> io::Result<()> {
    let mut text = Vec::new();
    for event in events {
        serde_json::to_writer(&mut text, event)?;
        text.push(b'\n');
    }
    let path = layout.events();
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    if file.metadata()?.len() > MAX_BYTES {
        // Two at once move it twice, and lose the older half; an event log may.
        std::fs::rename(&path, old(layout))?;
        file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    }
    file.write_all(&text)
}

/// Reads the log from its beginning, then what is appended.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// The older file first.
    files: Vec<File>,
    partial: Vec<u8>,
    watch: Option<Watch>,
}

impl Reader {
    /// Starts before the first event kept.
    pub fn open(layout: &Layout) -> io::Result<Self> {
        let mut files = Vec::new();
        for path in [old(layout), layout.events()] {
            files.extend(open_existing(&path)?);
        }
        Ok(Self { path: layout.events(), files, partial: Vec::new(), watch: None })
    }

    /// Waits until more may have been appended; for ever without `limit`. To be called when [`Reader::next_batch`] gave nothing.
    pub fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let watch = match &self.watch {
            Some(watch) => watch,
            None => {
                let watch = Watch::new()?;
                // For the file that follows a rotation, and for the first one.
                self.path.parent().map_or(Ok(()), |root| watch.names_in(root))?;
                // Something may have come before anybody watched.
                self.watch = Some(watch);
                return Ok(());
            }
        };
        watch.wait(limit).map(drop)
    }

    /// The events that have been appended since the last call; empty when there are none yet.
    pub fn next_batch(&mut self) -> io::Result<Vec<LoggedEvent>> {
        let mut found = Vec::new();
        if let Some(watch) = &self.watch {
            watch.writes_to(&self.path)?;
        }
        loop {
            for index in 0..self.files.len() {
                let mut file = &self.files[index];
                file.read_to_end(&mut self.partial)?;
                self.drain(&mut found);
            }
            if !self.follow_rotation()? {
                return Ok(found);
            }
        }
    }

    fn drain(&mut self, found: &mut Vec<LoggedEvent>) {
        let Some(end) = self.partial.iter().rposition(|b| *b == b'\n') else { return };
        let lines: Vec<u8> = self.partial.drain(..=end).collect();
        found.extend(lines.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()));
    }

    /// Turns to the new file once the one being read has been moved aside; whether there is one.
    fn follow_rotation(&mut self) -> io::Result<bool> {
        let Some(current) = open_existing(&self.path)? else { return Ok(false) };
        let identity = |file: &File| file.metadata().map(|m| (m.dev(), m.ino()));
        match self.files.last() {
            Some(last) if identity(last)? == identity(&current)? => {
                self.files.drain(..self.files.len() - 1).for_each(drop);
                Ok(false)
            }
            _ => {
                self.files.push(current);
                Ok(true)
            }
        }
    }

    /// Passes over everything logged so far.
    pub fn skip_to_end(&mut self) -> io::Result<()> {
        for file in &mut self.files {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(())
    }
}

fn old(layout: &Layout) -> PathBuf {
    layout.events().with_extension("jsonl.1")
}

fn open_existing(path: &std::path::Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appended_events_come_back_across_a_rotation() {
        let base = std::env::temp_dir().join(format!("podkin-events-{}", std::process::id()));
        std::fs::create_dir_all(&base).unwrap();
        let layout = Layout::new(&base, &base);
        let event = |n: usize| LoggedEvent::now("pod", "create", &n.to_string(), "web").with("appName", "web");
        append(&layout, &[event(0), event(1)]).unwrap();
        let mut reader = Reader::open(&layout).unwrap();
        assert_eq!(reader.next_batch().unwrap().len(), 2);
        assert!(reader.next_batch().unwrap().is_empty());
        append(&layout, &[event(2)]).unwrap();
        std::fs::rename(layout.events(), old(&layout)).unwrap();
        append(&layout, &[event(3)]).unwrap();
        let mut ids: Vec<_> = reader.next_batch().unwrap().into_iter().map(|e| e.id).collect();
        ids.extend(reader.next_batch().unwrap().into_iter().map(|e| e.id));
        assert_eq!(ids, ["2", "3"]);
        assert_eq!(Reader::open(&layout).unwrap().next_batch().unwrap().len(), 4);
        for round in 0..3 {
            // The first wait only begins to watch.
            while reader.next_batch().unwrap().is_empty() && reader.watch.is_none() {
                reader.wait(None).unwrap();
            }
            assert!(reader.next_batch().unwrap().is_empty());
            let late = std::thread::spawn({
                let layout = layout.clone();
                move || {
                    std::thread::sleep(Duration::from_millis(20));
                    if round == 1 {
                        std::fs::rename(layout.events(), old(&layout)).unwrap();
                    }
                    append(&layout, &[event(9)]).unwrap();
                }
            });
            let end = std::time::Instant::now() + Duration::from_secs(5);
            while reader.next_batch().unwrap().is_empty() {
                assert!(std::time::Instant::now() < end, "round {round}");
                reader.wait(Some(Duration::from_secs(5))).unwrap();
            }
            late.join().unwrap();
        }
        std::fs::remove_dir_all(&base).unwrap();
    }
}
