//! `manifest annotate`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::image::explained;
use super::InstanceArgs;
use crate::image::Digest;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Say something else about an image of a manifest list
#[derive(Debug, Args)]
pub struct AnnotateArgs {
    #[arg(value_name = "LIST", add = ArgValueCompleter::new(complete::lists))]
    pub list: String,
    /// Digest of the image, as `manifest inspect` shows it
    #[arg(value_name = "DIGEST")]
    pub digest: Digest,
    #[command(flatten)]
    pub instance: InstanceArgs,
}

pub fn run(globals: &Globals, args: &AnnotateArgs) -> Result<(), CommandError> {
    let change = args.instance.change()?;
    let mut engine = globals.engine()?;
    super::say(&engine.annotate_list(&args.list, &args.digest, &change).map_err(explained)?)
}
