//! Reading the log of a container: lines of both streams in the order of time.

use super::segment::{self, Found, Segment};
use crate::store::layout::Layout;
use crate::store::record::{ContainerState, PodPhase, PodStatus};
use crate::sys::watch::Watch;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub const ALL: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }

    pub(super) fn data_name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout.log",
            Stream::Stderr => "stderr.log",
        }
    }

    pub(super) fn index_name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout.idx",
            Stream::Stderr => "stderr.idx",
        }
    }
}

/// Which part of a log is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Lines that began at this time or later.
    pub since: Option<jiff::Timestamp>,
    /// Lines that began before this time.
    pub until: Option<jiff::Timestamp>,
    /// At most so many of the last lines.
    pub tail: Option<usize>,
    /// Go on until the container has ended for good.
    pub follow: bool,
    /// Or until the run that began then has.
    pub run: Option<jiff::Timestamp>,
}

/// One line, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// When its first byte arrived.
    pub time: jiff::Timestamp,
    pub stream: Stream,
    /// Without the newline.
    pub bytes: &'a [u8],
    /// No newline followed yet: the rest, if any, comes as another line of the same stream.
    pub partial: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot read the log in `{}`", directory.display())]
pub struct LogError {
    pub directory: PathBuf,
    #[source]
    pub source: io::Error,
}

/// Opens the log of a container. A container that never ran has an empty one.
///
/// Nobody moves the output of a running container to its log while the application has no supervisor: whoever wants to follow
/// calls [`super::super::client::ensure`] first.
pub fn open(layout: &Layout, pod: &str, container: &str, options: Options) -> Result<Reader, LogError> {
    let directory = layout.container_log(container);
    let status = layout.pod_status(pod);
    Reader::new(directory.clone(), status, container, options).map_err(|source| LogError { directory, source })
}

/// A log being read.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    status: PathBuf,
    container: String,
    run: Option<jiff::Timestamp>,
    until: Option<u64>,
    streams: [StreamReader; 2],
    /// Lines still to leave out: `tail` counts the lines of both streams together.
    skip: usize,
    watch: Option<Watch>,
    /// The container had ended for good before the files were last looked at.
    ended: bool,
}

impl Reader {
    fn new(directory: PathBuf, status: PathBuf, container: &str, options: Options) -> io::Result<Self> {
        let watch = match options.follow && directory.exists() {
            true => {
                let watch = Watch::new()?;
                watch.writes_in(&directory)?;
                status.parent().map_or(Ok(()), |pod| watch.names_in(pod))?;
                Some(watch)
            }
            false => None,
        };
        let since = options.since.map(nanoseconds);
        let until = options.until.map(nanoseconds);
        let mut streams = [StreamReader::new(Stream::Stdout), StreamReader::new(Stream::Stderr)];
        let mut lines = 0;
        for stream in &mut streams {
            lines += stream.seek(&directory, since, options.tail)?;
        }
        let skip = options.tail.map_or(0, |tail| lines.saturating_sub(tail));
        let container = container.to_owned();
        let run = options.run;
        Ok(Self { directory, status, container, run, until, streams, skip, watch, ended: false })
    }

    /// The next line; waits for one when following. `None` at the end.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, LogError> {
        match self.find(None) {
            Ok(Some((which, found))) => Ok(Some(self.streams[which].take(found))),
            Ok(None) => Ok(None),
            Err(source) => Err(LogError { directory: self.directory.clone(), source }),
        }
    }

    /// Like [`Reader::next_line`], but gives up after `timeout`: then `Ok(None)` while [`Reader::is_open`].
    pub fn next_line_within(&mut self, timeout: Duration) -> Result<Option<Line<'_>>, LogError> {
        match self.find(Some(timeout)) {
            Ok(Some((which, found))) => Ok(Some(self.streams[which].take(found))),
            Ok(None) => Ok(None),
            Err(source) => Err(LogError { directory: self.directory.clone(), source }),
        }
    }

    /// Whether more lines may come.
    pub fn is_open(&self) -> bool {
        self.watch.is_some() && !self.ended
    }

    /// Readable when the log has changed, for a caller that waits for several things; `None` unless following.
    pub fn readiness(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    fn find(&mut self, timeout: Option<Duration>) -> io::Result<Option<(usize, Found)>> {
        loop {
            if let Some((which, found)) = self.earliest()? {
                if self.until.is_some_and(|until| found.time >= until) {
                    self.ended = true;
                    return Ok(None);
                }
                if self.skip > 0 {
                    self.skip -= usize::from(found.whole);
                    self.streams[which].take(found);
                    continue;
                }
                return Ok(Some((which, found)));
            }
            let Some(watch) = &self.watch else { return Ok(None) };
            if self.ended {
                return Ok(None);
            }
            // Look at the status before the files are read to their end once more: what it saw is in them by then.
            if has_ended(&self.status, &self.container, self.run) {
                self.ended = true;
            } else if !watch.wait(timeout)? {
                return Ok(None);
            }
        }
    }

    /// The line that comes first of what the streams have.
    ///
    /// A stream that had nothing is looked at again only when the other one has read on: what came before that would have to
    /// stand before it. Asking the file system for every line would cost more than all the rest.
    fn earliest(&mut self) -> io::Result<Option<(usize, Found)>> {
        loop {
            let mut best: Option<(usize, Found)> = None;
            for (which, stream) in self.streams.iter_mut().enumerate().filter(|(_, stream)| !stream.dry) {
                match stream.peek(&self.directory)? {
                    Some(found) if best.is_none_or(|(_, b)| found.time < b.time) => best = Some((which, found)),
                    Some(_) => {}
                    None => stream.dry = true,
                }
            }
            let [first, second] = &mut self.streams;
            let (first_read, second_read) = (first.has_read(), second.has_read());
            let again = first_read && second.dry || second_read && first.dry;
            first.dry &= !second_read;
            second.dry &= !first_read;
            if best.is_none() && !again {
                // The next call looks at the files again.
                (first.dry, second.dry) = (false, false);
            }
            if !again {
                return Ok(best);
            }
        }
    }
}

/// One stream: the file before the latest rotation, then the current one.
#[derive(Debug)]
struct StreamReader {
    stream: Stream,
    segments: VecDeque<Segment>,
    opened: bool,
    /// Had nothing when it was last looked at.
    dry: bool,
}

impl StreamReader {
    fn new(stream: Stream) -> Self {
        Self { stream, segments: VecDeque::new(), opened: false, dry: false }
    }

    /// Whether it has read from a file since the last call.
    fn has_read(&mut self) -> bool {
        self.segments.front_mut().is_some_and(Segment::was_filled)
    }

    fn paths(&self, directory: &Path, suffix: &str) -> (PathBuf, PathBuf) {
        let path = |name: &str| directory.join(format!("{name}{suffix}"));
        (path(self.stream.data_name()), path(self.stream.index_name()))
    }

    /// Places the stream at its first wanted line; returns how many lines of `tail` it has.
    fn seek(&mut self, directory: &Path, since: Option<u64>, tail: Option<usize>) -> io::Result<usize> {
        let mut left = tail;
        let mut segments = VecDeque::new();
        for suffix in ["", ".1"] {
            let (data, index) = self.paths(directory, suffix);
            if !data.exists() || !index.exists() {
                continue;
            }
            let mut offset = since.map_or(Ok(0), |since| segment::offset_since(&data, &index, since))?;
            if let Some(wanted) = &mut left {
                let (from, count) = match *wanted {
                    0 => (std::fs::metadata(&data)?.len(), 0),
                    wanted => segment::offset_of_last(&data, wanted)?,
                };
                // Lines before `since` were counted too, which at worst shows fewer than asked of another stream.
                let count = if offset > from { count_lines(&data, offset)?.min(count) } else { count };
                offset = offset.max(from);
                *wanted -= count.min(*wanted);
            }
            segments.push_front(Segment::open(&data, &index, offset)?);
            self.opened |= suffix.is_empty();
            if left == Some(0) {
                break;
            }
        }
        self.segments = segments;
        Ok(tail.unwrap_or(0) - left.unwrap_or(0))
    }

    fn peek(&mut self, directory: &Path) -> io::Result<Option<Found>> {
        loop {
            if let Some(segment) = self.segments.front_mut() {
                if let Some(found) = segment.peek()? {
                    return Ok(Some(found));
                }
                if self.segments.len() > 1 {
                    self.segments.pop_front();
                    continue;
                }
            }
            if !self.open_newer(directory)? {
                return Ok(None);
            }
        }
    }

    /// Opens the current file when it is not the one being read.
    fn open_newer(&mut self, directory: &Path) -> io::Result<bool> {
        let (data, index) = self.paths(directory, "");
        let current = match self.segments.front() {
            Some(segment) if self.opened => segment.is(&data),
            _ => data.metadata().map(|_| false),
        };
        match current {
            Ok(true) => Ok(false),
            Ok(false) if !index.exists() => Ok(false),
            Ok(false) => {
                // The old file may have grown between the last read and its rotation.
                if let Some(old) = self.segments.front_mut()
                    && old.peek()?.is_some()
                {
                    return Ok(true);
                }
                // Rotated twice since: what lies between is the older file now.
                let (old_data, old_index) = self.paths(directory, ".1");
                let missed = self.opened && self.segments.front().is_some_and(|s| !s.is(&old_data).unwrap_or(true));
                self.segments.clear();
                if missed {
                    self.segments.push_back(Segment::open(&old_data, &old_index, 0)?);
                }
                self.segments.push_back(Segment::open(&data, &index, 0)?);
                self.opened = true;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, found: Found) -> Line<'_> {
        let bytes = match self.segments.front_mut() {
            Some(segment) => segment.consume(found),
            None => &[],
        };
        Line { time: timestamp(found.time), stream: self.stream, bytes, partial: !found.whole }
    }
}

fn count_lines(data: &Path, from: u64) -> io::Result<usize> {
    use std::io::{BufRead, Seek};
    let mut file = io::BufReader::new(std::fs::File::open(data)?);
    file.seek(io::SeekFrom::Start(from))?;
    let mut count = 0;
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        count += 1;
        line.clear();
    }
    Ok(count)
}

/// Whether the pod's status says that the container will not run again by itself, or that its run, when one is given, is over. A
/// status that is gone means the same.
fn has_ended(status: &Path, container: &str, run: Option<jiff::Timestamp>) -> bool {
    let Ok(bytes) = std::fs::read(status) else { return true };
    let Ok(status) = serde_json::from_slice::<PodStatus>(&bytes) else { return false };
    let over = matches!(status.phase, PodPhase::Succeeded | PodPhase::Failed | PodPhase::Stopped);
    let found = status.containers.iter().find(|c| c.id == container);
    over || found.is_none_or(|c| match c.state {
        ContainerState::Terminated(_) => true,
        ContainerState::Waiting { .. } => run.is_some(),
        ContainerState::Running { started_at, .. } => run.is_some_and(|run| run != started_at),
    })
}

fn nanoseconds(time: jiff::Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap_or(0)
}

pub(super) fn timestamp(nanoseconds: u64) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(jiff::Timestamp::MAX)
}

#[cfg(test)]
mod tests;
