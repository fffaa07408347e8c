//! `kube explain`: what the fields of a kind are, and what becomes of each here.

use super::super::error::CommandError;
use super::super::explain::wrapped;
use super::super::output::{Output, Style};
use crate::model::kube::fields::{Exception, Explained, Field, Part, PlayedKind, Proven, Support, explain, kinds};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// Tell what a kind or field is, and what becomes of it here
///
/// A field works, means nothing on one machine, or is refused. For one that works, the conformance cases are named that fail
/// without it. Kinds may be named as kubectl takes them: `pod`, `pods`, `po`. Without a field, the kinds are listed.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Kind and field, as in `pod.spec.containers`
    #[arg(value_name = "FIELD")]
    pub field: Option<String>,
    /// Show all levels below, too
    #[arg(long)]
    pub recursive: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Plaintext, value_name = "FORMAT")]
    pub output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Plaintext,
    Json,
}

pub fn run(args: &ExplainArgs) -> Result<(), CommandError> {
    let mut out = Output::new();
    let Some(path) = &args.field else {
        list_kinds(&mut out, args.output)?;
        return out.finish();
    };
    let explained = explain(path, args.recursive, &Proven::built_in());
    let explained = explained.map_err(|error| {
        let hint = error.hint().to_owned();
        CommandError::invalid(error).hint(hint)
    })?;
    match args.output {
        Format::Json => out.line(format!("{:#}", json_of(&explained)))?,
        Format::Plaintext => {
            Text { style: Style::stdout(), recursive: args.recursive, out: &mut out }.all(&explained)?
        }
    }
    out.finish()
}

fn list_kinds(out: &mut Output, format: Format) -> Result<(), CommandError> {
    if format == Format::Json {
        let all: Vec<Value> = kinds().map(kind_json).collect();
        return out.line(format!("{:#}", Value::from(all)));
    }
    for PlayedKind { name, api_version, short_name } in kinds() {
        out.line(format!("{name:<22} {api_version:<8} {}", short_name.unwrap_or_default()).trim_end())?;
    }
    Ok(())
}

/// Prints for people.
struct Text<'a> {
    style: Style,
    recursive: bool,
    out: &'a mut Output,
}

impl Text<'_> {
    fn all(&mut self, explained: &Explained) -> Result<(), CommandError> {
        let Explained { kind, field, fields } = explained;
        self.out.line(format!("KIND:     {}", kind.name))?;
        self.out.line(format!("VERSION:  {}", kind.api_version))?;
        if let Some(field) = field {
            self.out.line(format!("\nFIELD:    {} <{}>", field.name(), field.shape))?;
            self.out.line(format!("SUPPORT:  {}", self.support(&field.support, true)))?;
            for Exception { value, support } in &field.exceptions {
                self.out.line(format!("          `{value}` {}", self.support(support, true)))?;
            }
            if let Some(description) = field.description {
                self.out.text(format!("\nDESCRIPTION:\n{}", wrapped(description, 4)))?;
            }
        }
        if !fields.is_empty() {
            self.out.line("\nFIELDS:")?;
        }
        self.parts(fields, 2)
    }

    fn parts(&mut self, parts: &[Part], indent: usize) -> Result<(), CommandError> {
        for Part { field, fields } in parts {
            let support = match (&field.support, field.inherited) {
                // The reason stands with what holds it.
                (Support::NoEffect { .. }, true) => self.style.dim("no effect"),
                (Support::Refused { .. }, true) => self.style.error("refused"),
                (support, _) => self.support(support, false),
            };
            self.out.line(format!("{:indent$}{} <{}>  {support}", "", field.name(), field.shape))?;
            if !self.recursive {
                field.description.map_or(Ok(()), |text| self.out.text(wrapped(text, indent + 4)))?;
            }
            self.parts(fields, indent + 2)?;
        }
        Ok(())
    }

    /// `works (shown by host-port)`, `no effect: there is one machine`, `refused: ...`; without cases and hints unless `long`.
    fn support(&self, support: &Support, long: bool) -> String {
        match support {
            Support::Works { cases } => {
                let shown = match cases.as_slice() {
                    _ if !long => String::new(),
                    [] => " (no conformance case shows it yet)".to_owned(),
                    cases => format!(" (shown by {})", cases.join(", ")),
                };
                self.style.good("works") + &shown
            }
            Support::NoEffect { reason } => self.style.dim("no effect") + ": " + reason,
            Support::Refused { reason, hint } => {
                let hint = hint.as_ref().filter(|_| long).map(|hint| format!(" ({hint})"));
                self.style.error("refused") + ": " + reason + &hint.unwrap_or_default()
            }
        }
    }
}

fn json_of(explained: &Explained) -> Value {
    let Explained { kind, field, fields } = explained;
    let mut object = kind_json(*kind);
    object["field"] = field.as_ref().map(field_json).unwrap_or_default();
    object["fields"] = fields.iter().map(part_json).collect();
    object
}

fn kind_json(kind: PlayedKind) -> Value {
    let PlayedKind { name, api_version, short_name } = kind;
    json!({ "kind": name, "apiVersion": api_version, "shortName": short_name })
}

fn part_json(part: &Part) -> Value {
    let mut object = field_json(&part.field);
    object["fields"] = part.fields.iter().map(part_json).collect();
    object
}

fn field_json(field: &Field) -> Value {
    let Field { owner, path, shape, support, inherited, exceptions, description } = field;
    let exceptions = exceptions.iter().map(|Exception { value, support }| {
        let mut object = support_json(support);
        object["value"] = json!(value);
        object
    });
    let exceptions: Vec<Value> = exceptions.collect();
    let mut object = support_json(support);
    object["name"] = json!(field.name());
    object["path"] = json!(path.join("."));
    object["of"] = json!(owner);
    object["type"] = json!(shape.to_string());
    object["inherited"] = json!(inherited);
    object["exceptions"] = exceptions.into();
    object["description"] = json!(description);
    object
}

fn support_json(support: &Support) -> Value {
    match support {
        Support::Works { cases } => json!({ "group": "works", "cases": cases }),
        Support::NoEffect { reason } => json!({ "group": "noEffect", "reason": reason }),
        Support::Refused { reason, hint } => json!({ "group": "refused", "reason": reason, "hint": hint }),
    }
}
