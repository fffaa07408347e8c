//! What a path leads to.

use super::{Comparison, Operand, Path, Piece, Start, Step, plain};
use serde_json::Value;
use std::cmp::Ordering;

/// A path that cannot be followed in a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    #[error("the list has {length} elements, and none at {index}")]
    OutOfBounds { index: i64, length: usize },
}

pub(super) fn render(pieces: &[Piece], root: &Value, current: &Value, text: &mut String) -> Result<(), EvaluateError> {
    for piece in pieces {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Path(wanted) => {
                let found: Vec<_> = path(wanted, root, current)?.into_iter().map(plain).collect();
                text.push_str(&found.join(" "));
            }
            Piece::Range(over, body) => {
                for value in path(over, root, current)? {
                    render(body, root, value, text)?;
                }
            }
        }
    }
    Ok(())
}

pub(super) fn path<'v>(path: &Path, root: &'v Value, current: &'v Value) -> Result<Vec<&'v Value>, EvaluateError> {
    let mut values = vec![match path.start {
        Start::Root => root,
        Start::Current => current,
    }];
    for step in &path.steps {
        let mut next = Vec::new();
        for value in values {
            take(step, root, value, &mut next)?;
        }
        values = next;
    }
    Ok(values)
}

fn take<'v>(step: &Step, root: &'v Value, value: &'v Value, found: &mut Vec<&'v Value>) -> Result<(), EvaluateError> {
    match (step, value) {
        (Step::Fields(names), Value::Object(map)) => found.extend(names.iter().filter_map(|name| map.get(name))),
        (Step::All, _) => found.extend(children(value)),
        (Step::Descend, _) => descend(value, found),
        (Step::Indexes(indexes), Value::Array(items)) => {
            for index in indexes {
                let out = || EvaluateError::OutOfBounds { index: *index, length: items.len() };
                found.push(position(*index, items.len()).and_then(|at| items.get(at)).ok_or_else(out)?);
            }
        }
        (Step::Slice { start, end, step }, Value::Array(items)) => {
            let bound = |index: i64| position(index, items.len()).map_or(0, |at| at.min(items.len()));
            let (start, end) = (bound(start.unwrap_or(0)), end.map_or(items.len(), bound));
            let every = usize::try_from(*step).unwrap_or(1).max(1);
            found.extend(items.get(start..end).unwrap_or_default().iter().step_by(every));
        }
        (Step::Filter(left, test), Value::Array(items)) => {
            for item in items {
                if holds(left, test.as_ref(), root, item)? {
                    found.push(item);
                }
            }
        }
        (Step::Fields(_) | Step::Indexes(_) | Step::Slice { .. } | Step::Filter(..), _) => {}
    }
    Ok(())
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The value, then what is below it, depth first.
fn descend<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    found.push(value);
    children(value).into_iter().for_each(|child| descend(child, found));
}

/// Negative indexes count from the end.
fn position(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
    usize::try_from(index).ok()
}

fn holds(
    left: &Operand,
    test: Option<&(Comparison, Operand)>,
    root: &Value,
    item: &Value,
) -> Result<bool, EvaluateError> {
    let left = operand(left, root, item)?;
    let Some((comparison, right)) = test else { return Ok(left.is_some()) };
    let (Some(left), Some(right)) = (left, operand(right, root, item)?) else { return Ok(false) };
    Ok(match comparison {
        Comparison::Equal => order(left, right) == Some(Ordering::Equal),
        Comparison::NotEqual => order(left, right) != Some(Ordering::Equal),
        Comparison::Less => order(left, right) == Some(Ordering::Less),
        Comparison::LessOrEqual => order(left, right).is_some_and(Ordering::is_le),
        Comparison::Greater => order(left, right) == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order(left, right).is_some_and(Ordering::is_ge),
    })
}

/// The first value, when there is one.
fn operand<'v>(operand: &'v Operand, root: &'v Value, item: &'v Value) -> Result<Option<&'v Value>, EvaluateError> {
    match operand {
        Operand::Literal(value) => Ok(Some(value)),
        Operand::Path(wanted) => Ok(path(wanted, root, item)?.first().copied()),
    }
}

/// Values of one kind have an order; others do not compare.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (left, right) => (left == right).then_some(Ordering::Equal),
    }
}
