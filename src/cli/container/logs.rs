//! `logs`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Show what containers wrote
#[derive(Debug, Args)]
pub struct LogsArgs {
    #[arg(value_name = "CONTAINER", required_unless_present = "latest", add = ArgValueCompleter::new(complete::containers))]
    pub names: Vec<String>,
    /// The container that was made last
    #[arg(short, long, conflicts_with = "names")]
    pub latest: bool,
    #[command(flatten)]
    pub show: ShowArgs,
}

/// What of the logs is shown, and how; shared with `pod logs`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Go on until the containers have ended
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last N lines; -1 is all
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true, hide_default_value = true)]
    pub tail: i64,
    /// Only since then: RFC 3339, seconds since 1970, or a span such as 10m
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only until then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Show when each line was written
    #[arg(short, long)]
    pub timestamps: bool,
    /// Show the container's name instead of its id
    #[arg(id = "show_names", short = 'n', long = "names")]
    pub names: bool,
    /// Colour the prefix of each container
    #[arg(long)]
    pub color: bool,
}

pub fn run(_globals: &Globals, _args: &LogsArgs) -> Result<(), CommandError> {
    Err(super::super::error::CommandError::engine("not available yet"))
}

pub fn attach(_engine: &mut crate::engine::Engine, _names: &[String]) -> Result<(), CommandError> {
    Err(CommandError::engine("not available yet"))
}
