//! The parser's events to a tree: anchors, merge keys, duplicate keys and budgets.
//!
//! The events of a document are collected first; an alias is then built again from the events of its anchor, so that nothing is
//! copied for an anchor nobody uses, and what aliases add is counted as it is made.

use super::node::{Document, Entry, Key, Node, Style, Value};
use super::{Budgets, Dialect, scalar, syntax, text};
use crate::model::diagnostic::{Diagnostic, SourceId, Span};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput, StructureStyle, Tag};
use std::collections::HashMap;

/// Reads every document of a text.
///
/// A document with a syntax error is left out and reported, and the others are read as far as the text allows. Spans are byte
/// offsets in `text` and carry `source`.
pub fn parse(source: SourceId, text: &str, dialect: Dialect, budgets: &Budgets) -> (Vec<Document>, Vec<Diagnostic>) {
    let mut reader =
        Reader { source, text, dialect, budgets, diagnostics: Vec::new(), documents: Vec::new(), nodes: 0 };
    if reader.check_text() {
        reader.read();
    }
    (reader.documents, reader.diagnostics)
}

/// The most problems reported of a file, besides those that end the reading.
const MOST_PROBLEMS: usize = 1000;

type Events<'t> = Vec<(Event<'t>, granit_parser::Span)>;

struct Reader<'t> {
    source: SourceId,
    text: &'t str,
    dialect: Dialect,
    budgets: &'t Budgets,
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
        if self.text.len() > self.budgets.file_bytes {
            let message =
                format!("the file has {} and may have {}", bytes(self.text.len()), bytes(self.budgets.file_bytes));
            let hint = "split the file; put large data into an image or a volume";
            self.diagnostics.push(Diagnostic::error("K010", message).at(self.span(0, 0), "").hint(hint));
            return false;
        }
        if let Some((at, c)) = text::forbidden_character(self.text) {
            let place = self.span(at, at + c.len_utf8());
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
            flow_nesting_limit: self.budgets.depth,
            block_nesting_limit: self.budgets.depth,
        };
        let text: &'t str = self.text;
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
            self.diagnostics.push(syntax::diagnostic(error, self.source, self.text));
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
                    let end = span.start.byte_offset().unwrap_or(self.text.len());
                    *start = span.end.byte_offset().unwrap_or(end);
                    return Ok(Collected::Document { range: self.span(begin, end) });
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
        let too_much = if self.nodes > self.budgets.nodes {
            format!("the file has more than {} values", self.budgets.nodes)
        } else if at.saturating_sub(begin) > self.budgets.document_bytes {
            format!("the document is larger than {}", bytes(self.budgets.document_bytes))
        } else {
            return true;
        };
        let hint = "split it; put large data into an image or a volume";
        let line_end = self.text[at..].find('\n').map_or(self.text.len(), |n| at + n);
        let span = self.span(at, line_end.min(at + 1));
        self.diagnostics.push(Diagnostic::error("K010", too_much).at(span, "the limit is reached here").hint(hint));
        false
    }

    /// The rest of a `---` line that holds nothing else does not belong to the document.
    fn after_marker(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let line = rest.find('\n').map_or(rest, |n| &rest[..=n]);
        if line.trim().is_empty() { at + line.len() } else { at }
    }

    fn document(&mut self, events: &Events<'t>, range: Span) {
        let mut builder = Builder {
            reader: self,
            events,
            anchors: HashMap::new(),
            open_anchors: Vec::new(),
            depth: 0,
            expanding: None,
            expanded: 0,
            over_budget: false,
        };
        let mut at = 0;
        let Some(root) = builder.node(&mut at) else { return };
        let empty = root.value == Value::Null && root.raw.is_empty();
        if !empty {
            self.documents.push(Document { root, range });
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { source: self.source, start, end }
    }
}

/// A human size.
fn bytes(n: usize) -> String {
    match n {
        n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n => format!("{n} bytes"),
    }
}

/// Makes the nodes of one document from its events.
struct Builder<'r, 't> {
    reader: &'r mut Reader<'t>,
    events: &'r Events<'t>,
    /// Index of the event that starts the anchored node, by anchor.
    anchors: HashMap<usize, usize>,
    /// Anchors whose nodes are being built: an alias to one of them would never end.
    open_anchors: Vec<usize>,
    depth: usize,
    /// Where the outermost alias stands that is being expanded.
    expanding: Option<Span>,
    expanded: usize,
    /// Set when a budget was exceeded and reported: the document is given up.
    over_budget: bool,
}

impl<'t> Builder<'_, 't> {
    /// Builds the node whose first event is at `*at`, and moves `*at` behind it. `None` when the document is to be given up.
    fn node(&mut self, at: &mut usize) -> Option<Node> {
        let (event, span) = self.events.get(*at)?;
        let (event, span) = (event.clone(), *span);
        let begin = *at;
        *at += 1;
        if self.expanding.is_some() {
            self.count_expanded()?;
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.anchors.insert(anchor, begin);
                Some(self.scalar(&text, style, tag.as_deref(), span))
            }
            Event::SequenceStart(style, anchor, tag) => self.collection(begin, anchor, span, |b| {
                let (items, end) = b.sequence(at)?;
                Some((Value::Sequence(items), structure(style), end, tag))
            }),
            Event::MappingStart(style, anchor, tag) => self.collection(begin, anchor, span, |b| {
                let (entries, end) = b.mapping(at)?;
                Some((Value::Mapping(entries), structure(style), end, tag))
            }),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::UnresolvedAlias(_) => {
                let span = self.place(span);
                self.report(
                    Diagnostic::error("K007", "there is no anchor for this alias before it")
                        .at(span, "")
                        .hint("define the anchor first, or quote the value if it is meant to start with `*`"),
                );
                Some(null(span))
            }
            _ => None,
        }
    }

    /// Wraps the building of a sequence or mapping: depth, anchor, span and tag.
    fn collection(
        &mut self,
        begin: usize,
        anchor: usize,
        span: granit_parser::Span,
        build: impl FnOnce(&mut Self) -> Option<Built<'t>>,
    ) -> Option<Node> {
        self.depth += 1;
        if self.depth > self.reader.budgets.depth {
            let place = self.expanding.unwrap_or(self.place(span));
            return self.give_up("K009", format!("more than {} levels of nesting", self.reader.budgets.depth), place);
        }
        self.anchors.insert(anchor, begin);
        self.open_anchors.push(anchor);
        let (value, style, end, tag) = build(self)?;
        self.open_anchors.pop();
        self.depth -= 1;
        let place = self.place(span);
        if let Some(tag) = tag.as_deref() {
            self.collection_tag(tag, &value, span);
        }
        let span = Span { end: end.max(place.end), ..place };
        let tag = tag.as_deref().map(tag_name);
        Some(Node { span, value, style, raw: "".into(), tag, alias: self.expanding })
    }

    fn sequence(&mut self, at: &mut usize) -> Option<(Vec<Node>, usize)> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            if let (Event::SequenceEnd, span) = self.events.get(*at)? {
                *at += 1;
                let last = items.last().map_or(0, |n| n.span.end);
                return Some((items, end_of(*span, last)));
            }
            items.push(self.node(at)?);
        }
    }

    fn mapping(&mut self, at: &mut usize) -> Option<(Vec<Entry>, usize)> {
        let mut map = Map::default();
        loop {
            if let (Event::MappingEnd, span) = self.events.get(*at)? {
                *at += 1;
                let end = end_of(*span, map.end);
                return Some((map.finish(), end));
            }
            let is_merge = self.is_merge_key(*at);
            let key = self.node(at)?;
            let value = self.node(at)?;
            map.end = map.end.max(value.alias.map_or(value.span.end, |a| a.end)).max(key.span.end);
            if is_merge {
                self.merge(value, &mut map);
            } else if let Some(key) = self.key(&key) {
                self.entry(key, value, &mut map);
            }
        }
    }

    fn is_merge_key(&self, at: usize) -> bool {
        matches!(self.events.get(at), Some((Event::Scalar(text, ScalarStyle::Plain, _, tag), _))
            if text == "<<" && tag.as_deref().is_none_or(|t| t.suffix() == "merge"))
    }

    fn entry(&mut self, key: Key, value: Node, map: &mut Map) {
        if let Some(first) = map.keys.get(&*key.text) {
            let first = *first;
            let message = format!("key `{}` is given twice", key.text);
            self.report(
                Diagnostic::error("K006", message).at(key.span, "second").also(first, "first").hint("keep one of them"),
            );
            return;
        }
        map.keys.insert(key.text.clone(), key.span);
        map.entries.push(Entry { key, value });
    }

    /// Takes in what `<<` names: a mapping or a list of mappings. Written keys win over merged ones, earlier over later.
    fn merge(&mut self, value: Node, map: &mut Map) {
        let sources = match value.value {
            Value::Mapping(_) => vec![value],
            Value::Sequence(items) if items.iter().all(|i| matches!(i.value, Value::Mapping(_))) => items,
            _ => {
                self.report(
                    Diagnostic::error("K016", format!("`<<` merges mappings, and this is {}", value.kind_name()))
                        .at(value.span, "")
                        .hint("write `<<: *name` or `<<: [*first, *second]` with anchors of mappings"),
                );
                return;
            }
        };
        for source in sources {
            if let Value::Mapping(entries) = source.value {
                map.merged.extend(entries);
            }
        }
    }

    /// A key as text: numbers and booleans as `sigs.k8s.io/yaml` turns them into JSON keys.
    fn key(&mut self, node: &Node) -> Option<Key> {
        let place = node.alias.unwrap_or(node.span);
        let text = match &node.value {
            Value::String(s) => return Some(Key { text: s.clone(), span: place }),
            Value::Bool(b) => b.to_string(),
            Value::Int(i) => i.to_string(),
            Value::Float(f) => f.to_string(),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => {
                let template = self.reader.text[..place.start].ends_with('{') && node.style == Style::Flow;
                let hint = if template { "quote the template: \"{{ ... }}\"" } else { "quote the key" };
                self.report(
                    Diagnostic::error("K014", format!("a key must be a string, and this is {}", node.kind_name()))
                        .at(place, "")
                        .hint(hint),
                );
                return None;
            }
        };
        if *node.raw != *text {
            let message = format!("key `{}` is read as {} and becomes `{text}`", node.raw, node.kind_name());
            self.report(Diagnostic::warning("K013", message).at(node.span, "").hint(format!("write \"{}\"", node.raw)));
        }
        Some(Key { text: text.into(), span: place })
    }

    fn alias(&mut self, anchor: usize, span: granit_parser::Span) -> Option<Node> {
        let place = self.place(span);
        if self.open_anchors.contains(&anchor) {
            self.report(Diagnostic::error("K007", "the alias refers to a value that contains it").at(place, ""));
            return Some(null(place));
        }
        let mut start = *self.anchors.get(&anchor)?;
        let outer = self.expanding;
        self.expanding = Some(outer.unwrap_or(place));
        let node = self.node(&mut start);
        self.expanding = outer;
        node
    }

    fn count_expanded(&mut self) -> Option<()> {
        self.expanded += 1;
        if self.expanded <= self.reader.budgets.alias_nodes {
            return Some(());
        }
        let limit = self.reader.budgets.alias_nodes;
        let place = self.expanding.unwrap_or_default();
        self.give_up("K008", format!("aliases expand to more than {limit} values"), place)
    }

    fn give_up<T>(&mut self, code: &'static str, message: String, place: Span) -> Option<T> {
        if !self.over_budget {
            self.over_budget = true;
            let label = "the limit is reached here";
            self.report(Diagnostic::error(code, message).at(place, label).hint("write the file flatter"));
        }
        None
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: granit_parser::Span) -> Node {
        let place = self.scalar_place(span, style);
        // The parser gives a value that is not written the text `~`.
        let text = if style == ScalarStyle::Plain && place.start == place.end { "" } else { text };
        let core = tag.and_then(core_tag);
        let value = match (core.as_deref(), tag, style) {
            (Some(core), ..) => scalar::resolve_tagged(text, core, self.reader.dialect),
            (None, None, ScalarStyle::Plain) => Some(Ok(scalar::resolve(text, self.reader.dialect))),
            (None, ..) => None,
        };
        if let (Some(tag), None) = (tag, &value) {
            self.unknown_tag(tag, span);
        }
        let value = value.unwrap_or_else(|| Ok(Value::String(text.into()))).unwrap_or_else(|error| {
            self.report(Diagnostic::error("K015", error.to_string()).at(place, ""));
            Value::String(text.into())
        });
        let raw = if matches!(value, Value::String(_)) { "" } else { text };
        Node {
            span: place,
            raw: raw.into(),
            value,
            style: scalar_style(style),
            tag: tag.map(tag_name),
            alias: self.expanding,
        }
    }

    fn collection_tag(&mut self, tag: &Tag, value: &Value, span: granit_parser::Span) {
        match (core_tag(tag).as_deref(), value) {
            (Some("map"), Value::Mapping(_)) | (Some("seq"), Value::Sequence(_)) => {}
            (Some("map" | "seq"), _) => {
                let place = self.tag_place(span);
                self.report(Diagnostic::error("K015", format!("the tag does not fit {}", kind(value))).at(place, ""));
            }
            _ => self.unknown_tag(tag, span),
        }
    }

    fn unknown_tag(&mut self, tag: &Tag, span: granit_parser::Span) {
        // A lone `!` asks for a string, which is what becomes of an unknown tag anyway.
        if self.reader.dialect == Dialect::Kubernetes && !tag.suffix().is_empty() {
            let place = self.tag_place(span);
            self.report(Diagnostic::warning("K015", "this tag means nothing here").at(place, "ignored"));
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        // What is wrong inside an anchored value was said when it was read there.
        let room = self.reader.diagnostics.len() < MOST_PROBLEMS || self.over_budget;
        if room && (self.expanding.is_none() || self.over_budget) {
            self.reader.diagnostics.push(diagnostic);
        }
    }

    fn tag_place(&self, span: granit_parser::Span) -> Span {
        self.place(span.tag_span().unwrap_or(span))
    }

    fn place(&self, span: granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or_default();
        self.reader.span(range.start, range.end)
    }

    /// The text of a scalar, without line breaks behind it.
    fn scalar_place(&self, span: granit_parser::Span, style: ScalarStyle) -> Span {
        let place = self.place(span);
        let written = &self.reader.text[place.start..place.end];
        let trimmed = match style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => written,
            _ => written.trim_end(),
        };
        Span { end: place.start + trimmed.len(), ..place }
    }
}

/// Value, style, end offset and tag of a collection.
type Built<'t> = (Value, Style, usize, Option<std::borrow::Cow<'t, Tag>>);

/// The entries of a mapping while it is read.
#[derive(Default)]
struct Map {
    entries: Vec<Entry>,
    keys: HashMap<Box<str>, Span>,
    merged: Vec<Entry>,
    end: usize,
}

impl Map {
    fn finish(mut self) -> Vec<Entry> {
        for entry in self.merged {
            if !self.keys.contains_key(&entry.key.text) {
                self.keys.insert(entry.key.text.clone(), entry.key.span);
                self.entries.push(entry);
            }
        }
        self.entries
    }
}

/// A collection ends with its bracket, or, when it has none, with its last value.
fn end_of(span: granit_parser::Span, last: usize) -> usize {
    match span.byte_range() {
        Some(range) if range.end > range.start => range.end,
        _ => last,
    }
}

fn core_tag(tag: &Tag) -> Option<String> {
    tag.suffix_in_namespace("tag:yaml.org,2002:").map(std::borrow::Cow::into_owned)
}

fn tag_name(tag: &Tag) -> Box<str> {
    tag.original().into()
}

fn structure(style: StructureStyle) -> Style {
    match style {
        StructureStyle::Block => Style::Block,
        StructureStyle::Flow => Style::Flow,
    }
}

fn scalar_style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::BlockScalar,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Sequence(_) => "a list",
        _ => "a mapping",
    }
}

fn null(span: Span) -> Node {
    Node { span, value: Value::Null, style: Style::Plain, raw: "".into(), tag: None, alias: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::yaml::Path;

    fn read(text: &str) -> (Vec<Document>, Vec<Diagnostic>) {
        parse(SourceId(0), text, Dialect::Kubernetes, &Budgets::default())
    }

    /// The JSON of each document; panics when anything was reported.
    fn json(text: &str) -> Vec<String> {
        let (documents, diagnostics) = read(text);
        assert_eq!(diagnostics, [], "{text}");
        documents.iter().map(|d| d.root.to_json().to_string()).collect()
    }

    fn codes(text: &str) -> Vec<&'static str> {
        read(text).1.iter().map(|d| d.code).collect()
    }

    #[test]
    fn documents_become_trees() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            ("# only a comment\n", &[]),
            ("---\n---\n...\n", &[]),
            ("~", &["null"]),
            ("a: 1", &[r#"{"a":1}"#]),
            ("\u{feff}a: 1", &[r#"{"a":1}"#]),
            ("a: 1\r\nb:\r\n- x\r\n- |\r\n  l1\r\n  l2\r\n", &[r#"{"a":1,"b":["x","l1\nl2\n"]}"#]),
            ("a: 1\n---\nb: 2\n--- \nc: 3\n...\n", &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]),
            ("--- {a: [1, 'x', \"\\u00e9\", yes]}", &[r#"{"a":[1,"x","é",true]}"#]),
            ("a:\n- b\n-\n- - c\n  - d: >-\n     x\n     y\n", &[r#"{"a":["b",null,["c",{"d":"x y"}]]}"#]),
            ("a: &x {p: 1}\nb: *x\nc: &x 2\nd: *x", &[r#"{"a":{"p":1},"b":{"p":1},"c":2,"d":2}"#]),
            ("base: &b {x: 1, w: 2}\nz: {<<: *b, w: 3}", &[r#"{"base":{"x":1,"w":2},"z":{"w":3,"x":1}}"#]),
            ("z: {v: 3, <<: [{x: 1, v: 2}, {x: 9, w: 8}]}", &[r#"{"z":{"v":3,"x":1,"w":8}}"#]),
            ("'<<': 1", &[r#"{"<<":1}"#]),
            ("? a\n: b", &[r#"{"a":"b"}"#]),
            ("a: !!str 12\nb: !!int '12'\nc: !!map {}", &[r#"{"a":"12","b":12,"c":{}}"#]),
        ];
        for (text, documents) in table {
            assert_eq!(json(text), *documents, "{text:?}");
        }
    }

    #[test]
    fn keys_that_are_no_strings_become_text_or_are_refused() {
        let (documents, diagnostics) = read("80: a\non: b\n0x10: c\n");
        assert_eq!(documents[0].root.to_json().to_string(), r#"{"80":"a","true":"b","16":"c"}"#);
        assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["K013", "K013"]);
        assert_eq!(codes("? [a]\n: b"), ["K014"]);
        assert_eq!(codes("{a: {{x}}}"), ["K014"]);
        assert_eq!(codes("~: b"), ["K014"]);
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "# c\nspec:\n  ports:\n  - name: 'web'  # x\n    port: 0x50\n  cmd: |\n    a\n    b\n  none:\n";
        let (documents, _) = read(text);
        let root = &documents[0].root;
        let at = |path: &str| root.at(&Path::parse(path)).map(|p| &text[p.node.span.start..p.node.span.end]);
        assert_eq!(at("spec.ports[0].name"), Some("'web'"));
        assert_eq!(at("spec.ports[0].port"), Some("0x50"));
        assert_eq!(at("spec.ports[0]"), Some("name: 'web'  # x\n    port: 0x50"));
        assert_eq!(at("spec.cmd").map(str::trim), Some("a\n    b"));
        assert_eq!(at("spec.none"), Some(""));
        assert_eq!(at("spec.ports[1]"), None);
        let place = root.at(&Path::parse("spec.ports")).expect("is there");
        assert_eq!(&text[place.key_span().start..place.key_span().end], "ports");
        let (near, depth) = root.nearest(&Path::parse("spec.ports[0].protocol.x"));
        assert_eq!((depth, &text[near.key_span().start..near.key_span().end]), (3, "name"));
    }

    #[test]
    fn documents_know_their_range() {
        let text = "# head\na: 1\n# tail\n---\n# two\nb: 2\n\n--- # c\nc: 3\n...\n# end\n---\nd: 4\n";
        let ranges: Vec<&str> = read(text).0.iter().map(|d| &text[d.range.start..d.range.end]).collect();
        assert_eq!(ranges, ["# head\na: 1\n# tail\n", "# two\nb: 2\n\n", " # c\nc: 3\n", "d: 4\n"]);
    }

    #[test]
    fn a_broken_document_does_not_hide_the_others() {
        let (documents, diagnostics) = read("a: 1\n---\nb: [1, 2\n---\nc: 3\n---\nd: \"x\n---\ne: 5\n");
        assert_eq!(documents.len(), 3, "{diagnostics:?}");
        assert_eq!(diagnostics.len(), 2);
    }

    #[test]
    fn duplicate_keys_name_both_places() {
        let (_, diagnostics) = read("a: 1\nb: 2\na: 3\n");
        assert_eq!(diagnostics[0].code, "K006");
        assert_eq!(diagnostics[0].primary.as_ref().map(|(s, _)| s.start), Some(10));
        assert_eq!(diagnostics[0].secondary[0].0.start, 0);
    }

    #[test]
    fn budgets_end_in_an_error() {
        let started = std::time::Instant::now();
        let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
        for (new, old) in ('b'..='z').zip('a'..) {
            bomb += &format!("{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n");
        }
        assert_eq!(codes(&bomb), ["K008"]);
        assert_eq!(codes("a: &a [*a]"), ["K007"]);
        assert_eq!(codes("a: *b"), ["K007"]);
        assert_eq!(codes(&"[".repeat(1 << 20)), ["K009"]);
        assert_eq!(codes(&"{a: ".repeat(1 << 18)), ["K009"]);
        assert_eq!(codes(&"- ".repeat(1 << 19)), ["K009"]);
        assert_eq!(codes(&"? ".repeat(1 << 19)), ["K009"]);
        assert_eq!(codes(&"- x\n".repeat(300_000)), ["K010"]);
        assert_eq!(codes(&"x".repeat(9 << 20)), ["K010"]);
        assert_eq!(codes("a: b\0c"), ["K012"]);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
