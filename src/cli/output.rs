//! Standard output and standard error: when colour may be used, and writing without a panic.

use super::error::CommandError;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

/// Whether and how to colour what goes to one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// No colour.
    pub fn plain() -> Self {
        Self { colour: false }
    }

    /// Always colour.
    pub fn coloured() -> Self {
        Self { colour: true }
    }

    /// Colour for standard error.
    pub fn stderr() -> Self {
        Self { colour: wants_colour(&Environment::read(), io::stderr().is_terminal()) }
    }

    /// Colour for standard output.
    pub fn stdout() -> Self {
        Self { colour: wants_colour(&Environment::read(), io::stdout().is_terminal()) }
    }

    pub fn is_coloured(self) -> bool {
        self.colour
    }

    pub fn error(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub fn warning(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    pub fn hint(self, text: &str) -> String {
        self.paint("1;36", text)
    }

    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Wraps text in one SGR sequence (`1;31`), or leaves it alone.
    pub fn paint(self, sgr: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The variables that decide about colour.
struct Environment {
    no_color: bool,
    force: bool,
    dumb: bool,
}

impl Environment {
    fn read() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        Self {
            no_color: set("NO_COLOR"),
            force: set("CLICOLOR_FORCE") && std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| v != "0"),
            dumb: std::env::var_os("TERM").is_some_and(|v| v == "dumb"),
        }
    }
}

/// NO_COLOR wins over CLICOLOR_FORCE, which wins over what the stream is (bixense.com/clicolors, no-color.org).
fn wants_colour(env: &Environment, terminal: bool) -> bool {
    !env.no_color && (env.force || (terminal && !env.dumb))
}

/// Whether lines on standard error may be drawn over: a terminal that understands cursor movement.
pub fn stderr_is_live() -> bool {
    io::stderr().is_terminal() && !Environment::read().dumb
}

/// Buffered standard output; [`Output::finish`] must be called, since it is where a late write error shows.
pub struct Output {
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub fn new() -> Self {
        Self { out: BufWriter::with_capacity(32 * 1024, io::stdout().lock()) }
    }

    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), CommandError> {
        self.out.write_all(text.as_ref().as_bytes())?;
        Ok(self.out.write_all(b"\n")?)
    }

    pub fn text(&mut self, text: impl AsRef<str>) -> Result<(), CommandError> {
        Ok(self.out.write_all(text.as_ref().as_bytes())?)
    }

    pub fn flush(&mut self) -> Result<(), CommandError> {
        Ok(self.out.flush()?)
    }

    pub fn finish(mut self) -> Result<(), CommandError> {
        self.flush()
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Says something on standard error that is no result. A standard error that is gone is no reason to fail.
pub fn notice(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
}

/// `warning: ...` on standard error.
pub fn warn(text: impl AsRef<str>) {
    notice(format!("{} {}", Style::stderr().warning("warning:"), text.as_ref()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_follows_the_conventions() {
        let env = |no_color, force, dumb| Environment { no_color, force, dumb };
        assert!(wants_colour(&env(false, false, false), true));
        assert!(!wants_colour(&env(false, false, false), false));
        assert!(!wants_colour(&env(true, true, false), true), "NO_COLOR wins");
        assert!(wants_colour(&env(false, true, true), false), "forced into a pipe");
        assert!(!wants_colour(&env(false, false, true), true), "dumb terminal");
    }
}
