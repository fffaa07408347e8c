//! Which fields a type has at every level, learned from the type itself.
//!
//! A deserializer without input walks through everything that a type asks for and writes it down. This costs some
//! milliseconds for a pod, and is done only when there is a mistake to explain.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Visitor};
use std::cell::RefCell;
use std::fmt::Display;

/// Deeper levels than any useful one; a list or optional value counts as one. Types that hold themselves end the walk earlier.
const DEEPEST: usize = 32;

/// One level of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// Fields down to here. Sequences and maps are passed through without a step of their own.
    pub path: Vec<&'static str>,
    /// Name of the type: `Pod`, `PodSpec`.
    pub name: &'static str,
    pub fields: &'static [&'static str],
    /// What each field takes, in the order of `fields`.
    pub shapes: Vec<Shape>,
}

/// What a field takes: `[]Container` is a list of a struct, `map[string]string` a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Lists and maps around the value, the outermost first.
    pub around: Vec<Collection>,
    /// `string`, `boolean`, `integer`, `number`, or the name of a type; empty when the type does not say.
    pub of: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    List,
    Map,
}

impl Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for collection in &self.around {
            f.write_str(match collection {
                Collection::List => "[]",
                Collection::Map => "map[string]",
            })?;
        }
        f.write_str(if self.of.is_empty() { "any" } else { self.of })
    }
}

/// The levels of a type, the root first.
pub fn levels<T: DeserializeOwned>() -> Vec<Level> {
    let walk = Walk::default();
    // A type may refuse the placeholder values; what was learned up to there stands.
    let _ = T::deserialize(Probe { walk: &walk, depth: 0 });
    walk.levels.into_inner()
}

#[derive(Default)]
struct Walk {
    path: RefCell<Vec<&'static str>>,
    /// Names of the types that are being walked through.
    open: RefCell<Vec<&'static str>>,
    levels: RefCell<Vec<Level>>,
    /// Shapes of the fields that are being walked through.
    shapes: RefCell<Vec<Shape>>,
}

impl Walk {
    /// Says what the innermost field is, unless that is known: what follows then are its parts.
    fn note(&self, of: &'static str) {
        if let Some(shape) = self.shapes.borrow_mut().last_mut().filter(|shape| shape.of.is_empty()) {
            shape.of = of;
        }
    }

    fn note_collection(&self, collection: Collection) {
        if let Some(shape) = self.shapes.borrow_mut().last_mut().filter(|shape| shape.of.is_empty()) {
            shape.around.push(collection);
        }
    }
}

#[derive(Debug)]
struct Refused;

impl Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the type refuses a placeholder")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

struct Probe<'w> {
    walk: &'w Walk,
    depth: usize,
}

impl<'w> Probe<'w> {
    fn deeper(&self) -> Probe<'w> {
        Probe { walk: self.walk, depth: self.depth + 1 }
    }
}

macro_rules! placeholders {
    ($($of:literal: $($method:ident $visit:ident($value:expr))*;)*) => {$($(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.walk.note($of);
            visitor.$visit($value)
        }
    )*)*};
}

impl<'de> de::Deserializer<'de> for Probe<'_> {
    type Error = Refused;

    placeholders! {
        "boolean": deserialize_bool visit_bool(false);
        "integer":
            deserialize_i8 visit_i8(0)
            deserialize_i16 visit_i16(0)
            deserialize_i32 visit_i32(0)
            deserialize_i64 visit_i64(0)
            deserialize_u8 visit_u8(0)
            deserialize_u16 visit_u16(0)
            deserialize_u32 visit_u32(0)
            deserialize_u64 visit_u64(0);
        "number":
            deserialize_f32 visit_f32(0.0)
            deserialize_f64 visit_f64(0.0);
        "string":
            deserialize_char visit_char('0')
            deserialize_string visit_str("")
            deserialize_identifier visit_str("");
        "base64":
            deserialize_bytes visit_bytes(&[])
            deserialize_byte_buf visit_bytes(&[]);
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        // Values of more than one kind: IntOrString.
        let is_port = (&visitor as &dyn de::Expected).to_string().contains("IntOrString");
        self.walk.note(if is_port { "IntOrString" } else { "any" });
        visitor.visit_i64(0)
    }

    /// Besides base64 these are times, which refuse an empty text.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let is_base64 = (&visitor as &dyn de::Expected).to_string().contains("base64");
        self.walk.note(if is_base64 { "base64" } else { "string" });
        visitor.visit_str(if is_base64 { "" } else { "1970-01-01T00:00:00Z" })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.depth > DEEPEST { visitor.visit_none() } else { visitor.visit_some(self.deeper()) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refused> {
        self.walk.note(name);
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.walk.note_collection(Collection::List);
        visitor.visit_seq(Once { probe: Some(self.deeper()) })
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
        self.walk.note_collection(Collection::Map);
        visitor.visit_map(Once { probe: Some(self.deeper()) })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let walk = self.walk;
        walk.note(name);
        let recursive = walk.open.borrow().contains(&name) || self.depth > DEEPEST;
        let level = walk.levels.borrow().len();
        if !recursive {
            let path = walk.path.borrow().clone();
            let shapes = vec![Shape::default(); fields.len()];
            walk.levels.borrow_mut().push(Level { path, name, fields, shapes });
        }
        walk.open.borrow_mut().push(name);
        let known = if recursive { [].iter() } else { fields.iter() };
        let object = visitor.visit_map(Fields { fields: known, current: None, level, probe: self });
        walk.open.borrow_mut().pop();
        object
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let first: StrDeserializer<'_, Refused> =
            de::IntoDeserializer::into_deserializer(*variants.first().unwrap_or(&""));
        visitor.visit_enum(first)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }
}

/// A sequence of one element, or a map of one entry.
struct Once<'w> {
    probe: Option<Probe<'w>>,
}

impl<'de> de::SeqAccess<'de> for Once<'_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        self.probe.take().map(|probe| seed.deserialize(probe)).transpose()
    }
}

impl<'de> de::MapAccess<'de> for Once<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        let Some(probe) = &self.probe else { return Ok(None) };
        probe.walk.shapes.borrow_mut().push(Shape::default());
        let key = seed.deserialize(probe.deeper());
        probe.walk.shapes.borrow_mut().pop();
        key.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        seed.deserialize(self.probe.take().ok_or(Refused)?)
    }
}

/// Every field of a struct once.
struct Fields<'w> {
    fields: std::slice::Iter<'static, &'static str>,
    current: Option<&'static str>,
    /// Index of the struct's level.
    level: usize,
    probe: Probe<'w>,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        // An object compares the two with its own; its other fields do not depend on them.
        let is_object = self.probe.depth == 0;
        self.current = self.fields.find(|f| !(is_object && matches!(**f, "apiVersion" | "kind"))).copied();
        let key = |field: &'static str| -> StrDeserializer<'static, Refused> {
            de::IntoDeserializer::into_deserializer(field)
        };
        self.current.map(|field| seed.deserialize(key(field))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let walk = self.probe.walk;
        let field = self.current.unwrap_or_default();
        walk.path.borrow_mut().push(field);
        walk.shapes.borrow_mut().push(Shape::default());
        let value = seed.deserialize(self.probe.deeper());
        let shape = walk.shapes.borrow_mut().pop().unwrap_or_default();
        walk.path.borrow_mut().pop();
        if let Some(level) = walk.levels.borrow_mut().get_mut(self.level) {
            let index = level.fields.iter().position(|known| *known == field);
            index.into_iter().for_each(|index| level.shapes[index] = shape.clone());
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};

    fn has<T: DeserializeOwned>(path: &[&str], field: &str) -> bool {
        levels::<T>().iter().any(|level| level.path == path && level.fields.contains(&field))
    }

    #[test]
    fn types_tell_what_their_fields_take() {
        let all = levels::<Deployment>();
        let shape = |path: &[&str], field: &str| {
            let level = all.iter().find(|level| level.path == path).expect("is there");
            let index = level.fields.iter().position(|f| *f == field).expect("is there");
            (level.name, level.shapes[index].to_string())
        };
        let pod = ["spec", "template", "spec"];
        let below = |steps: &[&'static str]| [&pod, steps].concat();
        assert_eq!(shape(&pod, "containers"), ("PodSpec", "[]Container".into()));
        assert_eq!(shape(&pod, "nodeSelector"), ("PodSpec", "map[string]string".into()));
        assert_eq!(shape(&pod, "hostIPC"), ("PodSpec", "boolean".into()));
        let limits = shape(&below(&["containers", "resources"]), "limits");
        assert_eq!(limits, ("ResourceRequirements", "map[string]Quantity".into()));
        let header = shape(&below(&["containers", "livenessProbe", "httpGet", "httpHeaders"]), "name");
        assert_eq!(header, ("HTTPHeader", "string".into()));
        let port = shape(&below(&["containers", "livenessProbe", "httpGet"]), "port");
        assert_eq!(port, ("HTTPGetAction", "IntOrString".into()));
        let version = shape(&below(&["containers", "env", "valueFrom", "fieldRef"]), "apiVersion");
        assert_eq!(version, ("ObjectFieldSelector", "string".into()));
        assert_eq!(shape(&["metadata"], "creationTimestamp"), ("ObjectMeta", "Time".into()));
        assert!(all.iter().skip(1).flat_map(|l| &l.shapes).all(|shape| !shape.of.is_empty()));
    }

    #[test]
    fn types_tell_their_fields() {
        assert!(has::<Pod>(&[], "spec"));
        assert!(has::<Pod>(&["spec"], "restartPolicy"));
        assert!(has::<Pod>(&["spec", "containers", "livenessProbe", "httpGet"], "path"));
        assert!(has::<Pod>(&["spec", "volumes", "configMap", "items"], "mode"));
        assert!(has::<Pod>(&["metadata"], "labels"));
        assert!(has::<Deployment>(&["spec", "template", "spec", "containers", "resources"], "limits"));
        assert!(has::<Secret>(&[], "stringData"));
        assert!(has::<ConfigMap>(&[], "binaryData"));
    }
}
