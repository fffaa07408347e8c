//! A terminal as a user has one: a pty whose other side is the controlling terminal of the program that is tested.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a program may take to show what is expected of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program and the terminal it runs on.
pub struct Terminal {
    controller: OwnedFd,
    child: Child,
    /// Everything that was shown so far.
    shown: String,
    /// Up to where [`Terminal::expect`] has looked.
    looked: usize,
}

impl Terminal {
    /// Runs a command on a new terminal of that size.
    pub fn start(mut command: Command, rows: u16, columns: u16) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        grantpt(&controller).and_then(|()| unlockpt(&controller)).expect("a pty");
        let name = ptsname(&controller, Vec::new()).expect("its name");
        let user = open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("its other side");
        tcsetwinsize(&user, size(rows, columns)).expect("a size");
        let stream = || user.try_clone().expect("a descriptor");
        command.stdin(stream()).stdout(stream()).stderr(stream());
        let become_leader = || {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
        unsafe { command.pre_exec(become_leader) };
        let child = command.spawn().expect("the program can be executed");
        Self { controller, child, shown: String::new(), looked: 0 }
    }

    /// Types a text; `\r` is the enter key.
    pub fn enter(&mut self, text: &str) {
        let mut bytes = text.as_bytes();
        while !bytes.is_empty() {
            let count = rustix::io::write(&self.controller, bytes).expect("the terminal takes keys");
            bytes = &bytes[count..];
        }
    }

    /// Waits until a text is shown after what was expected before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.looked..].find(text) {
                self.looked += at + text.len();
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && self.read(left), "`{text}` is not shown:\n{}", self.shown);
        }
    }

    /// Whether the program has taken over the keys, so that the terminal itself no longer shows them.
    pub fn is_raw(&self) -> bool {
        use rustix::termios::{LocalModes, tcgetattr};
        tcgetattr(&self.controller).is_ok_and(|modes| !modes.local_modes.contains(LocalModes::ECHO))
    }

    /// Changes the window, as a user who drags its corner: the kernel tells the foreground program.
    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.controller, size(rows, columns)).expect("a size");
    }

    /// Waits for the end; exit code and everything that was shown.
    #[track_caller]
    pub fn finish(mut self) -> (Option<i32>, String) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            self.read(Duration::from_millis(20));
            match self.child.try_wait().expect("a child of this process") {
                Some(status) => break status,
                None => assert!(Instant::now() < end, "the program does not end:\n{}", self.shown),
            }
        };
        while self.read(Duration::ZERO) {}
        (status.code(), std::mem::take(&mut self.shown))
    }

    /// Takes in what is shown; false when nothing came in time.
    fn read(&mut self, patience: Duration) -> bool {
        let patience = Timespec::try_from(patience).expect("a short time");
        let mut fds = [PollFd::new(&self.controller, PollFlags::IN)];
        if poll(&mut fds, Some(&patience)).is_ok_and(|ready| ready == 0) {
            return false;
        }
        let mut buffer = [0; 4096];
        // An error is the end: nobody has the other side open.
        let count = rustix::io::read(&self.controller, &mut buffer[..]).unwrap_or(0);
        self.shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        count > 0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that fails leaves nobody waiting for keys; a program that has ended is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(ws_row: u16, ws_col: u16) -> Winsize {
    Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }
}
