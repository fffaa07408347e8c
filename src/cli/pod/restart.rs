//! `pod restart`.

use super::super::context::{Globals, by_id, explain, report};
use super::super::error::CommandError;
use super::Targets;
use clap::Args;

/// Stop pods and start them again
#[derive(Debug, Args)]
pub struct RestartArgs {
    #[command(flatten)]
    pub targets: Targets,
}

pub fn run(globals: &Globals, args: &RestartArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = args.targets.resolve(&mut engine, |_| true)?;
    let outcomes = engine.restart_pods(&names).map_err(|error| explain(&mut engine, error))?;
    report(&mut engine, outcomes, by_id)
}
