//! `system check`, `system reset`.

use super::context::Globals;
use super::error::CommandError;
use clap::{Args, Subcommand};

/// Look after podkin's state
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct SystemArgs {
    #[command(subcommand)]
    pub command: SystemCommand,
}

#[derive(Debug, Subcommand)]
pub enum SystemCommand {
    Check(CheckArgs),
    Reset(ResetArgs),
}

/// Compare the state with what really is there
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Mend what is found
    #[arg(short, long)]
    pub repair: bool,
    /// Only what can be told quickly: contents are not read
    #[arg(short, long)]
    pub quick: bool,
}

/// Remove every pod, image and volume, and the state directories
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
}

pub fn run(_globals: &Globals, _args: &SystemArgs) -> Result<(), CommandError> {
    Err(super::error::CommandError::engine("not available yet"))
}
