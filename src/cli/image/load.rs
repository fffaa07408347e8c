//! `load`.

use super::super::context::Globals;
use super::super::error::CommandError;
use clap::Args;
use std::path::PathBuf;

/// Read images from an archive: docker-archive or OCI archive, plain, gzip or zstd, or an OCI layout directory
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Archive or directory; standard input when left out
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    pub input: Option<PathBuf>,
    /// Print nothing
    #[arg(short, long)]
    pub quiet: bool,
}

pub fn run(_globals: &Globals, _args: &LoadArgs) -> Result<(), CommandError> {
    Err(super::super::error::CommandError::engine("not available yet"))
}
