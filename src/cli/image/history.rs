//! `history`, `image history`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::listing::{is_json, json_lines, row, shorten, shown_id};
use super::super::output::Output;
use super::super::template::{Headers, Row, Template};
use super::super::units::{ago, human_size};
use crate::image::Step;
use clap::{ArgAction, Args};
use clap_complete::engine::ArgValueCompleter;
use jiff::Timestamp;

/// Show how an image came to be, its newest step first
#[derive(Debug, Args)]
pub struct HistoryArgs {
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub name: String,
    /// Print `json`, or a Go template; `table TEMPLATE` adds headers
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Sizes and times for people; `false` for bytes and dates
    #[arg(short = 'H', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true", value_name = "BOOL")]
    pub human: bool,
    /// Do not shorten ids and texts
    #[arg(long, alias = "notruncate")]
    pub no_trunc: bool,
    /// Print ids only
    #[arg(short, long)]
    pub quiet: bool,
}

const HEADERS: Headers = Headers(&[
    ("ID", "ID"),
    ("Created", "CREATED"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
    ("Tags", "TAGS"),
]);

const STANDARD: &str = "table {{.ID}}\t{{.Created}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

/// What stands for the id of a step whose image this machine does not have.
const MISSING: &str = "<missing>";

/// Longest text of a command in the table.
const COMMAND_WIDTH: usize = 45;

pub fn run(globals: &Globals, args: &HistoryArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let steps = engine.images().history(&args.name).map_err(|error| super::explain(&mut engine, error))?;
    let mut out = Output::new();
    match args.format.as_deref() {
        Some(format) if is_json(format) => {
            out.text(json_lines(&serde_json::Value::Array(steps.iter().map(describe).collect())))?;
        }
        None if args.quiet => steps.iter().try_for_each(|step| out.line(shown(step, args.no_trunc)))?,
        format => {
            let now = Timestamp::now();
            let rows: Vec<Row> = steps.iter().map(|step| template_row(step, args, now)).collect();
            out.text(Template::parse(format.unwrap_or(STANDARD))?.render(&rows, &HEADERS, true)?)?;
        }
    }
    out.finish()
}

fn shown(step: &Step, no_trunc: bool) -> String {
    step.image.as_deref().map_or(MISSING.to_owned(), |id| shown_id(id, no_trunc))
}

fn created(step: &Step) -> Option<Timestamp> {
    step.entry.created.as_deref().and_then(|time| time.parse().ok())
}

fn template_row(step: &Step, args: &HistoryArgs, now: Timestamp) -> Row {
    let by = step.entry.created_by.as_deref().unwrap_or_default();
    let by = if args.no_trunc { by.to_owned() } else { shorten(by, COMMAND_WIDTH) };
    let since = created(step).map_or("N/A".to_owned(), |time| ago(time, now));
    let date = created(step).map_or("N/A".to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    row(serde_json::json!({
        "ID": shown(step, args.no_trunc),
        "Created": if args.human { &since } else { &date },
        "CreatedSince": since,
        "CreatedAt": created(step).map(|time| time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()),
        "CreatedBy": by,
        "Size": if args.human { human_size(step.size) } else { step.size.to_string() },
        "Comment": step.entry.comment.as_deref().unwrap_or_default(),
        "Tags": step.names.join(","),
    }))
}

/// What `--format json` says of a step; podman's field names.
fn describe(step: &Step) -> serde_json::Value {
    let mut value = serde_json::json!({
        "id": step.image.as_deref().unwrap_or(MISSING),
        "created": step.entry.created,
        "CreatedBy": step.entry.created_by.as_deref().unwrap_or_default(),
        "size": step.size,
        "comment": step.entry.comment.as_deref().unwrap_or_default(),
    });
    if !step.names.is_empty() {
        value["tags"] = serde_json::json!(step.names);
    }
    value
}
