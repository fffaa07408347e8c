//! Manifest lists: one name for the images of several platforms.

pub mod add;
pub mod annotate;
pub mod create;
pub mod exists;
pub mod inspect;
pub mod push;
pub mod remove;
pub mod rm;

use super::context::Globals;
use super::error::CommandError;
use crate::engine::InstanceChange;
use clap::{Args, Subcommand};

/// Manage manifest lists: one name for the images of several platforms
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct ManifestArgs {
    #[command(subcommand)]
    pub command: ManifestCommand,
}

#[derive(Debug, Subcommand)]
pub enum ManifestCommand {
    Create(create::CreateArgs),
    Add(add::AddArgs),
    Annotate(annotate::AnnotateArgs),
    Inspect(inspect::InspectArgs),
    Exists(exists::ExistsArgs),
    Push(push::PushArgs),
    Remove(remove::RemoveArgs),
    Rm(rm::RmArgs),
}

/// What is said about an image of a list.
#[derive(Debug, Clone, Default, Args)]
pub struct InstanceArgs {
    /// Architecture of the image
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// Operating system of the image
    #[arg(long, value_name = "OS")]
    pub os: Option<String>,
    /// Variant of the architecture
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
    /// Version of the operating system
    #[arg(long, value_name = "VERSION")]
    pub os_version: Option<String>,
    /// Features of the operating system that the image needs
    #[arg(long, value_delimiter = ',', value_name = "FEATURE")]
    pub os_features: Vec<String>,
    /// Features of the processor that the image needs
    #[arg(long, value_delimiter = ',', value_name = "FEATURE")]
    pub features: Vec<String>,
    /// Annotation of the image; Docker's lists have none
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
}

/// `--annotation` without a value.
#[derive(Debug, thiserror::Error)]
#[error("annotation `{0}` is not of the form key=value")]
struct AnnotationError(String);

impl InstanceArgs {
    fn change(&self) -> Result<InstanceChange, CommandError> {
        let Self { arch, os, variant, os_version, os_features, features, annotation } = self.clone();
        let pair = |text: &String| match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(CommandError::invalid(AnnotationError(text.clone()))),
        };
        let annotations = annotation.iter().map(pair).collect::<Result<_, _>>()?;
        Ok(InstanceChange { os, architecture: arch, variant, os_version, os_features, features, annotations })
    }
}

pub fn run(globals: &Globals, command: ManifestCommand) -> Result<(), CommandError> {
    match command {
        ManifestCommand::Create(args) => create::run(globals, &args),
        ManifestCommand::Add(args) => add::run(globals, &args),
        ManifestCommand::Annotate(args) => annotate::run(globals, &args),
        ManifestCommand::Inspect(args) => inspect::run(globals, &args),
        ManifestCommand::Exists(args) => exists::run(globals, &args),
        ManifestCommand::Push(args) => push::run(globals, &args),
        ManifestCommand::Remove(args) => remove::run(globals, &args),
        ManifestCommand::Rm(args) => rm::run(globals, &args),
    }
}

/// Prints one line.
fn say(line: &str) -> Result<(), CommandError> {
    let mut out = super::output::Output::new();
    out.line(line)?;
    out.finish()
}
