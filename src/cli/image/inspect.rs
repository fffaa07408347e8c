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
    let (mut values, mut failures) = (Vec::new(), Vec::new());
    for name in &args.names {
        match describe(&mut engine, name) {
            Ok(value) => values.push(value),
            Err(error) => failures.push(super::explain(&mut engine, error)),
        }
    }
    // What was found is printed, as scripts of podman's users expect.
    if !values.is_empty() {
        print_inspected(&values, args.format.as_deref())?;
    }
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.remove(0)),
        _ => Err(CommandError::each(failures)),
    }
}

/// All about an image; podman's field names.
pub fn describe(engine: &mut Engine, name: &str) -> Result<serde_json::Value, ImageError> {
    let image = engine.images().inspect(name)?;
    Ok(serde_json::to_value(image).expect("what was read from JSON can be written as JSON"))
}
