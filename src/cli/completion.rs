//! `completion`: the scripts that make shells complete podkin's command lines.

use super::error::CommandError;
use super::output::Output;
use clap::{Args, ValueEnum};
use clap_complete::env::{EnvCompleter, Shells};
use std::path::PathBuf;

/// Print the completion script of a shell
///
/// Names of pods, containers, images and volumes are completed from the store at the moment of asking.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
    /// Write to a file
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[arg(long, hide = true)]
    pub no_desc: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// A completion script that could not be made or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the completion script{}", file.as_ref().map(|f| format!(" to `{}`", f.display())).unwrap_or_default())]
struct CompletionError {
    file: Option<PathBuf>,
    #[source]
    source: std::io::Error,
}

pub fn run(args: &CompletionArgs) -> Result<(), CommandError> {
    let failure = |source| CommandError::engine(CompletionError { file: args.file.clone(), source });
    let script = script(args.shell).map_err(failure)?;
    match &args.file {
        Some(file) => std::fs::write(file, script).map_err(failure),
        None => {
            let mut out = Output::new();
            out.text(script)?;
            out.finish()
        }
    }
}

/// The script that registers `podkin` with the shell; it asks `podkin` itself for what could come next.
fn script(shell: Shell) -> std::io::Result<String> {
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let shells = Shells::builtins();
    let completer: &dyn EnvCompleter =
        shells.completer(name).ok_or_else(|| std::io::Error::other("this build lacks the shell"))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "podkin", "podkin", "podkin", &mut script)?;
    String::from_utf8(script).map_err(std::io::Error::other)
}

/// Set by the scripts when they ask.
pub const VARIABLE: &str = "PODKIN_COMPLETE";
