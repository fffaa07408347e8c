//! `volume inspect`.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use super::super::listing::print_inspected;
use crate::engine::VolumeView;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Show all about volumes
#[derive(Debug, Args)]
pub struct InspectArgs {
    #[arg(value_name = "VOLUME", required_unless_present = "all", add = ArgValueCompleter::new(complete::volumes))]
    pub names: Vec<String>,
    /// Every volume
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,
    /// Print `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub fn run(globals: &Globals, args: &InspectArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let volumes = match args.all {
        true => super::every(&mut engine)?,
        false => {
            let found: Result<Vec<_>, _> = args.names.iter().map(|name| engine.volume(name)).collect();
            found.map_err(|error| explain(&mut engine, error))?
        }
    };
    print_inspected(&volumes.iter().map(describe).collect::<Vec<_>>(), args.format.as_deref())
}

/// All about a volume; podman's field names.
pub fn describe(volume: &VolumeView) -> serde_json::Value {
    let VolumeView { name, mountpoint, created, labels, options, anonymous, used_by } = volume;
    serde_json::json!({
        "Name": name,
        "Driver": "local",
        "Mountpoint": mountpoint,
        "CreatedAt": created.to_string(),
        "Labels": labels,
        "Scope": "local",
        "Options": options,
        "Anonymous": anonymous,
        "MountCount": used_by.len(),
        "UsedBy": used_by,
    })
}
