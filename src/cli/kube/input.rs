//! Reading what is played: which inputs, and what is said about them.

use super::super::context::explain;
use super::super::error::{CommandError, Exit};
use super::super::output::{Style, notice};
use crate::engine::{Engine, Input, LoadRequest};
use crate::model::Application;
use crate::model::diagnostic::{Diagnostic, Severity, Sources};
use std::io::{IsTerminal, Read};

/// Standard input that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read standard input")]
struct StdinError(#[source] std::io::Error);

/// More than one `-`.
#[derive(Debug, thiserror::Error)]
#[error("standard input (`-`) can be read only once")]
struct TwiceStdin;

/// The inputs as typed: `-` is standard input, read here; `http://` and `https://` are fetched; the rest are files.
pub fn inputs(typed: &[String]) -> Result<Vec<Input>, CommandError> {
    if typed.iter().filter(|text| *text == "-").count() > 1 {
        return Err(CommandError::invalid(TwiceStdin));
    }
    let input = |text: &String| match text.as_str() {
        "-" => Ok(Input::Stdin(read_stdin()?)),
        url if url.starts_with("http://") || url.starts_with("https://") => Ok(Input::Url(url.to_owned())),
        path => Ok(Input::File(path.into())),
    };
    typed.iter().map(input).collect()
}

fn read_stdin() -> Result<String, CommandError> {
    if std::io::stdin().is_terminal() {
        notice("reading YAML from standard input, end it with Ctrl-D");
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().read_to_string(&mut text);
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => CommandError::invalid(StdinError(error)),
        _ => CommandError::engine(StdinError(error)),
    })?;
    Ok(text)
}

/// A finding with its place; more than a line when there is more to say.
fn render(diagnostic: &Diagnostic, sources: &Sources, style: Style) -> String {
    let label = match diagnostic.severity {
        Severity::Error => style.error("error"),
        Severity::Warning => style.warning("warning"),
        Severity::Info => style.dim("info"),
    };
    let mut text = format!("{label}[{}]: {}", diagnostic.code, diagnostic.message);
    if let Some((span, _)) = &diagnostic.primary {
        let before = &sources.text(span.source)[..span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        text.push_str(&format!("\n  at {}:{line}:{column}", sources.name(span.source)));
    }
    if let Some(hint) = &diagnostic.hint {
        text.push_str(&format!("\n{} {hint}", style.hint("hint:")));
    }
    text
}

/// Reads and checks; says every finding on standard error, and fails with 2 when one of them is an error.
pub fn load(engine: &mut Engine, request: &LoadRequest) -> Result<Application, CommandError> {
    let loaded = engine.load(request).map_err(|error| explain(engine, error))?;
    let style = Style::stderr();
    for diagnostic in &loaded.diagnostics {
        notice(render(diagnostic, &loaded.sources, style));
    }
    match loaded.application {
        Some(application) if loaded.diagnostics.iter().all(|d| d.severity != Severity::Error) => Ok(application),
        _ => Err(CommandError::silent(Exit::InvalidInput)),
    }
}
