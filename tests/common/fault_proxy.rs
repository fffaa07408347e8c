//! A proxy in front of a registry that breaks what passes, as told, and remembers what was asked.
//!
//! It speaks HTTP/1.1 without TLS, one request a connection, and passes the `Host` on, so that a registry behind it names the
//! proxy in its locations.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What happens to an answer, or to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends after that many bytes of the answer's body.
    Cut(usize),
    /// Nothing comes for a while after that many bytes of the body.
    Stall(usize, Duration),
    /// Pieces of that size, with a pause before each.
    Slow(usize, Duration),
    /// The answer claims to have that many bytes, and has.
    Truncate(usize),
    /// The byte at that place is another one.
    Corrupt(usize),
    /// The registry is not asked; this comes instead, with a `Retry-After` where there is one.
    Status(u16, Option<&'static str>),
    /// `Range` is not passed on: the whole comes each time.
    IgnoreRange,
    /// The connection ends after that many bytes of the request's body.
    CutRequest(usize),
    /// The registry has done what was asked; the answer is lost.
    LoseAnswer,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

struct Rule {
    method: &'static str,
    path: String,
    times: usize,
    fault: Fault,
}

#[derive(Default)]
struct State {
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    ended: AtomicBool,
}

pub struct FaultProxy {
    /// `127.0.0.1:port`
    pub address: String,
    state: Arc<State>,
    listener: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Passes everything on to `upstream` (`127.0.0.1:port`) until told otherwise.
    pub fn start(upstream: &str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = socket.local_addr().expect("it is bound").to_string();
        let state = Arc::new(State::default());
        let (upstream, shared) = (upstream.to_owned(), state.clone());
        let listener = std::thread::spawn(move || {
            for connection in socket.incoming() {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (upstream, state) = (upstream.clone(), shared.clone());
                // Broken connections are what this is for.
                std::thread::spawn(move || connection.and_then(|client| serve(client, &upstream, &state)));
            }
        });
        Self { address, state, listener: Some(listener) }
    }

    /// Makes the next `times` requests of that method fail that have `path` in their path.
    pub fn fail(&self, method: &'static str, path: &str, times: usize, fault: Fault) {
        self.state.rules.lock().unwrap().push(Rule { method, path: path.to_owned(), times, fault });
    }

    /// Requests of that method with `path` in their path, so far.
    pub fn seen(&self, method: &str, path: &str) -> Vec<Seen> {
        let seen = self.state.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.method == method && seen.path.contains(path)).cloned().collect()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        // Wakes the listener up.
        let _ = TcpStream::connect(&self.address);
        let _ = self.listener.take().map(JoinHandle::join);
    }
}

impl State {
    fn fault(&self, seen: &Seen) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|r| r.times > 0 && r.method == seen.method && seen.path.contains(&r.path))?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }
}

/// First line and headers, their names in lower case.
type Head = (String, Vec<(String, String)>);

/// Reads the head of a request or an answer; `None` at the end of the connection.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => return Ok(Some((first.trim_end().to_owned(), headers))),
        }
    }
}

fn serve(mut client: TcpStream, upstream: &str, state: &State) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let Some((first, headers)) = read_head(&mut reader)? else { return Ok(()) };
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let seen = Seen { method: method.to_owned(), path: path.to_owned(), headers };
    let fault = state.fault(&seen);
    state.seen.lock().unwrap().push(seen.clone());
    let length = seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if let Some(Fault::Status(status, retry_after)) = fault {
        io::copy(&mut reader.take(length), &mut io::sink())?;
        let retry_after = retry_after.map(|after| format!("Retry-After: {after}\r\n")).unwrap_or_default();
        write!(client, "HTTP/1.1 {status} Fault\r\n{retry_after}Content-Length: 0\r\nConnection: close\r\n\r\n")?;
        return Ok(());
    }
    let mut server = TcpStream::connect(upstream)?;
    write!(server, "{method} {path} HTTP/1.1\r\nconnection: close\r\n")?;
    for (name, value) in &seen.headers {
        let dropped = name == "connection" || (name == "range" && matches!(fault, Some(Fault::IgnoreRange)));
        if !dropped {
            write!(server, "{name}: {value}\r\n")?;
        }
    }
    server.write_all(b"\r\n")?;
    if let Some(Fault::CutRequest(after)) = fault {
        io::copy(&mut reader.take(after as u64), &mut server)?;
        server.shutdown(Shutdown::Both)?;
        return client.shutdown(Shutdown::Both);
    }
    io::copy(&mut reader.take(length), &mut server)?;
    answer(BufReader::new(server), client, fault)
}

/// Passes an answer on, with its fault.
fn answer(mut server: BufReader<TcpStream>, mut client: TcpStream, fault: Option<Fault>) -> io::Result<()> {
    let Some((first, mut headers)) = read_head(&mut server)? else { return Ok(()) };
    if let Some(Fault::LoseAnswer) = fault {
        io::copy(&mut server, &mut io::sink())?;
        return client.shutdown(Shutdown::Both);
    }
    headers.retain(|(name, _)| name != "connection");
    if let Some(Fault::Truncate(length)) = fault {
        headers.iter_mut().filter(|(name, _)| name == "content-length").for_each(|(_, v)| *v = length.to_string());
    }
    let mut head = format!("{first}\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    client.write_all((head + "\r\n").as_bytes())?;
    match fault {
        Some(Fault::Cut(after) | Fault::Truncate(after)) => {
            io::copy(&mut server.take(after as u64), &mut client)?;
        }
        Some(Fault::Stall(after, pause)) => {
            io::copy(&mut (&mut server).take(after as u64), &mut client)?;
            std::thread::sleep(pause);
        }
        Some(Fault::Slow(piece, pause)) => {
            while io::copy(&mut (&mut server).take(piece as u64), &mut client)? > 0 {
                std::thread::sleep(pause);
            }
        }
        Some(Fault::Corrupt(at)) => {
            io::copy(&mut (&mut server).take(at as u64), &mut client)?;
            let mut byte = [0];
            server.read_exact(&mut byte)?;
            client.write_all(&[!byte[0]])?;
            io::copy(&mut server, &mut client)?;
        }
        _ => {
            io::copy(&mut server, &mut client)?;
        }
    }
    client.shutdown(Shutdown::Both)
}
