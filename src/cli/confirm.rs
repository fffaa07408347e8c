//! Asking before something is lost.

use super::error::CommandError;
use std::io::{BufRead, IsTerminal, Write};

/// There is nobody to ask.
#[derive(Debug, thiserror::Error)]
#[error("this needs a yes, and standard input is no terminal")]
struct NobodyThere;

/// Says what will happen and waits for `y`; anything else is no. Without a terminal to ask on it is an error.
pub fn confirm(what: &str) -> Result<bool, CommandError> {
    if !std::io::stdin().is_terminal() {
        return Err(CommandError::invalid(NobodyThere).hint("give `--force` to do it without asking"));
    }
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{what}\nGo on? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
