//! `volume prune`.

use super::super::confirm::confirm;
use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use super::super::filter::Filters;
use super::super::output::Output;
use clap::Args;

/// Remove every volume that no pod uses
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Only what matches: label, until
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
}

pub fn run(globals: &Globals, args: &PruneArgs) -> Result<(), CommandError> {
    let filters = Filters::parse(&args.filter, &["label", "until"])?;
    let question = "This removes every volume that no pod uses, with what it holds.";
    if !args.force && !confirm(question)? {
        return Ok(());
    }
    let mut engine = globals.engine()?;
    let removed = engine.prune_volumes(&filters.pairs()).map_err(|error| explain(&mut engine, error))?;
    let mut out = Output::new();
    removed.iter().try_for_each(|name| out.line(name))?;
    out.finish()
}
