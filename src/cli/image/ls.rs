//! `images`, `image ls`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::listing::ListArgs;
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

/// List images
///
/// Filters: id, reference, label, dangling, before, since.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Only images of that name
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub name: Option<String>,
    #[command(flatten)]
    pub list: ListArgs,
    /// Show digests
    #[arg(long)]
    pub digests: bool,
    /// Print no headers
    #[arg(short, long)]
    pub noheading: bool,
    /// Order of the rows
    #[arg(long, value_enum, default_value_t = Sort::Created, value_name = "KEY")]
    pub sort: Sort,
    #[arg(short, long, hide = true)]
    pub all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    Created,
    Id,
    Repository,
    Size,
    Tag,
}

pub fn run(_globals: &Globals, _args: &LsArgs) -> Result<(), CommandError> {
    Err(super::super::error::CommandError::engine("not available yet"))
}
