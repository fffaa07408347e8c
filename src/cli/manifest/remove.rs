//! `manifest remove`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::image::explained;
use crate::image::Digest;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Take an image out of a manifest list
#[derive(Debug, Args)]
pub struct RemoveArgs {
    #[arg(value_name = "LIST", add = ArgValueCompleter::new(complete::lists))]
    pub list: String,
    /// Digest of the image, as `manifest inspect` shows it
    #[arg(value_name = "DIGEST")]
    pub digest: Digest,
}

pub fn run(globals: &Globals, args: &RemoveArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    super::say(&engine.remove_from_list(&args.list, &args.digest).map_err(explained)?)
}
