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

pub fn run(_globals: &Globals, _args: &UntagArgs) -> Result<(), CommandError> {
    Err(super::super::error::CommandError::engine("not available yet"))
}
