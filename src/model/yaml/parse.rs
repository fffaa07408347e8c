//! Text to documents: the parser's events, one document at a time, within the budgets.

use super::build::{Context, Events, build};
use super::node::{Document, Value};
use super::{Budgets, Dialect, syntax, text};
use crate::model::diagnostic::{Diagnostic, SourceId, Span};
use granit_parser::{ErrorKind, Event, Parser, ScanError, StrInput};

/// Reads every document of a text.
///
/// A document with a syntax error is left out and reported, and the others are read as far as the text allows. Spans are byte
/// offsets in `text` and carry `source`.
pub fn parse(source: SourceId, text: &str, dialect: Dialect, budgets: &Budgets) -> (Vec<Document>, Vec<Diagnostic>) {
    let cx = Context { source, text, dialect, budgets };
    let mut reader = Reader { cx, diagnostics: Vec::new(), documents: Vec::new(), nodes: 0 };
    if reader.check_text() {
        reader.read();
    }
    (reader.documents, reader.diagnostics)
}

struct Reader<'t> {
    cx: Context<'t>,
    diagnostics: Vec<Diagnostic>,
    documents: Vec<Document>,
    nodes: usize,
}

/// What ended the collecting of a document's events.
enum Collected {
    Document { range: Span },
    Budget,
    End,
}

impl<'t> Reader<'t> {
    /// Looks at size and characters; `false` when the text is not worth reading.
    fn check_text(&mut self) -> bool {
        if self.cx.text.len() > self.cx.budgets.file_bytes {
            let message = format!(
                "the file has {} and may have {}",
                bytes(self.cx.text.len()),
                bytes(self.cx.budgets.file_bytes)
            );
            let hint = "split the file; put large data into an image or a volume";
            self.diagnostics.push(Diagnostic::error("K010", message).at(self.cx.span(0, 0), "").hint(hint));
            return false;
        }
        if let Some((at, c)) = text::forbidden_character(self.cx.text) {
            let place = self.cx.span(at, at + c.len_utf8());
            let code = u32::from(c);
            self.diagnostics.push(match c {
                text::UNDECODABLE => Diagnostic::error("K011", "the file is not UTF-8 text")
                    .at(place, "this is no character")
                    .hint("save the file as UTF-8; put binary data into `binaryData` as base64"),
                _ => Diagnostic::error("K012", format!("the character U+{code:04X} is not allowed in YAML"))
                    .at(place, "")
                    .hint(format!("write it as \"\\u{code:04x}\" in a double-quoted string, or take it out")),
            });
            // The parser takes a NUL for the end of the text.
            return c != '\0';
        }
        true
    }

    fn read(&mut self) {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
            flow_nesting_limit: self.cx.budgets.depth,
            block_nesting_limit: self.cx.budgets.depth,
        };
        let text: &'t str = self.cx.text;
        let mut parser = Parser::new_from_str_with_options(text, options);
        let mut start = 0;
        loop {
            let mut events = Events::new();
            match self.collect(&mut parser, &mut events, &mut start) {
                Ok(Collected::Document { range }) => self.document(&events, range),
                Ok(Collected::Budget | Collected::End) => return,
                Err(error) => {
                    self.syntax_error(&error);
                    let Ok(true) = parser.proceed_next_document() else { return };
                    start = error.marker().byte_offset().unwrap_or(start);
                }
            }
        }
    }

    fn syntax_error(&mut self, error: &ScanError) {
        // Characters that are not allowed were reported when the text was looked at.
        let forbidden = |c: char| text::forbidden_character(c.encode_utf8(&mut [0; 4])).is_some();
        if !matches!(error.kind(), ErrorKind::UnexpectedCharacter { character } if forbidden(*character)) {
            self.diagnostics.push(syntax::diagnostic(error, self.cx.source, self.cx.text));
        }
    }

    /// Takes events up to the end of a document. `start` is where the text that belongs to no document yet begins.
    fn collect(
        &mut self,
        parser: &mut Parser<'t, StrInput<'t>>,
        events: &mut Events<'t>,
        start: &mut usize,
    ) -> Result<Collected, ScanError> {
        let mut begin = *start;
        while let Some(next) = parser.next_event() {
            let (event, span) = next?;
            match event {
                Event::StreamStart => {}
                Event::StreamEnd => return Ok(Collected::End),
                Event::DocumentStart(explicit, _) if explicit => {
                    begin = self.after_marker(span.end.byte_offset().unwrap_or(begin));
                }
                Event::DocumentStart(..) => {}
                Event::DocumentEnd => {
                    let end = span.start.byte_offset().unwrap_or(self.cx.text.len());
                    *start = span.end.byte_offset().unwrap_or(end);
                    return Ok(Collected::Document { range: self.cx.span(begin, end) });
                }
                event => {
                    self.nodes += usize::from(event.is_node());
                    let at = span.start.byte_offset().unwrap_or(begin);
                    if !self.within_budget(begin, at) {
                        return Ok(Collected::Budget);
                    }
                    events.push((event, span));
                }
            }
        }
        Ok(Collected::End)
    }

    fn within_budget(&mut self, begin: usize, at: usize) -> bool {
        let too_much = if self.nodes > self.cx.budgets.nodes {
            format!("the file has more than {} values", self.cx.budgets.nodes)
        } else if at.saturating_sub(begin) > self.cx.budgets.document_bytes {
            format!("the document is larger than {}", bytes(self.cx.budgets.document_bytes))
        } else {
            return true;
        };
        let hint = "split it; put large data into an image or a volume";
        let line_end = self.cx.text[at..].find('\n').map_or(self.cx.text.len(), |n| at + n);
        let span = self.cx.span(at, line_end.min(at + 1));
        self.diagnostics.push(Diagnostic::error("K010", too_much).at(span, "the limit is reached here").hint(hint));
        false
    }

    /// The rest of a `---` line that holds nothing else does not belong to the document.
    fn after_marker(&self, at: usize) -> usize {
        let rest = &self.cx.text[at..];
        let line = rest.find('\n').map_or(rest, |n| &rest[..=n]);
        if line.trim().is_empty() { at + line.len() } else { at }
    }

    fn document(&mut self, events: &Events<'t>, range: Span) {
        let Some(root) = build(self.cx, events, &mut self.diagnostics) else { return };
        let empty = root.value == Value::Null && root.raw.is_empty();
        if !empty {
            self.documents.push(Document { root, range });
        }
    }
}

/// A human size.
fn bytes(n: usize) -> String {
    match n {
        n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests;
