//! `info`.

use super::context::Globals;
use super::error::CommandError;
use clap::Args;

/// Show the machine, the store and what podkin can do here
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Print `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub fn run(_globals: &Globals, _args: &InfoArgs) -> Result<(), CommandError> {
    Err(super::error::CommandError::engine("not available yet"))
}
