//! `manifest rm`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::{CommandError, Exit};
use super::super::image::explained;
use super::super::output::Output;
use crate::engine::EngineError;
use crate::image::ImageError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Remove manifest lists; their images stay
#[derive(Debug, Args)]
pub struct RmArgs {
    #[arg(required = true, value_name = "LIST", add = ArgValueCompleter::new(complete::lists))]
    pub lists: Vec<String>,
}

pub fn run(globals: &Globals, args: &RmArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let mut out = Output::new();
    let mut failures = Vec::new();
    for list in &args.lists {
        match engine.remove_list(list) {
            Ok(removed) => {
                removed.untagged.iter().try_for_each(|name| out.line(format!("Untagged: {name}")))?;
                removed.deleted.iter().try_for_each(|id| out.line(format!("Deleted: {id}")))?;
            }
            // podman's code for what is not there.
            Err(error @ EngineError::Image(ImageError::ListNotFound(_))) => {
                failures.push(explained(error).with_exit(Exit::Negative));
            }
            Err(error) => failures.push(explained(error)),
        }
    }
    out.finish()?;
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.remove(0)),
        _ => Err(CommandError::each(failures)),
    }
}
