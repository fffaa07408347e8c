//! `rmi`, `image rm`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Remove images
#[derive(Debug, Args)]
pub struct RmArgs {
    #[arg(value_name = "IMAGE", required_unless_present = "all", add = ArgValueCompleter::new(complete::images))]
    pub names: Vec<String>,
    /// Every image that no pod uses
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,
    /// Also when it has several names, or pods use it: those are removed
    #[arg(short, long)]
    pub force: bool,
    /// Do not fail for images that do not exist
    #[arg(short, long)]
    pub ignore: bool,
    #[arg(long, hide = true)]
    pub no_prune: bool,
}

pub fn run(_globals: &Globals, _args: &RmArgs) -> Result<(), CommandError> {
    Err(super::super::error::CommandError::engine("not available yet"))
}
