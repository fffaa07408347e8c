//! `import`.

use super::super::context::Globals;
use super::super::error::CommandError;
use clap::Args;

/// Make an image from a tar archive of a root file system
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Archive, or `-` for standard input
    #[arg(value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    pub input: String,
    /// Name of the image
    #[arg(value_name = "REFERENCE")]
    pub reference: Option<String>,
    /// Set what the image says, as a Dockerfile line: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Comment
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Print nothing but the image's id
    #[arg(short, long)]
    pub quiet: bool,
}

pub fn run(_globals: &Globals, _args: &ImportArgs) -> Result<(), CommandError> {
    Err(super::super::error::CommandError::engine("not available yet"))
}
