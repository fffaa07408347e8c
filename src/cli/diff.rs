//! `diff`, `image diff`, `container diff`.

use super::complete;
use super::context::{Globals, explain};
use super::error::CommandError;
use super::listing::json_lines;
use super::output::Output;
use crate::engine::{DiffKind, EngineError};
use crate::storage::{Change, ChangeKind};
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use std::io::Write;

/// Show what a container wrote, or what the last layer of an image changed: A added, C changed, D deleted
#[derive(Debug, Args)]
pub struct DiffArgs {
    #[arg(value_name = "CONTAINER|IMAGE", required_unless_present = "latest",
          add = ArgValueCompleter::new(complete::everything))]
    pub name: Option<String>,
    /// Compare with this one instead of what is below
    #[arg(value_name = "CONTAINER|IMAGE", add = ArgValueCompleter::new(complete::everything))]
    pub other: Option<String>,
    #[command(flatten)]
    pub format: FormatArgs,
    /// The container that was made last
    #[arg(short, long, conflicts_with = "name")]
    pub latest: bool,
}

/// Show what the last layer of an image changed: A added, C changed, D deleted
#[derive(Debug, Args)]
pub struct ImageDiffArgs {
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub name: String,
    /// Compare with this one instead of the layers below
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub other: Option<String>,
    #[command(flatten)]
    pub format: FormatArgs,
}

#[derive(Debug, Args)]
pub struct FormatArgs {
    /// Print lists of paths as JSON
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Json,
}

pub fn run(globals: &Globals, args: &DiffArgs, kind: DiffKind) -> Result<(), CommandError> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => super::container::latest(&mut globals.engine()?)?,
    };
    diff(globals, &name, args.other.as_deref(), kind, args.format.format)
}

pub fn run_image(globals: &Globals, args: &ImageDiffArgs) -> Result<(), CommandError> {
    diff(globals, &args.name, args.other.as_deref(), DiffKind::Image, args.format.format)
}

fn diff(
    globals: &Globals,
    name: &str,
    other: Option<&str>,
    kind: DiffKind,
    format: Option<Format>,
) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let changes = engine.diff(name, other, kind).map_err(|error| match error {
        EngineError::Image(error) => super::image::explain(&mut engine, error),
        error => explain(&mut engine, error),
    })?;
    let mut out = Output::new();
    match format {
        Some(Format::Json) => out.text(json_lines(&describe(&changes)))?,
        None => {
            for change in &changes {
                out.write_all(&[&[change.letter() as u8, b' '], change.bytes(), b"\n"].concat())?;
            }
        }
    }
    out.finish()
}

/// Paths by kind, under podman's names; a kind without paths is left out.
fn describe(changes: &[Change]) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    for (name, kind) in
        [("changed", ChangeKind::Changed), ("added", ChangeKind::Added), ("deleted", ChangeKind::Deleted)]
    {
        let of_kind = changes.iter().filter(|change| change.kind == kind);
        let paths: Vec<serde_json::Value> = of_kind.map(|change| change.path.to_string_lossy().into()).collect();
        if !paths.is_empty() {
            object.insert(name.to_owned(), paths.into());
        }
    }
    object.into()
}
