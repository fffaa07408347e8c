//! `pod start`.

use super::super::context::{Globals, by_id, explain, report};
use super::super::error::CommandError;
use super::Targets;
use clap::Args;

/// Start pods
#[derive(Debug, Args)]
pub struct StartArgs {
    #[command(flatten)]
    pub targets: Targets,
}

pub fn run(globals: &Globals, args: &StartArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = args.targets.resolve(&mut engine, |pod| !pod.is_running())?;
    let outcomes = engine.start_pods(&names).map_err(|error| explain(&mut engine, error))?;
    report(&mut engine, outcomes, by_id)
}
