//! `rm`.

use super::super::context::{Globals, as_given, explain, report};
use super::super::error::CommandError;
use super::Targets;
use crate::engine::{Engine, EngineError, Outcome};
use clap::Args;

/// Remove containers
///
/// A container belongs to its pod for as long as the pod exists: only with its pod can it be removed.
#[derive(Debug, Args)]
pub struct RmArgs {
    #[command(flatten)]
    pub targets: Targets,
    /// Stop those that run
    #[arg(short, long)]
    pub force: bool,
    /// Do not fail for containers that do not exist
    #[arg(short, long)]
    pub ignore: bool,
    /// Seconds before SIGKILL, with --force
    #[arg(short, long, alias = "timeout", value_name = "SECONDS")]
    pub time: Option<u64>,
    /// Also remove what depends on it: the pod
    #[arg(long)]
    pub depend: bool,
    #[arg(short, long, hide = true)]
    pub volumes: bool,
}

pub fn run(globals: &Globals, args: &RmArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = args.targets.resolve(&mut engine, |_| true)?;
    let outcomes = if args.depend || args.targets.all {
        remove_with_pods(&mut engine, args, &names)?
    } else {
        engine
            .remove_containers(&names, args.force, args.ignore, args.time)
            .map_err(|error| explain(&mut engine, error))?
    };
    report(&mut engine, outcomes, as_given)
}

/// Removes the pods that the containers belong to.
fn remove_with_pods(engine: &mut Engine, args: &RmArgs, names: &[String]) -> Result<Vec<Outcome>, CommandError> {
    let mut pods: Vec<String> = Vec::new();
    for name in names {
        match engine.container(name) {
            Ok(container) if pods.iter().all(|pod| pod != container.pod.id()) => {
                pods.push(container.pod.id().to_owned())
            }
            Ok(_) => {}
            Err(EngineError::NotFound { .. }) if args.ignore => {}
            Err(error) => return Err(explain(engine, error)),
        }
    }
    engine.remove_pods(&pods, args.force, args.ignore, args.time).map_err(|error| explain(engine, error))
}
