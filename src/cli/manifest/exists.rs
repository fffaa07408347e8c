//! `manifest exists`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::{CommandError, Exit};
use super::super::image::explained;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Say by exit code whether a manifest list exists: 0 yes, 1 no
#[derive(Debug, Args)]
pub struct ExistsArgs {
    #[arg(value_name = "LIST", add = ArgValueCompleter::new(complete::lists))]
    pub list: String,
}

pub fn run(globals: &Globals, args: &ExistsArgs) -> Result<(), CommandError> {
    match globals.engine()?.list_exists(&args.list).map_err(explained)? {
        true => Ok(()),
        false => Err(CommandError::silent(Exit::Negative)),
    }
}
