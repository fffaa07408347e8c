//! `image trust`, and where policies and signatures are found on this machine.

use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::listing::json_lines;
use super::super::output::{Output, warn};
use super::super::table;
use crate::image::policy::trust::{self, Trust, TrustError, TrustRow};
use crate::image::policy::{Gpg, Lookaside, LookasideError, Policy, PolicyError, WhenMissing};
use crate::model::diagnostic::with_causes;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Show and change which registries images are trusted from
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct TrustArgs {
    #[command(subcommand)]
    pub command: TrustCommand,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum TrustCommand {
    Show(ShowArgs),
    Set(SetArgs),
}

/// Show the policy
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Show only this scope
    #[arg(value_name = "REGISTRY")]
    pub scope: Option<String>,
    /// Print JSON
    #[arg(short, long)]
    pub json: bool,
    /// Print the file as it is
    #[arg(long, conflicts_with_all = ["json", "scope"])]
    pub raw: bool,
    /// Leave the headings out
    #[arg(short, long)]
    pub noheading: bool,
    #[arg(long, hide = true, value_name = "FILE")]
    pub policypath: Option<PathBuf>,
    #[arg(long, hide = true, value_name = "DIR")]
    pub registrypath: Option<PathBuf>,
}

/// Change the policy for a registry, a path on it, an image, or `default`
#[derive(Debug, Args)]
pub struct SetArgs {
    /// What an image must be
    #[arg(short = 't', long = "type", value_enum, value_name = "TYPE", default_value_t = TrustType::SignedBy)]
    pub kind: TrustType,
    /// Public key that must have signed it; all of several
    #[arg(short = 'f', long, value_delimiter = ',', value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub pubkeysfile: Vec<PathBuf>,
    /// What it is about: as quay.io, quay.io/team, quay.io/team/image:tag, *.example.com, default
    #[arg(value_name = "REGISTRY")]
    pub scope: String,
    #[arg(long, hide = true, value_name = "FILE")]
    pub policypath: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrustType {
    /// Anything
    #[value(name = "accept", alias = "insecureAcceptAnything")]
    Accept,
    /// Nothing is accepted
    #[value(name = "reject")]
    Reject,
    /// Signed with OpenPGP
    #[value(name = "signedBy")]
    SignedBy,
    /// Signed as cosign does
    #[value(name = "sigstoreSigned")]
    SigstoreSigned,
}

/// Arguments that do not go together, or a key file that is not there.
#[derive(Debug, thiserror::Error)]
enum SetError {
    #[error("the type `{0}` takes no key files")]
    UnwantedKeys(&'static str),
    #[error("cannot read the key file `{}`", path.display())]
    Key { path: PathBuf, source: std::io::Error },
}

pub fn run(_: &Globals, command: TrustCommand) -> Result<(), CommandError> {
    match command {
        TrustCommand::Show(args) => show(&args),
        TrustCommand::Set(args) => set(&args),
    }
}

fn show(args: &ShowArgs) -> Result<(), CommandError> {
    let paths = args.policypath.clone().map_or_else(policy_files, |path| vec![path]);
    // A file that was named must be there.
    let when_missing = if args.raw || args.policypath.is_some() { WhenMissing::Fail } else { WhenMissing::Accept };
    let policy = Policy::read(&paths, when_missing)?;
    let mut out = Output::new();
    if args.raw {
        out.text(read_raw(&policy)?)?;
        return out.finish();
    }
    let (mut rows, failures) = trust::rows(&policy, &lookaside(args.registrypath.clone())?, &gpg());
    failures.iter().for_each(|error| warn(format!("owner of a key: {}", with_causes(error))));
    if let Some(scope) = &args.scope {
        rows.retain(|row| row.repo_name == *scope);
    }
    match args.json {
        true => out.text(json_lines(&serde_json::to_value(&rows).expect("rows are plain text")))?,
        false => out.text(rendered(&rows, !args.noheading))?,
    }
    out.finish()
}

/// The text of the file that was read.
fn read_raw(policy: &Policy) -> Result<String, CommandError> {
    let Some(path) = policy.file() else { return Ok(String::new()) };
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| PolicyError::Read { path: path.clone(), source })?;
    Ok(if text.ends_with('\n') { text } else { text + "\n" })
}

fn rendered(rows: &[TrustRow], heading: bool) -> String {
    let cells = |row: &TrustRow| {
        // The table has the short name of the default.
        let name = if row.transport == "all" { &row.repo_name } else { &row.name };
        [&row.transport, name, &row.kind, &row.keys, &row.store].map(String::clone).to_vec()
    };
    let headings = ["TRANSPORT", "NAME", "TYPE", "ID", "STORE"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = heading.then_some(headings).into_iter().chain(rows.iter().map(cells)).collect();
    table::render(&rows)
}

fn set(args: &SetArgs) -> Result<(), CommandError> {
    let keys = args.pubkeysfile.iter().map(key_file).collect::<Result<Vec<_>, _>>().map_err(CommandError::invalid)?;
    let trust = match (args.kind, keys.is_empty()) {
        (TrustType::SignedBy, _) => Trust::SignedBy(keys),
        (TrustType::SigstoreSigned, _) => Trust::SigstoreSigned(keys),
        (TrustType::Accept, true) => Trust::Accept,
        (TrustType::Reject, true) => Trust::Reject,
        (TrustType::Accept, false) => return Err(CommandError::invalid(SetError::UnwantedKeys("accept"))),
        (TrustType::Reject, false) => return Err(CommandError::invalid(SetError::UnwantedKeys("reject"))),
    };
    Ok(trust::set(&file_to_change(args.policypath.clone()), &args.scope, &trust)?)
}

/// As it is to stand in the policy: absolute, and there.
fn key_file(path: &PathBuf) -> Result<PathBuf, SetError> {
    let failed = |source| SetError::Key { path: path.clone(), source };
    let absolute = std::path::absolute(path).map_err(failed)?;
    std::fs::File::open(&absolute).map_err(failed)?;
    Ok(absolute)
}

/// The policy that is read; where there is none, the machine's.
fn file_to_change(given: Option<PathBuf>) -> PathBuf {
    let files = given.map_or_else(policy_files, |path| vec![path]);
    let existing = files.iter().find(|path| path.exists()).or(files.last()).cloned();
    existing.expect("there is always the policy of the machine")
}

/// The policy of this machine for its user; without a file every image is accepted.
pub fn policy() -> Result<Policy, PolicyError> {
    Ok(Policy::read(&policy_files(), WhenMissing::Accept)?.with_gpg(gpg()))
}

/// Where a policy may be, the first that exists counting: the user's, the machine's.
pub fn policy_files() -> Vec<PathBuf> {
    let own = home().map(|home| home.join(".config/containers/policy.json"));
    own.into_iter().chain([PathBuf::from("/etc/containers/policy.json")]).collect()
}

/// registries.d: the directory given, or the user's, or the machine's.
pub fn lookaside(given: Option<PathBuf>) -> Result<Lookaside, LookasideError> {
    let own = home().map(|home| home.join(".config/containers/registries.d"));
    let usual = || own.into_iter().chain([PathBuf::from("/etc/containers/registries.d")]).collect();
    let directories = given.map_or_else(usual, |directory| vec![directory]);
    let fallback = match rustix::process::geteuid().is_root() {
        true => Some("/var/lib/containers/sigstore".into()),
        false => home().map(|home| home.join(".local/share/containers/sigstore")),
    };
    Lookaside::read(&directories, fallback)
}

/// gpg from `PATH`.
pub fn gpg() -> Gpg {
    Gpg { scratch: std::env::temp_dir(), ..Gpg::default() }
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

impl From<PolicyError> for CommandError {
    fn from(error: PolicyError) -> Self {
        let hint = error.hint();
        CommandError::engine(error).maybe_hint(hint)
    }
}

impl From<LookasideError> for CommandError {
    fn from(error: LookasideError) -> Self {
        CommandError::engine(error)
    }
}

impl From<TrustError> for CommandError {
    fn from(error: TrustError) -> Self {
        let hint = error.hint();
        let wrong_input = matches!(error, TrustError::NoKey(_) | TrustError::Scope(_) | TrustError::ShortName { .. });
        let error = if wrong_input { CommandError::invalid(error) } else { CommandError::engine(error) };
        error.maybe_hint(hint)
    }
}
