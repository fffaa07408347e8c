//! `export`, `container export`.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use crate::engine::EngineError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};

/// Write a container's file system as a tar archive
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[arg(value_name = "CONTAINER", add = ArgValueCompleter::new(complete::containers))]
    pub name: String,
    /// File to write, instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// An archive is nothing for a terminal.
#[derive(Debug, thiserror::Error)]
#[error("standard output is a terminal, and an archive is no text")]
struct TerminalError;

/// The archive cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
struct FileError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 * 1024;

pub fn run(globals: &Globals, args: &ExportArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let exported = match &args.output {
        Some(path) => {
            // Known first: no file is made, or emptied, for a container that does not exist.
            engine.container(&args.name).map_err(|error| explain(&mut engine, error))?;
            let fail = |source| CommandError::engine(FileError { path: path.clone(), source });
            let file = File::create(path).map_err(fail)?;
            let exported = engine.export(&args.name, BufWriter::with_capacity(BUFFER, file));
            if exported.is_err() {
                discard(path);
            }
            exported
        }
        None if io::stdout().is_terminal() => {
            return Err(CommandError::invalid(TerminalError).hint("name a file with `--output FILE`, or use a pipe"));
        }
        None => engine.export(&args.name, BufWriter::with_capacity(BUFFER, io::stdout().lock())),
    };
    match exported {
        // Who reads has had enough.
        Err(EngineError::File { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Err(source.into()),
        exported => exported.map_err(|error| explain(&mut engine, error)),
    }
}

/// Half an archive is taken away; a device or a pipe is not.
fn discard(path: &Path) {
    if path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        // The failure to write is what is told.
        let _ = std::fs::remove_file(path);
    }
}
