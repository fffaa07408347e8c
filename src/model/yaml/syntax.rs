//! What a syntax error means, and what to do about it.

use crate::model::diagnostic::{Diagnostic, SourceId, Span};
use granit_parser::{ErrorKind, ScanError};

/// The parser's error as a diagnostic.
pub fn diagnostic(error: &ScanError, source: SourceId, text: &str) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or_default().min(text.len());
    let end = text[at..].chars().next().filter(|c| *c != '\n').map_or(at, |c| at + c.len_utf8());
    let code = match error.kind() {
        ErrorKind::RecursionLimitExceeded => "K009",
        _ => "K001",
    };
    Diagnostic::error(code, error.info()).at(Span { source, start: at, end }, "")
}
