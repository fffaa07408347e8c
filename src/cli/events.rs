//! `events`.

use super::context::Globals;
use super::error::CommandError;
use super::filter::{Filters, id_matches};
use super::listing::{is_json, row, short_id};
use super::output::Output;
use super::template::{Headers, Row, Template};
use super::units::parse_time;
use crate::store::events::{KUBE, LoggedEvent, Reader};
use clap::Args;
use std::time::Duration;

/// Show what happened, and go on showing what happens
///
/// Filters: container, event, image, label, pod, type, volume.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only what matches, as KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// Print `json`, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Only since then: RFC 3339, seconds since 1970, or a span such as 10m
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only until then; ends when that time has come
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Do not shorten ids
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", action = clap::ArgAction::Set, hide = true)]
    pub no_trunc: bool,
    /// Go on showing what happens; `--stream=false` ends with what has happened
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", action = clap::ArgAction::Set, hide_possible_values = true)]
    pub stream: bool,
}

const FILTERS: [&str; 7] = ["container", "event", "image", "label", "pod", "type", "volume"];

/// The event log cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the events")]
struct ReadError(#[source] std::io::Error);

pub fn run(globals: &Globals, args: &EventsArgs) -> Result<(), CommandError> {
    let view = View::new(args)?;
    let mut log = Reader::open(&globals.layout()?).map_err(failed)?;
    if view.since.is_none() && view.until.is_none() && args.stream {
        log.skip_to_end().map_err(failed)?;
    }
    let mut out = Output::new();
    loop {
        let events = log.next_batch().map_err(failed)?;
        for event in events.iter().filter(|event| view.shows(event)) {
            out.text(view.render(event)?)?;
        }
        out.flush()?;
        let over = view.until.is_some_and(|until| until <= jiff::Timestamp::now());
        if over || !args.stream {
            return out.finish();
        }
        if events.is_empty() {
            let left = view.until.map(|until| until.duration_since(jiff::Timestamp::now()));
            log.wait(left.map(|left| Duration::try_from(left).unwrap_or_default())).map_err(failed)?;
        }
    }
}

fn failed(error: std::io::Error) -> CommandError {
    CommandError::engine(ReadError(error))
}

/// Which events are shown, and how.
struct View {
    filters: Filters,
    since: Option<jiff::Timestamp>,
    until: Option<jiff::Timestamp>,
    json: bool,
    template: Option<Template>,
    no_trunc: bool,
}

impl View {
    fn new(args: &EventsArgs) -> Result<Self, CommandError> {
        let now = jiff::Timestamp::now();
        let time = |text: &Option<String>| match text {
            Some(text) => parse_time(text, now).map(Some).map_err(CommandError::invalid),
            None => Ok(None),
        };
        let json = args.format.as_deref().is_some_and(is_json);
        let template = match args.format.as_deref() {
            Some(format) if !json => Some(Template::parse(format)?),
            _ => None,
        };
        Ok(Self {
            filters: Filters::parse(&args.filter, &FILTERS)?,
            since: time(&args.since)?,
            until: time(&args.until)?,
            json,
            template,
            no_trunc: args.no_trunc,
        })
    }

    fn shows(&self, event: &LoggedEvent) -> bool {
        let is =
            |kind: &str, wanted: &str| event.kind == kind && (event.name == wanted || id_matches(&event.id, wanted));
        let attribute = |key: &str, wanted: &str| event.attributes.get(key).is_some_and(|value| value == wanted);
        // `kube get events` shows those.
        event.kind != KUBE
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
            && self.filters.any("event", |wanted| event.action == wanted)
            && self.filters.any("type", |wanted| event.kind == wanted)
            && self.filters.any("container", |wanted| is("container", wanted))
            && self.filters.any("volume", |wanted| is("volume", wanted))
            && self.filters.any("image", |wanted| is("image", wanted) || attribute("image", wanted))
            && self
                .filters
                .any("pod", |wanted| is("pod", wanted) || attribute("podName", wanted) || attribute("podId", wanted))
            && self.filters.labels(&event.attributes)
    }

    fn render(&self, event: &LoggedEvent) -> Result<String, CommandError> {
        let row = template_row(event);
        match &self.template {
            Some(template) => template.render(&[row], &Headers(&[]), false),
            None if self.json => {
                let fields: serde_json::Map<_, _> = row.into_iter().collect();
                Ok(format!("{}\n", serde_json::Value::Object(fields)))
            }
            None => Ok(self.sentence(event)),
        }
    }

    /// `2026-01-01 00:00:00.0 +0000 UTC container start 0123456789ab (image=..., name=...)`.
    fn sentence(&self, event: &LoggedEvent) -> String {
        let LoggedEvent { time, kind, action, id, name, attributes } = event;
        let id = if self.no_trunc { id } else { short_id(id) };
        let named = attributes.iter().map(|(key, value)| format!("{key}={value}"));
        let details: Vec<String> = [format!("name={name}")].into_iter().chain(named).collect();
        let time = time.strftime("%Y-%m-%d %H:%M:%S.%9f +0000 UTC");
        format!("{time} {kind} {action} {id} ({})\n", details.join(", "))
    }
}

/// An event by podman's field names.
fn template_row(event: &LoggedEvent) -> Row {
    let LoggedEvent { time, kind, action, id, name, attributes } = event;
    row(serde_json::json!({
        "ID": id,
        "Name": name,
        "Type": kind,
        "Status": action,
        "Image": attributes.get("image").map(String::as_str).unwrap_or_default(),
        "ContainerExitCode": attributes.get("containerExitCode").and_then(|code| code.parse::<i64>().ok()),
        "PodID": attributes.get("podId").map(String::as_str).unwrap_or_default(),
        "HealthStatus": attributes.get("healthStatus").map(String::as_str).unwrap_or_default(),
        "Time": time.to_string(),
        "time": time.as_second(),
        "timeNano": time.as_nanosecond() as i64,
        "Attributes": attributes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> LoggedEvent {
        let mut event = LoggedEvent::now("container", "died", "0123456789abcdef", "web-app").with("podName", "web");
        event.time = "2026-01-02T03:04:05Z".parse().unwrap();
        event.with("containerExitCode", "3")
    }

    fn view(filters: &[&str], format: Option<&str>) -> View {
        let args = EventsArgs {
            filter: filters.iter().map(|f| (*f).to_owned()).collect(),
            format: format.map(str::to_owned),
            since: None,
            until: None,
            no_trunc: false,
            stream: false,
        };
        View::new(&args).unwrap()
    }

    #[test]
    fn events_are_chosen_by_what_they_are_about() {
        assert!(view(&["container=web-app", "event=died"], None).shows(&event()));
        assert!(view(&["pod=web"], None).shows(&event()));
        assert!(!view(&["type=pod"], None).shows(&event()));
        assert!(!view(&["event=start"], None).shows(&event()));
    }

    #[test]
    fn events_are_shown_as_a_sentence_a_template_or_json() {
        let show = |format| view(&[], format).render(&event()).unwrap();
        assert_eq!(
            show(None),
            "2026-01-02 03:04:05.000000000 +0000 UTC container died 0123456789ab (name=web-app, containerExitCode=3, podName=web)\n"
        );
        assert_eq!(show(Some("{{.Status}} {{.Name}} {{.ContainerExitCode}}")), "died web-app 3\n");
        assert!(show(Some("json")).contains(r#""Status":"died""#));
    }
}
