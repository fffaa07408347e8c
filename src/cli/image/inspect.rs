//! `image inspect`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::listing::print_inspected;
use crate::engine::Engine;
use crate::image::ImageError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Show all about images
#[derive(Debug, Args)]
pub struct InspectArgs {
    #[arg(required = true, value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub names: Vec<String>,
    /// Print `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub fn run(globals: &Globals, args: &InspectArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let values: Result<Vec<_>, _> = args.names.iter().map(|name| describe(&mut engine, name)).collect();
    let values = values.map_err(|error| super::explain(&mut engine, error))?;
    print_inspected(&values, args.format.as_deref())
}

/// All about an image; podman's field names.
pub fn describe(engine: &mut Engine, name: &str) -> Result<serde_json::Value, ImageError> {
    let image = engine.images().inspect(name)?;
    Ok(serde_json::to_value(image).expect("what was read from JSON can be written as JSON"))
}
