//! What can be said about a file the user wrote: a problem, where it stands, and what to do about it.
//!
//! Diagnostics are collected while files are read and checked, put in order by [`settle`] and shown by [`render`]. What a code
//! means at length is told by [`explain`].

mod causes;
mod explain;
mod redact;
mod render;

pub use causes::with_causes;
pub use explain::{codes, explain};
pub use render::{Format, render};

use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Index of an input in [`Sources`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// The texts that diagnostics point into.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    entries: Vec<(String, String)>,
}

impl Sources {
    /// Adds a text under the name the user knows it by.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.entries.push((name.into(), text.into()));
        SourceId(self.entries.len() as u32 - 1)
    }

    /// Covers a secret: what is shown of the text from now on has `*` there. Places keep their lines and columns.
    pub fn mask(&mut self, span: Span) {
        let Some((_, text)) = self.entries.get_mut(span.source.0 as usize) else { return };
        if let Some(secret) = text.get(span.start..span.end) {
            // As many bytes as before, so that places behind stay where they are.
            let star = |c: char| if c.is_whitespace() { c.to_string() } else { "*".repeat(c.len_utf8()) };
            let covered: String = secret.chars().map(star).collect();
            text.replace_range(span.start..span.end, &covered);
        }
    }

    pub fn name(&self, id: SourceId) -> &str {
        &self.entries[id.0 as usize].0
    }

    pub fn text(&self, id: SourceId) -> &str {
        &self.entries[id.0 as usize].1
    }

    /// Line and column where a span starts, both from 1; the column counts characters.
    pub fn position(&self, span: Span) -> (usize, usize) {
        let text = self.text(span.source).as_bytes();
        let before = &text[..span.start.min(text.len())];
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        // Every byte that does not continue a character starts one.
        let characters = before[line_start..].iter().filter(|b| **b & 0xc0 != 0x80).count();
        (before.iter().filter(|b| **b == b'\n').count() + 1, characters + 1)
    }

    fn line_of(&self, span: Span) -> usize {
        self.position(span).0
    }
}

/// A byte range of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub source: SourceId,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    /// Said once, needs no action: a field that means nothing on one machine.
    Info,
}

/// One finding. Codes: K0xx syntax, K1xx schema, K2xx references, K3xx valid Kubernetes that one machine cannot honour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: &'static str,
    pub severity: Severity,
    /// Lower-case sentence without full stop.
    pub message: String,
    /// Where the problem is, and what is said under the marker; empty text marks only.
    pub primary: Option<(Span, String)>,
    /// Other places that matter, such as the first of two duplicates.
    pub secondary: Vec<(Span, String)>,
    /// Object and field: `Pod/web · spec.containers[0].ports[0]`.
    pub path: Option<String>,
    pub notes: Vec<String>,
    pub hint: Option<String>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        })
    }
}

/// Puts diagnostics in the order of the files, and drops what only follows from another one: complaints about a value that the
/// reader could not make sense of in the first place.
pub fn settle(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let unreadable: Vec<(Span, &'static str)> = diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error && d.is_of_reader())
        .filter_map(|d| d.primary.as_ref().map(|(span, _)| (*span, d.code)))
        .collect();
    diagnostics.retain(|d| {
        let Some((place, _)) = d.primary.as_ref().filter(|_| d.code >= "K1") else { return true };
        !unreadable.iter().any(|(span, code)| {
            let inside = span.source == place.source && span.start >= place.start && span.end <= place.end;
            *code < d.code && (span == place || (inside && *code < "K1"))
        })
    });
    diagnostics.sort_by_key(|d| d.primary.as_ref().map(|(span, _)| (span.source, span.start)));
    say_once(&mut diagnostics);
    // Two that mark the same and ask for the same are one.
    let mut said: HashSet<(Span, String)> = HashSet::new();
    diagnostics.retain(|d| match &d.primary {
        Some((span, label)) if !label.is_empty() => said.insert((*span, label.clone())),
        _ => true,
    });
    diagnostics
}

/// Leaves one of the notes that say the same of a field in a file, and tells how many there were.
fn say_once(diagnostics: &mut Vec<Diagnostic>) {
    let mut first: HashMap<(SourceId, String), (usize, usize)> = HashMap::new();
    let mut kept: Vec<Diagnostic> = Vec::new();
    for diagnostic in diagnostics.drain(..) {
        let key = diagnostic.source().filter(|_| diagnostic.severity == Severity::Info);
        match key.map(|source| first.entry((source, diagnostic.message.clone()))) {
            Some(Entry::Occupied(mut seen)) => seen.get_mut().1 += 1,
            Some(Entry::Vacant(new)) => {
                new.insert((kept.len(), 0));
                kept.push(diagnostic);
            }
            None => kept.push(diagnostic),
        }
    }
    for (index, more) in first.into_values().filter(|(_, more)| *more > 0) {
        let places = if more == 1 { "place" } else { "places" };
        kept[index].notes.push(format!("and in {more} more {places} of this file"));
    }
    *diagnostics = kept;
}

/// Whether any of them keeps the files from being played.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}

impl Diagnostic {
    /// Whether the reader could make nothing of the marked text: syntax and kinds of values, but not unknown fields.
    fn is_of_reader(&self) -> bool {
        self.code < "K110" && self.code != "K101"
    }

    /// The file of the primary place.
    pub fn source(&self) -> Option<SourceId> {
        self.primary.as_ref().map(|(span, _)| span.source)
    }

    /// An error, which keeps the file from being played.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// A warning, after which the file is played.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    /// Something worth knowing that needs no action.
    pub fn info(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Info, message)
    }

    pub fn new(code: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            path: None,
            notes: Vec::new(),
            hint: None,
        }
    }

    /// Says where the problem is; `label` stands under the marker and may be empty.
    #[must_use]
    pub fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.primary = Some((span, label.into()));
        self
    }

    /// Adds another place that matters.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.secondary.push((span, label.into()));
        self
    }

    /// Names object and field: `Pod/web · spec.containers[0]`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
