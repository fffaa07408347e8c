//! What somebody on the host does: ask a published port, follow a command's output.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A port that nothing uses at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// A connection to a published port, by the loopback address.
pub fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Status and body of `http://localhost:<port><path>`.
pub fn get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = connect(port)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}

/// The body of a page that must be there.
#[track_caller]
pub fn page(port: u16, path: &str) -> String {
    match get(port, path) {
        Ok((200, body)) => body,
        other => panic!("http://localhost:{port}{path}: {other:?}"),
    }
}

/// A command that goes on, and the lines that it prints.
pub struct Following {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Following {
    /// Runs a command whose standard output is a pipe.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program can be executed");
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits until a line is printed that has all of the texts in it.
    #[track_caller]
    pub fn expect(&mut self, texts: &[&str]) {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = texts.iter().all(|text| line.contains(text));
                    self.seen.push(line);
                    if found {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with {texts:?} among:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Whether the command still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child of this process").is_none()
    }

    /// Waits for its end by itself; the exit code.
    #[track_caller]
    pub fn finish(mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of this process") {
                return status.code();
            }
            assert!(Instant::now() < end, "the command does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
