//! `pod exists`.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::{CommandError, Exit};
use crate::engine::EngineError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Say by exit code whether a pod exists: 0 yes, 1 no
#[derive(Debug, Args)]
pub struct ExistsArgs {
    #[arg(value_name = "POD", add = ArgValueCompleter::new(complete::pods))]
    pub name: String,
}

pub fn run(globals: &Globals, args: &ExistsArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    match engine.pod(&args.name) {
        Ok(_) => Ok(()),
        Err(EngineError::NotFound { .. }) => Err(CommandError::silent(Exit::Negative)),
        Err(error) => Err(explain(&mut engine, error)),
    }
}
