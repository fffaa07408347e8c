//! Errors of Rust in words.

use std::error::Error;

/// An error and its causes, on one line, joined by `: `.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
