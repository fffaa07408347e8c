//! `kube down`: takes away what a play made.

use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use super::super::output::Output;
use super::super::progress::ProgressView;
use super::{input, play::print_removed};
use crate::engine::DownRequest;
use clap::Args;

/// Stop and remove what these files made
///
/// Goes by what the play recorded: all that was played from these files, or else what they name, a Deployment with all its pods.
/// Only names are read, so that files that have become invalid can be taken down. Volumes stay unless --force is given.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Files, URLs, or `-` for standard input
    #[arg(required = true, value_name = "FILE|URL|-", value_hint = clap::ValueHint::FilePath)]
    pub inputs: Vec<String>,
    /// Also remove the volumes
    #[arg(long)]
    pub force: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

pub fn run(globals: &Globals, args: &DownArgs) -> Result<(), CommandError> {
    take_down(globals, &args.inputs, args.force, args.quiet)
}

/// What `kube down` and `kube play --down` do.
pub fn take_down(globals: &Globals, inputs: &[String], force: bool, quiet: bool) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let application = input::names(&input::inputs(inputs)?)?;
    let request = DownRequest { application, force, grace_seconds: None };
    let mut view = ProgressView::new(quiet);
    let result = engine.down(&request, &mut |progress| view.show(progress));
    view.finish();
    let report = result.map_err(|error| explain(&mut engine, error))?;
    let mut out = Output::new();
    print_removed(&mut out, &report.removed)?;
    out.finish()?;
    if report.failures.is_empty() {
        return Ok(());
    }
    Err(CommandError::each(report.failures.into_iter().map(Into::into).collect()))
}
