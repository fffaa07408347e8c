//! `kube describe`: everything about objects, for reading.

use super::choice::ChoiceArgs;
use super::resources;
use crate::cli::complete;
use crate::cli::context::{Globals, explain};
use crate::cli::error::CommandError;
use crate::cli::output::{Output, notice};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Show everything about pods and other objects as kubectl does, with what happened to them
///
/// Of Secrets the sizes of values are shown, never a value.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// TYPE[,TYPE...] [NAME...], or TYPE/NAME...
    #[arg(required = true, value_name = "TYPE", add = ArgValueCompleter::new(complete::kube_objects))]
    pub objects: Vec<String>,
    #[command(flatten)]
    pub choice: ChoiceArgs,
}

pub fn run(globals: &Globals, args: &DescribeArgs) -> Result<(), CommandError> {
    let wanted = resources::parse(&args.objects)?;
    let choice = args.choice.parse()?;
    let mut engine = globals.engine()?;
    let (mut described, mut missing) = (Vec::new(), Vec::new());
    for wanted in &wanted {
        let (found, errors) = resources::find(&mut engine, wanted, &choice)?;
        missing.extend(errors);
        for object in found {
            described.push(engine.describe(&object).map_err(|error| explain(&mut engine, error))?);
        }
    }
    let mut out = Output::new();
    out.text(described.join("\n\n"))?;
    out.finish()?;
    match missing.is_empty() {
        true if described.is_empty() => notice("No resources found"),
        true => {}
        false => return Err(super::get::all(&mut engine, missing)),
    }
    Ok(())
}
