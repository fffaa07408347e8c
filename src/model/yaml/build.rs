//! The events of a document to its tree: anchors, merge keys, duplicate keys, depth.
//!
//! An alias is built again from the events of its anchor, so that nothing is copied for an anchor nobody uses, and what
//! aliases add is counted as it is made.

use super::node::{Entry, Key, Node, Style, Value};
use super::{Budgets, Dialect, scalar};
use crate::model::diagnostic::{Diagnostic, SourceId, Span};
use granit_parser::{Event, ScalarStyle, StructureStyle, Tag};
use std::collections::HashMap;

/// The most problems reported of a file, besides those that end the reading.
const MOST_PROBLEMS: usize = 1000;

/// The events of one document, without its start and end.
pub(super) type Events<'t> = Vec<(Event<'t>, granit_parser::Span)>;

/// What is read, and how.
#[derive(Clone, Copy)]
pub(super) struct Context<'t> {
    pub source: SourceId,
    pub text: &'t str,
    pub dialect: Dialect,
    pub budgets: &'t Budgets,
}

impl Context<'_> {
    pub fn span(&self, start: usize, end: usize) -> Span {
        Span { source: self.source, start, end }
    }
}

/// Makes the tree of a document; `None` when a budget was exceeded, which is reported.
pub(super) fn build(cx: Context<'_>, events: &Events<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let mut builder = Builder {
        cx,
        events,
        diagnostics,
        anchors: HashMap::new(),
        open_anchors: Vec::new(),
        depth: 0,
        expanding: None,
        expanded: 0,
        over_budget: false,
    };
    builder.node(&mut 0)
}

/// Makes the nodes of one document from its events.
struct Builder<'r, 't> {
    cx: Context<'t>,
    events: &'r Events<'t>,
    diagnostics: &'r mut Vec<Diagnostic>,
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
        if self.depth > self.cx.budgets.depth {
            let place = self.expanding.unwrap_or(self.place(span));
            return self.give_up("K009", format!("more than {} levels of nesting", self.cx.budgets.depth), place);
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
                let template = self.cx.text[..place.start].ends_with('{') && node.style == Style::Flow;
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
        if self.expanded <= self.cx.budgets.alias_nodes {
            return Some(());
        }
        let limit = self.cx.budgets.alias_nodes;
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
            (Some(core), ..) => scalar::resolve_tagged(text, core, self.cx.dialect),
            (None, None, ScalarStyle::Plain) => Some(Ok(scalar::resolve(text, self.cx.dialect))),
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
        if self.cx.dialect == Dialect::Kubernetes && !tag.suffix().is_empty() {
            let place = self.tag_place(span);
            self.report(Diagnostic::warning("K015", "this tag means nothing here").at(place, "ignored"));
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        // What is wrong inside an anchored value was said when it was read there.
        let room = self.diagnostics.len() < MOST_PROBLEMS || self.over_budget;
        if room && (self.expanding.is_none() || self.over_budget) {
            self.diagnostics.push(diagnostic);
        }
    }

    fn tag_place(&self, span: granit_parser::Span) -> Span {
        self.place(span.tag_span().unwrap_or(span))
    }

    fn place(&self, span: granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or_default();
        self.cx.span(range.start, range.end)
    }

    /// The text of a scalar, without line breaks behind it.
    fn scalar_place(&self, span: granit_parser::Span, style: ScalarStyle) -> Span {
        let place = self.place(span);
        let written = &self.cx.text[place.start..place.end];
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
