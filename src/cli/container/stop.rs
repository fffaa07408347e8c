//! `stop`.

use super::super::context::{Globals, as_given, explain, report};
use super::super::error::CommandError;
use super::Targets;
use crate::engine::{EngineError, Outcome};
use clap::Args;

/// Stop containers: preStop hook, stop signal, and after the grace time SIGKILL
#[derive(Debug, Args)]
pub struct StopArgs {
    #[command(flatten)]
    pub targets: Targets,
    /// Seconds before SIGKILL, instead of the pod's terminationGracePeriodSeconds
    #[arg(short, long, alias = "timeout", value_name = "SECONDS")]
    pub time: Option<u64>,
    /// Do not fail for containers that do not exist
    #[arg(short, long)]
    pub ignore: bool,
}

pub fn run(globals: &Globals, args: &StopArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = args.targets.resolve(&mut engine, |c| c.is_running())?;
    let mut outcomes = engine.stop_containers(&names, args.time).map_err(|error| explain(&mut engine, error))?;
    if args.ignore {
        outcomes.retain(|outcome| !is_missing(outcome));
    }
    report(&mut engine, outcomes, as_given)
}

/// Whether the name was not found.
fn is_missing(outcome: &Outcome) -> bool {
    matches!(outcome.result, Err(EngineError::NotFound { .. }))
}
