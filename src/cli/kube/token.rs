//! `kube create token`, `kube token-keys`: tokens of service accounts, and what checks them.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use super::super::output::Output;
use super::super::units::parse_span;
use crate::engine::TokenRequest;
use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;
use std::time::Duration;

/// Create what pods use and files do not describe
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct CreateArgs {
    #[command(subcommand)]
    pub command: CreateCommand,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum CreateCommand {
    Token(TokenArgs),
}

/// Print a token of a service account
///
/// It is what a pod gets in a volume with `serviceAccountToken`, or with `automountServiceAccountToken: true`: signed by a key of this
/// machine, which no cluster knows. `podkin kube token-keys` prints what programs need to check it.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Service account of a pod or of a file that was played, or `default`
    #[arg(value_name = "ACCOUNT")]
    pub account: String,
    /// Namespace of the account
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    pub namespace: String,
    /// Whom the token is for [default: the issuer]; may be given several times
    #[arg(long = "audience", value_name = "NAME")]
    pub audiences: Vec<String>,
    /// Life of the token, from 10m [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = life)]
    pub duration: Option<Duration>,
    /// What the token names as its holder: only a pod
    #[arg(long, value_name = "KIND", value_parser = ["Pod"], requires = "bound_object_name")]
    pub bound_object_kind: Option<String>,
    /// Name of the holder
    #[arg(long, value_name = "POD", requires = "bound_object_kind", add = ArgValueCompleter::new(complete::pods))]
    pub bound_object_name: Option<String>,
}

/// Print the public key that checks tokens of service accounts
///
/// A JSON Web Key Set, as an API server offers it at `/openid/v1/jwks`. The key is made at its first use and stays the same until
/// `podkin system reset`.
#[derive(Debug, Args)]
pub struct TokenKeysArgs {
    /// Print the OpenID configuration instead
    #[arg(long)]
    pub discovery: bool,
}

fn life(text: &str) -> Result<Duration, String> {
    let span = parse_span(text).and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "give a time such as 10m, 1h or 3600s".to_owned())
}

pub fn create(globals: &Globals, args: &CreateArgs) -> Result<(), CommandError> {
    let CreateCommand::Token(args) = &args.command;
    let request = TokenRequest {
        account: args.account.clone(),
        namespace: args.namespace.clone(),
        audiences: args.audiences.clone(),
        lifetime: args.duration,
        pod: args.bound_object_name.clone(),
    };
    let mut engine = globals.engine()?;
    let token = engine.create_token(&request).map_err(|error| explain(&mut engine, error))?;
    let mut out = Output::new();
    out.line(token)?;
    out.finish()
}

pub fn keys(globals: &Globals, args: &TokenKeysArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let keys = engine.token_keys().map_err(|error| explain(&mut engine, error))?;
    let document = if args.discovery { keys.configuration } else { keys.key_set };
    let mut out = Output::new();
    out.line(format!("{document:#}"))?;
    out.finish()
}
