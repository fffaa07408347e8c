//! `volume create`.

use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use super::super::output::Output;
use clap::Args;

/// Create a volume
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name; 64 random digits when left out
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Label, as KEY=VALUE
    #[arg(short, long, value_delimiter = ',', value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Only `local`
    #[arg(short, long, default_value = "local", value_name = "DRIVER")]
    pub driver: String,
    #[arg(short, long, hide = true, value_name = "KEY=VALUE")]
    pub opt: Vec<String>,
    /// Do not fail when it exists
    #[arg(long)]
    pub ignore: bool,
}

/// What only other engines' volumes can be.
#[derive(Debug, thiserror::Error)]
enum CreateError {
    #[error("there is no volume driver `{0}`: volumes are directories of the store (`local`)")]
    Driver(String),
    #[error("volume option `{0}` is not supported: volumes are plain directories of the store")]
    Option(String),
}

pub fn run(globals: &Globals, args: &CreateArgs) -> Result<(), CommandError> {
    if args.driver != "local" {
        return Err(CommandError::invalid(CreateError::Driver(args.driver.clone())));
    }
    if let Some(option) = args.opt.first() {
        return Err(CommandError::invalid(CreateError::Option(option.clone())));
    }
    let label = |text: &String| {
        text.split_once('=').map_or((text.clone(), String::new()), |(k, v)| (k.to_owned(), v.to_owned()))
    };
    let labels = args.label.iter().map(label).collect();
    let mut engine = globals.engine()?;
    let created = engine.create_volume(args.name.as_deref(), labels, Default::default(), args.ignore);
    let name = created.map_err(|error| explain(&mut engine, error))?;
    let mut out = Output::new();
    out.line(name)?;
    out.finish()
}
