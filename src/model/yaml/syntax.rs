//! What a syntax error means, and what to do about it.
//!
//! The parser says where it could not go on, which is often behind the mistake: an unclosed quote shows at the next key, a
//! missing colon at the line after. From the kind of the error and the lines around it, this finds the place to mark.

use crate::model::diagnostic::{Diagnostic, SourceId, Span};
use granit_parser::{ErrorKind, ScanError};
use std::ops::Range;

/// The parser's error as a diagnostic. It never repeats the text of the file: that is for the snippet, which hides secrets.
pub fn diagnostic(error: &ScanError, source: SourceId, text: &str) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or_default().min(text.len());
    let fault = Fault { source, text, at };
    fault.tab(error.kind()).or_else(|| fault.foreign_marks()).unwrap_or_else(|| fault.by_kind(error.kind()))
}

/// Where the parser stopped.
struct Fault<'t> {
    source: SourceId,
    text: &'t str,
    at: usize,
}

const INDENT_HINT: &str = "keys of one mapping start in the same column; what belongs to a key stands further right";

impl Fault<'_> {
    fn by_kind(&self, kind: &ErrorKind) -> Diagnostic {
        use ErrorKind as K;
        match kind {
            K::RecursionLimitExceeded => self.here("K009", "too many levels of nesting").hint("write the file flatter"),
            K::UnclosedQuotedScalar | K::InvalidQuotedScalarIndent | K::DocumentIndicatorInQuotedScalar => self.quote(),
            K::InvalidTrailingSingleQuotedScalar | K::InvalidTrailingDoubleQuotedScalar
                if self.text[self.at..].starts_with(['"', '\'']) && self.opened_bracket().is_some() =>
            {
                self.here("K003", "a `:` or `,` is missing before this")
                    .hint("write `\"key\": \"value\"`, and separate elements by `,`")
            }
            K::InvalidTrailingSingleQuotedScalar | K::InvalidTrailingDoubleQuotedScalar => {
                self.here("K003", "there is text behind the closing quote").hint(
                    "put the whole value in quotes; a quote inside is doubled in '...' and escaped as \\\" in \"...\"",
                )
            }
            K::UnclosedFlowCollection { open } => {
                self.here("K003", format!("`{open}` is not closed")).hint(format!("add `{}`", closing(*open)))
            }
            K::MismatchedFlowCollectionEnd { open, close } => self
                .here("K003", format!("`{open}` is closed by `{close}`"))
                .hint(format!("close it with `{}`", closing(*open))),
            K::MisplacedFlowCollectionEnd => {
                self.here("K003", "this bracket closes nothing").hint("take it away, or quote the value")
            }
            K::InvalidColonPlacement | K::ExpectedFlowMappingSeparator | K::ExpectedFlowSequenceSeparator => {
                self.flow()
            }
            K::UnexpectedEofFlowSequence
            | K::UnexpectedEofFlowMapping
            | K::UnexpectedEofImplicitFlowMapping
            | K::UnexpectedEofBlockMapping => {
                self.here("K001", "there is no value before this").hint("take the comma away, or quote the value")
            }
            K::MappingValueNotAllowed => self.colon(),
            K::SimpleKeyExpected | K::InvalidSimpleKey => self.no_colon(self.line(self.at)),
            K::ExpectedBlockMappingKey => self.no_key(),
            K::ExpectedBlockSequenceEntry => self
                .word("K004", "this line belongs neither to the list above it nor to its last element")
                .hint("start it in the column of the list's `-`, or of the element's first key"),
            K::BlockSequenceEntryNotAllowed => self
                .here("K004", "a list must start on a line of its own")
                .hint("put `- ` on the next line, or write [a, b]; quote \"-\" when it is meant as text"),
            K::PlainScalarStartsWithDashFlowIndicator | K::MappingKeyNotAllowed => {
                self.here("K001", "this character has a meaning of its own here").hint("quote the value")
            }
            K::UnexpectedCharacter { .. } => {
                self.here("K001", "a value cannot start with this character").hint("quote the value")
            }
            K::MissingAnchorOrAliasName => self
                .here("K001", "`*` starts an alias and `&` an anchor, and the name is missing")
                .hint("quote the value when it is meant as text"),
            K::UndeclaredTagHandle | K::UnclosedVerbatimTag | K::MissingTagUri | K::InvalidTagTerminator => {
                self.here("K001", "`!` starts a tag, and this is none").hint("quote the value when it is meant as text")
            }
            K::InvalidBlockScalarHeader | K::ZeroBlockScalarIndent => self
                .here("K001", "behind `|` or `>` may only stand `+` or `-` and a digit from 1 to 9")
                .hint("start the text on the next line"),
            K::UnknownQuotedScalarEscape
            | K::InvalidQuotedScalarHexEscape
            | K::InvalidUnicodeEscape
            | K::UnpairedLowSurrogate
            | K::MissingLowSurrogate
            | K::InvalidLowSurrogate
            | K::InvalidLowSurrogateHexEscape => self.escape(),
            K::CommentNotSeparated => self
                .here("K001", "`#` directly behind a value")
                .hint("put a blank before `#` to start a comment, or put the whole value in quotes"),
            K::BomInsideDocument => self
                .here("K012", "a byte order mark in the middle of the file")
                .hint("it comes from joining files: take it out (U+FEFF, three invisible bytes)"),
            K::InvalidDocumentEnd => {
                self.here("K001", "there is text behind `...`").hint("`...` ends a document; `---` starts one")
            }
            other => self.here("K001", other.to_string()),
        }
    }

    /// A tab in the indentation here or in the next line, whatever the parser made of it.
    fn tab(&self, kind: &ErrorKind) -> Option<Diagnostic> {
        use ErrorKind as K;
        let tabs = matches!(
            kind,
            K::TabInBlockIndentation
                | K::TabInIndentation
                | K::TabInPlainScalar
                | K::TabAtBlockScalarStart
                | K::TabNotAllowed
        );
        let indentation = |line: Range<usize>| {
            let content = &self.text[line.clone()];
            let blank = content.len() - content.trim_start_matches([' ', '\t']).len();
            let first = content[..blank].find('\t')?;
            let count = content[first..blank].bytes().take_while(|b| *b == b'\t').count();
            (blank < content.len()).then(|| line.start + first..line.start + first + count)
        };
        let line = self.line(self.at);
        let next = self.line((line.end + 1).min(self.text.len()));
        let at = indentation(line).or_else(|| indentation(next).filter(|_| tabs)).or(tabs.then(|| self.character()))?;
        Some(
            Diagnostic::error("K002", "a tab in the indentation")
                .at(self.span(at), "tab")
                .hint("indent with spaces, two per level"),
        )
    }

    /// Marks that version control or Markdown left in the file.
    fn foreign_marks(&self) -> Option<Diagnostic> {
        let line = self.line(self.at);
        let above = self.line_above(&line).unwrap_or(line.clone());
        let marked = |marks: &[&str]| {
            let found = |line: &Range<usize>| marks.iter().any(|mark| self.text[line.clone()].starts_with(mark));
            [&line, &above].into_iter().find(|line| found(line)).cloned()
        };
        let (at, message, hint) = match (marked(&["<<<<<<<", "=======", ">>>>>>>"]), marked(&["```"])) {
            (Some(at), _) => {
                (at, "the file holds an unresolved merge conflict", "keep one of the two sides and take the marks away")
            }
            (None, Some(at)) => (at, "this is Markdown around the YAML", "take the lines with ``` away"),
            (None, None) => return None,
        };
        Some(Diagnostic::error("K001", message).at(self.span(at), "").hint(hint))
    }

    fn quote(&self) -> Diagnostic {
        let place = self.opened_quote().map_or_else(|| self.character(), |at| at..at + 1);
        Diagnostic::error("K003", "this quote is not closed")
            .at(self.span(place), "opened here")
            .hint("close it; lines of a quoted text that goes on must be indented further than their key")
    }

    /// The quote that is open where the parser stopped: the last one that starts a value and has no partner in its line.
    fn opened_quote(&self) -> Option<usize> {
        let mut line = self.line(self.at);
        for _ in 0..50 {
            if let Some(at) = opened_in(&self.text[line.clone()]) {
                return Some(line.start + at);
            }
            line = self.line_above(&line)?;
        }
        None
    }

    /// Inside brackets something is missing: a comma, or the closing bracket of an earlier line.
    fn flow(&self) -> Diagnostic {
        let line = self.line(self.at);
        let open = self.opened_bracket().filter(|open| *open < line.start && !self.is_closed_later());
        match open {
            Some(open) => {
                let bracket = if self.text[open..].starts_with('{') { '{' } else { '[' };
                Diagnostic::error("K003", format!("`{bracket}` is not closed"))
                    .at(self.span(open..open + 1), "opened here")
                    .also(self.span(self.key()), "and still open here")
                    .hint(format!("add `{}`, or a `,` between the elements", closing(bracket)))
            }
            None => Diagnostic::error("K003", "inside brackets, a `,` or the closing bracket is missing before this")
                .at(self.span(self.key()), "")
                .hint("separate elements by `,`; quote texts that hold `: `, brackets or commas"),
        }
    }

    /// The key in front of the colon at which the parser stopped, or the character.
    fn key(&self) -> Range<usize> {
        let start = self.text[..self.at].rfind([' ', '\n', ',', '[', '{']).map_or(0, |n| n + 1);
        match self.text[self.at..].starts_with(':') && start < self.at {
            true => start..self.at,
            false => self.character(),
        }
    }

    /// Whether the bracket around the fault is closed further down in the document.
    fn is_closed_later(&self) -> bool {
        let rest = &self.text[self.at..];
        let rest = rest.find("\n---").map_or(rest, |end| &rest[..end]);
        let mut depth = 0;
        for c in rest.chars() {
            match c {
                '[' | '{' => depth += 1,
                ']' | '}' if depth == 0 => return true,
                ']' | '}' => depth -= 1,
                _ => {}
            }
        }
        false
    }

    /// The nearest bracket before the fault that was opened and not closed.
    fn opened_bracket(&self) -> Option<usize> {
        let mut depth = 0;
        for (at, c) in self.text[..self.at].char_indices().rev() {
            match c {
                ']' | '}' => depth += 1,
                '[' | '{' if depth == 0 => return Some(at),
                '[' | '{' => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// A colon where no key can be.
    fn colon(&self) -> Diagnostic {
        let line = self.line(self.at);
        let before = &self.text[line.start..self.at];
        if before.contains(": ") {
            return self
                .here("K005", "a second `: ` in one line")
                .hint("quote the value, or put the second key on a line of its own");
        }
        let Some(above) = self.line_above(&line) else { return self.here("K005", "no key can stand here") };
        let above_text = self.text[above.clone()].trim_start();
        let no_blank = above_text.starts_with('-') && !above_text.starts_with("- ") && above_text.len() > 1;
        if no_blank || !is_entry(above_text) {
            return self.no_colon(above);
        }
        if self.indent(&line) > self.indent(&above) {
            let key = self.content(&line);
            return Diagnostic::error("K004", "this line is indented under a line that already has a value")
                .at(self.span(key), "")
                .also(self.span(self.content(&above)), "this has a value")
                .hint(INDENT_HINT);
        }
        self.word("K004", "this line is indented unlike the lines around it").hint(INDENT_HINT)
    }

    /// A line that should be `key: value`.
    fn no_colon(&self, line: Range<usize>) -> Diagnostic {
        let content = self.content(&line);
        let words = &self.text[content.clone()];
        let separator = words.find([':', ';', '=']).map(|at| content.start + at);
        let dash = words.starts_with('-') && !words.starts_with("- ");
        let (message, place, hint) = match separator {
            _ if dash => {
                ("there is no blank behind the `-`", content.start..content.start + 1, "write `- ` before each element")
            }
            Some(at) if self.text[at..].starts_with(':') && at + 1 < content.end => {
                ("there is no blank behind the colon", at..at + 1, "write `key: value`")
            }
            Some(at) if at + 1 < content.end => {
                ("key and value are separated by `: `", at..at + 1, "write `key: value`")
            }
            _ => (
                "this line is no `key: value`",
                content,
                "add the colon; a text of several lines is indented further than its key, or put behind `|`",
            ),
        };
        Diagnostic::error("K005", message).at(self.span(place), "").hint(hint)
    }

    /// Something else where a key must stand.
    fn no_key(&self) -> Diagnostic {
        let line = self.line(self.at);
        let content = self.content(&line);
        let words = &self.text[content.clone()];
        if words.starts_with("- ") {
            return Diagnostic::error("K004", "a list element stands where a key is expected")
                .at(self.span(content.start..content.start + 1), "")
                .hint("a list stands under its own key: `ports:`, then `- ...` lines");
        }
        if words.contains("{{") {
            return self
                .here("K001", "there is text behind the closing bracket")
                .hint("quote the template: \"{{ ... }}\"");
        }
        if self.text[line.start..self.at].trim().is_empty() {
            return self.word("K004", "this line is indented unlike the lines around it").hint(INDENT_HINT);
        }
        self.here("K001", "there is text behind the end of the value").hint("quote the whole value")
    }

    /// A backslash in double quotes that escapes nothing; the parser marks the quote.
    fn escape(&self) -> Diagnostic {
        let quoted = &self.text[self.at..];
        let mut place = self.character();
        let mut escaped = false;
        for (at, c) in quoted.char_indices().skip(1) {
            if escaped && !is_escape(&quoted[at..]) {
                place = self.at + at - 1..self.at + at + c.len_utf8();
                break;
            }
            if c == '"' && !escaped {
                break;
            }
            escaped = c == '\\' && !escaped;
        }
        Diagnostic::error("K001", "this is no escape sequence")
            .at(self.span(place), "")
            .hint("double the backslash, or use single quotes, where it has no meaning")
    }

    fn here(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, message).at(self.span(self.character()), "")
    }

    /// Marks what the line of the fault says.
    fn word(&self, code: &'static str, message: &str) -> Diagnostic {
        Diagnostic::error(code, message).at(self.span(self.content(&self.line(self.at))), "")
    }

    fn character(&self) -> Range<usize> {
        let c = self.text[self.at..].chars().next().filter(|c| !matches!(c, '\n' | '\r'));
        self.at..self.at + c.map_or(0, char::len_utf8)
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span { source: self.source, start: range.start, end: range.end }
    }

    /// The line around an offset, without its line break.
    fn line(&self, at: usize) -> Range<usize> {
        let start = self.text[..at].rfind('\n').map_or(0, |n| n + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |n| at + n);
        start..end
    }

    /// The nearest line above that says something.
    fn line_above(&self, line: &Range<usize>) -> Option<Range<usize>> {
        let mut above = line.clone();
        loop {
            above = self.line(above.start.checked_sub(1)?);
            let content = self.text[above.clone()].trim();
            if !content.is_empty() && !content.starts_with('#') {
                return Some(above);
            }
        }
    }

    fn indent(&self, line: &Range<usize>) -> usize {
        self.content(line).start - line.start
    }

    fn content(&self, line: &Range<usize>) -> Range<usize> {
        let text = &self.text[line.clone()];
        let start = line.start + text.len() - text.trim_start().len();
        start..(line.start + text.trim_end().len()).max(start)
    }
}

/// Whether a text starts with what may stand behind a backslash (YAML 1.2.2, section 5.7).
fn is_escape(text: &str) -> bool {
    let digits = match text.chars().next() {
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        Some(c) => return "0abtnvfre \"/\\N_LP\n\r\t".contains(c),
        None => return false,
    };
    text.get(1..=digits).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Where a line opens a quote that it does not close.
fn opened_in(line: &str) -> Option<usize> {
    let mut open: Option<(usize, char)> = None;
    let mut before = ':';
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match open {
            Some((_, '"')) if escaped => escaped = false,
            Some((_, '"')) if c == '\\' => escaped = true,
            Some((_, quote)) if c == quote => open = None,
            None if matches!(c, '"' | '\'') && matches!(before, ':' | '-' | '[' | ',' | '{') => open = Some((at, c)),
            _ => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    open.map(|(at, _)| at)
}

/// Whether a line is a `key: value`, a `key:` or a list element that is one.
fn is_entry(line: &str) -> bool {
    let content = line.trim().trim_start_matches("- ");
    content.contains(": ") || content.ends_with(':') || line.trim() == "-" || line.trim().starts_with("- ")
}

fn closing(open: char) -> char {
    if open == '{' { '}' } else { ']' }
}

#[cfg(test)]
mod tests {
    use crate::model::diagnostic::SourceId;
    use crate::model::yaml::{Budgets, Dialect, parse};

    #[test]
    fn syntax_errors_are_marked_where_the_mistake_is() {
        // Text with the mark, code, start of the message.
        let table: &[(&str, &str, &str)] = &[
            ("a:\n‹\t›b: 1\n", "K002", "a tab"),
            ("a:\n  b: 1\n‹\t\t›c: 2\n", "K002", "a tab"),
            ("a:\n  - b\n  ‹\t›- c\n", "K002", "a tab"),
            ("a: ‹\"›x\nb: 1\n", "K003", "this quote is not closed"),
            ("a: [‹\"›x]\n", "K003", "this quote is not closed"),
            ("a: b\nc: ‹'›x\n", "K003", "this quote is not closed"),
            ("a: 'it'‹s›'\n", "K003", "there is text behind"),
            ("a: ‹[›1, 2\nb: 1\n", "K003", "`[` is not closed"),
            ("a: ‹{›b: 1\nc: 2\n", "K003", "`{` is not closed"),
            ("a: ‹[›1, 2", "K003", "`[` is not closed"),
            ("a: ‹[›1, 2}\n", "K003", "`[` is closed by `}`"),
            ("a: [b]‹]›\n", "K003", "this bracket closes nothing"),
            ("a: {b: 1 ‹c›: 2}\n", "K003", "inside brackets, a `,`"),
            ("a: [1,‹,›2]\n", "K001", "there is no value"),
            ("a: 1\n  ‹b: 2›\n", "K004", "this line is indented under"),
            ("a:\n  b: 1\n ‹c: 2›\n", "K004", "this line is indented unlike"),
            ("a:\n  - b: 1\n   ‹c: 2›\n", "K004", "this line belongs neither"),
            ("a: b\n‹-› c\n", "K004", "a list element"),
            ("a: ‹-› b\n", "K004", "a list must start"),
            ("a‹:›b\nc: d\n", "K005", "there is no blank behind the colon"),
            ("a: b\nc‹:›d\ne: f\n", "K005", "there is no blank behind the colon"),
            ("a: b\nkind‹;› Pod\n", "K005", "key and value are separated"),
            ("a:\n  b: c\n  ‹labels›\n    d: e\n", "K005", "this line is no `key: value`"),
            ("a:\n  ‹-›b\n  -c: 1\n", "K005", "there is no blank behind the `-`"),
            ("image: nginx‹:› latest\n", "K005", "a second `: `"),
            ("a: ‹@›x\n", "K001", "a value cannot start"),
            ("a: ‹`›x`\n", "K001", "a value cannot start"),
            ("a: ‹*›\n", "K001", "`*` starts an alias"),
            ("a: ‹|›x\n  b\n", "K001", "behind `|`"),
            ("a: {{ x }} ‹y›\n", "K001", "there is text behind the closing bracket"),
            ("a: \"b‹\\q›\"\n", "K001", "this is no escape"),
            ("a: \"\\\\‹\\d›ir\"\n", "K001", "this is no escape"),
            ("a: \"\\u0041‹\\u›12\"\n", "K001", "this is no escape"),
            ("a: 'b'‹#›c\n", "K001", "`#` directly"),
            ("a: b\n... ‹x›\n", "K001", "there is text behind `...`"),
            ("‹<<<<<<< HEAD›\na: b\n", "K001", "the file holds an unresolved"),
            ("‹```yaml›\na: b\n```\n", "K001", "this is Markdown"),
            ("{\"a\" ‹\"›b\"}\n", "K003", "a `:` or `,` is missing"),
            ("{\"a\": 1\n ‹\"b\"›: 2}\n", "K003", "inside brackets, a `,`"),
            ("a:\n  ‹-›b: c\n   d: e\n", "K005", "there is no blank behind the `-`"),
            ("a: b\n‹<<<<<<< HEAD›\nc: d\n", "K001", "the file holds an unresolved"),
        ];
        for (marked, code, message) in table {
            let start = marked.find('‹').expect("marked");
            let end = marked.find('›').expect("marked") - '‹'.len_utf8();
            let text = marked.replace(['‹', '›'], "");
            let (_, diagnostics) = parse(SourceId(0), &text, Dialect::Kubernetes, &Budgets::default());
            let first = diagnostics.first().unwrap_or_else(|| panic!("{marked:?} is accepted"));
            let (span, _) = first.primary.as_ref().expect("has a place");
            assert_eq!((first.code, span.start..span.end), (*code, start..end), "{marked:?} {}", first.message);
            assert!(first.message.starts_with(message), "{marked:?} {}", first.message);
        }
    }
}
