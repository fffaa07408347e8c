//! `kube events`: what happened to pods, as `kubectl events` shows it.

use super::choice::ChoiceArgs;
use super::get_output::{Form, TableOptions};
use super::resources;
use crate::cli::complete;
use crate::cli::context::{Globals, explain};
use crate::cli::error::CommandError;
use crate::cli::output::{Output, notice};
use crate::cli::table::Table;
use crate::engine::Engine;
use crate::generate::events::Event;
use crate::generate::object::Resource;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use jiff::Timestamp;

/// Show what happened to pods in the last hour, as kubectl does
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only of this pod
    #[arg(long = "for", value_name = "pod/NAME", add = ArgValueCompleter::new(complete::kube_objects))]
    pub of: Option<String>,
    /// Only of these types: Normal, Warning
    #[arg(long, value_delimiter = ',', ignore_case = true, value_parser = ["Normal", "Warning"], value_name = "TYPE")]
    pub types: Vec<String>,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// yaml, json, name, jsonpath=TEMPLATE, go-template=TEMPLATE, custom-columns=HEADER:PATH,...
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<String>,
    /// Print no headers
    #[arg(long)]
    pub no_headers: bool,
    /// Go on showing what happens
    #[arg(short, long)]
    pub watch: bool,
}

#[derive(Debug, thiserror::Error)]
enum EventsError {
    #[error("`{0}` is no `pod/NAME`: things happen to pods")]
    For(String),
    #[error("cannot read the events")]
    Read(#[source] std::io::Error),
}

pub fn run(globals: &Globals, args: &EventsArgs) -> Result<(), CommandError> {
    let view = View::new(args)?;
    let mut engine = globals.engine()?;
    if let Some(pod) = &view.pod {
        engine.pod(pod).map_err(|error| explain(&mut engine, error))?;
    }
    let mut shown: Vec<Event> = Vec::new();
    let mut log = engine.events()?;
    let mut table = Table::kubectl();
    loop {
        let events: Vec<_> = view.events(&engine)?.into_iter().filter(|event| !shown.contains(event)).collect();
        view.print(&events, &mut table, shown.is_empty())?;
        if !args.watch {
            if events.is_empty() && view.form.has_rows() {
                notice("No events found");
            }
            return Ok(());
        }
        shown.extend(events);
        while log.next_batch().map_err(failed)?.is_empty() {
            log.wait(None).map_err(failed)?;
        }
    }
}

fn failed(error: std::io::Error) -> CommandError {
    CommandError::engine(EventsError::Read(error))
}

/// Which events are shown, and how.
struct View<'a> {
    args: &'a EventsArgs,
    choice: super::choice::Choice,
    form: Form,
    pod: Option<String>,
}

impl<'a> View<'a> {
    fn new(args: &'a EventsArgs) -> Result<Self, CommandError> {
        let pod = match &args.of {
            Some(text) => Some(pod(text).ok_or_else(|| CommandError::invalid(EventsError::For(text.clone())))?),
            None => None,
        };
        Ok(Self { args, choice: args.choice.parse()?, form: Form::parse(args.output.as_deref())?, pod })
    }

    fn events(&self, engine: &Engine) -> Result<Vec<Event>, CommandError> {
        let now = Timestamp::now();
        let mut events = engine.recent_events(now)?;
        events.retain(|event| {
            self.pod.as_ref().is_none_or(|pod| *pod == event.pod)
                && (self.args.types.is_empty() || self.args.types.iter().any(|t| t.eq_ignore_ascii_case(&event.kind)))
                && self.choice.matches(&event.object(now))
        });
        Ok(events)
    }

    fn print(&self, events: &[Event], table: &mut Table, first: bool) -> Result<(), CommandError> {
        let now = Timestamp::now();
        let objects: Vec<_> = events.iter().map(|event| event.object(now)).collect();
        let no_headers = self.args.no_headers || !first;
        let mut out = Output::new();
        match &self.form {
            Form::Table { .. } => out.text(table.render(&self.rows(events, now, no_headers)))?,
            form if form.has_rows() => {
                let options = TableOptions { no_headers, ..TableOptions::default() };
                out.text(table.render(&form.rows(&objects, options)?))?;
            }
            form => out.text(form.document(&objects, true)?)?,
        }
        out.finish()
    }

    fn rows(&self, events: &[Event], now: Timestamp, no_headers: bool) -> Vec<Vec<String>> {
        const HEADERS: [&str; 6] = ["NAMESPACE", "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
        let from = usize::from(!self.args.choice.all_namespaces);
        let headers = (!no_headers && !events.is_empty()).then(|| HEADERS.map(str::to_owned));
        let rows = events.iter().map(|event| {
            let Event { namespace, kind, reason, pod, message, .. } = event;
            [namespace, &event.seen(now), kind, reason, &format!("Pod/{pod}"), message].map(Clone::clone)
        });
        headers.into_iter().chain(rows).map(|row| row[from..].to_vec()).collect()
    }
}

/// The name in `pod/NAME`.
fn pod(text: &str) -> Option<String> {
    let wanted = resources::parse(&[text.to_owned()]).ok()?;
    match wanted.as_slice() {
        [one] if one.resource == Resource::Pod => one.names.first().cloned(),
        _ => None,
    }
}
