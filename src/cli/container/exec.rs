//! `exec`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use std::path::PathBuf;

/// Run a program in a running container
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Do not wait for the program
    #[arg(short, long)]
    pub detach: bool,
    /// Set a variable; a name alone takes its value from here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_delimiter = ',', value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// User and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// All capabilities
    #[arg(long)]
    pub privileged: bool,
    /// Keys that end the session and leave the program running
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    pub detach_keys: String,
    /// The container that was made last
    #[arg(short, long)]
    pub latest: bool,
    #[arg(long, hide = true, value_name = "N", default_value_t = 0)]
    pub preserve_fds: u32,
    /// Container, then the program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CONTAINER COMMAND",
          add = ArgValueCompleter::new(complete::containers))]
    pub command: Vec<String>,
}

pub fn run(_globals: &Globals, _args: ExecArgs) -> Result<(), CommandError> {
    Err(CommandError::engine("not available yet"))
}
