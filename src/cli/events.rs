//! `events`.

use super::context::Globals;
use super::error::CommandError;
use clap::Args;

/// Show what happened, and go on showing what happens
///
/// Filters: container, event, image, label, pod, type, volume.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only what matches, as KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// Print `json`, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Only since then: RFC 3339, seconds since 1970, or a span such as 10m
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only until then; ends when that time has come
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Do not shorten ids
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", action = clap::ArgAction::Set, hide = true)]
    pub no_trunc: bool,
    /// Do not wait for more
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", action = clap::ArgAction::Set, hide_possible_values = true)]
    pub stream: bool,
}

pub fn run(_globals: &Globals, _args: &EventsArgs) -> Result<(), CommandError> {
    Err(super::error::CommandError::engine("not available yet"))
}
