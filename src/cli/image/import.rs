//! `import`.

use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::output::Output;
use super::{explained, is_url};
use crate::image::ImportOptions;
use clap::Args;

/// Make an image from a tar archive of a root file system
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Archive, URL, or `-` for standard input
    #[arg(value_name = "FILE|URL|-", value_hint = clap::ValueHint::FilePath)]
    pub input: String,
    /// Name of the image
    #[arg(value_name = "REFERENCE")]
    pub reference: Option<String>,
    /// Set what the image says, as a Dockerfile line: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Comment
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Architecture of the image, instead of this machine's
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// Variant of the architecture
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
    /// Operating system of the image: linux, whatever else is refused
    #[arg(long, value_name = "OS", value_parser = ["linux"], hide_possible_values = true)]
    pub os: Option<String>,
    /// Print nothing but the image's id
    #[arg(short, long)]
    pub quiet: bool,
}

/// The archive cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open `{path}`")]
struct OpenError {
    path: String,
    #[source]
    source: std::io::Error,
}

pub fn run(globals: &Globals, args: &ImportArgs) -> Result<(), CommandError> {
    let options = ImportOptions {
        name: args.reference.clone(),
        changes: args.change.clone(),
        message: args.message.clone(),
        origin: if args.input == "-" { "standard input".to_owned() } else { args.input.clone() },
        architecture: args.arch.clone(),
        variant: args.variant.clone(),
    };
    let mut engine = globals.engine()?;
    let imported = match args.input.as_str() {
        "-" => engine.images().import(std::io::stdin(), &options)?,
        url if is_url(url) => {
            let stream = engine.download(url).map_err(explained)?;
            engine.images().import(stream, &options)?
        }
        path => {
            let open = |source| CommandError::engine(OpenError { path: path.to_owned(), source });
            let file = std::fs::File::open(path).map_err(open)?;
            engine.images().import(file, &options)?
        }
    };
    let mut out = Output::new();
    out.line(format!("sha256:{}", imported.id))?;
    out.finish()
}
