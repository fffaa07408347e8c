//! The command line: a file per sub-command with its arguments, one call of the engine, and rendering.
//!
//! Reading order: this file (the tree of commands), [`context`] (globals, the engine), [`error`] (exit codes), [`output`],
//! [`listing`], [`template`], [`table`], then the commands. Nothing below this module prints, exits or reads the environment.

pub mod boolean;
pub mod complete;
pub mod completion;
pub mod confirm;
pub mod container;
pub mod context;
pub mod debug;
pub mod df;
pub mod diff;
pub mod error;
pub mod events;
pub mod explain;
pub mod filter;
pub mod image;
pub mod info;
pub mod inspect;
pub mod kube;
pub mod listing;
pub mod login;
pub mod man;
pub mod manifest;
pub mod output;
pub mod place;
pub mod pod;
pub mod progress;
pub mod registry;
pub mod secret;
pub mod signal;
pub mod suggest;
pub mod system;
pub mod table;
pub mod template;
pub mod transfer;
pub mod units;
pub mod version;
pub mod volume;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use error::CommandError;
use std::ffi::OsString;
use std::process::ExitCode;

/// Run Kubernetes YAML as real pods on this machine, without a daemon
#[derive(Debug, Parser)]
#[command(name = "podkin", version, arg_required_else_help = true, max_term_width = 110,
          after_long_help = error::exit_code_help(), disable_help_subcommand = true,
          subcommand_help_heading = "Commands", propagate_version = false)]
pub struct Cli {
    #[command(flatten)]
    pub globals: context::Globals,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    Kube(kube::KubeArgs),
    Pod(pod::PodArgs),
    Ps(container::ps::PsArgs),
    Logs(container::logs::LogsArgs),
    Exec(container::exec::ExecArgs),
    Attach(container::attach::AttachArgs),
    Debug(debug::DebugArgs),
    Inspect(inspect::InspectArgs),
    Diff(diff::DiffArgs),
    Export(container::export::ExportArgs),
    Start(container::start::StartArgs),
    Stop(container::stop::StopArgs),
    Restart(container::restart::RestartArgs),
    Kill(container::kill::KillArgs),
    Rm(container::rm::RmArgs),
    Wait(container::wait::WaitArgs),
    Container(container::ContainerArgs),
    Images(image::ls::LsArgs),
    Image(image::ImageArgs),
    History(image::history::HistoryArgs),
    Pull(image::pull::PullArgs),
    Push(image::push::PushArgs),
    Login(login::LoginArgs),
    Logout(login::LogoutArgs),
    Search(image::search::SearchArgs),
    Save(image::save::SaveArgs),
    Load(image::load::LoadArgs),
    Import(image::import::ImportArgs),
    Tag(image::tag::TagArgs),
    Untag(image::untag::UntagArgs),
    Rmi(image::rm::RmArgs),
    Manifest(manifest::ManifestArgs),
    Volume(volume::VolumeArgs),
    Events(events::EventsArgs),
    Info(info::InfoArgs),
    Version(version::VersionArgs),
    System(system::SystemArgs),
    Completion(completion::CompletionArgs),
    Explain(explain::ExplainArgs),
    #[command(hide = true)]
    Play(kube::PlayAlias),
    #[command(hide = true)]
    Generate(kube::GenerateAlias),
    #[command(hide = true)]
    Man(man::ManArgs),
}

/// The tree of commands, for completion, manual pages and tests.
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    // Sub-commands know their arguments only once they are used, which keeps the start of the program short.
    command.build();
    command
}

/// Runs one command line; `args` begins with the program's name.
pub fn main(args: Vec<OsString>) -> ExitCode {
    clap_complete::CompleteEnv::with_factory(command).var(completion::VARIABLE).bin("podkin").complete();
    let parsed = match Cli::try_parse_from(&args) {
        // A value for a switch, perhaps.
        Err(error) if error.kind() == ErrorKind::TooManyValues => {
            Cli::try_parse_from(boolean::normalise(args, command))
        }
        // What is said of sub-commands is known once they are built.
        Err(error) if lists_commands(error.kind()) => command().try_get_matches_from(&args).and(Err(error)),
        parsed => parsed,
    };
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    cli.globals.start_logging();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = error.render(output::Style::stderr());
            if !text.is_empty() {
                output::notice(text.trim_end());
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Whether an error shows sub-commands.
fn lists_commands(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::InvalidSubcommand
    )
}

/// Help and version go to standard output and are no failure; what cannot be understood is invalid input.
fn usage(error: &clap::Error) -> ExitCode {
    // A reader that went away is no failure either.
    let _ = error.print();
    if error.use_stderr() { error::Exit::InvalidInput.into() } else { ExitCode::SUCCESS }
}

fn run(cli: Cli) -> Result<(), CommandError> {
    let globals = &cli.globals;
    match cli.command {
        Command::Kube(args) => kube::run(globals, args.command),
        Command::Pod(args) => pod::run(globals, args.command),
        Command::Ps(args) => container::ps::run(globals, &args),
        Command::Logs(args) => container::logs::run(globals, &args),
        Command::Exec(args) => container::exec::run(globals, args),
        Command::Attach(args) => container::attach::run(globals, &args),
        Command::Debug(args) => debug::run(globals, &args),
        Command::Inspect(args) => inspect::run(globals, &args),
        Command::Diff(args) => diff::run(globals, &args, crate::engine::DiffKind::Any),
        Command::Export(args) => container::export::run(globals, &args),
        Command::Start(args) => container::start::run(globals, &args),
        Command::Stop(args) => container::stop::run(globals, &args),
        Command::Restart(args) => container::restart::run(globals, &args),
        Command::Kill(args) => container::kill::run(globals, &args),
        Command::Rm(args) => container::rm::run(globals, &args),
        Command::Wait(args) => container::wait::run(globals, &args),
        Command::Container(args) => container::run(globals, args.command),
        Command::Images(args) => image::ls::run(globals, &args),
        Command::Image(args) => image::run(globals, args.command),
        Command::History(args) => image::history::run(globals, &args),
        Command::Pull(args) => image::pull::run(globals, &args),
        Command::Push(args) => image::push::run(globals, &args),
        Command::Login(args) => login::run(globals, &args),
        Command::Logout(args) => login::run_logout(globals, &args),
        Command::Search(args) => image::search::run(globals, &args),
        Command::Save(args) => image::save::run(globals, &args),
        Command::Load(args) => image::load::run(globals, &args),
        Command::Import(args) => image::import::run(globals, &args),
        Command::Tag(args) => image::tag::run(globals, &args),
        Command::Untag(args) => image::untag::run(globals, &args),
        Command::Rmi(args) => image::rm::run(globals, &args),
        Command::Manifest(args) => manifest::run(globals, args.command),
        Command::Volume(args) => volume::run(globals, args.command),
        Command::Events(args) => events::run(globals, &args),
        Command::Info(args) => info::run(globals, &args),
        Command::Version(args) => version::run(&args),
        Command::System(args) => system::run(globals, &args),
        Command::Completion(args) => completion::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Play(kube::PlayAlias { command: kube::PlayAliasCommand::Kube(args) }) => {
            kube::play::run(globals, &args)
        }
        Command::Generate(kube::GenerateAlias { command: kube::GenerateAliasCommand::Kube(args) }) => {
            kube::generate::run(globals, &args)
        }
        Command::Man(args) => man::run(&args, command()),
    }
}
