//! `image sign`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::trust;
use crate::engine::Engine;
use crate::image::policy::sign::{self, SignError};
use crate::image::policy::{Gpg, Lookaside};
use crate::image::{Digest, Reference};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use std::path::PathBuf;

/// Sign images of this machine with OpenPGP
///
/// The signature is a file in the directory that registries.d names for the image (`lookaside-staging`), by default
/// /var/lib/containers/sigstore.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// Image; `docker://` may stand before its name
    #[arg(required = true, value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub names: Vec<String>,
    /// Key of your keyring to sign with: fingerprint, or part of a user id
    #[arg(long, value_name = "KEY")]
    pub sign_by: String,
    /// Put signatures into this directory
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
    #[arg(long, hide = true, value_name = "DIR")]
    pub registrypath: Option<PathBuf>,
}

/// An image that cannot be signed.
#[derive(Debug, thiserror::Error)]
enum NameError {
    #[error("image `{0}` has no name, and a signature is for a name")]
    Unnamed(String),
    #[error("no directory is configured for the signatures of `{0}`")]
    NoPlace(String),
}

pub fn run(globals: &Globals, args: &SignArgs) -> Result<(), CommandError> {
    let lookaside = trust::lookaside(args.registrypath.clone())?;
    let gpg = trust::gpg();
    let mut engine = globals.engine()?;
    args.names.iter().try_for_each(|name| sign_one(&mut engine, args, &lookaside, &gpg, name))
}

fn sign_one(
    engine: &mut Engine,
    args: &SignArgs,
    lookaside: &Lookaside,
    gpg: &Gpg,
    name: &str,
) -> Result<(), CommandError> {
    let name = name.strip_prefix("docker://").or(name.strip_prefix("containers-storage:")).unwrap_or(name);
    let found = engine.images().find(name).map_err(|error| super::explain(engine, error))?;
    let unnamed = || CommandError::invalid(NameError::Unnamed(name.to_owned()));
    let reference = Reference::parse(&found.name.ok_or_else(unnamed)?).map_err(crate::image::ImageError::from)?;
    let manifest = engine.images().manifest(&found.id)?;
    let digest = Digest::of(&manifest);
    let directory = match &args.directory {
        Some(directory) => Some(directory.join(format!("{}@sha256={}", reference.repository, digest.hex()))),
        None => lookaside.writing(&reference, &digest)?,
    };
    let no_place = || CommandError::engine(NameError::NoPlace(reference.to_string()));
    let directory = directory.ok_or_else(no_place)?;
    let signature = sign::sign(gpg, None, &args.sign_by, &reference, &manifest)?;
    sign::write(&directory, &signature)?;
    Ok(())
}

impl From<SignError> for CommandError {
    fn from(error: SignError) -> Self {
        CommandError::engine(error)
    }
}
