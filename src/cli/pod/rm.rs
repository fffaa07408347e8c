//! `pod rm`.

use super::super::context::{Globals, by_id, explain, report};
use super::super::error::CommandError;
use super::Targets;
use clap::Args;

/// Remove pods
#[derive(Debug, Args)]
pub struct RmArgs {
    #[command(flatten)]
    pub targets: Targets,
    /// Stop those that run
    #[arg(short, long)]
    pub force: bool,
    /// Do not fail for pods that do not exist
    #[arg(short, long)]
    pub ignore: bool,
    /// Seconds before SIGKILL, with --force
    #[arg(short, long, alias = "timeout", value_name = "SECONDS")]
    pub time: Option<u64>,
}

pub fn run(globals: &Globals, args: &RmArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = args.targets.resolve(&mut engine, |_| true)?;
    let outcomes =
        engine.remove_pods(&names, args.force, args.ignore, args.time).map_err(|error| explain(&mut engine, error))?;
    report(&mut engine, outcomes, by_id)
}
