//! `restart`.

use super::super::context::{Globals, as_given, explain, report};
use super::super::error::CommandError;
use super::Targets;
use clap::Args;

/// Stop containers and start them again
#[derive(Debug, Args)]
pub struct RestartArgs {
    #[command(flatten)]
    pub targets: Targets,
    /// Only those that run
    #[arg(long)]
    pub running: bool,
    /// Seconds before SIGKILL, instead of the pod's terminationGracePeriodSeconds
    #[arg(short, long, alias = "timeout", value_name = "SECONDS")]
    pub time: Option<u64>,
}

pub fn run(globals: &Globals, args: &RestartArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let all = args.targets.all || (args.running && args.targets.names.is_empty());
    let (names, latest) = (&args.targets.names, args.targets.latest);
    let names = super::select(&mut engine, names, all, latest, |c| !args.running || c.is_running())?;
    let outcomes = engine.restart_containers(&names, args.time).map_err(|error| explain(&mut engine, error))?;
    report(&mut engine, outcomes, as_given)
}
