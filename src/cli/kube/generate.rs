//! `kube generate`: pods back to YAML.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use super::super::output::Output;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Print the Kubernetes YAML of pods
///
/// What was played comes back as it went in.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Pods, containers or volumes
    #[arg(required = true, value_name = "NAME", add = ArgValueCompleter::new(complete::pods))]
    pub names: Vec<String>,
    /// Write to a new file
    #[arg(short, long, value_name = "FILE")]
    pub filename: Option<PathBuf>,
    #[arg(short, long, hide = true)]
    pub service: bool,
    #[arg(short, long, hide = true, value_name = "KIND")]
    pub r#type: Option<String>,
    #[arg(short, long, hide = true, value_name = "N")]
    pub replicas: Option<u32>,
    #[arg(long, hide = true)]
    pub podman_only: bool,
    #[arg(long, hide = true)]
    pub no_trunc: bool,
}

/// What is asked for and not given.
#[derive(Debug, thiserror::Error)]
enum GenerateError {
    #[error("`--{flag}` is not supported: {reason}")]
    Refused { flag: &'static str, reason: &'static str },
    #[error("cannot write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

pub fn run(globals: &Globals, args: &GenerateArgs) -> Result<(), CommandError> {
    refuse(args).map_err(CommandError::invalid)?;
    let mut engine = globals.engine()?;
    let text = engine.generate(&args.names).map_err(|error| explain(&mut engine, error))?;
    match &args.filename {
        None => {
            let mut out = Output::new();
            out.text(text)?;
            out.finish()
        }
        Some(path) => write_new(path, &text)
            .map_err(|source| CommandError::engine(GenerateError::Write { path: path.clone(), source })),
    }
}

/// Flags that would change what comes back.
fn refuse(args: &GenerateArgs) -> Result<(), GenerateError> {
    let as_played = "what was played comes back as it went in";
    let given = [
        ("service", args.service, "Services are not made from pods; write one beside them"),
        ("type", args.r#type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("pod")), as_played),
        ("replicas", args.replicas.is_some_and(|count| count != 1), as_played),
    ];
    match given.into_iter().find(|(_, given, _)| *given) {
        Some((flag, _, reason)) => Err(GenerateError::Refused { flag, reason }),
        None => Ok(()),
    }
}

/// Writes a file that must not exist; for its owner alone, as Secrets may be in it.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    File::options().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}
