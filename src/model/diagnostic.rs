//! What can be said about a file the user wrote: a problem, where it stands, and what to do about it.
//!
//! Diagnostics are collected while files are read and checked, put in order by [`settle`] and shown by [`render`]. What a code
//! means at length is told by [`explain`].

mod explain;
mod redact;
mod render;

pub use explain::{codes, explain};
pub use render::{Format, render};

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
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

/// Puts diagnostics in the order of the files, and drops errors that only follow from another one: those that mark exactly
/// what an earlier code already complains about, such as a range check of a value that was no number to begin with.
pub fn settle(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut at_place: HashMap<Span, Vec<usize>> = HashMap::new();
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(diagnostics.len());
    for diagnostic in diagnostics {
        if let Some((place, _)) = diagnostic.primary {
            let others = at_place.entry(place).or_default();
            let follows = others.iter().any(|i| {
                let earlier = &kept[*i];
                (earlier.severity == Severity::Error && earlier.code < diagnostic.code) || *earlier == diagnostic
            });
            if follows {
                continue;
            }
            others.push(kept.len());
        }
        kept.push(diagnostic);
    }
    kept.sort_by_key(|d| d.primary.as_ref().map(|(span, _)| *span));
    kept
}

/// Whether any of them keeps the files from being played.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}

impl Diagnostic {
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
