//! `rmi`, `image rm`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::{CommandError, Exit};
use super::super::output::{Output, notice};
use crate::engine::{Engine, ImageRemoval};
use crate::image::{ImageError, Removal};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Remove images
///
/// Ends with 1 when an image does not exist, and with 2 when one is in use by a pod or mounted.
#[derive(Debug, Args)]
pub struct RmArgs {
    #[arg(value_name = "IMAGE", required_unless_present = "all", add = ArgValueCompleter::new(complete::images))]
    pub names: Vec<String>,
    /// Every image
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,
    /// Also when it has several names, is mounted, or pods use it: those are removed
    #[arg(short, long)]
    pub force: bool,
    /// Do not fail for images that do not exist
    #[arg(short, long)]
    pub ignore: bool,
    /// Keep images without a name that it was made from
    #[arg(long)]
    pub no_prune: bool,
}

pub fn run(globals: &Globals, args: &RmArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let how = match (args.force, args.all) {
        (true, _) => Removal::Force,
        (false, true) => Removal::Whole,
        (false, false) => Removal::Name,
    };
    let names = if args.all { every_image(&mut engine)? } else { args.names.clone() };
    let mut out = Output::new();
    let mut failures = Vec::new();
    for name in &names {
        match engine.remove_image(name, how, args.no_prune) {
            Ok(removal) => print(&mut out, &removal)?,
            // With `--all`, the parent of one that went before.
            Err(ImageError::NotFound(_)) if args.ignore || args.all => {}
            Err(error) => failures.push(error),
        }
    }
    out.finish()?;
    let exit = exit(&failures);
    let error = match failures.len() {
        0 => return Ok(()),
        1 => super::explain(&mut engine, failures.remove(0)),
        _ => CommandError::each(failures.into_iter().map(Into::into).collect()),
    };
    Err(match exit {
        Some(exit) => error.with_exit(exit),
        None => error,
    })
}

/// Ids of all images, children before their parents, so that a parent is not kept for a child that goes anyway.
fn every_image(engine: &mut Engine) -> Result<Vec<String>, CommandError> {
    let mut images = engine.images().list()?;
    images.sort_by_key(|image| image.has_children);
    images.extend(engine.images().list_summaries()?);
    Ok(images.into_iter().map(|image| image.id).collect())
}

/// podman's codes: 2 when something is in use, 1 when the only failure is that images do not exist.
fn exit(failures: &[ImageError]) -> Option<Exit> {
    let is_used = |error: &ImageError| matches!(error, ImageError::InUse { .. } | ImageError::Mounted { .. });
    if failures.iter().any(is_used) {
        return Some(Exit::InUse);
    }
    failures.iter().all(|error| matches!(error, ImageError::NotFound(_))).then_some(Exit::Negative)
}

fn print(out: &mut Output, removal: &ImageRemoval) -> Result<(), CommandError> {
    let ImageRemoval { removed, pods } = removal;
    pods.iter().for_each(|pod| notice(format!("pod {pod}: removed, as it used the image")));
    removed.untagged.iter().try_for_each(|name| out.line(format!("Untagged: {name}")))?;
    removed.deleted.iter().try_for_each(|id| out.line(format!("Deleted: {id}")))
}
