//! Images.

pub mod exists;
pub mod import;
pub mod inspect;
pub mod load;
pub mod ls;
pub mod rm;
pub mod tag;
pub mod untag;

use super::context::Globals;
use super::error::CommandError;
use clap::{Args, Subcommand};

/// Manage images
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct ImageArgs {
    #[command(subcommand)]
    pub command: ImageCommand,
}

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    #[command(visible_alias = "list")]
    Ls(ls::LsArgs),
    Inspect(inspect::InspectArgs),
    Exists(exists::ExistsArgs),
    Load(load::LoadArgs),
    Import(import::ImportArgs),
    Tag(tag::TagArgs),
    Untag(untag::UntagArgs),
    #[command(visible_alias = "remove")]
    Rm(rm::RmArgs),
}

pub fn run(globals: &Globals, command: ImageCommand) -> Result<(), CommandError> {
    match command {
        ImageCommand::Ls(args) => ls::run(globals, &args),
        ImageCommand::Inspect(args) => inspect::run(globals, &args),
        ImageCommand::Exists(args) => exists::run(globals, &args),
        ImageCommand::Load(args) => load::run(globals, &args),
        ImageCommand::Import(args) => import::run(globals, &args),
        ImageCommand::Tag(args) => tag::run(globals, &args),
        ImageCommand::Untag(args) => untag::run(globals, &args),
        ImageCommand::Rm(args) => rm::run(globals, &args),
    }
}
