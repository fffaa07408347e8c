//! `kube generate`: pods back to YAML.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use std::path::PathBuf;

/// Print the Kubernetes YAML of pods
///
/// What was played comes back as it went in.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Pods, containers or volumes
    #[arg(required = true, value_name = "NAME", add = ArgValueCompleter::new(complete::pods))]
    pub names: Vec<String>,
    /// Write to a new file
    #[arg(short, long, value_name = "FILE")]
    pub filename: Option<PathBuf>,
    #[arg(short, long, hide = true)]
    pub service: bool,
    #[arg(short, long, hide = true, value_name = "KIND")]
    pub r#type: Option<String>,
    #[arg(short, long, hide = true, value_name = "N")]
    pub replicas: Option<u32>,
    #[arg(long, hide = true)]
    pub podman_only: bool,
    #[arg(long, hide = true)]
    pub no_trunc: bool,
}

pub fn run(_globals: &Globals, _args: &GenerateArgs) -> Result<(), CommandError> {
    Err(super::super::error::CommandError::engine("not available yet"))
}
