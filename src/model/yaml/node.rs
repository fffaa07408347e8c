//! The tree: values as the dialect resolves them, each with its place.

use crate::model::diagnostic::Span;
use std::fmt::{self, Write as _};

/// A YAML document: one part of a stream between `---` lines. Documents without content are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub root: Node,
    /// The document's text without its `---` line.
    pub range: Span,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value itself, without key, tag and anchor. Of a value that came from an alias: the anchored text. Of a null that
    /// is not written (`key:`): empty, just behind the key's colon.
    pub span: Span,
    pub value: Value,
    pub style: Style,
    /// The scalar as written, where that differs from the value: `0644` of the integer 420, `yes` of the boolean. Empty for
    /// collections and strings.
    pub raw: Box<str>,
    /// The tag as written: `!!str`, `!reset`.
    pub tag: Option<Box<str>>,
    /// Where the alias stands through which this value was reached.
    pub alias: Option<Span>,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// From -2^63 up to 2^64-1.
    Int(i128),
    Float(f64),
    String(Box<str>),
    Sequence(Vec<Node>),
    /// Entries in file order, no two with equal keys; what a merge key brought stands behind the written ones.
    Mapping(Vec<Entry>),
}

/// One `key: value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: Key,
    pub value: Node,
}

/// A key. Kubernetes has string keys only: a number or boolean was turned into text.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub text: Box<str>,
    pub span: Span,
}

/// How a node was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Quoted,
    /// `|` or `>`.
    BlockScalar,
    /// Indented sequence or mapping.
    Block,
    /// `[...]` or `{...}`.
    Flow,
}

/// One step down the tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathElem {
    Field(String),
    Index(usize),
}

/// A way down from a document's root, shown as Kubernetes shows it: `spec.containers[0].image`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Path(Vec<PathElem>);

/// The places of one path in a document.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The node at the path.
    pub node: &'a Node,
    /// Its key; `None` for elements of a sequence and for the root.
    pub key: Option<&'a Key>,
}

impl PathElem {
    /// The field's name; `None` for an index.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Field(name) => Some(name),
            Self::Index(_) => None,
        }
    }
}

impl Place<'_> {
    /// The place to mark when the field as a whole is meant: the key, or the node when it has none.
    pub fn key_span(&self) -> Span {
        self.key.map_or_else(|| self.node.head_span(), |key| key.span)
    }

    /// The place to mark when the value is meant: see [`Node::mark`].
    pub fn value_span(&self) -> Span {
        self.node.mark(self.key.map(|key| key.span))
    }
}

impl Node {
    /// The value of a field; `None` when absent or when this is no mapping. A null counts as absent, as in Kubernetes.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|e| &e.value).filter(|n| n.value != Value::Null)
    }

    /// The entry of a key, nulls too.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|e| &*e.key.text == key)
    }

    /// The entries of a mapping; none for other nodes.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a sequence; none for other nodes.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i128> {
        match self.value {
            Value::Int(i) => Some(i),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(b) => Some(b),
            _ => None,
        }
    }

    /// The node at exactly this path.
    pub fn at(&self, path: &[PathElem]) -> Option<Place<'_>> {
        let (place, depth) = self.nearest(path);
        (depth == path.len()).then_some(place)
    }

    /// The node at this path, or its nearest ancestor that exists, and how many elements of the path it lies deep. This is
    /// what to mark when a field is missing.
    pub fn nearest(&self, path: &[PathElem]) -> (Place<'_>, usize) {
        let mut place = Place { node: self, key: None };
        for (depth, elem) in path.iter().enumerate() {
            let next = match elem {
                PathElem::Field(name) => place.node.entry(name).map(|e| Place { node: &e.value, key: Some(&e.key) }),
                PathElem::Index(i) => place.node.items().get(*i).map(|node| Place { node, key: None }),
            };
            match next {
                Some(next) => place = next,
                None => return (place, depth),
            }
        }
        (place, path.len())
    }

    /// What to mark when this value is meant: a scalar or a bracketed collection itself; of an indented collection and of a
    /// value that is not written, the key.
    pub fn mark(&self, key: Option<Span>) -> Span {
        let itself = match self.value {
            Value::Sequence(_) | Value::Mapping(_) => self.style == Style::Flow,
            _ => self.span.start < self.span.end && self.style != Style::BlockScalar,
        };
        match key {
            Some(key) if !itself => key,
            _ => self.head_span(),
        }
    }

    /// What to mark for this node when it has no key: a scalar as a whole, of a collection its first line's key or item.
    pub fn head_span(&self) -> Span {
        match (&self.value, self.style) {
            (Value::Mapping(entries), Style::Block) => entries.first().map_or(self.span, |e| e.key.span),
            (Value::Sequence(items), Style::Block) => items.first().map_or(self.span, Node::head_span),
            _ => self.span,
        }
    }

    /// What the value is, in the words of the messages: "a string", "the integer".
    pub fn kind_name(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number",
            Value::String(_) => "a string",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// The tree as JSON, as Kubernetes would see it. A float that JSON cannot hold (`.inf`) becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(i) => match (i64::try_from(*i), u64::try_from(*i)) {
                (Ok(i), _) => Json::from(i),
                (_, Ok(u)) => Json::from(u),
                _ => Json::Null,
            },
            Value::Float(f) => Json::from(*f),
            Value::String(s) => Json::from(&**s),
            Value::Sequence(items) => items.iter().map(Node::to_json).collect(),
            Value::Mapping(entries) => {
                Json::Object(entries.iter().map(|e| (e.key.text.to_string(), e.value.to_json())).collect())
            }
        }
    }
}

impl Path {
    /// The path of the root.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path as it is shown: `spec.containers[0].image`. Keys that hold dots or brackets cannot be written so;
    /// build those with [`Path::field`].
    pub fn parse(text: &str) -> Self {
        let mut path = Self::root();
        for part in text.split('.').filter(|p| !p.is_empty()) {
            let (name, rest) = part.split_at(part.find('[').unwrap_or(part.len()));
            if !name.is_empty() {
                path.0.push(PathElem::Field(name.to_owned()));
            }
            let indexes = rest.split(['[', ']']).filter_map(|i| i.parse().ok());
            path.0.extend(indexes.map(PathElem::Index));
        }
        path
    }

    /// This path and one field more.
    #[must_use]
    pub fn field(&self, name: impl Into<String>) -> Self {
        let mut longer = self.clone();
        longer.0.push(PathElem::Field(name.into()));
        longer
    }

    /// This path and one element of a sequence more.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut longer = self.clone();
        longer.0.push(PathElem::Index(index));
        longer
    }

    pub fn push(&mut self, elem: PathElem) {
        self.0.push(elem);
    }

    pub fn pop(&mut self) -> Option<PathElem> {
        self.0.pop()
    }

    pub fn elements(&self) -> &[PathElem] {
        &self.0
    }
}

impl std::ops::Deref for Path {
    type Target = [PathElem];

    fn deref(&self) -> &[PathElem] {
        &self.0
    }
}

impl From<&str> for Path {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, elem) in self.0.iter().enumerate() {
            match elem {
                PathElem::Index(index) => write!(f, "[{index}]")?,
                PathElem::Field(name) => {
                    if i > 0 {
                        f.write_char('.')?;
                    }
                    let plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '$'));
                    if plain { f.write_str(name)? } else { write!(f, "{name:?}")? }
                }
            }
        }
        Ok(())
    }
}
