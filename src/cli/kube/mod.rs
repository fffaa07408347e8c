//! `kube play`, `kube down`, `kube generate`; what kubectl has for looking at objects: `kube get`, `kube describe`, `kube events`,
//! `kube wait`; `kube set-condition`, `kube explain`, `kube create token`, `kube token-keys`.

pub mod choice;
pub mod describe;
pub mod down;
pub mod events;
pub mod explain;
pub mod fields;
pub mod generate;
pub mod get;
pub mod get_output;
pub mod input;
pub mod jsonpath;
pub mod options;
pub mod play;
pub mod resources;
pub mod selector;
pub mod set_condition;
pub mod sort;
pub mod token;
pub mod wait;

use super::context::Globals;
use super::error::CommandError;
use clap::{Args, Subcommand};

/// Play Kubernetes YAML, take it down, look at what became of it, explain its fields
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
    Get(get::GetArgs),
    Describe(describe::DescribeArgs),
    Events(events::EventsArgs),
    Wait(wait::WaitArgs),
    SetCondition(set_condition::SetConditionArgs),
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
        KubeCommand::Get(args) => get::run(globals, &args),
        KubeCommand::Describe(args) => describe::run(globals, &args),
        KubeCommand::Events(args) => events::run(globals, &args),
        KubeCommand::Wait(args) => wait::run(globals, &args),
        KubeCommand::SetCondition(args) => set_condition::run(globals, &args),
        KubeCommand::Explain(args) => explain::run(&args),
        KubeCommand::Create(args) => token::create(globals, &args),
        KubeCommand::TokenKeys(args) => token::keys(globals, &args),
    }
}
