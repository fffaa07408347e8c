//! Showing the logs of one container or of several merged by time, with prefixes and times as asked for.

use super::super::error::CommandError;
use super::super::output::Style;
use crate::supervisor::logs::{LogError, Reader, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, BufWriter, Write};
use std::time::Duration;

/// One container's log among those that are shown.
pub struct Source {
    reader: Reader,
    /// Stands before each line with a space after it; empty for none.
    prefix: String,
    /// The next line, taken out to be compared with those of other containers.
    pending: Option<Pending>,
    /// Streams whose last output had no newline at its end.
    unfinished: [bool; 2],
}

struct Pending {
    time: jiff::Timestamp,
    stream: Stream,
    bytes: Vec<u8>,
    partial: bool,
}

impl Source {
    /// `label` stands before each line, in a colour of its own.
    pub fn new(reader: Reader, label: Option<&str>, style: Style) -> Self {
        let prefix = label.map(|label| style.paint(colour(label), label)).unwrap_or_default();
        Self { reader, prefix, pending: None, unfinished: [false; 2] }
    }
}

/// The colour of a container: always the same for a name.
fn colour(name: &str) -> &'static str {
    const COLOURS: [&str; 10] = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94"];
    let hash = name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    COLOURS[hash as usize % COLOURS.len()]
}

/// What is done while nothing comes: whoever fills the logs may have died.
type LookAfter<'a> = &'a dyn Fn() -> Result<(), CommandError>;

/// Writes every line to the stream it was written to, until all logs have ended.
pub fn show(mut sources: Vec<Source>, timestamps: bool, look_after: LookAfter<'_>) -> Result<(), CommandError> {
    let mut screen = Screen::new(timestamps);
    match sources.as_mut_slice() {
        [one] => show_one(one, &mut screen, look_after)?,
        several => show_merged(several, &mut screen, look_after)?,
    }
    Ok(screen.flush()?)
}

fn show_one(source: &mut Source, screen: &mut Screen, look_after: LookAfter<'_>) -> Result<(), CommandError> {
    let Source { reader, prefix, unfinished, .. } = source;
    loop {
        while let Some(line) = reader.next_line_within(Duration::ZERO).map_err(CommandError::engine)? {
            screen.write(prefix, unfinished, line.stream, line.time, line.bytes, line.partial)?;
        }
        if !reader.is_open() {
            return Ok(());
        }
        screen.flush()?;
        wait(std::slice::from_ref(reader).iter(), look_after)?;
    }
}

fn show_merged(sources: &mut [Source], screen: &mut Screen, look_after: LookAfter<'_>) -> Result<(), CommandError> {
    loop {
        for source in sources.iter_mut().filter(|source| source.pending.is_none()) {
            source.pending = next(&mut source.reader).map_err(CommandError::engine)?;
        }
        let pending = |(at, source): (usize, &Source)| Some((source.pending.as_ref()?.time, at));
        let earliest = sources.iter().enumerate().filter_map(pending).min();
        match earliest {
            Some((_, at)) => {
                let source = &mut sources[at];
                if let Some(Pending { time, stream, bytes, partial }) = source.pending.take() {
                    screen.write(&source.prefix, &mut source.unfinished, stream, time, &bytes, partial)?;
                }
            }
            None if sources.iter().any(|source| source.reader.is_open()) => {
                screen.flush()?;
                wait(sources.iter().map(|source| &source.reader), look_after)?;
            }
            None => return Ok(()),
        }
    }
}

fn next(reader: &mut Reader) -> Result<Option<Pending>, LogError> {
    let line = reader.next_line_within(Duration::ZERO)?;
    Ok(line.map(|line| Pending {
        time: line.time,
        stream: line.stream,
        bytes: line.bytes.to_vec(),
        partial: line.partial,
    }))
}

/// Waits until one of the logs may have grown; at most a second, so that nothing that was missed stays so for long.
fn wait<'a>(readers: impl Iterator<Item = &'a Reader>, look_after: LookAfter<'_>) -> Result<(), CommandError> {
    let descriptors: Vec<_> = readers.filter_map(Reader::readiness).collect();
    let mut fds: Vec<PollFd<'_>> = descriptors.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    match poll(&mut fds, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })) {
        Ok(0) => look_after(),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(CommandError::engine(io::Error::from(error))),
    }
}

/// Standard output and standard error, kept in the order of the lines.
struct Screen {
    stdout: BufWriter<io::StdoutLock<'static>>,
    stderr: BufWriter<io::StderrLock<'static>>,
    last: Stream,
    timestamps: bool,
}

impl Screen {
    fn new(timestamps: bool) -> Self {
        Self {
            stdout: BufWriter::with_capacity(128 * 1024, io::stdout().lock()),
            stderr: BufWriter::with_capacity(32 * 1024, io::stderr().lock()),
            last: Stream::Stdout,
            timestamps,
        }
    }

    fn write(
        &mut self,
        prefix: &str,
        unfinished: &mut [bool; 2],
        stream: Stream,
        time: jiff::Timestamp,
        bytes: &[u8],
        partial: bool,
    ) -> io::Result<()> {
        if stream != self.last {
            self.flush()?;
            self.last = stream;
        }
        let timestamps = self.timestamps;
        let out: &mut dyn Write = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let unfinished = &mut unfinished[stream as usize];
        if !*unfinished {
            if !prefix.is_empty() {
                write!(out, "{prefix} ")?;
            }
            if timestamps {
                write!(out, "{time:.9} ")?;
            }
        }
        out.write_all(bytes)?;
        *unfinished = partial;
        if partial { Ok(()) } else { out.write_all(b"\n") }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()?;
        self.stderr.flush()
    }
}
