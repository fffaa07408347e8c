//! JSONPath templates as `kubectl -o jsonpath` understands them (Kubernetes, "JSONPath Support").
//!
//! ```text
//! {.items[*].metadata.name}                          text outside of braces stands for itself
//! {range .items[*]}{.metadata.name}{"\n"}{end}
//! {.spec.containers[?(@.name=="app")].image}         also != < <= > >=, or a path alone: it exists
//! {..image}  {.a['b.c']}  {.a.b\.c}  {[0]} {[-1]} {[1:3]} {[0:4:2]} {['x','y']}
//! ```
//!
//! A path that leads nowhere gives nothing; values of one path are separated by blanks. No functions, no `&&`.

mod evaluate;
mod parse;
#[cfg(test)]
mod tests;

pub use evaluate::EvaluateError;
pub use parse::ParseError;

use serde_json::Value;

/// A template that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    /// Prints what the path leads to.
    Path(Path),
    /// Once for each value that the path leads to.
    Range(Path, Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq)]
struct Path {
    start: Start,
    steps: Vec<Step>,
}

/// What a path starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// `$`: the whole value.
    Root,
    /// `@`, or nothing: what a range or a filter looks at.
    Current,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// `.name`, `['name']`, `['one','two']`.
    Fields(Vec<String>),
    /// `.*`, `[*]`.
    All,
    /// `[0]`, `[-1]`, `[0,2]`.
    Indexes(Vec<i64>),
    /// `[start:end:step]`; negative ones count from the end.
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    /// `..`: the value and everything below it.
    Descend,
    /// `[?(left operator right)]`.
    Filter(Operand, Option<(Comparison, Operand)>),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(Path),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// Reads a template.
    pub fn parse(template: &str) -> Result<Self, ParseError> {
        parse::template(template).map(|pieces| Self { pieces })
    }

    /// Reads one path; its braces and its first dot may be left out, as `kubectl wait` and custom columns allow.
    pub fn parse_relaxed(text: &str) -> Result<Self, ParseError> {
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        let dot = if inner.starts_with(['.', '[', '$', '@']) { "" } else { "." };
        Self::parse(&format!("{{{dot}{inner}}}"))
    }

    /// What the template makes of a value.
    pub fn render(&self, value: &Value) -> Result<String, EvaluateError> {
        let mut text = String::new();
        evaluate::render(&self.pieces, value, value, &mut text)?;
        Ok(text)
    }

    /// The values that the paths of the template lead to, in order.
    pub fn find<'v>(&self, value: &'v Value) -> Result<Vec<&'v Value>, EvaluateError> {
        let mut found = Vec::new();
        for piece in &self.pieces {
            if let Piece::Path(path) | Piece::Range(path, _) = piece {
                found.extend(evaluate::path(path, value, value)?);
            }
        }
        Ok(found)
    }
}

/// A value as templates print it: text without quotes, lists and maps as JSON.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
