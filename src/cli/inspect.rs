//! `inspect`: whatever the name names.

use super::complete;
use super::context::{Globals, explain};
use super::error::CommandError;
use super::listing::print_inspected;
use crate::engine::{Engine, EngineError};
use crate::image::ImageError;
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use serde_json::Value;

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
fn find(engine: &mut Engine, name: &str, args: &InspectArgs) -> Result<Value, CommandError> {
    let kinds: &[Kind] = match args.r#type {
        Kind::All => &[Kind::Container, Kind::Image, Kind::Pod, Kind::Volume],
        ref one => std::slice::from_ref(one),
    };
    for kind in kinds {
        if let Some(value) = describe(engine, *kind, name, args.size)? {
            return Ok(value);
        }
    }
    match kinds {
        [kind] => Err(explain(engine, EngineError::NotFound { what: kind.word(), name: name.to_owned() })),
        _ => Err(CommandError::engine(NoSuchObject(name.to_owned()))),
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::All => "object",
            Kind::Container => "container",
            Kind::Image => "image",
            Kind::Pod => "pod",
            Kind::Volume => "volume",
        }
    }
}

/// All about the thing of that kind and name; `None` when there is none.
fn describe(engine: &mut Engine, kind: Kind, name: &str, size: bool) -> Result<Option<Value>, CommandError> {
    let found = match kind {
        Kind::Container | Kind::All => {
            engine.container(name).map(|c| super::container::inspect::describe(engine.layout(), &c, size))
        }
        Kind::Pod => engine.pod(name).map(|pod| super::pod::inspect::describe(engine.layout(), &pod)),
        Kind::Volume => engine.volume(name).map(|volume| super::volume::inspect::describe(&volume)),
        Kind::Image => return describe_image(engine, name),
    };
    match found {
        Ok(value) => Ok(Some(value)),
        Err(EngineError::NotFound { .. }) => Ok(None),
        Err(error) => Err(explain(engine, error)),
    }
}

fn describe_image(engine: &mut Engine, name: &str) -> Result<Option<Value>, CommandError> {
    match super::image::inspect::describe(engine, name) {
        Ok(value) => Ok(Some(value)),
        // A name that no image can have may be the name of something else.
        Err(ImageError::NotFound(_) | ImageError::Reference(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
