//! `pod logs`.

use super::super::complete;
use super::super::container::logs::{ShowArgs, show_containers};
use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use super::super::suggest;
use crate::engine::ContainerView;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Show what the containers of a pod wrote, each line after its container
#[derive(Debug, Args)]
pub struct LogsArgs {
    #[arg(value_name = "POD", required_unless_present = "latest", add = ArgValueCompleter::new(complete::pods))]
    pub name: Option<String>,
    /// The pod that was made last
    #[arg(short, long, conflicts_with = "name")]
    pub latest: bool,
    /// Only this container of the pod
    #[arg(short, long, value_name = "CONTAINER")]
    pub container: Vec<String>,
    #[command(flatten)]
    pub show: ShowArgs,
}

/// The pod has no such container.
#[derive(Debug, thiserror::Error)]
#[error("pod `{pod}` has no container `{name}`")]
struct NoSuchContainer {
    pod: String,
    name: String,
}

pub fn run(globals: &Globals, args: &LogsArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let pod = match &args.name {
        Some(name) => engine.pod(name).map_err(|error| explain(&mut engine, error))?,
        None => super::latest(&mut engine)?,
    };
    let mut containers: Vec<ContainerView> = pod.containers().collect();
    let is = |container: &ContainerView, wanted: &str| {
        container.name() == wanted || container.record().container == wanted || container.id().starts_with(wanted)
    };
    for wanted in &args.container {
        if !containers.iter().any(|container| is(container, wanted)) {
            let meant = suggest::closest(wanted, containers.iter().map(|c| c.record().container.as_str()));
            let hint = meant.map(|name| format!("did you mean `{name}`?"));
            let error = NoSuchContainer { pod: pod.name().to_owned(), name: wanted.clone() };
            return Err(CommandError::engine(error).maybe_hint(hint));
        }
    }
    if !args.container.is_empty() {
        containers.retain(|container| args.container.iter().any(|wanted| is(container, wanted)));
    }
    let one = containers.len() == 1 && !args.show.names;
    let label = |container: &ContainerView| (!one).then(|| container.name().to_owned());
    show_containers(&engine, &containers, &args.show, label)
}
