//! `rmi`, `image rm`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::output::{Output, notice};
use crate::engine::Engine;
use crate::image::{ImageError, Removed};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Remove images
#[derive(Debug, Args)]
pub struct RmArgs {
    #[arg(value_name = "IMAGE", required_unless_present = "all", add = ArgValueCompleter::new(complete::images))]
    pub names: Vec<String>,
    /// Every image that no pod uses
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,
    /// Also when it has several names, or pods use it: those are removed
    #[arg(short, long)]
    pub force: bool,
    /// Do not fail for images that do not exist
    #[arg(short, long)]
    pub ignore: bool,
    #[arg(long, hide = true)]
    pub no_prune: bool,
}

pub fn run(globals: &Globals, args: &RmArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let mut out = Output::new();
    if args.all {
        let removed = engine.images().prune(true)?;
        print(&mut out, &removed)?;
        return out.finish();
    }
    let mut failures = Vec::new();
    for name in &args.names {
        match remove(&mut engine, name, args.force) {
            Ok(removed) => print(&mut out, &removed)?,
            Err(ImageError::NotFound(_)) if args.ignore => {}
            Err(error) => failures.push(error),
        }
    }
    out.finish()?;
    match failures.len() {
        0 => Ok(()),
        1 => Err(super::explain(&mut engine, failures.remove(0))),
        _ => Err(CommandError::each(failures.into_iter().map(Into::into).collect())),
    }
}

/// Removes an image; with `force` the pods that use it go first.
fn remove(engine: &mut Engine, name: &str, force: bool) -> Result<Removed, ImageError> {
    let found = engine.images().find(name)?;
    if force {
        let pods = engine.pods().unwrap_or_default();
        let users = pods.iter().filter(|pod| pod.record.containers.iter().any(|c| c.image.id == found.id));
        let users: Vec<String> = users.map(|pod| pod.name().to_owned()).collect();
        if !users.is_empty() {
            // What could not be removed still uses the image, and the store says so.
            for outcome in engine.remove_pods(&users, true, true, None).unwrap_or_default() {
                if outcome.result.is_ok() {
                    notice(format!("pod {}: removed, as it used the image", outcome.given));
                }
            }
        }
    }
    engine.images().remove(name, force)
}

fn print(out: &mut Output, removed: &Removed) -> Result<(), CommandError> {
    let Removed { untagged, deleted } = removed;
    untagged.iter().try_for_each(|name| out.line(format!("Untagged: {name}")))?;
    deleted.iter().try_for_each(|id| out.line(format!("Deleted: {id}")))
}
