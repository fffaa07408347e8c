//! Pods.

pub mod exists;
pub mod inspect;
pub mod kill;
pub mod logs;
pub mod ps;
pub mod restart;
pub mod rm;
pub mod start;
pub mod stop;

use super::complete;
use super::context::{Globals, explain};
use super::error::CommandError;
use crate::engine::{Engine, PodView};
use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;
use std::sync::Arc;

/// Manage pods
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct PodArgs {
    #[command(subcommand)]
    pub command: PodCommand,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum PodCommand {
    #[command(visible_aliases = ["ls", "list"])]
    Ps(ps::PsArgs),
    Inspect(inspect::InspectArgs),
    Exists(exists::ExistsArgs),
    Logs(logs::LogsArgs),
    Start(start::StartArgs),
    Stop(stop::StopArgs),
    Restart(restart::RestartArgs),
    Kill(kill::KillArgs),
    Rm(rm::RmArgs),
}

/// The pods a command acts on.
#[derive(Debug, Args)]
pub struct Targets {
    /// Names, ids, or unique beginnings of ids
    #[arg(value_name = "POD", required_unless_present_any = ["all", "latest"], add = ArgValueCompleter::new(complete::pods))]
    pub names: Vec<String>,
    /// Every pod
    #[arg(short, long, conflicts_with_all = ["names", "latest"])]
    pub all: bool,
    /// The pod that was made last
    #[arg(short, long, conflicts_with = "names")]
    pub latest: bool,
}

/// There is no pod for `--latest`.
#[derive(Debug, thiserror::Error)]
#[error("there is no pod")]
struct NoPod;

impl Targets {
    /// The names, or those that --all and --latest stand for; with --all, `among` chooses.
    fn resolve(&self, engine: &mut Engine, among: impl Fn(&PodView) -> bool) -> Result<Vec<String>, CommandError> {
        if self.all {
            let chosen = every(engine)?;
            return Ok(chosen.iter().filter(|pod| among(pod)).map(|pod| pod.id().to_owned()).collect());
        }
        if self.latest {
            return Ok(vec![latest(engine)?.id().to_owned()]);
        }
        Ok(self.names.clone())
    }
}

/// Every pod, oldest first.
fn every(engine: &mut Engine) -> Result<Vec<Arc<PodView>>, CommandError> {
    engine.pods().map_err(|error| explain(engine, error))
}

/// The pod that was made last.
fn latest(engine: &mut Engine) -> Result<Arc<PodView>, CommandError> {
    every(engine)?.pop().ok_or_else(|| CommandError::engine(NoPod))
}

pub fn run(globals: &Globals, command: PodCommand) -> Result<(), CommandError> {
    match command {
        PodCommand::Ps(args) => ps::run(globals, &args),
        PodCommand::Inspect(args) => inspect::run(globals, &args),
        PodCommand::Exists(args) => exists::run(globals, &args),
        PodCommand::Logs(args) => logs::run(globals, &args),
        PodCommand::Start(args) => start::run(globals, &args),
        PodCommand::Stop(args) => stop::run(globals, &args),
        PodCommand::Restart(args) => restart::run(globals, &args),
        PodCommand::Kill(args) => kill::run(globals, &args),
        PodCommand::Rm(args) => rm::run(globals, &args),
    }
}
