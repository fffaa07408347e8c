//! `system check`, `system reset`; the sub-commands of `system`.

use super::confirm::confirm;
use super::context::{Globals, explain};
use super::df;
use super::error::{CommandError, Exit};
use super::output::{Output, notice};
use crate::image::store::Depth;
use clap::{Args, Subcommand};

/// Look after podkin's state
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct SystemArgs {
    #[command(subcommand)]
    pub command: SystemCommand,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum SystemCommand {
    Check(CheckArgs),
    Df(df::DfArgs),
    Reset(ResetArgs),
}

/// Compare the state with what really is there
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Mend what is found; an image with a damaged layer is removed, unless a container uses it
    #[arg(short, long)]
    pub repair: bool,
    /// Do not read the files of layers
    #[arg(short, long)]
    pub quick: bool,
}

/// Remove every pod, image and volume, and the state directories
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
}

pub fn run(globals: &Globals, args: &SystemArgs) -> Result<(), CommandError> {
    match &args.command {
        SystemCommand::Check(args) => check(globals, args),
        SystemCommand::Df(args) => df::run(globals, args),
        SystemCommand::Reset(args) => reset(globals, args),
    }
}

fn check(globals: &Globals, args: &CheckArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let depth = if args.quick { Depth::Quick } else { Depth::Thorough };
    let problems = engine.system_check(args.repair, depth).map_err(|error| explain(&mut engine, error))?;
    let mut out = Output::new();
    for problem in &problems {
        let outcome = match (problem.repaired, problem.removed.as_slice(), problem.hint) {
            (true, [], _) => ", mended".to_owned(),
            (true, images, _) => format!(", mended: removed {}", images.join(", ")),
            (false, _, Some(hint)) => format!(", not mended: {hint}"),
            (false, _, None) => String::new(),
        };
        out.line(format!("{}: {}{outcome}", problem.what, problem.subject))?;
    }
    out.finish()?;
    if problems.iter().all(|problem| problem.repaired) {
        if problems.is_empty() {
            notice("nothing is damaged");
        }
        return Ok(());
    }
    if !args.repair {
        notice("`podkin system check --repair` mends what can be mended");
    }
    Err(CommandError::silent(Exit::Negative))
}

fn reset(globals: &Globals, args: &ResetArgs) -> Result<(), CommandError> {
    let layout = globals.layout()?;
    let question = format!(
        "This stops and removes every pod, and removes every image and volume with what it holds, below\n  {}\n  {}",
        layout.root.display(),
        layout.run.display()
    );
    if !args.force && !confirm(&question)? {
        return Ok(());
    }
    let failures = globals.engine()?.system_reset();
    if failures.is_empty() {
        return Ok(());
    }
    Err(CommandError::each(failures.into_iter().map(Into::into).collect()))
}
