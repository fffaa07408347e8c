//! `volume rm`.

use super::super::complete;
use super::super::context::{Globals, as_given, explain, report};
use super::super::error::CommandError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Remove volumes and what they hold
#[derive(Debug, Args)]
pub struct RmArgs {
    #[arg(value_name = "VOLUME", required_unless_present = "all", add = ArgValueCompleter::new(complete::volumes))]
    pub names: Vec<String>,
    /// Every volume
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,
    /// Also when a pod uses it: that pod is removed
    #[arg(short, long)]
    pub force: bool,
    #[arg(short, long, hide = true, value_name = "SECONDS")]
    pub time: Option<u64>,
}

pub fn run(globals: &Globals, args: &RmArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = match args.all {
        true => super::every(&mut engine)?.into_iter().map(|volume| volume.name).collect(),
        false => args.names.clone(),
    };
    let outcomes = engine.remove_volumes(&names, args.force, false).map_err(|error| explain(&mut engine, error))?;
    report(&mut engine, outcomes, as_given)
}
