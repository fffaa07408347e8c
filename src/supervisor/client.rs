//! The command's side of the control socket: find the supervisor of an application, or start one, and ask it.
//!
//! Plain blocking calls: callers run one connection per thread.
//!
//! A supervisor that is about to end may still accept a connection it will never answer, so a connection counts only once a
//! [`Operation::Ping`] came back; [`ensure`] tries again until one did.

use super::protocol::{Event, Failure, Message, Operation, Request};
use crate::store::layout::Layout;
use crate::sys::process::{self, read_only_view};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long [`ensure`] waits for a supervisor to answer: one that takes over many pods first reads all their records.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two tries while another process starts the supervisor.
const RETRY: Duration = Duration::from_millis(2);
const CHUNK: usize = 16 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot make the directory `{}`", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot start the supervisor from `{}`", binary.display())]
    Spawn { binary: PathBuf, source: io::Error },
    #[error("cannot reach the supervisor at `{}`", path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("the supervisor ended before it answered; its log is `{}`", log.display())]
    Ended { log: PathBuf },
    #[error("the supervisor closed the connection before it answered")]
    Closed,
    #[error("the supervisor did not answer within {} s", after.as_secs_f32())]
    Timeout { after: Duration },
    #[error("cannot talk to the supervisor")]
    Io(#[source] io::Error),
    #[error("the supervisor sent something that is no message")]
    Message(#[source] serde_json::Error),
}

/// How a supervisor is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The podkin binary.
    pub binary: PathBuf,
    /// Arguments after the usual ones, such as `--back-off-ms 10` in tests.
    pub arguments: Vec<OsString>,
    /// Variables beside the caller's own.
    pub environment: Vec<(OsString, OsString)>,
}

impl Default for Launch {
    /// This process's own binary, also when its file was replaced since.
    fn default() -> Self {
        Self { binary: "/proc/self/exe".into(), arguments: Vec::new(), environment: Vec::new() }
    }
}

/// A supervisor that answered.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    pending: Vec<u8>,
    next_id: u64,
    child: Option<Child>,
}

impl Connection {
    fn new(stream: UnixStream, child: Option<Child>) -> Self {
        Self { stream, pending: Vec::new(), next_id: 1, child }
    }

    /// Sends a request and returns its number without waiting.
    pub fn send(&mut self, op: Operation) -> Result<u64, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        let mut line = serde_json::to_vec(&Request { id, op }).map_err(ClientError::Message)?;
        line.push(b'\n');
        self.stream.write_all(&line).map_err(closed_or_io)?;
        Ok(id)
    }

    /// The next message; waits for ever when `timeout` is `None`. [`ClientError::Timeout`] may come early, after a signal; then
    /// it may be called again.
    pub fn receive(&mut self, timeout: Option<Duration>) -> Result<Message, ClientError> {
        let deadline = timeout.map(|t| Instant::now() + t);
        loop {
            if let Some(end) = self.pending.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return serde_json::from_slice(&line).map_err(ClientError::Message);
            }
            self.fill(deadline, timeout)?;
        }
    }

    fn fill(&mut self, deadline: Option<Instant>, timeout: Option<Duration>) -> Result<(), ClientError> {
        let late = || ClientError::Timeout { after: timeout.unwrap_or_default() };
        let left = match deadline.map(|d| d.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return Err(late()),
            left => left,
        };
        self.stream.set_read_timeout(left).map_err(ClientError::Io)?;
        let mut chunk = [0; CHUNK];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(ClientError::Closed),
            Ok(count) => {
                self.pending.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            // Who gave a time looks whether the signal concerns it.
            Err(error) if error.kind() == io::ErrorKind::Interrupted && timeout.is_some() => Err(late()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Err(late()),
            Err(error) => Err(closed_or_io(error)),
        }
    }

    /// Sends a request and waits for its end, handing over the events in between; returns what failed.
    pub fn call(&mut self, op: Operation, mut on_event: impl FnMut(Event)) -> Result<Vec<Failure>, ClientError> {
        let wanted = self.send(op)?;
        loop {
            match self.receive(None)? {
                Message::Event(event) => on_event(event),
                Message::Done { id, failures } if id == wanted => return Ok(failures),
                Message::Done { .. } => {}
            }
        }
    }

    /// Waits until the supervisor has begun with a request that was sent: it takes them up in order, so it has when it answers a
    /// later one. What failed, if it is through with it already; events are passed over.
    pub fn settle(&mut self, wanted: u64) -> Result<Option<Vec<Failure>>, ClientError> {
        let ping = self.send(Operation::Ping)?;
        let mut done = None;
        loop {
            match self.receive(None)? {
                Message::Done { id, failures } if id == wanted => done = Some(failures),
                Message::Done { id, .. } if id == ping => return Ok(done),
                Message::Done { .. } | Message::Event(_) => {}
            }
        }
    }

    /// Another handle of the same socket: closing it wakes a thread that waits in [`Connection::receive`].
    pub fn closer(&self) -> io::Result<UnixStream> {
        self.stream.try_clone()
    }

    /// The supervisor's process, of a connection that [`connect`] made.
    pub fn process(&self) -> io::Result<OwnedFd> {
        let peer = rustix::net::sockopt::socket_peercred(&self.stream)?;
        process::pidfd_open(peer.pid.as_raw_nonzero().get())
    }

    /// The supervisor process, when this connection started it; it outlives the connection.
    pub fn child(&mut self) -> Option<&mut Child> {
        self.child.as_mut()
    }

    fn greet(&mut self) -> Result<(), ClientError> {
        let wanted = self.send(Operation::Ping)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match self.receive(Some(end.saturating_duration_since(Instant::now()))) {
                Ok(Message::Done { id, .. }) if id == wanted => return Ok(()),
                Err(ClientError::Timeout { .. }) if Instant::now() >= end => {
                    return Err(ClientError::Timeout { after: PATIENCE });
                }
                Ok(_) | Err(ClientError::Timeout { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Connects to the application's living supervisor; `None` when there is none.
pub fn connect(layout: &Layout, app: &str) -> Result<Option<Connection>, ClientError> {
    let Some(stream) = open(&layout.control_socket(app))? else { return Ok(None) };
    let mut connection = Connection::new(stream, None);
    match connection.greet() {
        Ok(()) => Ok(Some(connection)),
        Err(ClientError::Closed) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Connects to the application's supervisor, starting one when none lives.
pub fn ensure(layout: &Layout, app: &str, launch: &Launch) -> Result<Connection, ClientError> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(connection) = connect(layout, app)? {
            return Ok(connection);
        }
        match spawn(layout, app, launch) {
            Err(ClientError::Closed) if Instant::now() < end => std::thread::sleep(RETRY),
            other => return other,
        }
    }
}

/// Starts a supervisor. [`ClientError::Closed`] when another one lives or is being started: connect to that.
pub fn spawn(layout: &Layout, app: &str, launch: &Launch) -> Result<Connection, ClientError> {
    let directory = layout.app_run(app);
    make_private_directory(&directory).map_err(|source| ClientError::Directory { path: directory, source })?;
    let fail = |source| ClientError::Spawn { binary: launch.binary.clone(), source };
    let (ours, theirs) = UnixStream::pair().map_err(fail)?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(layout.supervisor_log(app)).map_err(fail)?;
    // Containers must not be able to write to the program through a process of the supervisor's.
    let view = read_only_view(&launch.binary).ok();
    let program = view.as_ref().map(|fd| PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd())));
    let mut child = Command::new(program.as_ref().unwrap_or(&launch.binary))
        .arg0(&launch.binary)
        .arg(super::COMMAND)
        .arg("--root")
        .arg(&layout.root)
        .arg("--runroot")
        .arg(&layout.run)
        .args(["--app", app, "--fd", "0"])
        .args(&launch.arguments)
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(log.try_clone().map_err(fail)?))
        .stderr(Stdio::from(log))
        .spawn()
        .map_err(fail)?;
    let mut connection = Connection::new(ours, None);
    match connection.greet() {
        Ok(()) => {
            connection.child = Some(child);
            Ok(connection)
        }
        Err(ClientError::Closed) => match child.wait().map_err(ClientError::Io)?.code() {
            Some(super::EXIT_BUSY) => Err(ClientError::Closed),
            _ => Err(ClientError::Ended { log: layout.supervisor_log(app) }),
        },
        Err(error) => Err(error),
    }
}

/// Opens the socket; a path too long for `sockaddr_un` goes through the directory's descriptor.
fn open(path: &Path) -> Result<Option<UnixStream>, ClientError> {
    let fail = |source| ClientError::Connect { path: path.to_owned(), source };
    let result = with_short_path(path, |short| UnixStream::connect(short));
    match result {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(fail(error)),
    }
}

/// Calls `action` with a path of at most 107 bytes that names the same file.
pub(super) fn with_short_path<T>(path: &Path, action: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    const LONGEST: usize = 107;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return action(path) };
    if path.as_os_str().len() <= LONGEST {
        return action(path);
    }
    let directory = std::fs::File::open(parent)?;
    action(&Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name))
}

fn make_private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn closed_or_io(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
            ClientError::Closed
        }
        _ => ClientError::Io(error),
    }
}
