//! YAML text to a tree that remembers the place of every key and value, and from there to typed objects.
//!
//! ```text
//! bytes --decode--> text --parse--> documents of nodes --typed--> Kubernetes types (unknown fields, wrong types: diagnostics)
//! ```
//!
//! - [`decode`]: encodings, byte order marks, control characters;
//! - [`parse`]: text to documents within the budgets; `build`: events of the parser to [`Node`]s;
//! - [`syntax`](self): what a syntax error means and what to do about it;
//! - [`scalar`]: which value a plain scalar is, by [`Dialect`];
//! - [`typed()`]: a strict serde deserializer over a tree that goes on after an error;
//! - [`schema`]: which fields a type has, at every level, for "did you mean";
//! - [`write()`]: values to text, with quotes where Kubernetes' readers need them.
//!
//! It never fails as a whole: whatever the bytes, it returns the documents it could read and what is wrong with the others.

pub mod base64;
mod build;
mod node;
mod parse;
#[cfg(test)]
mod properties;
pub mod scalar;
pub mod schema;
mod suggest;
mod syntax;
mod text;
mod typed;
mod write;

pub use node::{Document, Entry, Key, Node, Path, PathElem, Place, Style, Value};
pub use parse::parse;
pub use suggest::path_text;
pub use text::decode;
pub use typed::{TypedOptions, typed};
pub use write::write;

/// Whose rules decide what a plain scalar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// YAML as `kubectl` reads it (go-yaml v2): YAML 1.1 booleans.
    Kubernetes,
    /// YAML as compose reads it (go-yaml v3 and v4): `yes` and `on` are text.
    Compose,
}

/// How much one file may ask for. Beyond it there is an error, never a crash or a long wait.
#[derive(Debug, Clone, Copy)]
pub struct Budgets {
    /// Bytes of a file. 8 MiB: far above what people write; several ConfigMaps of the full size fit.
    pub file_bytes: usize,
    /// Bytes of a document. 3 MiB: the API server takes no larger request, and a ConfigMap of 1 MiB stays below it
    /// with its indentation.
    pub document_bytes: usize,
    /// Levels of nesting.
    pub depth: usize,
    /// Nodes that aliases may add to a document.
    pub alias_nodes: usize,
    /// Nodes of a file. This bounds the time a file takes.
    pub nodes: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { file_bytes: 8 << 20, document_bytes: 3 << 20, depth: 64, alias_nodes: 10_000, nodes: 200_000 }
    }
}
