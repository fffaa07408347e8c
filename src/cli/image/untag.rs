//! `untag`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Take names away from an image: those given, or all
#[derive(Debug, Args)]
pub struct UntagArgs {
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub image: String,
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

pub fn run(globals: &Globals, args: &UntagArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let untagged = engine.images().untag(&args.image, &args.names);
    untagged.map_err(|error| super::explain(&mut engine, error))?;
    Ok(())
}
