//! `push`, `image push`.

use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::place::{Place, TransportError};
use super::super::transfer::TransferArgs;
use super::explained;
use crate::image::policy::{PrivateKey, PrivateKeyError};
use crate::image::remote::{LayerCompression, ManifestFormat, PushOptions, Pushed, Signer};
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Push an image to a registry
///
/// Layers that the registry has, or can take over from another of its repositories, are not sent. To `docker-archive:FILE[:NAME]`,
/// `oci-archive:FILE[:NAME]`, `oci:DIR[:NAME]` and `dir:DIR` images are written as `save` does.
#[derive(Debug, Args)]
pub struct PushArgs {
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(super::super::complete::images))]
    pub image: String,
    /// Where to, when it is not the image's own name
    #[arg(value_name = "DESTINATION")]
    pub destination: Option<String>,
    /// Type of the manifest; as it came by default
    #[arg(short, long, value_enum, value_name = "TYPE")]
    pub format: Option<Format>,
    /// Compression of layers that are sent
    #[arg(long, value_enum, default_value_t = Compression::Gzip, value_name = "FORMAT")]
    pub compression_format: Compression,
    /// Level of compression: 1 to 9 for gzip, 1 to 20 for zstd
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=20))]
    pub compression_level: Option<i32>,
    /// Compress also layers that the registry has in another form
    #[arg(long)]
    pub force_compression: bool,
    /// Write the digest of the manifest to a file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub digestfile: Option<PathBuf>,
    #[command(flatten)]
    pub transfer: TransferArgs,
    #[arg(long, hide = true)]
    pub disable_content_trust: bool,
    /// Sign with an OpenPGP key of your keyring
    #[arg(long, value_name = "KEY")]
    pub sign_by: Option<String>,
    /// Sign with a cosign key
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub sign_by_sigstore_private_key: Option<PathBuf>,
    /// File with the passphrase of the cosign key
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub sign_passphrase_file: Option<PathBuf>,
    /// Signatures are not sent along anyway
    #[arg(long, hide = true)]
    pub remove_signatures: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Oci,
    /// Docker's, version 2, schema 2
    #[value(alias = "docker")]
    V2s2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    Gzip,
    Zstd,
}

/// An option that means nothing for an archive.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is for registries only")]
struct ArchiveOption(&'static str);

impl PushArgs {
    /// Refuses what would be ignored.
    fn check_archive(&self) -> Result<(), CommandError> {
        let given = [
            ("--format", self.format.is_some()),
            ("--compression-format", self.compression_format != Compression::Gzip),
            ("--compression-level", self.compression_level.is_some()),
            ("--force-compression", self.force_compression),
            ("--digestfile", self.digestfile.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(CommandError::invalid(ArchiveOption(option))),
            None => Ok(()),
        }
    }
}

impl From<Format> for ManifestFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Oci => Self::Oci,
            Format::V2s2 => Self::Docker,
        }
    }
}

impl From<Compression> for LayerCompression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::Gzip => Self::Gzip,
            Compression::Zstd => Self::Zstd,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
struct DigestFileError {
    path: PathBuf,
    source: std::io::Error,
}

#[derive(Debug, thiserror::Error)]
#[error("gzip has the levels 1 to 9, not {0}")]
struct LevelError(i32);

#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot read the passphrase")]
    Passphrase(#[source] std::io::Error),
    #[error("cannot use the key `{}`", path.display())]
    Key { path: PathBuf, source: PrivateKeyError },
}

/// What signs, its passphrase asked for when it is not given.
fn signers(args: &PushArgs) -> Result<Vec<Signer>, CommandError> {
    let mut signers = Vec::new();
    if let Some(key) = &args.sign_by {
        signers.push(Signer::OpenPgp { key: key.clone(), gpg: super::trust::gpg() });
    }
    if let Some(path) = &args.sign_by_sigstore_private_key {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|source| KeyError::Read { path: path.clone(), source })
        };
        let text = read(path).map_err(CommandError::invalid)?;
        let passphrase = match &args.sign_passphrase_file {
            Some(file) => read(file).map_err(CommandError::invalid)?.trim_end_matches('\n').to_owned(),
            None => super::super::secret::ask("Passphrase of the key: ")
                .map_err(|source| CommandError::invalid(KeyError::Passphrase(source)))?,
        };
        let key = PrivateKey::open(&text, passphrase.as_bytes())
            .map_err(|source| CommandError::invalid(KeyError::Key { path: path.clone(), source }))?;
        signers.push(Signer::Sigstore(Arc::new(key)));
    }
    Ok(signers)
}

pub fn run(globals: &Globals, args: &PushArgs) -> Result<(), CommandError> {
    if let (Compression::Gzip, Some(level @ 10..)) = (args.compression_format, args.compression_level) {
        return Err(CommandError::invalid(LevelError(level)));
    }
    let mut engine = globals.engine_with(args.transfer.settings()?)?;
    let options = PushOptions {
        format: args.format.map(Into::into),
        compression: args.compression_format.into(),
        level: args.compression_level,
        force: args.force_compression,
        signers: signers(args)?,
        by_digest: false,
    };
    let to = args.destination.as_deref().map(Place::parse).transpose().map_err(no_destination)?;
    let image = args.image.strip_prefix("containers-storage:").unwrap_or(&args.image);
    let mut view = args.transfer.progress.view("pushing");
    let to = match to {
        Some(Place::Archive { format, path, name }) => {
            args.check_archive()?;
            return engine.push_archive(image, (format, path, name), &mut |event| view.show(event)).map_err(explained);
        }
        Some(Place::Registry(name)) => Some(name),
        None => None,
    };
    let pushed = engine.push(image, to, &options, &mut |event| view.show(event)).map_err(explained)?;
    drop(view);
    write_digest(args.digestfile.as_deref(), &pushed)
}

/// `--digestfile`.
pub fn write_digest(file: Option<&Path>, pushed: &Pushed) -> Result<(), CommandError> {
    let Some(path) = file else { return Ok(()) };
    let failed = |source| CommandError::engine(DigestFileError { path: path.to_owned(), source });
    std::fs::write(path, pushed.digest.to_string()).map_err(failed)
}

pub fn no_destination(error: TransportError) -> CommandError {
    CommandError::invalid(error).hint("push to a registry, or to `docker-archive:`, `oci-archive:`, `oci:` or `dir:`")
}
