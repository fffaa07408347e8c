//! `kube describe`: everything about pods, for reading.

use super::resources;
use super::selector::Selector;
use crate::cli::complete;
use crate::cli::context::{Globals, explain};
use crate::cli::error::CommandError;
use crate::cli::output::{Output, notice};
use crate::generate::object::Resource;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Show everything about pods as kubectl does, with what happened to them
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// pod NAME..., pod/NAME..., or pods for all
    #[arg(required = true, value_name = "TYPE", add = ArgValueCompleter::new(complete::kube_objects))]
    pub objects: Vec<String>,
    /// Only pods whose labels match, as in app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("only pods are described, and this asks for a {0}")]
struct DescribeError(&'static str);

pub fn run(globals: &Globals, args: &DescribeArgs) -> Result<(), CommandError> {
    let wanted = resources::parse(&args.objects)?;
    let selector = Selector::parse(args.selector.as_deref().unwrap_or_default()).map_err(CommandError::invalid)?;
    if let Some(other) = wanted.iter().find(|wanted| wanted.resource != Resource::Pod) {
        let hint = "`kube get -o yaml` shows the others whole";
        return Err(CommandError::invalid(DescribeError(other.resource.what())).hint(hint));
    }
    let mut engine = globals.engine()?;
    let (mut described, mut missing) = (Vec::new(), Vec::new());
    for wanted in &wanted {
        let (found, errors) = resources::find(&mut engine, wanted, &selector)?;
        missing.extend(errors);
        for pod in found {
            described.push(engine.describe_pod(&pod.name).map_err(|error| explain(&mut engine, error))?);
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
