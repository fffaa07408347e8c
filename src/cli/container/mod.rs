//! Containers: listing, inspecting, starting and stopping, logs, exec, attach.

pub mod attach;
mod detach;
pub mod exec;
pub mod exists;
pub mod export;
pub mod inspect;
pub mod kill;
mod log_view;
pub mod logs;
pub mod ps;
pub mod restart;
pub mod rm;
mod session;
pub mod start;
pub mod stop;
pub mod wait;

use super::complete;
use super::context::{Globals, explain};
use super::error::CommandError;
use crate::engine::{ContainerView, DiffKind, Engine};
use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;

/// Manage containers
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct ContainerArgs {
    #[command(subcommand)]
    pub command: ContainerCommand,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum ContainerCommand {
    #[command(visible_aliases = ["ls", "list"])]
    Ps(ps::PsArgs),
    Inspect(inspect::ContainerInspectArgs),
    Exec(exec::ExecArgs),
    Attach(attach::AttachArgs),
    Exists(exists::ExistsArgs),
    Diff(super::diff::DiffArgs),
    Export(export::ExportArgs),
    Logs(logs::LogsArgs),
    Start(start::StartArgs),
    Stop(stop::StopArgs),
    Restart(restart::RestartArgs),
    Kill(kill::KillArgs),
    Rm(rm::RmArgs),
    Wait(wait::WaitArgs),
}

/// The containers a command acts on.
#[derive(Debug, Args)]
pub struct Targets {
    /// Names, ids, or unique beginnings of ids
    #[arg(value_name = "CONTAINER", required_unless_present_any = ["all", "latest"],
          add = ArgValueCompleter::new(complete::containers))]
    pub names: Vec<String>,
    /// Every container
    #[arg(short, long, conflicts_with_all = ["names", "latest"])]
    pub all: bool,
    /// The container that was made last
    #[arg(short, long, conflicts_with = "names")]
    pub latest: bool,
}

/// There is no container for `--latest`.
#[derive(Debug, thiserror::Error)]
#[error("there is no container")]
struct NoContainer;

impl Targets {
    /// The names, or those that --all and --latest stand for; with --all, `among` chooses.
    fn resolve(
        &self,
        engine: &mut Engine,
        among: impl Fn(&ContainerView) -> bool,
    ) -> Result<Vec<String>, CommandError> {
        select(engine, &self.names, self.all, self.latest, among)
    }
}

fn select(
    engine: &mut Engine,
    names: &[String],
    all: bool,
    latest: bool,
    among: impl Fn(&ContainerView) -> bool,
) -> Result<Vec<String>, CommandError> {
    if all {
        let chosen = every(engine)?;
        return Ok(chosen.iter().filter(|c| among(c)).map(|c| c.id().to_owned()).collect());
    }
    if latest { Ok(vec![self::latest(engine)?]) } else { Ok(names.to_vec()) }
}

/// Id of the container that was made last.
pub fn latest(engine: &mut Engine) -> Result<String, CommandError> {
    let made_last = every(engine)?.pop().ok_or_else(|| CommandError::engine(NoContainer))?;
    Ok(made_last.id().to_owned())
}

/// Every container, oldest first.
fn every(engine: &mut Engine) -> Result<Vec<ContainerView>, CommandError> {
    engine.containers().map_err(|error| explain(engine, error))
}

pub fn run(globals: &Globals, command: ContainerCommand) -> Result<(), CommandError> {
    match command {
        ContainerCommand::Ps(args) => ps::run(globals, &args),
        ContainerCommand::Inspect(args) => inspect::run(globals, &args),
        ContainerCommand::Exec(args) => exec::run(globals, args),
        ContainerCommand::Attach(args) => attach::run(globals, &args),
        ContainerCommand::Exists(args) => exists::run(globals, &args),
        ContainerCommand::Diff(args) => super::diff::run(globals, &args, DiffKind::Container),
        ContainerCommand::Export(args) => export::run(globals, &args),
        ContainerCommand::Logs(args) => logs::run(globals, &args),
        ContainerCommand::Start(args) => start::run(globals, &args),
        ContainerCommand::Stop(args) => stop::run(globals, &args),
        ContainerCommand::Restart(args) => restart::run(globals, &args),
        ContainerCommand::Kill(args) => kill::run(globals, &args),
        ContainerCommand::Rm(args) => rm::run(globals, &args),
        ContainerCommand::Wait(args) => wait::run(globals, &args),
    }
}

/// Bytes a container has written to its own layer.
fn written(layout: &crate::store::layout::Layout, id: &str) -> u64 {
    crate::sys::dir::usage(&layout.container_upper(id)).map_or(0, |(bytes, _)| bytes)
}
