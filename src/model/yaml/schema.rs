//! Which fields a type has at every level, learned from the type itself.
//!
//! A deserializer without input walks through everything that a type asks for and writes it down. This costs some
//! milliseconds for a pod, and is done only when there is a mistake to explain.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Visitor};
use std::cell::RefCell;
use std::fmt::Display;

/// Deeper levels than any useful one; ends the walk through types that hold themselves.
const DEEPEST: usize = 12;

/// One level of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// Fields down to here. Sequences and maps are passed through without a step of their own.
    pub path: Vec<&'static str>,
    pub fields: &'static [&'static str],
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
    ($($method:ident $visit:ident($value:expr))*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            visitor.$visit($value)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Probe<'_> {
    type Error = Refused;

    placeholders! {
        deserialize_bool visit_bool(false)
        deserialize_i8 visit_i8(0)
        deserialize_i16 visit_i16(0)
        deserialize_i32 visit_i32(0)
        deserialize_i64 visit_i64(0)
        deserialize_u8 visit_u8(0)
        deserialize_u16 visit_u16(0)
        deserialize_u32 visit_u32(0)
        deserialize_u64 visit_u64(0)
        deserialize_f32 visit_f32(0.0)
        deserialize_f64 visit_f64(0.0)
        deserialize_any visit_i64(0)
        deserialize_char visit_char('0')
        deserialize_string visit_str("")
        deserialize_bytes visit_bytes(&[])
        deserialize_byte_buf visit_bytes(&[])
        deserialize_identifier visit_str("")
    }

    /// Besides base64 these are times, which refuse an empty text.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let is_base64 = (&visitor as &dyn de::Expected).to_string().contains("base64");
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

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
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
        visitor.visit_map(Once { probe: Some(self.deeper()) })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let walk = self.walk;
        let recursive = walk.open.borrow().contains(&name) || self.depth > DEEPEST;
        if !recursive {
            walk.levels.borrow_mut().push(Level { path: walk.path.borrow().clone(), fields });
        }
        walk.open.borrow_mut().push(name);
        let known = if recursive { [].iter() } else { fields.iter() };
        let object = visitor.visit_map(Fields { fields: known, current: None, probe: self });
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
        self.probe.as_ref().map(|probe| seed.deserialize(probe.deeper())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        seed.deserialize(self.probe.take().ok_or(Refused)?)
    }
}

/// Every field of a struct once.
struct Fields<'w> {
    fields: std::slice::Iter<'static, &'static str>,
    current: Option<&'static str>,
    probe: Probe<'w>,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        // A type compares the two with its own; its other fields do not depend on them.
        self.current = self.fields.find(|f| !matches!(**f, "apiVersion" | "kind")).copied();
        let key = |field: &'static str| -> StrDeserializer<'static, Refused> {
            de::IntoDeserializer::into_deserializer(field)
        };
        self.current.map(|field| seed.deserialize(key(field))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let path = &self.probe.walk.path;
        path.borrow_mut().push(self.current.unwrap_or_default());
        let value = seed.deserialize(self.probe.deeper());
        path.borrow_mut().pop();
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
