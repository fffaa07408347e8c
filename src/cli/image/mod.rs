//! Images.

mod choice;
pub mod exists;
pub mod filter;
pub mod history;
pub mod import;
pub mod inspect;
pub mod load;
pub mod ls;
pub mod mount;
pub mod prune;
pub mod pull;
pub mod push;
pub mod rm;
pub mod save;
pub mod search;
pub mod sign;
pub mod tag;
pub mod tree;
pub mod trust;
pub mod untag;

use super::context::Globals;
use super::diff;
use super::error::{CommandError, Exit};
use super::listing::shown_id;
use super::suggest;
use crate::engine::{Engine, EngineError};
use crate::image::ImageError;
use clap::{Args, Subcommand};
use std::path::Path;

/// Manage images
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct ImageArgs {
    #[command(subcommand)]
    pub command: ImageCommand,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum ImageCommand {
    #[command(visible_alias = "list")]
    Ls(ls::LsArgs),
    Inspect(inspect::InspectArgs),
    Exists(exists::ExistsArgs),
    History(history::HistoryArgs),
    Tree(tree::TreeArgs),
    Diff(diff::ImageDiffArgs),
    Mount(mount::MountArgs),
    #[command(visible_alias = "umount")]
    Unmount(mount::UnmountArgs),
    Pull(pull::PullArgs),
    Push(push::PushArgs),
    Save(save::SaveArgs),
    Search(search::SearchArgs),
    Load(load::LoadArgs),
    Import(import::ImportArgs),
    Tag(tag::TagArgs),
    Untag(untag::UntagArgs),
    #[command(visible_alias = "remove")]
    Rm(rm::RmArgs),
    Prune(prune::PruneArgs),
    Sign(sign::SignArgs),
    Trust(trust::TrustArgs),
}

pub fn run(globals: &Globals, command: ImageCommand) -> Result<(), CommandError> {
    match command {
        ImageCommand::Ls(args) => ls::run(globals, &args),
        ImageCommand::Inspect(args) => inspect::run(globals, &args),
        ImageCommand::Exists(args) => exists::run(globals, &args),
        ImageCommand::History(args) => history::run(globals, &args),
        ImageCommand::Diff(args) => diff::run_image(globals, &args),
        ImageCommand::Tree(args) => tree::run(globals, &args),
        ImageCommand::Mount(args) => mount::run(globals, &args),
        ImageCommand::Unmount(args) => mount::run_unmount(globals, &args),
        ImageCommand::Pull(args) => pull::run(globals, &args),
        ImageCommand::Push(args) => push::run(globals, &args),
        ImageCommand::Search(args) => search::run(globals, &args),
        ImageCommand::Save(args) => save::run(globals, &args),
        ImageCommand::Load(args) => load::run(globals, &args),
        ImageCommand::Import(args) => import::run(globals, &args),
        ImageCommand::Tag(args) => tag::run(globals, &args),
        ImageCommand::Untag(args) => untag::run(globals, &args),
        ImageCommand::Rm(args) => rm::run(globals, &args),
        ImageCommand::Prune(args) => prune::run(globals, &args),
        ImageCommand::Sign(args) => sign::run(globals, &args),
        ImageCommand::Trust(args) => trust::run(globals, args.command),
    }
}

impl From<ImageError> for CommandError {
    fn from(error: ImageError) -> Self {
        let exit = match &error {
            ImageError::Reference(_) | ImageError::Change(_) | ImageError::DigestName(_) | ImageError::Url(_) => {
                Exit::InvalidInput
            }
            _ => Exit::Engine,
        };
        let hint = match &error {
            ImageError::InUse { .. } => Some("remove the pods first, or give `--force` to remove them too".to_owned()),
            ImageError::Mounted { .. } => Some("unmount it first, or give `--force`".to_owned()),
            ImageError::SeveralNames { .. } => {
                Some("remove it by name, or give `--force` to remove every name".to_owned())
            }
            ImageError::Pull(error) => error.hint(),
            ImageError::Push(error) => error.hint(),
            ImageError::Copy(error) => error.hint(),
            ImageError::Search { source, .. } | ImageError::Download { source, .. } => source.hint(),
            _ => None,
        };
        CommandError::new(exit, error).maybe_hint(hint)
    }
}

/// Whether an archive is to be downloaded.
fn is_url(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref().as_os_str().as_encoded_bytes();
    path.starts_with(b"http://") || path.starts_with(b"https://")
}

/// A failure with an image as such.
pub fn explained(error: EngineError) -> CommandError {
    match error {
        EngineError::Image(error) => error.into(),
        other => other.into(),
    }
}

/// A failure with an image; for a name that does not exist, with the one that was probably meant.
pub fn explain(engine: &mut Engine, error: ImageError) -> CommandError {
    let ImageError::NotFound(name) = &error else { return error.into() };
    if let Ok(Some(list)) = engine.images().find_list(name) {
        let hint = format!("`{}` is a manifest list: `podkin manifest inspect` shows it", list.name);
        return CommandError::from(error).hint(hint);
    }
    let known = engine.images().list().unwrap_or_default().into_iter().flat_map(|image| image.names);
    // As a user may have typed them: with and without registry and tag. What is suggested is the one that is found.
    let spellings: Vec<(String, String)> = known
        .flat_map(|full| {
            let short = full.rsplit_once('/').map_or(full.clone(), |(_, last)| last.to_owned());
            let untagged = short.split_once(':').map_or(short.clone(), |(name, _)| name.to_owned());
            [(untagged, full.clone()), (short, full.clone()), (full.clone(), full)]
        })
        .collect();
    let closest = suggest::closest(name, spellings.iter().map(|(typed, _)| typed.as_str()));
    let meant = closest.and_then(|closest| spellings.iter().find(|(typed, _)| typed == closest));
    CommandError::from(error).maybe_hint(meant.map(|(_, full)| format!("did you mean `{full}`?")))
}

/// An image id as listings show it: short, or whole with its algorithm before it.
fn shown_digest(id: &str, no_trunc: bool) -> String {
    if no_trunc { format!("sha256:{id}") } else { shown_id(id, false) }
}
