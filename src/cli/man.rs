//! `man`: a manual page for each command, from the command line's own definition.

use super::error::CommandError;
use super::output::notice;
use clap::{Args, Command};
use std::path::{Path, PathBuf};

/// Write the manual pages to a directory
#[derive(Debug, Args)]
pub struct ManArgs {
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub directory: PathBuf,
}

/// A manual page that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the manual page `{}`", path.display())]
struct ManError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

pub fn run(args: &ManArgs, command: Command) -> Result<(), CommandError> {
    std::fs::create_dir_all(&args.directory)
        .map_err(|source| CommandError::engine(ManError { path: args.directory.clone(), source }))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let count = write_pages(&command, "podkin", &args.directory).map_err(CommandError::engine)?;
    notice(format!("wrote {count} manual pages to {}", args.directory.display()));
    Ok(())
}

/// Writes the page of a command and those of its sub-commands; returns how many.
fn write_pages(command: &Command, name: &str, directory: &Path) -> Result<usize, ManError> {
    let path = directory.join(format!("{name}.1"));
    let failure = |source| ManError { path: path.clone(), source };
    let mut page = Vec::new();
    let titled = command.clone().display_name(name.to_owned());
    clap_mangen::Man::new(titled).title(name.to_uppercase()).render(&mut page).map_err(failure)?;
    std::fs::write(&path, page).map_err(failure)?;
    let mut count = 1;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        count += write_pages(sub, &format!("{name}-{}", sub.get_name()), directory)?;
    }
    Ok(count)
}
