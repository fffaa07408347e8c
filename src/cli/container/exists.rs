//! `container exists`.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::{CommandError, Exit};
use crate::engine::EngineError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Say by exit code whether a container exists: 0 yes, 1 no
#[derive(Debug, Args)]
pub struct ExistsArgs {
    #[arg(value_name = "CONTAINER", add = ArgValueCompleter::new(complete::containers))]
    pub name: String,
}

pub fn run(globals: &Globals, args: &ExistsArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    match engine.container(&args.name) {
        Ok(_) => Ok(()),
        Err(EngineError::NotFound { .. }) => Err(CommandError::silent(Exit::Negative)),
        Err(error) => Err(explain(&mut engine, error)),
    }
}
