//! `image mount`, `image unmount`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::listing::json_lines;
use super::super::output::Output;
use super::super::table;
use crate::image::MountedImage;
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

/// Mount images read-only and print where; without an image, list what is mounted
#[derive(Debug, Args)]
pub struct MountArgs {
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub names: Vec<String>,
    /// Every image
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,
    /// Print the mounted images as JSON
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
}

/// Unmount images
///
/// An image that was mounted several times is unmounted as often.
#[derive(Debug, Args)]
pub struct UnmountArgs {
    #[arg(value_name = "IMAGE", required_unless_present = "all", add = ArgValueCompleter::new(complete::images))]
    pub names: Vec<String>,
    /// Every image that is mounted
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,
    /// However often it was mounted
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Json,
}

pub fn run(globals: &Globals, args: &MountArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = match args.all {
        true => engine.images().list()?.into_iter().map(|image| image.id).collect(),
        false => args.names.clone(),
    };
    let mut failures = Vec::new();
    let mut new = Vec::new();
    for name in &names {
        match engine.images().mount(name) {
            Ok(path) => new.push(path),
            Err(error) => failures.push(super::explain(&mut engine, error)),
        }
    }
    let lists_all = args.names.is_empty() && !args.all;
    let mut mounted = engine.images().mounted()?;
    mounted.retain(|image| lists_all || new.contains(&image.path));
    let mut out = Output::new();
    match (args.format, new.as_slice()) {
        (Some(Format::Json), _) => {
            out.text(json_lines(&serde_json::Value::Array(mounted.iter().map(describe).collect())))?;
        }
        (None, [path]) if !args.all => out.line(path.display().to_string())?,
        _ => out.text(table::render(&mounted.iter().map(row).collect::<Vec<_>>()))?,
    }
    out.finish()?;
    fail(failures)
}

pub fn run_unmount(globals: &Globals, args: &UnmountArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = match args.all {
        true => engine.images().mounted()?.into_iter().map(|image| image.id).collect(),
        false => args.names.clone(),
    };
    let mut out = Output::new();
    let mut failures = Vec::new();
    for name in &names {
        match engine.images().unmount(name, args.force) {
            Ok(id) => out.line(id)?,
            Err(error) => failures.push(super::explain(&mut engine, error)),
        }
    }
    out.finish()?;
    fail(failures)
}

fn fail(mut failures: Vec<CommandError>) -> Result<(), CommandError> {
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.remove(0)),
        _ => Err(CommandError::each(failures)),
    }
}

fn row(image: &MountedImage) -> Vec<String> {
    let name = image.names.first().unwrap_or(&image.id);
    vec![name.clone(), image.path.display().to_string()]
}

/// What `--format json` says of a mounted image; podman's field names.
fn describe(image: &MountedImage) -> serde_json::Value {
    let MountedImage { id, digest, names, path, count: _ } = image;
    serde_json::json!({ "id": id, "Names": [digest], "Repositories": names, "mountpoint": path.display().to_string() })
}
