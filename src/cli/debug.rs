//! `debug`.

use super::complete;
use super::container::attach::{self, SessionArgs};
use super::context::{Globals, explain};
use super::error::CommandError;
use super::image::pull::Policy;
use super::output::{Output, notice};
use super::transfer::TransferArgs;
use crate::engine::DebugRequest;
use crate::model::{Container, EnvValue, EnvVar};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Add a container to a running pod, to look into it
///
/// It has the pod's network and what else containers of the pod share, is never started again, and goes with the pod.
#[derive(Debug, Args)]
pub struct DebugArgs {
    #[arg(value_name = "POD", add = ArgValueCompleter::new(complete::pods))]
    pub pod: String,
    /// Image of the container
    #[arg(long, value_name = "IMAGE")]
    pub image: String,
    /// When to ask the registry for the image
    #[arg(long, value_enum, default_value_t = Policy::Missing, value_name = "POLICY", alias = "image-pull-policy")]
    pub pull: Policy,
    /// Name of the container
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// Container of the pod whose processes it sees
    #[arg(long, value_name = "CONTAINER")]
    pub target: Option<String>,
    /// Set a variable
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Keep its standard input open, and join it
    #[arg(short = 'i', long = "stdin", visible_alias = "interactive")]
    pub stdin: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Join its output, which -i does, too
    #[arg(long)]
    pub attach: bool,
    /// All capabilities and devices
    #[arg(long)]
    pub privileged: bool,
    #[command(flatten)]
    pub session: SessionArgs,
    #[command(flatten)]
    pub transfer: TransferArgs,
    /// What to run instead of the image's command
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// What cannot be made of the arguments.
#[derive(Debug, thiserror::Error)]
enum DebugError {
    #[error("`{0}` is no variable: it must be NAME=VALUE")]
    Variable(String),
    #[error("`{0}` is no name of a container: use lower case letters, digits and dashes")]
    Name(String),
}

pub fn run(globals: &Globals, args: &DebugArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine_with(args.transfer.settings()?)?;
    let container = container(args)?;
    if args.container.is_none() && !args.transfer.progress.quiet {
        notice(format!("the container is called `{}`", container.name));
    }
    let request =
        DebugRequest { pod: args.pod.clone(), container, target: args.target.clone(), pull: args.pull.into() };
    let mut view = args.transfer.progress.view("pulling");
    let added = engine.debug(request, &mut |event| view.show(event));
    view.finish();
    let id = added.map_err(|error| explain(&mut engine, error))?;
    if !args.attach && !args.stdin {
        let mut out = Output::new();
        out.line(&id)?;
        return out.finish();
    }
    attach::join_from_its_start(globals, engine, &id, &args.session)
}

fn container(args: &DebugArgs) -> Result<Container, CommandError> {
    let name = match &args.container {
        Some(name) => name.clone(),
        None => format!("debugger-{}", crate::engine::random_id(6).map_err(CommandError::engine)?),
    };
    if crate::model::kube::is_container_name(&name) {
        let variable = |text: &String| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(EnvVar { name: name.to_owned(), value: EnvValue::Literal(value.to_owned()) })
            }
            _ => Err(CommandError::invalid(DebugError::Variable(text.clone()))),
        };
        let mut container = Container {
            name,
            image: args.image.clone(),
            command: args.command.clone(),
            env: args.env.iter().map(variable).collect::<Result<_, _>>()?,
            stdin: args.stdin,
            // The end of what is piped in is the end of what the container reads; a terminal has a key for that.
            stdin_once: args.stdin && !args.tty,
            tty: args.tty,
            ..Container::default()
        };
        container.security.privileged = args.privileged;
        return Ok(container);
    }
    Err(CommandError::invalid(DebugError::Name(name)))
}
