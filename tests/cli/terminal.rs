//! `exec -it` on a pseudo-terminal.

use crate::common::{TestEnv, eventually};
use crate::with_sleeper;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A user at a terminal in which one command runs.
pub struct Desk {
    keyboard: File,
    terminal: OwnedFd,
    screen: Arc<Mutex<Vec<u8>>>,
    pub child: Child,
}

impl Desk {
    fn new(env: &TestEnv, arguments: &[&str]) -> Self {
        Self::start(env.command(arguments))
    }

    pub fn start(mut command: Command) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let name = ptsname(&controller, Vec::new()).unwrap();
        let terminal = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
        tcsetwinsize(&terminal, size(33, 77)).unwrap();
        let copy = || terminal.try_clone().unwrap();
        let child = command.stdin(copy()).stdout(copy()).stderr(copy()).spawn().unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, shown) = (File::from(controller.try_clone().unwrap()), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                shown.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { keyboard: File::from(controller), terminal, screen, child }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    #[track_caller]
    pub fn shows(&self, wanted: &str) {
        eventually(&format!("{wanted:?} on the screen"), Duration::from_secs(10), || self.text().contains(wanted));
    }

    pub fn types(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    /// Changes the window, and tells the command as the kernel tells the program in the foreground.
    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.terminal, size(rows, columns)).unwrap();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::WINCH).unwrap();
    }

    fn modes(&self) -> Termios {
        tcgetattr(&self.terminal).unwrap()
    }

    pub fn is_raw(&self) -> bool {
        !self.modes().local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the command's end, after which the terminal must be as it was.
    #[track_caller]
    pub fn ends(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        assert!(!self.is_raw(), "the terminal was left in raw mode");
        (status, self.text())
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[test]
fn keys_go_through_and_the_end_of_input_ends_it() {
    let env = with_sleeper("terminal-keys");
    let mut desk = Desk::new(&env, &["exec", "-it", "web-app", "/podkin-demo", "cat"]);
    eventually("raw mode", Duration::from_secs(10), || desk.is_raw());
    desk.types(b"hello\r");
    desk.shows("hello\r\nhello\r\n");
    desk.types(&[4]);
    assert_eq!(desk.ends().0.code(), Some(0));
}

#[test]
fn the_exit_code_comes_back_and_so_does_the_terminal() {
    let env = with_sleeper("terminal-code");
    let desk = Desk::new(&env, &["exec", "-it", "web-app", "/podkin-demo", "exit", "7"]);
    assert_eq!(desk.ends().0.code(), Some(7));
    let mut desk = Desk::new(&env, &["exec", "-it", "web-app", "/podkin-demo", "sleep", "forever"]);
    eventually("raw mode", Duration::from_secs(10), || desk.is_raw());
    desk.types(&[3]);
    assert_eq!(desk.ends().0.code(), Some(130), "Ctrl-C reaches the program");
}

#[test]
fn the_program_sees_a_terminal_of_its_own() {
    let env = with_sleeper("terminal-own");
    let desk = Desk::new(&env, &["exec", "-it", "web-app", "/podkin-demo", "fds"]);
    let (status, text) = desk.ends();
    assert_eq!(status.code(), Some(0));
    assert!(text.contains("0 /dev/pts/"), "{text}");
}

#[test]
fn detach_keys_leave_the_program_running() {
    let env = with_sleeper("terminal-detach");
    let arguments = ["exec", "-it", "--detach-keys", "ctrl-x,x", "web-app", "/podkin-demo", "sleep", "4711"];
    let mut desk = Desk::new(&env, &arguments);
    eventually("raw mode", Duration::from_secs(10), || desk.is_raw());
    desk.types(&[24, b'x']);
    assert_eq!(desk.ends().0.code(), Some(0));
    std::thread::sleep(Duration::from_millis(300));
    let alive = || {
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = pids.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines.filter(|line| line.as_slice() == b"/podkin-demo\0sleep\x004711\0").count()
    };
    assert_eq!(alive(), 1, "the program goes on");
    env.ok(["pod", "rm", "--force", "web"]);
    eventually("the program ends with its container", Duration::from_secs(5), || alive() == 0);
    env.assert_clean();
}
