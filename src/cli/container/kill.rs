//! `kill`.

use super::super::context::{Globals, as_given, explain, report};
use super::super::error::CommandError;
use super::super::signal;
use super::Targets;
use clap::Args;

/// Send a signal to containers
#[derive(Debug, Args)]
pub struct KillArgs {
    #[command(flatten)]
    pub targets: Targets,
    /// Signal by name or number
    #[arg(short, long, default_value = "KILL", value_name = "SIGNAL")]
    pub signal: String,
}

pub fn run(globals: &Globals, args: &KillArgs) -> Result<(), CommandError> {
    let signal = signal::parse(&args.signal).map_err(CommandError::invalid)?;
    let mut engine = globals.engine()?;
    let names = args.targets.resolve(&mut engine, |c| c.is_running())?;
    let outcomes = engine.kill_containers(&names, signal).map_err(|error| explain(&mut engine, error))?;
    report(&mut engine, outcomes, as_given)
}
