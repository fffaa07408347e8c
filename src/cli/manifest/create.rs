//! `manifest create`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::image::explained;
use super::super::registry::RegistryArgs;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Make a manifest list, empty or of images
///
/// Images are those of this machine, else of their registries; `docker://NAME` is always one of a registry.
#[derive(Debug, Args)]
pub struct CreateArgs {
    #[arg(value_name = "LIST")]
    pub list: String,
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub images: Vec<String>,
    /// Add all images of those that are lists, not only that for this machine
    #[arg(long)]
    pub all: bool,
    /// Extend a list of that name
    #[arg(short, long)]
    pub amend: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

pub fn run(globals: &Globals, args: &CreateArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine_with(args.registry.settings()?)?;
    super::say(&engine.create_list(&args.list, &args.images, args.all, args.amend).map_err(explained)?)
}
