//! `--sort-by`: objects in the order of a field.

use super::jsonpath::{JsonPath, plain};
use crate::cli::error::CommandError;
use crate::generate::object::Object;
use crate::model::quantity::Quantity;
use serde_json::Value;
use std::cmp::Ordering;

#[derive(Debug, thiserror::Error)]
#[error("no object has the field `{0}` to be sorted by")]
struct NoField(String);

/// The field that objects are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    text: String,
    path: JsonPath,
}

impl Order {
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        let path = JsonPath::parse_relaxed(text.trim_matches(['\'', '"'])).map_err(CommandError::invalid)?;
        Ok(Self { text: text.to_owned(), path })
    }

    /// Those without the field come first.
    ///
    /// # Errors
    /// None of them has it: it is misspelt.
    pub fn sort(&self, objects: &mut [Object]) -> Result<(), CommandError> {
        if !objects.is_empty() && objects.iter().all(|object| self.key(object).is_none()) {
            return Err(CommandError::invalid(NoField(self.text.clone())));
        }
        objects.sort_by(|a, b| match (self.key(a), self.key(b)) {
            (Some(a), Some(b)) => compare(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        });
        Ok(())
    }

    fn key<'o>(&self, object: &'o Object) -> Option<&'o Value> {
        self.path.find(&object.value).ok()?.first().copied()
    }
}

/// Numbers and quantities (`500m`, `1Gi`) by what they amount to, all else as text; times are written so that this is their order.
fn compare(a: &Value, b: &Value) -> Ordering {
    let (a, b) = (plain(a), plain(b));
    match (a.parse::<Quantity>(), b.parse::<Quantity>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_compared_by_what_they_mean() {
        for (less, more) in [
            (json!(9), json!(10)),
            (json!("500m"), json!("1")),
            (json!("900Mi"), json!("1Gi")),
            (json!("2026-01-02T00:00:00Z"), json!("2026-01-10T00:00:00Z")),
            (json!("a"), json!("b")),
            (json!(false), json!(true)),
        ] {
            assert_eq!(compare(&less, &more), Ordering::Less, "{less} {more}");
        }
    }
}
