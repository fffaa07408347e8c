//! `explain`: what a code in a message about a file means.

use super::error::CommandError;
use super::output::Output;
use crate::model::diagnostic::{codes, explain};
use clap::Args;

/// Tell more about a code such as `K101`
///
/// Codes stand in brackets behind `error` and `warning` when a file is not as it should be. Without a code, all of
/// them are told.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[arg(value_name = "CODE")]
    pub codes: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no code `{0}`")]
struct UnknownCode(String);

/// Columns of the text.
const WIDTH: usize = 80;

pub fn run(args: &ExplainArgs) -> Result<(), CommandError> {
    let all = || codes().map(str::to_owned).collect();
    let wanted: Vec<String> = if args.codes.is_empty() { all() } else { args.codes.clone() };
    let mut out = Output::new();
    for (i, code) in wanted.iter().enumerate() {
        let text = explain(code).ok_or_else(|| {
            let hint = "`podkin explain` without a code tells all of them";
            CommandError::invalid(UnknownCode(code.clone())).hint(hint)
        })?;
        if i > 0 {
            out.line("")?;
        }
        out.line(code.to_uppercase())?;
        out.text(wrapped(text, 2))?;
    }
    out.finish()
}

/// The text in lines of at most [`WIDTH`] columns, indented.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column == 0 || column + 1 + length > WIDTH {
            lines.push_str(if column == 0 { "" } else { "\n" });
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent + length;
        } else {
            lines.push(' ');
            column += 1 + length;
        }
        lines.push_str(word);
    }
    lines + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_wrapped() {
        for code in codes() {
            let text = explain(code).expect("is explained");
            let lines = wrapped(text, 2);
            assert!(lines.lines().all(|line| line.chars().count() <= WIDTH && line.starts_with("  ")), "{lines}");
            assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        }
    }
}
