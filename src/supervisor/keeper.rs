//! Keeps the pipes and terminals of containers open while no supervisor lives.
//!
//! What a container printed last lies in its pipe, and goes with it when the container ends and nobody else has the pipe open; a
//! terminal hangs up. So a process beside the supervisor, forked when the first container is made and asleep ever after, holds a
//! copy of each. It is told to end by whichever supervisor is the last; it does nothing else, and cannot fail but by being killed,
//! after which the next container has another one.
//!
//! A session that is attached asks it for the container's input. One that is for a single session (`stdinOnce`) is handed over with
//! that: when the session ends, in whatever way, the input has no holder left and has ended, too.
//!
//! Datagrams to `<run>/apps/<app>/keeper.sock`: an operation, then a name. A descriptor that was sent is kept from that moment, even
//! before it is received.

use super::client::with_short_path;
use crate::store::layout::Layout;
use crate::sys::{pass, process};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

const KEEP: u8 = b'+';
/// Answered over the socket that comes with it, by a descriptor or its end.
const ASK: u8 = b'?';
/// Like [`ASK`], and lets go of it: whoever asked is its last holder.
const HAND_OVER: u8 = b'!';
/// Lets go of all whose names begin so.
const FORGET: u8 = b'-';
const END: u8 = b'.';
/// Longer than an id, a slash and a name.
const LONGEST: usize = 256;
const PATIENCE: Duration = Duration::from_secs(2);

/// The supervisor's side.
#[derive(Debug)]
pub(super) struct Keeper {
    path: PathBuf,
    connection: RefCell<Option<UnixDatagram>>,
}

impl Keeper {
    pub fn new(layout: &Layout, app: &str) -> Self {
        Self { path: layout.keeper_socket(app), connection: RefCell::default() }
    }

    /// Has a descriptor kept; one of that name before is let go.
    pub fn keep(&self, container: &str, name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let message = message(KEEP, &format!("{container}/{name}"));
        if self.connection.borrow().is_none() {
            *self.connection.borrow_mut() = self.connect()?;
        }
        if let Some(connection) = &*self.connection.borrow()
            && pass::send_with(connection, &message, Some(descriptor)).is_ok()
        {
            return Ok(());
        }
        let connection = self.start()?;
        pass::send_with(&connection, &message, Some(descriptor))?;
        *self.connection.borrow_mut() = Some(connection);
        Ok(())
    }

    /// A copy of a descriptor that is kept.
    pub fn take(&self, container: &str, name: &str) -> io::Result<Option<OwnedFd>> {
        self.ask(ASK, container, name)
    }

    /// A descriptor that is kept, and from now on no longer.
    pub fn hand_over(&self, container: &str, name: &str) -> io::Result<Option<OwnedFd>> {
        self.ask(HAND_OVER, container, name)
    }

    fn ask(&self, operation: u8, container: &str, name: &str) -> io::Result<Option<OwnedFd>> {
        let Some(connection) = self.connect()? else { return Ok(None) };
        let (here, there) = UnixStream::pair()?;
        here.set_read_timeout(Some(PATIENCE))?;
        pass::send_with(&connection, &message(operation, &format!("{container}/{name}")), Some(there.as_fd()))?;
        drop(there);
        match pass::receive(&here) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            received => received.map(Some),
        }
    }

    /// Lets go of all that is kept of a container.
    pub fn forget(&self, container: &str) -> io::Result<()> {
        match self.connect()? {
            Some(connection) => pass::send_with(&connection, &message(FORGET, &format!("{container}/")), None),
            None => Ok(()),
        }
    }

    /// Ends the process; there is nothing left to keep.
    pub fn end(&self) -> io::Result<()> {
        if let Some(connection) = self.connect()? {
            pass::send_with(&connection, &message(END, ""), None)?;
        }
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// `None` when no keeper lives.
    fn connect(&self) -> io::Result<Option<UnixDatagram>> {
        let socket = UnixDatagram::unbound()?;
        match with_short_path(&self.path, |path| socket.connect(path)) {
            Ok(()) => Ok(Some(socket)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn start(&self) -> io::Result<UnixDatagram> {
        // A socket nobody listens at any more.
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let socket = with_short_path(&self.path, |path| UnixDatagram::bind(path))?;
        // It outlives this process, and is reaped like any child when it does not.
        process::fork_child(|| {
            let _ = rustix::process::setsid();
            let _ = rustix::thread::set_name(c"podkin-keeper");
            // Shorter than what stands there; the directory tells whose it is.
            let run = self.path.ancestors().nth(3).unwrap_or(&self.path);
            let _ = process::set_title(&format!("podkin-keeper --runroot {}", run.display()));
            if process::close_all_but(&[socket.as_fd()]).is_err() {
                return 1;
            }
            i32::from(keep_all(&socket).is_err())
        })?;
        drop(socket);
        self.connect()?.ok_or_else(|| io::ErrorKind::ConnectionRefused.into())
    }
}

/// The name of the controlling side of a container's terminal.
pub(super) const CONSOLE: &str = "console";
/// The name of what a session writes to: the pipe, or the terminal.
pub(super) const STDIN: &str = "stdin";

/// What a session writes to as the container's standard input; with `once` it is the only one that ever can, and the input ends
/// with it. `None` when that has been.
pub fn standard_input(layout: &Layout, app: &str, container: &str, once: bool) -> io::Result<Option<OwnedFd>> {
    let keeper = Keeper::new(layout, app);
    if once { keeper.hand_over(container, STDIN) } else { keeper.take(container, STDIN) }
}

/// The controlling side of the container's terminal; `None` when it has none any more.
pub fn console(layout: &Layout, app: &str, container: &str) -> io::Result<Option<OwnedFd>> {
    Keeper::new(layout, app).take(container, CONSOLE)
}

/// Ends the keeper of an application that is gone; none is a success.
pub fn end_keeper(layout: &Layout, app: &str) -> io::Result<()> {
    Keeper::new(layout, app).end()
}

fn message(operation: u8, name: &str) -> Vec<u8> {
    std::iter::once(operation).chain(name.bytes()).collect()
}

/// The keeper's life.
fn keep_all(socket: &UnixDatagram) -> io::Result<()> {
    let mut kept: HashMap<Vec<u8>, OwnedFd> = HashMap::new();
    let mut buffer = [0; LONGEST];
    loop {
        let (length, descriptor) = match pass::receive_with(socket, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            received => received?,
        };
        let Some((operation, name)) = buffer[..length].split_first() else { continue };
        match (*operation, descriptor) {
            (KEEP, Some(descriptor)) => drop(kept.insert(name.to_vec(), descriptor)),
            // Whoever asked and went away needs no answer.
            (ASK, Some(answer)) => drop(kept.get(name).map(|found| pass::send(&answer, found.as_fd()))),
            (HAND_OVER, Some(answer)) => drop(kept.remove(name).map(|found| pass::send(&answer, found.as_fd()))),
            (FORGET, _) => kept.retain(|known, _| !known.starts_with(name)),
            (END, _) => return Ok(()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_is_kept_can_be_asked_for_until_it_is_forgotten() -> io::Result<()> {
        let (keeper, socket) = UnixDatagram::pair()?;
        let life = std::thread::spawn(move || keep_all(&keeper));
        let (mut reader, writer) = UnixStream::pair()?;
        pass::send_with(&socket, &message(KEEP, "c1/stdout"), Some(writer.as_fd()))?;
        drop(writer);
        let ask_as = |operation: u8, name: &str| -> io::Result<Option<OwnedFd>> {
            let (here, there) = UnixStream::pair()?;
            pass::send_with(&socket, &message(operation, name), Some(there.as_fd()))?;
            drop(there);
            Ok(pass::receive(&here).ok())
        };
        let ask = |name: &str| ask_as(ASK, name);
        assert!(ask("c1/stderr")?.is_none());
        UnixStream::from(ask("c1/stdout")?.expect("it is kept")).write_all(b"x")?;
        pass::send_with(&socket, &message(FORGET, "c1/"), None)?;
        assert!(ask("c1/stdout")?.is_none());
        let (other, kept) = UnixStream::pair()?;
        pass::send_with(&socket, &message(KEEP, "c2/stdin"), Some(kept.as_fd()))?;
        drop(kept);
        let handed_over = ask_as(HAND_OVER, "c2/stdin")?;
        assert!(handed_over.is_some() && ask_as(HAND_OVER, "c2/stdin")?.is_none() && ask("c2/stdin")?.is_none());
        drop(handed_over);
        assert_eq!((&other).read(&mut [0])?, 0, "it was the last holder");
        let mut text = String::new();
        reader.read_to_string(&mut text)?;
        assert_eq!(text, "x", "its end came with the last holder");
        pass::send_with(&socket, &message(END, ""), None)?;
        life.join().expect("no panic")
    }
}
