//! `inspect`: whatever the name names.

use super::complete;
use super::context::{Globals, explain};
use super::error::CommandError;
use super::listing::print_inspected;
use crate::engine::{Engine, EngineError};
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

/// Show all about containers, pods, images or volumes
#[derive(Debug, Args)]
pub struct InspectArgs {
    #[arg(value_name = "NAME", required_unless_present = "latest", add = ArgValueCompleter::new(complete::everything))]
    pub names: Vec<String>,
    /// Print `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Kind of the names
    #[arg(short, long, value_enum, default_value_t = Kind::All, value_name = "KIND")]
    pub r#type: Kind,
    /// Also the sizes of the file systems
    #[arg(short, long)]
    pub size: bool,
    /// The container that was made last
    #[arg(short, long, conflicts_with = "names")]
    pub latest: bool,
}

/// What a name may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The first of container, image, volume, pod that has the name
    All,
    Container,
    Image,
    Pod,
    Volume,
}

/// Nothing has that name.
#[derive(Debug, thiserror::Error)]
#[error("no such object `{0}`: no container, image, volume or pod has that name")]
struct NoSuchObject(String);

pub fn run(globals: &Globals, args: &InspectArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let mut names = args.names.clone();
    if args.latest {
        names.push(super::container::latest(&mut engine)?);
    }
    let values: Result<Vec<_>, _> = names.iter().map(|name| find(&mut engine, name, args)).collect();
    print_inspected(&values?, args.format.as_deref())
}

/// The first thing of the wanted kind that has the name.
fn find(engine: &mut Engine, name: &str, args: &InspectArgs) -> Result<serde_json::Value, CommandError> {
    let kinds: &[Kind] = match args.r#type {
        Kind::All => &[Kind::Container, Kind::Image, Kind::Volume, Kind::Pod],
        ref one => std::slice::from_ref(one),
    };
    for kind in kinds {
        match describe(engine, *kind, name, args.size) {
            Ok(value) => return Ok(value),
            Err(EngineError::NotFound { .. }) if kinds.len() > 1 => {}
            Err(error) => return Err(explain(engine, error)),
        }
    }
    Err(CommandError::engine(NoSuchObject(name.to_owned())))
}

fn describe(engine: &mut Engine, kind: Kind, name: &str, size: bool) -> Result<serde_json::Value, EngineError> {
    match kind {
        Kind::Container | Kind::All => {
            let container = engine.container(name)?;
            Ok(super::container::inspect::describe(engine.layout(), &container, size))
        }
        Kind::Pod => {
            let pod = engine.pod(name)?;
            Ok(super::pod::inspect::describe(engine.layout(), &pod))
        }
        Kind::Volume => Ok(super::volume::inspect::describe(&engine.volume(name)?)),
        Kind::Image => Err(EngineError::NotFound { what: "image", name: name.to_owned() }),
    }
}
