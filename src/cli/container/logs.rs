//! `logs`.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::{CommandError, Exit};
use super::super::listing::short_id;
use super::super::output::Style;
use super::super::units::parse_time;
use super::log_view::{Source, show};
use crate::engine::{ContainerView, Engine};
use crate::store::layout::Layout;
use crate::store::lock;
use crate::supervisor::{client, logs};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Show what containers wrote
#[derive(Debug, Args)]
pub struct LogsArgs {
    #[arg(value_name = "CONTAINER", required_unless_present = "latest", add = ArgValueCompleter::new(complete::containers))]
    pub names: Vec<String>,
    /// The container that was made last
    #[arg(short, long, conflicts_with = "names")]
    pub latest: bool,
    #[command(flatten)]
    pub show: ShowArgs,
}

/// What of the logs is shown, and how; shared with `pod logs`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Go on until the containers have ended
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last N lines; -1 is all
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true, hide_default_value = true)]
    pub tail: i64,
    /// Only since then: RFC 3339, seconds since 1970, or a span such as 10m
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only until then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Show when each line was written
    #[arg(short, long)]
    pub timestamps: bool,
    /// Put the container's name before each line
    #[arg(id = "show_names", short = 'n', long = "names")]
    pub names: bool,
    /// Colour the prefix of each container
    #[arg(long)]
    pub color: bool,
}

pub fn run(globals: &Globals, args: &LogsArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let names = super::select(&mut engine, &args.names, false, args.latest, |_| true)?;
    let found: Result<Vec<_>, _> = names.iter().map(|name| engine.container(name)).collect();
    let containers = found.map_err(|error| explain(&mut engine, error))?;
    let several = containers.len() > 1;
    let label = |container: &ContainerView| match (args.show.names, several) {
        (true, _) => Some(container.name().to_owned()),
        (false, true) => Some(short_id(container.id()).to_owned()),
        (false, false) => None,
    };
    show_containers(&engine, &containers, &args.show, label)
}

/// Shows the logs of these containers; `label` gives what stands before the lines of each.
pub fn show_containers(
    engine: &Engine,
    containers: &[ContainerView],
    args: &ShowArgs,
    label: impl Fn(&ContainerView) -> Option<String>,
) -> Result<(), CommandError> {
    let options = args.options()?;
    let style = if args.color { Style::coloured() } else { Style::stdout() };
    if options.follow {
        ensure_supervisors(engine, containers)?;
    }
    let open = |container: &ContainerView| {
        let reader = logs::open(engine.layout(), container.pod.id(), container.id(), options)?;
        Ok(Source::new(reader, label(container).as_deref(), style))
    };
    let sources: Result<Vec<_>, logs::LogError> = containers.iter().map(open).collect();
    let look_after = || if options.follow { ensure_supervisors(engine, containers) } else { Ok(()) };
    show(sources.map_err(CommandError::engine)?, args.timestamps, &look_after)
}

/// Sees to it that somebody moves what running containers write to their logs.
fn ensure_supervisors(engine: &Engine, containers: &[ContainerView]) -> Result<(), CommandError> {
    let mut apps: Vec<&str> = containers.iter().filter(|c| c.pod.is_running()).map(|c| c.pod.app.id.as_str()).collect();
    apps.sort_unstable();
    apps.dedup();
    apps.into_iter().try_for_each(|app| ensure_supervisor(engine.layout(), app))
}

/// Sees to it that the application has a supervisor.
pub fn ensure_supervisor(layout: &Layout, app: &str) -> Result<(), CommandError> {
    if lock::is_held(&layout.supervisor_lock(app)) {
        return Ok(());
    }
    client::ensure(layout, app, &client::Launch::default()).map(drop).map_err(CommandError::engine)
}

impl ShowArgs {
    fn options(&self) -> Result<logs::Options, CommandError> {
        let now = jiff::Timestamp::now();
        let time = |text: &Option<String>| match text {
            Some(text) => parse_time(text, now).map(Some).map_err(CommandError::invalid),
            None => Ok(None),
        };
        Ok(logs::Options {
            run: None,
            since: time(&self.since)?,
            until: time(&self.until)?,
            tail: usize::try_from(self.tail).ok(),
            follow: self.follow,
        })
    }
}

/// Shows what containers write until they end; with one container, ends as it ended.
pub fn attach(engine: &mut Engine, names: &[String]) -> Result<(), CommandError> {
    let found: Result<Vec<_>, _> = names.iter().map(|name| engine.container(name)).collect();
    let containers = found.map_err(|error| explain(engine, error))?;
    let since = containers.iter().filter_map(ContainerView::started_at).min();
    let options = logs::Options { since, follow: true, ..logs::Options::default() };
    let label = |container: &ContainerView| (containers.len() > 1).then(|| container.name().to_owned());
    let open = |container: &ContainerView| {
        let reader = logs::open(engine.layout(), container.pod.id(), container.id(), options)?;
        Ok(Source::new(reader, label(container).as_deref(), Style::stdout()))
    };
    let sources: Result<Vec<_>, logs::LogError> = containers.iter().map(open).collect();
    show(sources.map_err(CommandError::engine)?, false, &|| ensure_supervisors(engine, &containers))?;
    let [one] = containers.as_slice() else { return Ok(()) };
    let ended = engine.ended_container(one.id()).map_err(|error| explain(engine, error))?;
    match ended.exit_code() {
        Some(0) | None => Ok(()),
        Some(code) => Err(CommandError::silent(Exit::Program(code as u8))),
    }
}
