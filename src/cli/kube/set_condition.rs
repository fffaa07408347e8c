//! `kube set-condition`: what a controller in a cluster would say of a pod.

use crate::cli::complete;
use crate::cli::context::{Globals, explain};
use crate::cli::error::CommandError;
use crate::cli::output::Output;
use crate::store::record::{Condition, ConditionStatus};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Say of a running pod whether a condition holds that its readiness gates ask for
///
/// In a cluster a controller does it. A pod with `readinessGates` is ready when its containers are and each of these conditions is True.
#[derive(Debug, Args)]
pub struct SetConditionArgs {
    #[arg(value_name = "POD", add = ArgValueCompleter::new(complete::pods))]
    pub pod: String,
    /// True, False or Unknown for each condition
    #[arg(required = true, value_name = "TYPE=STATUS")]
    pub conditions: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
enum ConditionError {
    #[error("`{0}` is no `TYPE=True`, `TYPE=False` or `TYPE=Unknown`")]
    Form(String),
    #[error("the condition `{0}` follows from what the pod does and cannot be set")]
    Own(String),
}

pub fn run(globals: &Globals, args: &SetConditionArgs) -> Result<(), CommandError> {
    let conditions = args.conditions.iter().map(|text| {
        let pair = text.split_once('=').filter(|(kind, _)| !kind.is_empty());
        let pair = pair.and_then(|(kind, status)| Some((kind.to_owned(), ConditionStatus::parse(status)?)));
        let (kind, status) = pair.ok_or_else(|| CommandError::invalid(ConditionError::Form(text.clone())))?;
        match Condition::OF_THE_SUPERVISOR.contains(&kind.as_str()) || kind == Condition::RESIZE {
            true => Err(CommandError::invalid(ConditionError::Own(kind))),
            false => Ok((kind, status)),
        }
    });
    let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
    let mut engine = globals.engine()?;
    let name = engine.set_conditions(&args.pod, conditions).map_err(|error| explain(&mut engine, error))?;
    let mut out = Output::new();
    out.line(format!("pod/{name} condition set"))?;
    out.finish()
}
