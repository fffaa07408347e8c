//! `wait`.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use super::super::output::Output;
use super::super::units::parse_span;
use crate::engine::{ContainerView, Engine, EngineError, RunState};
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use std::time::Duration;

/// Wait until containers have reached a state, and print their exit codes
#[derive(Debug, Args)]
pub struct WaitArgs {
    #[arg(value_name = "CONTAINER", required_unless_present = "latest", add = ArgValueCompleter::new(complete::containers))]
    pub names: Vec<String>,
    /// The container that was made last
    #[arg(short, long, conflicts_with = "names")]
    pub latest: bool,
    /// State to wait for
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STATE")]
    pub condition: Vec<Condition>,
    /// Time between two looks, as in 250ms or 1s
    #[arg(short, long, default_value = "250ms", value_name = "SPAN")]
    pub interval: String,
    /// Print -1 for a container that does not exist
    #[arg(long)]
    pub ignore: bool,
}

/// What `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Condition {
    Created,
    Running,
    /// Passes its readiness probe
    Ready,
    Healthy,
    Unhealthy,
    #[value(alias = "stopped")]
    Exited,
    Removing,
}

/// `--interval` that is no span of time.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a span of time such as `250ms` or `1s`")]
struct IntervalError(String);

pub fn run(globals: &Globals, args: &WaitArgs) -> Result<(), CommandError> {
    let interval = interval(&args.interval)?;
    let mut engine = globals.engine()?;
    let names = super::select(&mut engine, &args.names, false, args.latest, |_| true)?;
    let mut out = Output::new();
    for name in &names {
        let code = match wait(&mut engine, name, args, interval) {
            Ok(code) => code,
            Err(EngineError::NotFound { .. }) if args.ignore => Some(-1),
            Err(error) => return Err(explain(&mut engine, error)),
        };
        out.line(code.map_or("unknown".to_owned(), |code| code.to_string()))?;
        out.flush()?;
    }
    out.finish()
}

/// A span of time; a bare number is milliseconds, as podman has it.
fn interval(text: &str) -> Result<Duration, CommandError> {
    let span = text.parse().map(jiff::SignedDuration::from_millis).ok().or_else(|| parse_span(text));
    let span = span.and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| CommandError::invalid(IntervalError(text.to_owned())))
}

/// Waits for one container; its exit code when it has one.
fn wait(engine: &mut Engine, name: &str, args: &WaitArgs, interval: Duration) -> Result<Option<i32>, EngineError> {
    let conditions = match args.condition.as_slice() {
        [] => &[Condition::Exited],
        given => given,
    };
    let code = engine.wait_container(name, interval, |container| {
        let holds = conditions.iter().any(|condition| condition.holds(container));
        let code = container.exit_code();
        holds.then(|| if conditions == [Condition::Exited] { code } else { code.or(Some(-1)) })
    })?;
    match code {
        Some(code) => Ok(code),
        None if conditions.contains(&Condition::Removing) => Ok(Some(-1)),
        None if conditions == [Condition::Exited] => Ok(None),
        // It went away instead.
        None => Err(EngineError::NotFound { what: "container", name: name.to_owned() }),
    }
}

impl Condition {
    fn holds(self, container: &ContainerView) -> bool {
        let status = container.status();
        match self {
            Condition::Created => container.state() == RunState::Created,
            Condition::Running => container.is_running(),
            Condition::Ready => status.ready,
            Condition::Healthy => {
                container.is_running() && status.started && status.healthy != Some(false) && status.ready
            }
            Condition::Unhealthy => status.healthy == Some(false),
            // Not one that waits to be started again.
            Condition::Exited => {
                let is_waiting = container.waiting_reason().is_some() && container.pod.is_running();
                !container.is_running() && !is_waiting
            }
            Condition::Removing => false,
        }
    }
}
