//! `tag`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Give an image more names
#[derive(Debug, Args)]
pub struct TagArgs {
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub image: String,
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

pub fn run(_globals: &Globals, _args: &TagArgs) -> Result<(), CommandError> {
    Err(super::super::error::CommandError::engine("not available yet"))
}
