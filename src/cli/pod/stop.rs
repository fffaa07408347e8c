//! `pod stop`.

use super::super::context::{Globals, by_id, explain, report};
use super::super::error::CommandError;
use super::Targets;
use crate::engine::EngineError;
use clap::Args;

/// Stop pods: preStop hooks, stop signals, and after the grace time SIGKILL
#[derive(Debug, Args)]
pub struct StopArgs {
    #[command(flatten)]
    pub targets: Targets,
    /// Seconds before SIGKILL, instead of the pod's terminationGracePeriodSeconds
    #[arg(short, long, alias = "timeout", value_name = "SECONDS")]
    pub time: Option<u64>,
    /// Do not fail for pods that do not exist
    #[arg(short, long)]
    pub ignore: bool,
}

pub fn run(globals: &Globals, args: &StopArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = args.targets.resolve(&mut engine, |pod| pod.is_running())?;
    let mut outcomes = engine.stop_pods(&names, args.time).map_err(|error| explain(&mut engine, error))?;
    if args.ignore {
        outcomes.retain(|outcome| !matches!(outcome.result, Err(EngineError::NotFound { .. })));
    }
    report(&mut engine, outcomes, by_id)
}
