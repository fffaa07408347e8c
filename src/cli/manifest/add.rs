//! `manifest add`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::image::explained;
use super::super::registry::RegistryArgs;
use super::InstanceArgs;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Add an image to a manifest list
///
/// It is one of this machine, else of its registry; `docker://NAME` is always one of a registry. Its platform is what its
/// configuration says, unless something else is given.
#[derive(Debug, Args)]
pub struct AddArgs {
    #[arg(value_name = "LIST", add = ArgValueCompleter::new(complete::lists))]
    pub list: String,
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub image: String,
    /// Add all images when it is a list itself, not only that for this machine
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub instance: InstanceArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

pub fn run(globals: &Globals, args: &AddArgs) -> Result<(), CommandError> {
    let change = args.instance.change()?;
    let mut engine = globals.engine_with(args.registry.settings()?)?;
    super::say(&engine.add_to_list(&args.list, &args.image, args.all, &change).map_err(explained)?)
}
