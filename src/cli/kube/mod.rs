//! `kube play`, `kube down`, `kube generate`, `kube explain`, `kube create token`, `kube token-keys`.

pub mod down;
pub mod explain;
pub mod generate;
pub mod input;
pub mod options;
pub mod play;
pub mod token;

use super::context::Globals;
use super::error::CommandError;
use clap::{Args, Subcommand};

/// Play Kubernetes YAML, take it down, give it back, explain its fields
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct KubeArgs {
    #[command(subcommand)]
    pub command: KubeCommand,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum KubeCommand {
    Play(Box<play::PlayArgs>),
    Down(down::DownArgs),
    Generate(generate::GenerateArgs),
    Explain(explain::ExplainArgs),
    Create(token::CreateArgs),
    TokenKeys(token::TokenKeysArgs),
}

/// The older spelling `play kube`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct PlayAlias {
    #[command(subcommand)]
    pub command: PlayAliasCommand,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum PlayAliasCommand {
    Kube(Box<play::PlayArgs>),
}

/// The older spelling `generate kube`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct GenerateAlias {
    #[command(subcommand)]
    pub command: GenerateAliasCommand,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum GenerateAliasCommand {
    Kube(generate::GenerateArgs),
}

pub fn run(globals: &Globals, command: KubeCommand) -> Result<(), CommandError> {
    match command {
        KubeCommand::Play(args) => play::run(globals, &args),
        KubeCommand::Down(args) => down::run(globals, &args),
        KubeCommand::Generate(args) => generate::run(globals, &args),
        KubeCommand::Explain(args) => explain::run(&args),
        KubeCommand::Create(args) => token::create(globals, &args),
        KubeCommand::TokenKeys(args) => token::keys(globals, &args),
    }
}
