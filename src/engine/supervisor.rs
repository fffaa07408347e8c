//! Reaching the supervisors of applications.

use super::{Engine, EngineError, ErrorKind};
use crate::store::lock;
use crate::supervisor::client::{self, ClientError, Connection, Launch};
use crate::supervisor::protocol::{Event, Failure, FailureKind, Message, Operation};
use std::collections::HashMap;
use std::time::Duration;

/// A signal ends a wait at once, but for one that comes just before it: so long that one is overlooked.
const GLANCE: Duration = Duration::from_millis(500);

/// Which applications are supervised, each asked once.
pub(super) struct Supervisors<'a> {
    engine: &'a Engine,
    alive: HashMap<String, bool>,
}

impl<'a> Supervisors<'a> {
    pub fn new(engine: &'a Engine) -> Self {
        Self { engine, alive: HashMap::new() }
    }

    /// Sees to it that a supervisor lives; true when this call had to start one.
    pub fn take_over(&mut self, app: &str) -> Result<bool, EngineError> {
        if self.alive.get(app).copied().unwrap_or_else(|| self.engine.is_supervised(app)) {
            self.alive.insert(app.to_owned(), true);
            return Ok(false);
        }
        self.engine.supervisor(app)?;
        self.alive.insert(app.to_owned(), true);
        Ok(true)
    }
}

impl Engine {
    /// Whether a supervisor of the application lives.
    pub(super) fn is_supervised(&self, app: &str) -> bool {
        lock::is_held(&self.layout().supervisor_lock(app))
    }

    /// Connects to the application's supervisor, starting one when none lives.
    pub(super) fn supervisor(&self, app: &str) -> Result<Connection, EngineError> {
        client::ensure(self.layout(), app, &self.launch()).map_err(with_log)
    }

    pub(super) fn launch(&self) -> Launch {
        let level = self.config.log_level.iter().flat_map(|level| ["--log-level".into(), level.into()]);
        Launch { binary: self.config.binary.clone(), arguments: level.collect(), ..Launch::default() }
    }

    /// Asks, and waits for the end while passing on events; gives up when the user interrupts.
    pub(super) fn ask(
        &self,
        connection: &mut Connection,
        operation: Operation,
        on_event: impl FnMut(Event),
    ) -> Result<Vec<Failure>, EngineError> {
        let wanted = connection.send(operation)?;
        self.until_done(connection, wanted, on_event)
    }

    /// Waits for the end of a request while passing on events; gives up when the user interrupts.
    pub(super) fn until_done(
        &self,
        connection: &mut Connection,
        wanted: u64,
        on_event: impl FnMut(Event),
    ) -> Result<Vec<Failure>, EngineError> {
        self.until_any_done(connection, &[wanted], on_event).map(|(_, failures)| failures)
    }

    /// As [`Engine::until_done`], for the first of several requests to end: its number, and what failed.
    pub(super) fn until_any_done(
        &self,
        connection: &mut Connection,
        wanted: &[u64],
        mut on_event: impl FnMut(Event),
    ) -> Result<(u64, Vec<Failure>), EngineError> {
        loop {
            match connection.receive(Some(GLANCE)) {
                Ok(Message::Event(event)) => {
                    on_event(event);
                    self.check_interrupt()?;
                }
                Ok(Message::Done { id, failures }) if wanted.contains(&id) => return Ok((id, failures)),
                Ok(Message::Done { .. }) => {}
                Err(ClientError::Timeout { .. }) => self.check_interrupt()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Like [`Engine::ask`], whatever the user does: for cleaning up.
    pub(super) fn ask_to_the_end(
        &self,
        connection: &mut Connection,
        operation: Operation,
        on_event: impl FnMut(Event),
    ) -> Result<Vec<Failure>, EngineError> {
        Ok(connection.call(operation, on_event)?)
    }
}

/// Takes along what a supervisor that could not begin wrote last: its log may be gone when somebody looks.
pub(super) fn with_log(error: ClientError) -> EngineError {
    const LONGEST: usize = 500;
    let ClientError::Ended { log } = &error else { return error.into() };
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if last.is_empty() {
        return error.into();
    }
    EngineError::SupervisorEnded { message: last.chars().take(LONGEST).collect() }
}

/// What a failure means to the caller.
pub(super) fn failure_kind(kind: FailureKind) -> ErrorKind {
    match kind {
        FailureKind::NotFound => ErrorKind::NotFound,
        FailureKind::CommandNotFound => ErrorKind::CommandNotFound,
        FailureKind::CommandNotInvocable => ErrorKind::NotInvocable,
        FailureKind::PortInUse
        | FailureKind::InitFailed
        | FailureKind::InitRetried
        | FailureKind::Config
        | FailureKind::ImageMissing
        | FailureKind::PostStart
        | FailureKind::Volume
        | FailureKind::Resize
        | FailureKind::Other => ErrorKind::Failed,
    }
}
