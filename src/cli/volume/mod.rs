//! Named volumes.

pub mod create;
pub mod exists;
pub mod inspect;
pub mod ls;
pub mod prune;
pub mod rm;

use super::context::{Globals, explain};
use super::error::CommandError;
use crate::engine::{Engine, VolumeView};
use clap::{Args, Subcommand};

/// Manage volumes
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct VolumeArgs {
    #[command(subcommand)]
    pub command: VolumeCommand,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum VolumeCommand {
    #[command(visible_alias = "list")]
    Ls(ls::LsArgs),
    Create(create::CreateArgs),
    Inspect(inspect::InspectArgs),
    Exists(exists::ExistsArgs),
    #[command(visible_alias = "remove")]
    Rm(rm::RmArgs),
    Prune(prune::PruneArgs),
}

/// Every volume, by name.
fn every(engine: &mut Engine) -> Result<Vec<VolumeView>, CommandError> {
    let mut volumes = engine.volumes().map_err(|error| explain(engine, error))?;
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(volumes)
}

pub fn run(globals: &Globals, command: VolumeCommand) -> Result<(), CommandError> {
    match command {
        VolumeCommand::Ls(args) => ls::run(globals, &args),
        VolumeCommand::Create(args) => create::run(globals, &args),
        VolumeCommand::Inspect(args) => inspect::run(globals, &args),
        VolumeCommand::Exists(args) => exists::run(globals, &args),
        VolumeCommand::Rm(args) => rm::run(globals, &args),
        VolumeCommand::Prune(args) => prune::run(globals, &args),
    }
}
