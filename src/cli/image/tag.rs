//! `tag`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Give an image more names
#[derive(Debug, Args)]
pub struct TagArgs {
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub image: String,
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

pub fn run(globals: &Globals, args: &TagArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    for name in &args.names {
        let tagged = engine.images().tag(&args.image, name);
        tagged.map_err(|error| super::explain(&mut engine, error))?;
    }
    Ok(())
}
