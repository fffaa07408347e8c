//! Global options, and what every command needs: the state directories and the engine.

use super::error::{CommandError, Exit};
use super::suggest;
use crate::engine::{self, Engine, EngineConfig, EngineError, ErrorKind, Outcome};
use crate::image::remote::RegistrySettings;
use crate::runtime::cdi::DIRECTORIES;
use crate::store::layout::Layout;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Directory of lasting state [env: PODKIN_ROOT] [default: /var/lib/podkin]
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// Directory of state that a reboot may take [env: PODKIN_RUNROOT] [default: /run/podkin]
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub runroot: Option<PathBuf>,
    /// Least severe messages to log on standard error; releases have no trace [env: PODKIN_LOG]
    #[arg(long, global = true, value_enum, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// Who makes cgroups: cgroupfs; systemd is refused
    #[arg(long, global = true, value_enum, value_name = "MANAGER", default_value_t = CgroupManager::Cgroupfs)]
    pub cgroup_manager: CgroupManager,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    #[value(alias = "warning")]
    Warn,
    #[value(aliases = ["fatal", "panic"])]
    Error,
}

impl LogLevel {
    fn as_str(self) -> &'static str {
        match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CgroupManager {
    #[default]
    Cgroupfs,
    Systemd,
}

/// A state directory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot make `{}` absolute", path.display())]
struct PathError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// `--cgroup-manager systemd`.
#[derive(Debug, thiserror::Error)]
#[error("cgroups cannot be made by systemd")]
struct SystemdError;

/// The path of this program is unknown, and supervisors cannot be started without.
#[derive(Debug, thiserror::Error)]
#[error("cannot find the path of this program")]
struct BinaryError(#[source] std::io::Error);

impl Globals {
    /// The state directories: option, then environment, then the default.
    pub fn layout(&self) -> Result<Layout, CommandError> {
        let root = absolute(self.root.clone(), "PODKIN_ROOT", "/var/lib/podkin")?;
        let run = absolute(self.runroot.clone(), "PODKIN_RUNROOT", "/run/podkin")?;
        Ok(Layout::new(root, run))
    }

    /// Opens the state, making it when there is none.
    pub fn engine(&self) -> Result<Engine, CommandError> {
        self.engine_with(super::registry::of_user())
    }

    /// [`Globals::engine`], with options about registries.
    pub fn engine_with(&self, registries: RegistrySettings) -> Result<Engine, CommandError> {
        self.engine_asking(registries, &[])
    }

    /// [`Globals::engine_with`], while registries are asked already for images that will be pulled whether they are here or not.
    pub fn engine_asking(&self, registries: RegistrySettings, images: &[&str]) -> Result<Engine, CommandError> {
        let binary = std::env::current_exe().map_err(|source| CommandError::engine(BinaryError(source)))?;
        let config = EngineConfig {
            layout: self.layout()?,
            cgroup_manager: match self.cgroup_manager {
                CgroupManager::Cgroupfs => engine::CgroupManager::Cgroupfs,
                CgroupManager::Systemd => {
                    let hint = "leave the option out: cgroups are made directly, which works beside systemd too";
                    return Err(CommandError::invalid(SystemdError).maybe_hint(Some(hint.to_owned())));
                }
            },
            binary,
            registries,
            cdi_directories: cdi_directories(),
            program_directories: program_directories(),
            log_level: self.level().map(|level| level.as_str().to_owned()),
        };
        let user = rustix::process::geteuid();
        let hint = (!user.is_root()).then(|| "podkin needs root: try `sudo podkin`".to_owned());
        let mut engine = Engine::open_asking(config, images)
            .map_err(|error| CommandError::from(EngineError::from(error)).maybe_hint(hint))?;
        engine.when_waiting(|what| super::output::notice(what));
        Ok(engine)
    }

    /// The level asked for by the option or the environment.
    fn level(&self) -> Option<LogLevel> {
        self.log_level.or_else(|| LogLevel::from_str(&std::env::var("PODKIN_LOG").ok()?, true).ok())
    }

    /// Sets up logging, when it was asked for.
    pub fn start_logging(&self) {
        let Some(level) = self.level() else { return };
        let level = match level {
            LogLevel::Trace => tracing::Level::TRACE,
            LogLevel::Debug => tracing::Level::DEBUG,
            LogLevel::Info => tracing::Level::INFO,
            LogLevel::Warn => tracing::Level::WARN,
            LogLevel::Error => tracing::Level::ERROR,
        };
        let colour = super::output::Style::stderr().is_coloured();
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(colour).init();
    }
}

/// `PODKIN_CDI_SPEC_DIRS`, separated by `:`, instead of the usual places.
fn cdi_directories() -> Vec<PathBuf> {
    match std::env::var_os("PODKIN_CDI_SPEC_DIRS").filter(|value| !value.is_empty()) {
        Some(given) => std::env::split_paths(&given).collect(),
        None => DIRECTORIES.map(PathBuf::from).to_vec(),
    }
}

/// `PATH`, and where root has programs that not everybody's has.
fn program_directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|p| p.is_absolute()).chain(["/usr/sbin", "/sbin"].map(PathBuf::from)).collect()
}

fn absolute(given: Option<PathBuf>, variable: &str, default: &str) -> Result<PathBuf, CommandError> {
    let from_environment = || std::env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
    let path = given.or_else(from_environment).unwrap_or_else(|| Path::new(default).to_owned());
    std::path::absolute(&path).map_err(|source| CommandError::engine(PathError { path, source }))
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> Self {
        let hint = error.hint();
        if let EngineError::Several { failures } = error {
            return CommandError::each(failures.into_iter().map(Into::into).collect());
        }
        CommandError::new(exit(error.kind()), error).maybe_hint(hint)
    }
}

/// The exit code of each kind of failure.
fn exit(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Input => Exit::InvalidInput,
        ErrorKind::NotInvocable => Exit::NotInvocable,
        ErrorKind::CommandNotFound => Exit::NotFound,
        ErrorKind::Interrupted => Exit::Program(128 + crate::sys::signal::first().unwrap_or(libc::SIGINT) as u8),
        ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Failed => Exit::Engine,
    }
}

/// Signals cannot be caught.
#[derive(Debug, thiserror::Error)]
#[error("cannot wait for signals")]
struct SignalError(#[source] std::io::Error);

/// From now on the first Ctrl-C or SIGTERM makes the engine stop and take back what it made; the second ends the process.
pub fn interruptible(engine: &mut Engine) -> Result<(), CommandError> {
    let signals = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
    crate::sys::signal::remember_first(&signals).map_err(|error| CommandError::engine(SignalError(error)))?;
    engine.interrupt_when(|| crate::sys::signal::first().is_some());
    Ok(())
}

/// A failure of the engine; for a name that does not exist, with the one that was probably meant.
pub fn explain(engine: &mut Engine, error: EngineError) -> CommandError {
    let meant = match &error {
        EngineError::NotFound { what, name } => similar(engine, what, name),
        _ => None,
    };
    CommandError::from(error).maybe_hint(meant.map(|name| format!("did you mean `{name}`?")))
}

fn similar(engine: &mut Engine, what: &str, name: &str) -> Option<String> {
    let names: Vec<String> = match what {
        "pod" => engine.pods().ok()?.iter().map(|pod| pod.name().to_owned()).collect(),
        "container" => engine.containers().ok()?.iter().map(|container| container.name().to_owned()).collect(),
        "volume" => engine.volumes().ok()?.into_iter().map(|volume| volume.name).collect(),
        _ => return None,
    };
    suggest::closest(name, names.iter().map(String::as_str)).map(str::to_owned)
}

/// Prints what succeeded, one a line as `shown` has it, and returns every failure.
pub fn report(
    engine: &mut Engine,
    outcomes: Vec<Outcome>,
    shown: impl Fn(&Outcome) -> &str,
) -> Result<(), CommandError> {
    let mut out = super::output::Output::new();
    let mut failures = Vec::new();
    for outcome in outcomes {
        match &outcome.result {
            Ok(()) => out.line(shown(&outcome))?,
            Err(_) => failures.extend(outcome.result.err()),
        }
    }
    out.finish()?;
    match failures.len() {
        0 => Ok(()),
        1 => Err(explain(engine, failures.remove(0))),
        _ => Err(CommandError::each(failures.into_iter().map(Into::into).collect())),
    }
}

/// What the user gave: what podman prints for containers.
pub fn as_given(outcome: &Outcome) -> &str {
    &outcome.given
}

/// The id: what podman prints for pods.
pub fn by_id(outcome: &Outcome) -> &str {
    outcome.id.as_deref().unwrap_or(&outcome.given)
}
