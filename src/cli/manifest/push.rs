//! `manifest push`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::image::explained;
use super::super::image::push::{Compression, Format, no_destination, write_digest};
use super::super::place::{Place, TransportError};
use super::super::transfer::TransferArgs;
use crate::engine::ListPush;
use crate::image::remote::PushOptions;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use std::path::PathBuf;

/// Push a manifest list to a registry, with its images
#[derive(Debug, Args)]
pub struct PushArgs {
    #[arg(value_name = "LIST", add = ArgValueCompleter::new(complete::lists))]
    pub list: String,
    /// Where to, when it is not the list's own name
    #[arg(value_name = "DESTINATION")]
    pub destination: Option<String>,
    /// Push the images, too; with `--all=false` the registry must have them
    #[arg(long, action = clap::ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1,
          require_equals = true, default_missing_value = "true", default_value = "true", value_name = "BOOL")]
    pub all: bool,
    /// Remove the list when it was pushed
    #[arg(long, visible_alias = "purge")]
    pub rm: bool,
    /// Type of the list and of images of this machine; what fits the images by default
    #[arg(short, long, value_enum, value_name = "TYPE")]
    pub format: Option<Format>,
    /// Compression of layers that are sent
    #[arg(long, value_enum, default_value_t = Compression::Gzip, value_name = "FORMAT")]
    pub compression_format: Compression,
    /// Write the digest of the list to a file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub digestfile: Option<PathBuf>,
    #[command(flatten)]
    pub transfer: TransferArgs,
    /// Signatures are not sent along anyway
    #[arg(long, hide = true)]
    pub remove_signatures: bool,
}

pub fn run(globals: &Globals, args: &PushArgs) -> Result<(), CommandError> {
    let to = match args.destination.as_deref().map(Place::parse).transpose().map_err(no_destination)? {
        Some(Place::Registry(name)) => Some(name),
        Some(Place::Archive { .. }) => {
            let transport = args.destination.as_deref().and_then(|to| to.split(':').next()).unwrap_or_default();
            return Err(CommandError::invalid(TransportError(transport.to_owned())).hint("push lists to registries"));
        }
        None => None,
    };
    let mut engine = globals.engine_with(args.transfer.settings()?)?;
    let options = PushOptions {
        format: args.format.map(Into::into),
        compression: args.compression_format.into(),
        ..PushOptions::default()
    };
    let mut view = args.transfer.progress.view("pushing");
    let how = ListPush { all: args.all, options };
    let pushed = engine.push_list(&args.list, to, &how, &mut |event| view.show(event)).map_err(explained)?;
    drop(view);
    if args.rm {
        engine.remove_list(&args.list).map_err(explained)?;
    }
    write_digest(args.digestfile.as_deref(), &pushed)
}
