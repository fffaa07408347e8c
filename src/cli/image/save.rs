//! `save`, `image save`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::transfer::ProgressArgs;
use super::explained;
use crate::engine::SaveTo;
use crate::image::archive::save::{SaveFormat, SavedLayers};
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Write images to an archive, from which `load` reads them
///
/// Several names of one image are names of it; different images are all saved.
#[derive(Debug, Args)]
pub struct SaveArgs {
    #[arg(required = true, value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub images: Vec<String>,
    /// File or directory to write; standard output when left out
    #[arg(short, long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// Form of the archive
    #[arg(long, value_enum, default_value_t = Format::DockerArchive, value_name = "FORMAT")]
    pub format: Format,
    /// Every argument is an image: what they are taken for anyway
    #[arg(short, long)]
    pub multi_image_archive: bool,
    /// Compress the layers of a docker-dir
    #[arg(long)]
    pub compress: bool,
    /// Do not compress the layers of an OCI archive or layout
    #[arg(long, conflicts_with = "compress")]
    pub uncompressed: bool,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As `docker save` writes
    DockerArchive,
    /// OCI image layout as a tar
    OciArchive,
    /// OCI image layout as a directory
    OciDir,
    /// Directory of one image with a manifest of Docker's
    DockerDir,
}

impl From<Format> for SaveFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::DockerArchive => Self::DockerArchive,
            Format::OciArchive => Self::OciArchive,
            Format::OciDir => Self::OciDirectory,
            Format::DockerDir => Self::DockerDirectory,
        }
    }
}

/// An archive without a place to go.
#[derive(Debug, thiserror::Error)]
enum NoOutput {
    #[error("an archive is nothing for a terminal")]
    Terminal,
    #[error("a directory cannot be written to standard output")]
    Directory,
}

/// `--compress` with another form.
#[derive(Debug, thiserror::Error)]
#[error("`--compress` is for `--format docker-dir` only")]
struct CompressError;

pub fn run(globals: &Globals, args: &SaveArgs) -> Result<(), CommandError> {
    let format = SaveFormat::from(args.format);
    let layers = layers(args)?;
    let refused = match &args.output {
        None if format.is_directory() => Some(NoOutput::Directory),
        None if std::io::stdout().is_terminal() => Some(NoOutput::Terminal),
        _ => None,
    };
    if let Some(error) = refused {
        return Err(CommandError::invalid(error).hint("name a place with `--output PATH`"));
    }
    let mut engine = globals.engine()?;
    let mut stdout = std::io::stdout().lock();
    let to = match &args.output {
        Some(path) => SaveTo::Path(path),
        None => SaveTo::Stream(&mut stdout),
    };
    let mut view = args.progress.view("saving");
    engine.save(&args.images, format, layers, to, &mut |event| view.show(event)).map_err(explained)
}

fn layers(args: &SaveArgs) -> Result<SavedLayers, CommandError> {
    match args.format {
        Format::DockerDir if args.compress => Ok(SavedLayers::Gzip),
        _ if args.compress => Err(CommandError::invalid(CompressError)),
        Format::OciArchive | Format::OciDir if !args.uncompressed => Ok(SavedLayers::Gzip),
        _ => Ok(SavedLayers::Plain),
    }
}
