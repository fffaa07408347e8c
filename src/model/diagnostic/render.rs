//! Diagnostics as text for people, as one line each, and as JSON.

use super::redact::Redacted;
use super::{Diagnostic, Severity, SourceId, Sources, Span};
use annotate_snippets::{AnnotationKind, Element, Level, Renderer, Snippet};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

/// How diagnostics are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With snippet, marker, notes and hint.
    Human { colour: bool },
    /// `app.yaml:14:5: error[K101]: message (Pod/web · spec)`.
    Concise,
    /// One array of objects.
    Json,
}

/// The most diagnostics shown of one file; JSON has all of them.
const MOST_SHOWN: usize = 20;
/// The most lines between two marks that are shown in one snippet.
const WIDEST_WINDOW: usize = 400;

/// Shows diagnostics in the given order. Values of Secrets are hidden from snippets.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, format: Format) -> String {
    if format == Format::Json {
        let all: Vec<_> = diagnostics.iter().map(|d| json(d, sources)).collect();
        return serde_json::Value::from(all).to_string() + "\n";
    }
    let mut text = String::new();
    let mut shown: HashMap<Option<SourceId>, usize> = HashMap::new();
    for diagnostic in diagnostics {
        let count = shown.entry(diagnostic.source()).or_default();
        *count += 1;
        if *count <= MOST_SHOWN {
            text.push_str(&match format {
                Format::Human { colour } => human(diagnostic, sources, colour),
                Format::Concise | Format::Json => concise(diagnostic, sources),
            });
        }
    }
    let mut more: Vec<_> = shown.into_iter().filter(|(_, count)| *count > MOST_SHOWN).collect();
    more.sort_unstable();
    for (source, count) in more {
        let place = source.map_or("", |id| sources.name(id));
        let _ = writeln!(text, "and {} more in {place}", count - MOST_SHOWN);
    }
    text
}

fn human(diagnostic: &Diagnostic, sources: &Sources, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let snippets = snippets(diagnostic, sources);
    let mut elements: Vec<Element<'_>> = Vec::new();
    for part in &snippets {
        let annotations = part.marks.iter().map(|(range, label, kind)| {
            let mark = kind.span(range.clone());
            if label.is_empty() { mark } else { mark.label(label.as_str()) }
        });
        let snippet = Snippet::source(part.lines.text.as_str()).line_start(part.first_line).path(part.name.as_str());
        elements.push(snippet.annotations(annotations).into());
    }
    if let (None, Some(path)) = (&diagnostic.primary, &diagnostic.path) {
        elements.push(Level::NOTE.with_name("at").message(path.as_str()).into());
    }
    elements.extend(diagnostic.notes.iter().map(|note| Level::NOTE.message(note.as_str()).into()));
    elements.extend(diagnostic.hint.iter().map(|hint| Level::HELP.with_name("hint").message(hint.as_str()).into()));
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.render(&[title.elements(elements)]);
    add_path(&mut text, diagnostic);
    text.push_str("\n\n");
    text
}

/// Puts object and field behind the place: `--> app.yaml:14:5  (Pod/web · spec)`.
fn add_path(text: &mut String, diagnostic: &Diagnostic) {
    if let (Some(_), Some(path)) = (&diagnostic.primary, &diagnostic.path) {
        let arrow = text.find("--> ").unwrap_or(text.len());
        let end = text[arrow..].find('\n').map_or(text.len(), |n| arrow + n);
        text.insert_str(end, &format!("  ({path})"));
    }
}

/// Some lines of a source and what to mark in them.
struct Part {
    name: String,
    first_line: usize,
    lines: Redacted,
    marks: Vec<(Range<usize>, String, AnnotationKind)>,
}

/// The primary place and, with it or behind it, the others.
fn snippets(diagnostic: &Diagnostic, sources: &Sources) -> Vec<Part> {
    let primary = diagnostic.primary.iter().map(|(span, label)| (*span, label, AnnotationKind::Primary));
    let others = diagnostic.secondary.iter().map(|(span, label)| (*span, label, AnnotationKind::Context));
    let mut groups: Vec<Vec<(Span, &String, AnnotationKind)>> = Vec::new();
    for mark in primary.chain(others) {
        let near = |group: &&mut Vec<(Span, &String, AnnotationKind)>| {
            let (first, _, _) = group[0];
            first.source == mark.0.source && sources.line_of(first).abs_diff(sources.line_of(mark.0)) <= WIDEST_WINDOW
        };
        match groups.iter_mut().find(near) {
            Some(group) => group.push(mark),
            None => groups.push(vec![mark]),
        }
    }
    groups.into_iter().map(|marks| part(&marks, sources)).collect()
}

fn part(marks: &[(Span, &String, AnnotationKind)], sources: &Sources) -> Part {
    let source = marks[0].0.source;
    let text = sources.text(source);
    let spans: Vec<Range<usize>> = marks.iter().map(|(span, ..)| within_line(text, *span)).collect();
    let low = spans.iter().map(|s| s.start).min().unwrap_or_default();
    let high = spans.iter().map(|s| s.end).max().unwrap_or_default();
    let start = text[..low].rfind('\n').map_or(0, |n| n + 1);
    let end = text[high..].find('\n').map_or(text.len(), |n| high + n + 1);
    let mut lines = Redacted::new(text, start..end);
    // What is no character is shown as the replacement character, which has as many bytes.
    lines.text = lines.text.replace('\u{ffff}', "\u{fffd}");
    let marks = spans
        .iter()
        .zip(marks)
        .map(|(span, (_, label, kind))| (lines.range(span.start - start..span.end - start), (*label).clone(), *kind));
    Part {
        name: sources.name(source).to_owned(),
        first_line: text[..start].matches('\n').count() + 1,
        marks: marks.collect(),
        lines,
    }
}

/// A place is marked in its first line only, and never beyond the text.
fn within_line(text: &str, span: Span) -> Range<usize> {
    let start = floor_char(text, span.start);
    let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |n| start + n);
    start..floor_char(text, span.end).clamp(start, line_end)
}

fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn concise(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let mut text = String::new();
    if let Some((span, _)) = &diagnostic.primary {
        let (line, column) = sources.position(*span);
        let _ = write!(text, "{}:{line}:{column}: ", sources.name(span.source));
    }
    let _ = write!(text, "{}[{}]: {}", diagnostic.severity, diagnostic.code, diagnostic.message);
    if let Some(path) = &diagnostic.path {
        let _ = write!(text, " ({path})");
    }
    text.push('\n');
    text
}

fn json(diagnostic: &Diagnostic, sources: &Sources) -> serde_json::Value {
    let place = |(span, label): &(Span, String)| {
        let (line, column) = sources.position(*span);
        let (end_line, end_column) = sources.position(Span { start: span.end, ..*span });
        serde_json::json!({
            "file": sources.name(span.source), "line": line, "column": column,
            "endLine": end_line, "endColumn": end_column, "label": label,
        })
    };
    serde_json::json!({
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "place": diagnostic.primary.as_ref().map(place),
        "related": diagnostic.secondary.iter().map(place).collect::<Vec<_>>(),
        "path": diagnostic.path,
        "notes": diagnostic.notes,
        "hint": diagnostic.hint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Sources, Diagnostic) {
        let mut sources = Sources::default();
        let text = "kind: Pod\nspec:\n  x: é # a\n  containers:\n  - name: é\n    imagePullPolicyy: Always\n";
        let id = sources.add("app.yaml", text);
        let at = |part: &str| {
            let start = text.find(part).expect("is there");
            Span { source: id, start, end: start + part.len() }
        };
        let diagnostic = Diagnostic::error("K101", "unknown field `imagePullPolicyy` in container `é`")
            .at(at("imagePullPolicyy"), "did you mean `imagePullPolicy`?")
            .also(at("# a"), "here")
            .path("Pod/app · spec.containers[0]")
            .note("a note")
            .hint("a hint");
        (sources, diagnostic)
    }

    #[test]
    fn people_get_a_snippet() {
        let (sources, diagnostic) = sample();
        let text = render(&[diagnostic], &sources, Format::Human { colour: false });
        let expected = "\
error[K101]: unknown field `imagePullPolicyy` in container `é`
 --> app.yaml:6:5  (Pod/app · spec.containers[0])
  |
3 |   x: é # a
  |        --- here
...
6 |     imagePullPolicyy: Always
  |     ^^^^^^^^^^^^^^^^ did you mean `imagePullPolicy`?
  |
  = note: a note
  = hint: a hint

";
        assert_eq!(text, expected);
    }

    #[test]
    fn programs_get_lines_and_json() {
        let (sources, diagnostic) = sample();
        let text = render(std::slice::from_ref(&diagnostic), &sources, Format::Concise);
        assert_eq!(
            text,
            "app.yaml:6:5: error[K101]: unknown field `imagePullPolicyy` in container `é` (Pod/app · spec.containers[0])\n"
        );
        let text = render(&[diagnostic], &sources, Format::Json);
        let value: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(value[0]["place"]["column"], 5);
        assert_eq!(value[0]["related"][0]["column"], 8, "columns count characters");
    }

    #[test]
    fn a_file_shows_twenty() {
        let (sources, diagnostic) = sample();
        let text = render(&vec![diagnostic; 25], &sources, Format::Concise);
        assert_eq!(text.lines().count(), 21);
        assert!(text.ends_with("\nand 5 more in app.yaml\n"));
    }

    #[test]
    fn any_span_is_survived() {
        let mut sources = Sources::default();
        let id = sources.add("a", "é\r\nb");
        for (start, end) in [(0, 99), (1, 1), (1, 4), (5, 5), (4, 0), (99, 100)] {
            let diagnostic = Diagnostic::error("K001", "x").at(Span { source: id, start, end }, "");
            for format in [Format::Human { colour: true }, Format::Concise, Format::Json] {
                assert!(!render(std::slice::from_ref(&diagnostic), &sources, format).is_empty());
            }
        }
    }
}
