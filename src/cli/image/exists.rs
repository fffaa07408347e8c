//! `image exists`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::{CommandError, Exit};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Say by exit code whether an image exists: 0 yes, 1 no
#[derive(Debug, Args)]
pub struct ExistsArgs {
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub name: String,
}

pub fn run(globals: &Globals, args: &ExistsArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    match engine.images().resolve(&args.name)? {
        Some(_) => Ok(()),
        None if engine.images().find_list(&args.name)?.is_some() => Ok(()),
        None => Err(CommandError::silent(Exit::Negative)),
    }
}
