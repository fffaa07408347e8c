//! `load`.

use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::output::Output;
use super::super::transfer::{ProgressFormat, TransferView};
use super::{explained, is_url};
use crate::image::Input;
use clap::Args;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Read images from an archive: docker-archive or OCI archive, plain, gzip or zstd, or an OCI layout directory
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Archive, directory or URL; standard input when left out
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    pub input: Option<PathBuf>,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = ProgressFormat::Auto, value_name = "FORM")]
    pub progress: ProgressFormat,
}

/// `load` without an archive to read.
#[derive(Debug, thiserror::Error)]
#[error("standard input is a terminal and no archive")]
struct NoArchive;

pub fn run(globals: &Globals, args: &LoadArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let mut view = TransferView::new("loading", args.progress, args.quiet);
    let mut show = |event| view.show(event);
    let loaded = match &args.input {
        Some(path) if is_url(path) => {
            let url = path.display().to_string();
            let stream = engine.download(&url).map_err(explained)?;
            engine.images().load_watched(Input::Stream(stream), &url, &mut show)?
        }
        Some(path) => engine.images().load_watched(Input::Path(path), &path.display().to_string(), &mut show)?,
        None if std::io::stdin().is_terminal() => {
            return Err(CommandError::invalid(NoArchive).hint("name one with `--input FILE`, or use a pipe"));
        }
        None => engine.images().load_watched(Input::Stream(Box::new(std::io::stdin())), "standard input", &mut show)?,
    };
    drop(view);
    let mut out = Output::new();
    for image in &loaded {
        match image.names.as_slice() {
            [] => out.line(format!("Loaded image: sha256:{}", image.id))?,
            names => names.iter().try_for_each(|name| out.line(format!("Loaded image: {name}")))?,
        }
    }
    out.finish()
}
