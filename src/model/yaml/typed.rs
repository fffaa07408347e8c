//! A tree to a typed object, as strict as the API server with strict field validation, and with every problem in one pass.
//!
//! An integer field takes no quoted number, a string field no number or boolean, and unknown fields are reported with
//! what was probably meant. After a problem the reading goes on with a placeholder; when it is done, the object is built once
//! more with the faulty fields left out, so that later checks see them as absent and not as zero.
//!
//! Checked here, for every type of the API: field names, kinds of values, integer ranges, base64, quantities, times. What a
//! value must be beyond that (required fields, names, enumerations, references) is up to the caller.

mod value;

use super::node::{Entry, Node, Path, PathElem, Value};
use super::suggest::{self, Unknown};
use crate::model::diagnostic::{Diagnostic, Severity, Span};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, Visitor};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt::Display;

/// The most problems that one object may show; reading stops there.
const MOST_PROBLEMS: usize = 100;

/// How an object is read.
#[derive(Debug, Clone, Copy)]
pub struct TypedOptions<'a> {
    /// Object for the diagnostics: `Pod/web`.
    pub object: &'a str,
    /// What an unknown field is; `None` passes over it in silence.
    pub unknown_fields: Option<Severity>,
    /// Whether values must not be shown: true for Secrets.
    pub secret: bool,
}

/// Reads an object of type `T`.
///
/// With problems, the object holds what could be read, faulty fields being absent (or, where there is no absence, their
/// default). It is `None` only when the type refuses every reading.
pub fn typed<T: DeserializeOwned>(node: &Node, options: TypedOptions<'_>) -> (Option<T>, Vec<Diagnostic>) {
    let mut masked = HashSet::new();
    let mut refusals = Vec::new();
    for _ in 0..MOST_PROBLEMS {
        let cx = Cx::new(options, masked);
        let result = T::deserialize(Reader { node, cx: &cx });
        let Cx { findings, faulty, masked: used, unknown, .. } = cx;
        masked = used.into_inner();
        match result {
            Ok(object) => {
                let mut findings = findings.into_inner();
                findings.append(&mut refusals);
                findings.extend(suggest::explain::<T>(unknown.into_inner(), node, options));
                let faulty = faulty.into_inner();
                if faulty.is_empty() {
                    return (Some(object), findings);
                }
                masked.extend(faulty);
                let quiet = Cx::new(options, masked);
                let without = T::deserialize(Reader { node, cx: &quiet }).ok();
                return (without.or(Some(object)), findings);
            }
            Err(refused) => {
                let Some((address, finding)) = refused.place else {
                    refusals
                        .push(Diagnostic::error("K102", refused.message).at(node.head_span(), "").path(options.object));
                    return (None, refusals);
                };
                refusals.push(*finding);
                if !masked.insert(address) {
                    return (None, refusals);
                }
            }
        }
    }
    (None, refusals)
}

/// Identity of a node in its tree.
type Address = *const Node;

/// State of one reading.
struct Cx<'o> {
    options: TypedOptions<'o>,
    path: RefCell<Path>,
    /// Key of the value being read: a fault of a block collection is marked there.
    key: Cell<Option<Span>>,
    findings: RefCell<Vec<Diagnostic>>,
    unknown: RefCell<Vec<Unknown>>,
    /// Values that do not fit.
    faulty: RefCell<Vec<Address>>,
    /// Values to pass over.
    masked: RefCell<HashSet<Address>>,
}

impl<'o> Cx<'o> {
    fn new(options: TypedOptions<'o>, masked: HashSet<Address>) -> Self {
        Self {
            options,
            path: RefCell::default(),
            key: Cell::new(None),
            findings: RefCell::default(),
            unknown: RefCell::default(),
            faulty: RefCell::default(),
            masked: RefCell::new(masked),
        }
    }

    fn path_text(&self) -> String {
        suggest::path_text(self.options.object, &self.path.borrow())
    }

    /// The last named step of the path, in backticks, for messages.
    fn subject(&self) -> String {
        let path = self.path.borrow();
        let mut steps = path.elements().iter().rev();
        let mut index = String::new();
        let name = steps.find_map(|step| match step {
            PathElem::Field(name) => Some(name.as_str()),
            PathElem::Index(i) => {
                index = format!("[{i}]{index}");
                None
            }
        });
        format!("`{}{index}`", name.unwrap_or("the document"))
    }

    fn find(&self, node: &Node, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error {
            self.faulty.borrow_mut().push(node);
        }
        if self.findings.borrow().len() < MOST_PROBLEMS {
            self.findings.borrow_mut().push(diagnostic.path(self.path_text()));
        }
    }

    /// Where to point for a value: at scalars and flow collections themselves, at the key of block collections.
    fn mark(&self, node: &Node) -> Span {
        node.mark(self.key.get())
    }
}

/// Why a type refused its input, and the value that it refused once that is known.
#[derive(Debug)]
struct Refused {
    message: String,
    place: Option<(Address, Box<Diagnostic>)>,
}

impl Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: Display>(message: T) -> Self {
        Self { message: message.to_string(), place: None }
    }
}

/// Deserializes one node.
struct Reader<'n, 'c, 'o> {
    node: &'n Node,
    cx: &'c Cx<'o>,
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ident $signed:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            visitor.$visit(self.integer($type::BITS, $signed) as $type)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'_, '_, '_> {
    type Error = Refused;

    integers! {
        deserialize_i8 visit_i8 i8 true
        deserialize_i16 visit_i16 i16 true
        deserialize_i32 visit_i32 i32 true
        deserialize_i64 visit_i64 i64 true
        deserialize_u8 visit_u8 u8 false
        deserialize_u16 visit_u16 u16 false
        deserialize_u32 visit_u32 u32 false
        deserialize_u64 visit_u64 u64 false
    }

    /// Types that take several kinds of values: `IntOrString`, free JSON.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let int_or_string = describe(&visitor) == "IntOrString";
        match &self.node.value {
            Value::Int(_) if int_or_string => visitor.visit_i32(self.integer(32, true) as i32),
            Value::Float(f) if int_or_string && f.fract() == 0.0 => visitor.visit_i32(self.integer(32, true) as i32),
            Value::Int(i) => match i64::try_from(*i) {
                Ok(i) => visitor.visit_i64(i),
                Err(_) => visitor.visit_u64(self.integer(64, false) as u64),
            },
            Value::String(s) => visitor.visit_str(s),
            _ if int_or_string => {
                self.mismatch("an integer or a string");
                visitor.visit_i32(0)
            }
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Float(f) => visitor.visit_f64(*f),
            Value::Sequence(_) => self.deserialize_seq(visitor),
            Value::Mapping(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.node.value {
            Value::Bool(b) => visitor.visit_bool(b),
            Value::Null => visitor.visit_bool(false),
            _ => {
                self.mismatch("a boolean");
                visitor.visit_bool(false)
            }
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.node.value {
            Value::Float(f) => visitor.visit_f64(f),
            Value::Int(i) => visitor.visit_f64(i as f64),
            Value::Null => visitor.visit_f64(0.0),
            _ => {
                self.mismatch("a number");
                visitor.visit_f64(0.0)
            }
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_str(self.string())
    }

    /// `ByteString` asks for a `str`, as times do; other strings are asked for as `String`.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if describe(&visitor).contains("base64") {
            return visitor.visit_str(&self.base64());
        }
        visitor.visit_str(self.string())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_str(self.string())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bytes(self.string().as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refused> {
        match name {
            "Quantity" => return visitor.visit_newtype_struct(self.quantity().into_deserializer()),
            "Time" | "MicroTime" => return visitor.visit_newtype_struct(self.time().into_deserializer()),
            _ => {}
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(Items { items: self.items().iter(), index: 0, cx: self.cx })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_map(Entries { entries: self.entries().iter(), fields: None, value: None, cx: self.cx })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_map(Entries { entries: self.entries().iter(), fields: Some(fields), value: None, cx: self.cx })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_enum(self.string().into_deserializer())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_str(self.string())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }
}

/// The elements of a sequence.
struct Items<'n, 'c, 'o> {
    items: std::slice::Iter<'n, Node>,
    index: usize,
    cx: &'c Cx<'o>,
}

impl<'de> de::SeqAccess<'de> for Items<'_, '_, '_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let step = PathElem::Index(self.index);
        self.index += 1;
        read(self.cx, step, None, node, |reader| {
            if node.value == Value::Null {
                let subject = self.cx.subject();
                let finding = Diagnostic::warning("K108", format!("{subject} is empty"))
                    .at(self.cx.mark(node), "nothing stands behind this `-`")
                    .hint("take the `-` away, or write what belongs there, \"\" for an empty text");
                self.cx.find(node, finding);
            }
            seed.deserialize(reader)
        })
        .map(Some)
    }
}

/// The entries of a mapping, or the known ones of a struct.
struct Entries<'n, 'c, 'o> {
    entries: std::slice::Iter<'n, Entry>,
    /// The fields of a struct; `None` for maps with any key.
    fields: Option<&'static [&'static str]>,
    value: Option<&'n Entry>,
    cx: &'c Cx<'o>,
}

impl Cx<'_> {
    /// Whether an entry is to be read as a field of a struct. Notes it when the struct has no such field.
    fn admits(&self, entry: &Entry, fields: &'static [&'static str]) -> bool {
        if fields.contains(&&*entry.key.text) {
            let address: Address = &entry.value;
            return entry.value.value != Value::Null && !self.masked.borrow().contains(&address);
        }
        if self.options.unknown_fields.is_some() && self.unknown.borrow().len() < MOST_PROBLEMS {
            self.unknown.borrow_mut().push(Unknown {
                key: entry.key.clone(),
                path: self.path.borrow().clone(),
                fields,
            });
        }
        false
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_, '_, '_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        let (cx, fields) = (self.cx, self.fields);
        let next = self.entries.find(|entry| fields.is_none_or(|fields| cx.admits(entry, fields)));
        let Some(entry) = next else { return Ok(None) };
        self.value = Some(entry);
        seed.deserialize((*entry.key.text).into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let entry = self.value.take().ok_or_else(|| de::Error::custom("a value was asked for before its key"))?;
        let step = PathElem::Field(entry.key.text.to_string());
        read(self.cx, step, Some(entry.key.span), &entry.value, |reader| seed.deserialize(reader))
    }
}

/// Reads a value one step further down; gives a refusal of its type the place where it happened.
fn read<'n, 'c, 'o, T>(
    cx: &'c Cx<'o>,
    step: PathElem,
    key: Option<Span>,
    node: &'n Node,
    read: impl FnOnce(Reader<'n, 'c, 'o>) -> Result<T, Refused>,
) -> Result<T, Refused> {
    cx.path.borrow_mut().push(step);
    let outer = cx.key.replace(key);
    let result = read(Reader { node, cx });
    let result = result.map_err(|mut refused| {
        cx.key.set(key);
        refused.place.get_or_insert_with(|| {
            let message = match cx.options.secret {
                true => format!("{} is not valid", cx.subject()),
                false => format!("{} is not valid: {}", cx.subject(), refused.message),
            };
            (node as Address, Box::new(Diagnostic::error("K102", message).at(cx.mark(node), "").path(cx.path_text())))
        });
        refused
    });
    cx.key.set(outer);
    cx.path.borrow_mut().pop();
    result
}

/// What a visitor says it expects: the only thing that tells `IntOrString` and `ByteString` from their kin.
fn describe<'de, V: Visitor<'de>>(visitor: &V) -> String {
    (visitor as &dyn Expected).to_string()
}

#[cfg(test)]
mod tests;
