//! `manifest inspect`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::{CommandError, Exit};
use super::super::image::explained;
use super::super::registry::RegistryArgs;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Show the JSON of a manifest list of this machine, else of what a registry has under that name
#[derive(Debug, Args)]
pub struct InspectArgs {
    #[arg(value_name = "LIST", add = ArgValueCompleter::new(complete::lists))]
    pub list: String,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// A manifest that is no JSON.
#[derive(Debug, thiserror::Error)]
#[error("the manifest is no JSON")]
struct NotJson(#[source] serde_json::Error);

pub fn run(globals: &Globals, args: &InspectArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine_with(args.registry.settings()?)?;
    let json = engine.inspect_list(&args.list).map_err(explained)?;
    let not_json = |error| CommandError::new(Exit::Engine, NotJson(error));
    let value: serde_json::Value = serde_json::from_slice(&json).map_err(not_json)?;
    super::say(&format!("{value:#}"))
}
