//! `image prune`.

use super::super::confirm::confirm;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::output::Output;
use super::filter::ImageFilters;
use clap::Args;

/// Remove images that have no name
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Those with names, too, unless a pod uses them
    #[arg(short, long)]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Only what matches: label, until
    #[arg(long, value_delimiter = ',', value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
}

pub fn run(globals: &Globals, args: &PruneArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let filters = ImageFilters::parse(&args.filter, &["label", "until"], &mut engine)?;
    let question = match args.all {
        true => "This removes every image that no pod uses.",
        false => "This removes every image without a name that no pod uses.",
    };
    if !args.force && !confirm(question)? {
        return Ok(());
    }
    let removed = engine.images().prune(args.all, |image| filters.hold(image))?;
    let mut out = Output::new();
    removed.deleted.iter().try_for_each(|id| out.line(id))?;
    out.finish()
}
