//! What every listing shares: `--format`, `--filter`, `--quiet`, and how rows are printed.

use super::error::CommandError;
use super::output::Output;
use super::template::{Headers, Row, Template};
use clap::Args;

/// Options of every listing.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Show only what matches, as KEY=VALUE
    #[arg(short, long, value_delimiter = ',', value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// Print `json`, or a Go template; `table TEMPLATE` adds headers
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Do not shorten ids and texts
    #[arg(long, alias = "notruncate")]
    pub no_trunc: bool,
    /// Print ids only
    #[arg(short, long)]
    pub quiet: bool,
}

/// A listing ready to be printed: rows for templates, the same for JSON.
pub struct Listing {
    pub headers: Headers,
    /// Template of the standard table: tab-separated.
    pub standard: String,
    pub rows: Vec<Row>,
    pub json: Vec<serde_json::Value>,
    /// What `--quiet` prints, one a line.
    pub ids: Vec<String>,
}

impl Listing {
    /// Prints as the options ask: ids, JSON, a template, or the standard table.
    pub fn print(self, args: &ListArgs, heading: bool) -> Result<(), CommandError> {
        let mut out = Output::new();
        out.text(self.render(args, heading)?)?;
        out.finish()
    }

    /// The text that [`Listing::print`] prints.
    pub fn render(self, args: &ListArgs, heading: bool) -> Result<String, CommandError> {
        match args.format.as_deref() {
            Some(format) if is_json(format) => Ok(json_lines(&serde_json::Value::Array(self.json))),
            Some(format) => Template::parse(format)?.render(&self.rows, &self.headers, heading),
            None if args.quiet => Ok(self.ids.iter().map(|id| format!("{id}\n")).collect()),
            None => Template::parse(&format!("table {}", self.standard))?.render(&self.rows, &self.headers, heading),
        }
    }
}

/// Whether a `--format` asks for JSON.
pub fn is_json(format: &str) -> bool {
    matches!(format.trim(), "json" | "{{json .}}" | "{{ json . }}" | "{{json . }}")
}

/// JSON with an indentation of two and a final newline.
pub fn json_lines(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// The first twelve digits of an id.
pub fn short_id(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}

/// An id, short unless `--no-trunc` was given.
pub fn shown_id(id: &str, no_trunc: bool) -> String {
    if no_trunc { id.to_owned() } else { short_id(id).to_owned() }
}

/// Text of at most `length` characters, `...` at the end when it was longer.
pub fn shorten(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length.saturating_sub(3)).chain("...".chars()).collect()
}

/// Fields of a JSON object as a template row.
pub fn row(value: serde_json::Value) -> Row {
    match value {
        serde_json::Value::Object(fields) => fields.into_iter().collect(),
        other => [("Value".to_owned(), other)].into(),
    }
}

/// Prints what `inspect` found: a JSON array, or the template for each.
pub fn print_inspected(values: &[serde_json::Value], format: Option<&str>) -> Result<(), CommandError> {
    let mut out = Output::new();
    match format {
        None => out.text(json_lines(&serde_json::Value::Array(values.to_vec())))?,
        Some(format) if format.trim() == "json" => out.text(json_lines(&serde_json::Value::Array(values.to_vec())))?,
        Some(format) => {
            let template = Template::parse(format)?;
            for value in values {
                out.line(template.render_value(value)?)?;
            }
        }
    }
    out.finish()
}
