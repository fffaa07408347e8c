//! Terminals: raw mode with a promise to leave it, and window sizes.

use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// A terminal in raw mode: every key comes through as it is. Dropping it puts the terminal back as it was.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Switches the terminal behind `terminal`; `Ok(None)` when it is none.
    pub fn enter(terminal: impl AsFd) -> io::Result<Option<Self>> {
        if !rustix::termios::isatty(&terminal) {
            return Ok(None);
        }
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        // What was typed before stays readable; what was printed before is printed as it was meant.
        tcsetattr(&terminal, OptionalActions::Drain, &raw)?;
        Ok(Some(Self { terminal, before }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nobody is left to be told, and the terminal may be gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// Makes `to` as large as `from`; false when `from` is no terminal or has no size.
pub fn copy_size(from: impl AsFd, to: impl AsFd) -> io::Result<bool> {
    match tcgetwinsize(from) {
        Ok(Winsize { ws_row: 0, ws_col: 0, .. }) => Ok(false),
        Ok(size) => {
            tcsetwinsize(to, size)?;
            Ok(true)
        }
        Err(rustix::io::Errno::NOTTY) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::LocalModes;

    fn pair() -> (OwnedFd, OwnedFd) {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let terminal = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
        (controller, terminal)
    }

    #[test]
    fn raw_mode_ends_with_its_guard() {
        let (_controller, terminal) = pair();
        let echo = || tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ECHO);
        assert!(echo());
        let raw = RawMode::enter(&terminal).unwrap().expect("a terminal");
        assert!(!echo());
        drop(raw);
        assert!(echo());
    }

    #[test]
    fn what_is_no_terminal_is_left_alone() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(RawMode::enter(&file).unwrap().is_none());
        assert!(!copy_size(&file, &file).unwrap());
    }

    #[test]
    fn sizes_are_copied() {
        let ((_a, from), (_b, to)) = (pair(), pair());
        assert!(!copy_size(&from, &to).unwrap(), "a new terminal has no size");
        tcsetwinsize(&from, Winsize { ws_row: 42, ws_col: 101, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        assert!(copy_size(&from, &to).unwrap());
        let size = tcgetwinsize(&to).unwrap();
        assert_eq!((size.ws_row, size.ws_col), (42, 101));
    }
}
