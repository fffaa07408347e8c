//! What can be said about a file the user wrote: a problem, where it stands, and what to do about it.

use serde::{Deserialize, Serialize};

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

    pub fn name(&self, id: SourceId) -> &str {
        &self.entries[id.0 as usize].0
    }

    pub fn text(&self, id: SourceId) -> &str {
        &self.entries[id.0 as usize].1
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

impl Diagnostic {
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
