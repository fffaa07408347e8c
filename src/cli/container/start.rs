//! `start`.

use super::super::complete;
use super::super::context::{Globals, as_given, explain, report};
use super::super::error::CommandError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Start containers
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Names, ids, or unique beginnings of ids
    #[arg(value_name = "CONTAINER", required_unless_present_any = ["all", "latest"],
          add = ArgValueCompleter::new(complete::containers))]
    pub names: Vec<String>,
    /// Every container
    #[arg(long, conflicts_with_all = ["names", "latest"])]
    pub all: bool,
    /// The container that was made last
    #[arg(short, long, conflicts_with = "names")]
    pub latest: bool,
    /// Show its output until it ends, and end with its exit code
    #[arg(short, long)]
    pub attach: bool,
}

pub fn run(globals: &Globals, args: &StartArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = super::select(&mut engine, &args.names, args.all, args.latest, |c| !c.is_running())?;
    let outcomes = engine.start_containers(&names).map_err(|error| explain(&mut engine, error))?;
    if !args.attach {
        return report(&mut engine, outcomes, as_given);
    }
    // What they print is all that is printed.
    for outcome in outcomes {
        outcome.result.map_err(|error| explain(&mut engine, error))?;
    }
    super::logs::attach(&mut engine, &names)
}
