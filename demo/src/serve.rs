//! The web server: one process, one loop; what may take long is answered by a forked copy.

use crate::sys::{self, Fd, Signals};
use crate::{Context, commands, fail, net, say};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const SIGCHLD: u32 = 17;
const MAX_REQUEST: usize = 64 * 1024;
const MAX_CONNECTIONS: usize = 256;
/// A connection that sends nothing is closed after this long, in milliseconds.
const IDLE: u64 = 10_000;

struct Connection {
    socket: Fd,
    from: String,
    received: Vec<u8>,
    since: u64,
}

struct Server<'c> {
    context: &'c Context,
    live: bool,
    ready: bool,
    /// Monotonic milliseconds before which it is not ready.
    ready_from: u64,
    requests: u64,
    /// Answer of `/`, when given.
    text: Option<String>,
}

struct Request<'r> {
    method: &'r str,
    path: &'r str,
    query: Vec<(String, String)>,
    head: &'r str,
    from: &'r str,
}

struct Answer {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
}

/// Options: `--port N` (or the variable `PORT`; 8080), `--listen-after MS`, `--ready-after MS`, `--unready`, `--text TEXT`.
pub fn serve(context: &Context) -> i32 {
    let args: Vec<&str> = context.args.iter().map(String::as_str).collect();
    let stop = Signals::of(&[1, 2, 3, 15, SIGCHLD]);
    stop.block();
    let variable = context.env.iter().find(|(name, _)| name == "PORT").and_then(|(_, port)| port.parse().ok());
    let port = commands::option(&args, "--port").or(variable).unwrap_or(8080) as u16;
    if let Some(delay) = commands::option(&args, "--listen-after") {
        if let Some(signal) = Signals::of(&[2, 15]).wait(Some(delay * 1000)) {
            return 128 + signal as i32;
        }
    }
    let (socket, signals) = match (net::bound(net::STREAM, port), stop.descriptor()) {
        (Ok(socket), Ok(signals)) => (socket, signals),
        (Err(error), _) | (_, Err(error)) => return fail!("podkin-demo: cannot listen on port {port}: {error}"),
    };
    let ready_after = commands::option(&args, "--ready-after").unwrap_or(0);
    let text = args.iter().position(|arg| *arg == "--text").and_then(|at| args.get(at + 1));
    let mut server = Server {
        context,
        live: true,
        ready: !args.contains(&"--unready"),
        ready_from: sys::now_ms() + ready_after,
        requests: 0,
        text: text.map(|text| text.to_string()),
    };
    say!("podkin-demo: serving on port {port} as {}", server.pod_name());
    server.run(&socket, &signals)
}

impl Server<'_> {
    fn run(&mut self, socket: &Fd, signals: &Fd) -> i32 {
        let mut connections: Vec<Connection> = Vec::new();
        loop {
            let mut watched = Vec::from([signals.0, socket.0]);
            watched.extend(connections.iter().map(|c| c.socket.0));
            let ready = sys::poll(&watched, if connections.is_empty() { None } else { Some(1000) });
            if ready.first() == Some(&true) {
                match sys::take_signal(signals) {
                    Some(SIGCHLD) => sys::reap(),
                    Some(signal) => {
                        say!("podkin-demo: signal {signal}, ending");
                        return 0;
                    }
                    None => {}
                }
            }
            let now = sys::now_ms();
            let mut at = 2;
            connections.retain_mut(|connection| {
                let readable = ready.get(at) == Some(&true);
                at += 1;
                if readable { self.progress(connection) } else { now - connection.since < IDLE }
            });
            if ready.get(1) == Some(&true)
                && let Ok((socket, from)) = sys::accept(socket)
                && connections.len() < MAX_CONNECTIONS
            {
                connections.push(Connection { socket, from: net::show(&from), received: Vec::new(), since: now });
            }
        }
    }

    /// Takes what has come; false when the connection is done.
    fn progress(&mut self, connection: &mut Connection) -> bool {
        let mut buffer = [0; 4096];
        match sys::read(connection.socket.0, &mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(length) => connection.received.extend_from_slice(&buffer[..length]),
        }
        let Some(end) = connection.received.windows(4).position(|w| w == b"\r\n\r\n") else {
            return connection.received.len() < MAX_REQUEST;
        };
        self.requests += 1;
        let head = String::from_utf8_lossy(&connection.received[..end]).into_owned();
        self.answer_to(connection, &head);
        false
    }

    fn answer_to(&mut self, connection: &Connection, head: &str) {
        let line = head.lines().next().unwrap_or_default();
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or("/"));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        let request = Request { method, path, query: query.collect(), head, from: &connection.from };
        let slow = matches!(path, "/sleep" | "/connect" | "/resolve" | "/get");
        let child = slow && sys::fork() == Ok(true);
        if slow && !child {
            return;
        }
        let answer = self.answer(&request);
        let kind = if method == "HEAD" { "" } else { "body" };
        say!("{} {method} {target} {}", connection.from, answer.status);
        send(&connection.socket, &answer, !kind.is_empty());
        if child {
            sys::exit(0);
        }
    }

    fn answer(&mut self, request: &Request<'_>) -> Answer {
        let value = |name: &str| request.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let number = |name: &str| value(name).and_then(|v| v.parse::<u64>().ok());
        let post = request.method == "POST";
        match request.path {
            "/" => self.page(request),
            "/healthz" | "/livez" => health(self.live, "live"),
            "/readyz" => health(self.ready && sys::now_ms() >= self.ready_from, "ready"),
            "/fail/ready" if post => self.switch(|s| s.ready = false),
            "/fail/live" if post => self.switch(|s| s.live = false),
            "/ok/ready" if post => self.switch(|s| s.ready = true),
            "/ok/live" if post => self.switch(|s| s.live = true),
            "/hostname" => plain(200, &sys::host_name()),
            "/remote" => plain(200, request.from.as_bytes()),
            "/headers" => plain(200, request.head.as_bytes()),
            "/header" => {
                let wanted = (value("name").unwrap_or_default(), value("value").unwrap_or_default());
                let mut headers = request.head.lines().filter_map(|line| line.split_once(": "));
                let found = headers.any(|(name, text)| name.eq_ignore_ascii_case(wanted.0) && text.trim_end() == wanted.1);
                if found { plain(200, b"the header is there") } else { plain(404, b"no such header") }
            }
            "/requests" => plain(200, self.requests.to_string().as_bytes()),
            "/mounts" => plain(200, &sys::read_file(b"/proc/self/mountinfo", 1 << 20).unwrap_or_default()),
            "/file" => match sys::read_file(value("path").unwrap_or_default().as_bytes(), 16 << 20) {
                Ok(content) => Answer { status: 200, kind: "application/octet-stream", body: content },
                Err(error) => plain(404, error.to_string().as_bytes()),
            },
            "/write" => {
                let (path, text) = (value("path").unwrap_or_default(), value("text").unwrap_or_default());
                outcome(commands::write(path, text, value("append").is_some()).map_err(|e| e.to_string()), "written")
            }
            "/exit" => {
                say!("podkin-demo: exit asked for");
                sys::exit(number("code").unwrap_or(0) as i32)
            }
            "/crash" => sys::crash(),
            "/alloc" => {
                let mib = number("mib").unwrap_or(1);
                let held = (0..mib).all(|_| sys::hold(1 << 20));
                outcome(if held { Ok(()) } else { Err("out of memory".into()) }, &format!("holding {mib} MiB more"))
            }
            "/sleep" => {
                let ms = number("ms").unwrap_or(1000);
                Signals::of(&[15]).wait(Some(ms * 1000));
                plain(200, format!("slept {ms} ms").as_bytes())
            }
            "/resolve" => match net::resolve(value("name").unwrap_or_default()) {
                Ok(found) => {
                    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                    plain(200, found.join("\n").as_bytes())
                }
                Err(error) => plain(502, error.as_bytes()),
            },
            "/connect" => {
                let (host, port) = (value("host").unwrap_or_default(), number("port").unwrap_or(80) as u16);
                outcome(net::connect(host, port).map(drop), "connected")
            }
            "/get" => match net::request("GET", value("url").unwrap_or_default()) {
                Ok((_, body)) => Answer { status: 200, kind: "application/octet-stream", body },
                Err(error) => plain(502, error.as_bytes()),
            },
            path => match path.strip_prefix("/env/") {
                Some(name) => match self.variable(name) {
                    Some(value) => plain(200, value.as_bytes()),
                    None => plain(404, b"not set"),
                },
                None => plain(404, b"no such page"),
            },
        }
    }

    fn switch(&mut self, change: impl FnOnce(&mut Self)) -> Answer {
        change(self);
        plain(200, b"ok")
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.context.env.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn pod_name(&self) -> String {
        let host = || String::from_utf8_lossy(&sys::host_name()).into_owned();
        self.variable("POD_NAME").map_or_else(host, String::from)
    }

    /// What there is to know about this pod: as HTML for a browser, as text for everything else.
    fn page(&self, request: &Request<'_>) -> Answer {
        if let Some(text) = &self.text {
            return plain(200, text.as_bytes());
        }
        let mut sections = Vec::new();
        let mut facts = Vec::from([
            ("pod".into(), self.pod_name()),
            ("host name".into(), String::from_utf8_lossy(&sys::host_name()).into_owned()),
            ("you are".into(), String::from(request.from)),
            ("requests".into(), self.requests.to_string()),
        ]);
        facts.extend(self.variable("POD_IP").map(|ip| ("address".into(), String::from(ip))));
        sections.push(("Pod", facts));
        let shown = |(name, value): &(String, String)| {
            (name.clone(), if is_secret(name) { "(hidden)".into() } else { value.clone() })
        };
        sections.push(("Environment", self.context.env.iter().map(shown).collect()));
        sections.push(("Mounts", mounts()));
        let html = request.head.lines().any(|line| {
            let line = line.to_ascii_lowercase();
            line.starts_with("accept:") && line.contains("text/html")
        });
        if html { as_html(&sections) } else { as_text(&sections) }
    }
}

type Section = (&'static str, Vec<(String, String)>);

fn as_text(sections: &[Section]) -> Answer {
    let mut body = String::from("Hello from podkin!\n");
    for (title, rows) in sections {
        body.push_str(&format!("\n{title}\n"));
        for (name, value) in rows {
            body.push_str(&format!("  {name:<20} {value}\n"));
        }
    }
    Answer { status: 200, kind: "text/plain; charset=utf-8", body: body.into_bytes() }
}

fn as_html(sections: &[Section]) -> Answer {
    let mut body = String::from(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>podkin demo</title>\
         <style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
         table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:500;width:14rem;vertical-align:top}\
         td,th{border-bottom:1px solid #8884;padding:.2rem .5rem}td{font-family:ui-monospace,monospace;word-break:break-all}\
         @media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}</style><h1>Hello from podkin!</h1>",
    );
    for (title, rows) in sections {
        body.push_str(&format!("<h2>{title}</h2><table>"));
        for (name, value) in rows {
            body.push_str(&format!("<tr><th>{}<td>{}", escape(name), escape(value)));
        }
        body.push_str("</table>");
    }
    Answer { status: 200, kind: "text/html; charset=utf-8", body: body.into_bytes() }
}

/// Mount points with their file systems; those every container has are left out.
fn mounts() -> Vec<(String, String)> {
    let content = sys::read_file(b"/proc/self/mountinfo", 1 << 20).unwrap_or_default();
    let text = String::from_utf8_lossy(&content);
    let own = |line: &str| {
        let (fields, system) = line.split_once(" - ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let point = *fields.get(4)?;
        let standard = ["/proc", "/dev", "/sys"].iter().any(|base| point.strip_prefix(base).is_some_and(|r| r.is_empty() || r.starts_with('/')));
        let system = system.split(' ').next().unwrap_or_default();
        let how = if fields.get(5)?.split(',').any(|option| option == "ro") { "read-only" } else { "read-write" };
        (!standard).then(|| (String::from(point), format!("{system} {how}")))
    };
    text.lines().filter_map(own).collect()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["SECRET", "PASS", "TOKEN", "KEY", "CREDENTIAL", "AUTH"].iter().any(|word| name.contains(word))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn plain(status: u16, body: &[u8]) -> Answer {
    let mut body = body.to_vec();
    if body.last() != Some(&b'\n') {
        body.push(b'\n');
    }
    Answer { status, kind: "text/plain; charset=utf-8", body }
}

fn health(good: bool, what: &str) -> Answer {
    if good { plain(200, b"ok") } else { plain(503, format!("not {what}").as_bytes()) }
}

fn outcome(result: Result<(), String>, good: &str) -> Answer {
    match result {
        Ok(()) => plain(200, good.as_bytes()),
        Err(error) => plain(502, error.as_bytes()),
    }
}

fn send(socket: &Fd, answer: &Answer, with_body: bool) {
    let reason = match answer.status {
        200 => "OK",
        404 => "Not Found",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Error",
    };
    let head = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.status,
        answer.kind,
        answer.body.len()
    );
    let mut bytes = head.into_bytes();
    if with_body {
        bytes.extend_from_slice(&answer.body);
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        match sys::send(socket, rest, &[]) {
            Ok(sent) => rest = &rest[sent..],
            Err(_) => return,
        }
    }
}

/// Undoes percent encoding.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| u8::from_str_radix(core::str::from_utf8(h).ok()?, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
