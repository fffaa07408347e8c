//! `pull`, `image pull`.

use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::output::{Output, warn};
use super::super::place::{Place, TransportError};
use super::super::transfer::TransferArgs;
use super::{choice, explained};
use crate::engine::{Engine, PullRequest, PullWhen, Pulled};
use crate::image::Input;
use crate::image::platform::{PlatformError, WantedPlatform};
use clap::{Args, ValueEnum};

/// Pull images from registries
///
/// Names without a registry are looked up as registries.conf says, else at docker.io. `docker-archive:FILE`, `oci-archive:FILE`,
/// `oci:DIR` and `dir:DIR` load archives.
#[derive(Debug, Args)]
pub struct PullArgs {
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Pull every tag of the repository
    #[arg(short, long)]
    pub all_tags: bool,
    /// Platform, as os/arch[/variant]
    #[arg(long, value_name = "PLATFORM", conflicts_with_all = ["os", "arch", "variant"])]
    pub platform: Option<String>,
    /// Operating system, instead of linux
    #[arg(long, value_name = "OS")]
    pub os: Option<String>,
    /// Architecture, instead of this machine's
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// Variant of the architecture
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
    /// When to ask the registry
    #[arg(long, value_enum, default_value_t = Policy::Always, value_name = "POLICY")]
    pub policy: Policy,
    #[command(flatten)]
    pub transfer: TransferArgs,
    #[arg(long, hide = true)]
    pub disable_content_trust: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// Always
    Always,
    /// When the image is not here
    Missing,
    /// Never: it is an error when the image is not here
    Never,
    /// When the registry has another one; a registry that cannot be asked is no error when the image is here
    Newer,
}

impl From<Policy> for PullWhen {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Always => Self::Always,
            Policy::Missing => Self::Missing,
            Policy::Never => Self::Never,
            Policy::Newer => Self::Newer,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}`: with --all-tags a name has no tag and no digest")]
struct TagError(String);

/// What concerns registries, for an archive.
#[derive(Debug, thiserror::Error)]
enum ArchiveError {
    #[error("`{0}` is an archive, for which there is no --{1}")]
    Option(String, &'static str),
    #[error("`{0}` names one image of an archive, and archives are loaded whole")]
    Part(String),
}

impl PullArgs {
    /// Refuses options that an archive knows nothing of.
    fn check_archive(&self, image: &str) -> Result<(), CommandError> {
        let platform = self.platform.is_some() || self.os.is_some() || self.arch.is_some() || self.variant.is_some();
        let given = [(self.all_tags, "all-tags"), (platform, "platform"), (self.policy != Policy::Always, "policy")];
        match given.into_iter().find(|(is_given, _)| *is_given) {
            Some((_, option)) => Err(CommandError::invalid(ArchiveError::Option(image.to_owned(), option))),
            None => Ok(()),
        }
    }

    /// Names that a registry is asked for whatever is here.
    fn asked_anyway(&self) -> Vec<&str> {
        let is_sure = self.policy == Policy::Always && !self.all_tags;
        let names = self.images.iter().filter(|_| is_sure).filter_map(|image| match Place::parse(image) {
            Ok(Place::Registry(name)) => Some(name),
            _ => None,
        });
        names.collect()
    }

    fn platform(&self) -> Result<Option<WantedPlatform>, CommandError> {
        let invalid = |error: PlatformError| CommandError::invalid(error);
        if let Some(text) = &self.platform {
            return text.parse().map(Some).map_err(invalid);
        }
        if self.os.is_none() && self.arch.is_none() && self.variant.is_none() {
            return Ok(None);
        }
        let host = WantedPlatform::host();
        let text = format!(
            "{}/{}{}",
            self.os.as_deref().unwrap_or(&host.os),
            self.arch.as_deref().unwrap_or(&host.architecture),
            self.variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default()
        );
        text.parse().map(Some).map_err(invalid)
    }
}

pub fn run(globals: &Globals, args: &PullArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine_asking(args.transfer.settings()?, &args.asked_anyway())?;
    let platform = args.platform()?;
    let mut view = args.transfer.progress.view("pulling");
    let mut ids = Vec::new();
    let mut failures: Vec<CommandError> = Vec::new();
    let (mut requests, mut choices) = (Vec::new(), Vec::new());
    for image in &args.images {
        match Place::parse(image).map_err(no_source)? {
            Place::Archive { name: Some(_), .. } => {
                let hint = "without a name behind the path all of its images are loaded";
                return Err(CommandError::invalid(ArchiveError::Part(image.clone())).maybe_hint(Some(hint.to_owned())));
            }
            Place::Archive { path, .. } => {
                args.check_archive(image)?;
                let loaded = engine.images().load_watched(Input::Path(path), image, &mut |event| view.show(event));
                match loaded {
                    Ok(loaded) => ids.extend(loaded.into_iter().map(|image| image.id)),
                    Err(error) => failures.push(error.into()),
                }
            }
            Place::Registry(typed) => {
                let choice = choice::of(&mut engine, typed, args.policy.into())?;
                let name = choice.as_ref().map_or(typed, |choice| choice.full.as_str());
                let names = if args.all_tags { tags(&engine, name)? } else { vec![name.to_owned()] };
                let (platform, when) = (&platform, args.policy.into());
                for name in names {
                    requests.push(PullRequest { name, platform: platform.clone(), when });
                    choices.push(choice.clone());
                }
            }
        }
    }
    let results = engine.pull(&requests, &mut |event| view.show(event))?;
    view.finish();
    for (result, choice) in results.into_iter().zip(choices) {
        match result {
            Ok(pulled) => {
                if let Some(wanted) = &platform {
                    check_platform(&mut engine, &pulled, wanted);
                }
                ids.push(pulled.id);
                choice.iter().for_each(choice::Choice::remember);
            }
            Err(error) => failures.push(explained(error)),
        }
    }
    drop(view);
    let mut out = Output::new();
    ids.dedup();
    ids.iter().try_for_each(|id| out.line(id))?;
    out.finish()?;
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.remove(0)),
        _ => Err(CommandError::each(failures)),
    }
}

/// An image that is for one platform only is pulled whatever was asked for, as with podman.
fn check_platform(engine: &mut Engine, pulled: &Pulled, wanted: &WantedPlatform) {
    let Ok(image) = engine.images().inspect(&pulled.id) else { return };
    if (&image.os, &image.architecture) != (&wanted.os, &wanted.architecture) {
        warn(format!("`{}` is for {}/{}, not for {wanted}", pulled.name, image.os, image.architecture));
    }
}

fn no_source(error: TransportError) -> CommandError {
    CommandError::invalid(error).hint("pull from a registry, or load a docker-archive, an OCI archive or an OCI layout")
}

/// Full names of all images of a repository.
fn tags(engine: &Engine, name: &str) -> Result<Vec<String>, CommandError> {
    let tagged = name.contains('@') || name.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'));
    if tagged {
        return Err(CommandError::invalid(TagError(name.to_owned())));
    }
    let tags = engine.remote_tags(name).map_err(explained)?;
    Ok(tags.into_iter().map(|tag| format!("{name}:{tag}")).collect())
}
