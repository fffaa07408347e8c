//! Reading what is played: which inputs, and what is said about them.

use super::super::context::explain;
use super::super::error::{CommandError, Exit};
use super::super::output::{Style, notice};
use crate::engine::{self, Engine, Input, LoadRequest};
use crate::model::Application;
use crate::model::diagnostic::{Diagnostic, Format, Severity, Sources, has_errors, render};
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
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(|error| CommandError::engine(StdinError(error)))?;
    Ok(crate::model::yaml::decode(&bytes))
}

/// Reads and checks; says every finding on standard error, and fails with 2 when one of them is an error.
pub fn load(engine: &mut Engine, request: &LoadRequest) -> Result<Application, CommandError> {
    let loaded = engine.load(request).map_err(|error| explain(engine, error))?;
    checked(loaded)
}

/// The objects that the inputs name, for taking them down.
pub fn names(inputs: &[Input]) -> Result<Application, CommandError> {
    checked(engine::names(inputs)?)
}

fn checked(loaded: engine::Loaded) -> Result<Application, CommandError> {
    say(&loaded.diagnostics, &loaded.sources);
    match loaded.application {
        Some(application) if !has_errors(&loaded.diagnostics) => Ok(application),
        _ => Err(CommandError::silent(Exit::InvalidInput)),
    }
}

/// Shows what is wrong with its lines, and what is only worth knowing in one line each.
fn say(diagnostics: &[Diagnostic], sources: &Sources) {
    let (notes, problems): (Vec<_>, Vec<_>) = diagnostics.iter().cloned().partition(|d| d.severity == Severity::Info);
    let human = Format::Human { colour: Style::stderr().is_coloured() };
    for text in [render(&problems, sources, human), render(&notes, sources, Format::Concise)] {
        if !text.is_empty() {
            notice(text.strip_suffix('\n').unwrap_or(&text));
        }
    }
    let errors = problems.iter().filter(|d| d.severity == Severity::Error);
    if let Some(first) = errors.clone().next() {
        let count = match errors.count() {
            1 => "1 problem".to_owned(),
            many => format!("{many} problems"),
        };
        notice(format!("{count}, nothing was changed; `podkin explain {}` tells more", first.code));
    }
}
