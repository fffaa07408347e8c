//! `pod logs`.

use super::super::complete;
use super::super::container::logs::ShowArgs;
use super::super::context::Globals;
use super::super::error::CommandError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Show what the containers of a pod wrote, each line after its container
#[derive(Debug, Args)]
pub struct LogsArgs {
    #[arg(value_name = "POD", required_unless_present = "latest", add = ArgValueCompleter::new(complete::pods))]
    pub name: Option<String>,
    /// The pod that was made last
    #[arg(short, long, conflicts_with = "name")]
    pub latest: bool,
    /// Only this container of the pod
    #[arg(short, long, value_name = "CONTAINER")]
    pub container: Vec<String>,
    #[command(flatten)]
    pub show: ShowArgs,
}

pub fn run(_globals: &Globals, _args: &LogsArgs) -> Result<(), CommandError> {
    Err(super::super::error::CommandError::engine("not available yet"))
}
