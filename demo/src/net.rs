//! Sockets, names and addresses.

use crate::sys::{self, Errno, Fd};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const INET: u16 = 2;
const INET6: u16 = 10;
pub const STREAM: usize = 1;
pub const DATAGRAM: usize = 2;

/// A kernel socket address.
pub fn encode(address: IpAddr, port: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    match address {
        IpAddr::V4(v4) => {
            bytes.extend(INET.to_ne_bytes());
            bytes.extend(port.to_be_bytes());
            bytes.extend(v4.octets());
            bytes.extend([0; 8]);
        }
        IpAddr::V6(v6) => {
            bytes.extend(INET6.to_ne_bytes());
            bytes.extend(port.to_be_bytes());
            bytes.extend([0; 4]);
            bytes.extend(v6.octets());
            bytes.extend([0; 4]);
        }
    }
    bytes
}

/// `address:port` of a kernel socket address; an IPv4 address as such, even when a IPv6 socket saw it.
pub fn show(address: &[u8]) -> String {
    let port = address.get(2..4).map_or(0, |p| u16::from_be_bytes([p[0], p[1]]));
    if let Some(v4) = address.get(4..8).filter(|_| address.first() == Some(&(INET as u8))) {
        return format!("{}.{}.{}.{}:{port}", v4[0], v4[1], v4[2], v4[3]);
    }
    let Some(v6) = address.get(8..24).and_then(|b| <[u8; 16]>::try_from(b).ok()) else { return String::from("?") };
    let v6 = Ipv6Addr::from(v6);
    match v6.to_ipv4_mapped() {
        Some(v4) => format!("{v4}:{port}"),
        None => format!("[{v6}]:{port}"),
    }
}

/// A socket bound to a port on all addresses of both families, or of IPv4 where there is no IPv6.
pub fn bound(kind: usize, port: u16) -> sys::Result<Fd> {
    let any = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    let mut last = Err(Errno(97));
    for address in any {
        last = bound_to(kind, address, port);
        if last.is_ok() {
            break;
        }
    }
    last
}

fn bound_to(kind: usize, address: IpAddr, port: u16) -> sys::Result<Fd> {
    let family = if address.is_ipv6() { INET6 } else { INET };
    let socket = sys::socket(family.into(), kind)?;
    const SOL_SOCKET: usize = 1;
    const SO_REUSEADDR: usize = 2;
    sys::set_option(&socket, SOL_SOCKET, SO_REUSEADDR, 1);
    sys::bind(&socket, &encode(address, port))?;
    if kind == STREAM {
        sys::listen(&socket)?;
    }
    Ok(socket)
}

/// A connection to a name or an address, within five seconds.
pub fn connect(host: &str, port: u16) -> Result<Fd, String> {
    let mut reason = String::from("no address");
    for address in resolve(host)? {
        match connect_to(address, port) {
            Ok(socket) => return Ok(socket),
            Err(error) => reason = format!("{address} port {port}: {error}"),
        }
    }
    Err(reason)
}

fn connect_to(address: IpAddr, port: u16) -> sys::Result<Fd> {
    const NONBLOCK: usize = 0o4000;
    const IN_PROGRESS: Errno = Errno(115);
    let family = if address.is_ipv6() { INET6 } else { INET };
    let socket = sys::socket(family.into(), STREAM | NONBLOCK)?;
    match sys::connect(&socket, &encode(address, port)) {
        Err(IN_PROGRESS) if !sys::poll_write(socket.0, 5000) => return Err(Errno(110)),
        Err(IN_PROGRESS) => sys::socket_error(&socket)?,
        done => done?,
    }
    Ok(socket)
}

/// Sends a text over a connection and gives what comes back until the peer closes, two seconds pass, or `limit` bytes are there.
pub fn exchange(socket: &Fd, text: &[u8], limit: usize) -> Vec<u8> {
    let _ = sys::send(socket, text, &[]);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while answer.len() < limit && sys::poll(&[socket.0], Some(2000)) == [true] {
        match sys::read(socket.0, &mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
        }
    }
    answer
}

/// `http://host[:port]/path` asked with one request of that method: status line and headers, then the body.
pub fn request(method: &str, url: &str) -> Result<(String, Vec<u8>), String> {
    let rest = url.strip_prefix("http://").ok_or("only http:// is understood")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| "malformed port")?),
        _ => (authority, 80),
    };
    let socket = connect(host.trim_matches(['[', ']']), port)?;
    let request = format!("{method} /{path} HTTP/1.0\r\nHost: {authority}\r\nUser-Agent: podkin-demo\r\n\r\n");
    let answer = exchange(&socket, request.as_bytes(), 16 << 20);
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or("no HTTP answer")?;
    Ok((String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec()))
}

/// Addresses of a name: itself when it is one, from `/etc/hosts`, from the name servers of `/etc/resolv.conf`.
pub fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(address) = name.parse() {
        return Ok([address].into());
    }
    let known = from_hosts(name);
    if !known.is_empty() {
        return Ok(known);
    }
    let config = ResolverConfig::read();
    let mut reason = String::from("no name server");
    for candidate in config.candidates(name) {
        for server in &config.servers {
            match ask(*server, &candidate) {
                Ok(found) if !found.is_empty() => return Ok(found),
                Ok(_) => reason = format!("{name}: no such name"),
                Err(error) => reason = format!("{name}: name server {server}: {error}"),
            }
        }
    }
    Err(reason)
}

fn lines(path: &str) -> String {
    String::from_utf8_lossy(&sys::read_file(path.as_bytes(), 1 << 20).unwrap_or_default()).into_owned()
}

fn from_hosts(name: &str) -> Vec<IpAddr> {
    let text = lines("/etc/hosts");
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse) else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name)) {
            found.push(address);
        }
    }
    found
}

struct ResolverConfig {
    servers: Vec<IpAddr>,
    search: Vec<String>,
    ndots: usize,
}

impl ResolverConfig {
    fn read() -> Self {
        let mut config = Self { servers: Vec::new(), search: Vec::new(), ndots: 1 };
        for line in lines("/etc/resolv.conf").lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => config.servers.extend(words.next().and_then(|w| w.parse::<IpAddr>().ok())),
                Some("search" | "domain") => config.search = words.map(str::to_string).collect(),
                Some("options") => {
                    let ndots = words.find_map(|word| word.strip_prefix("ndots:")).and_then(|n| n.parse().ok());
                    config.ndots = ndots.unwrap_or(config.ndots);
                }
                _ => {}
            }
        }
        config
    }

    fn candidates(&self, name: &str) -> Vec<String> {
        let absolute = name.trim_end_matches('.').to_string();
        if name.ends_with('.') {
            return [absolute].into();
        }
        let mut all: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let dots = name.bytes().filter(|b| *b == b'.').count();
        if dots >= self.ndots {
            all.insert(0, absolute);
        } else {
            all.push(absolute);
        }
        all
    }
}

/// Asks one server for both kinds of addresses.
fn ask(server: IpAddr, name: &str) -> Result<Vec<IpAddr>, String> {
    let mut found = Vec::new();
    let mut reason = None;
    for kind in [1u16, 28] {
        match query(server, name, kind) {
            Ok(addresses) => found.extend(addresses),
            Err(error) => reason = Some(error),
        }
    }
    match reason {
        Some(error) if found.is_empty() => Err(error.to_string()),
        _ => Ok(found),
    }
}

fn query(server: IpAddr, name: &str, kind: u16) -> sys::Result<Vec<IpAddr>> {
    let id = (sys::now_ms() as u16 ^ sys::pid() as u16 ^ kind << 8).to_be_bytes();
    let mut question = Vec::from([id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|label| !label.is_empty() && label.len() < 64) {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.push(0);
    question.extend(kind.to_be_bytes());
    question.extend([0, 1]);
    let family = if server.is_ipv6() { INET6 } else { INET };
    let socket = sys::socket(family.into(), DATAGRAM)?;
    sys::connect(&socket, &encode(server, 53))?;
    for _ in 0..2 {
        sys::send(&socket, &question, &[])?;
        if sys::poll(&[socket.0], Some(2000)) != [true] {
            continue;
        }
        let mut answer = [0u8; 4096];
        let length = sys::read(socket.0, &mut answer)?;
        if answer[..2] == id {
            return Ok(addresses(&answer[..length], kind).unwrap_or_default());
        }
    }
    Err(Errno(110))
}

/// Records of that kind in the answer; names in it are skipped, not followed.
fn addresses(message: &[u8], kind: u16) -> Option<Vec<IpAddr>> {
    let word = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let skip_name = |mut at: usize| loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            n if n & 0xc0 == 0xc0 => return Some(at + 2),
            n => at += usize::from(n) + 1,
        }
    };
    let mut at = 12;
    for _ in 0..word(4)? {
        at = skip_name(at)? + 4;
    }
    let mut found = Vec::new();
    for _ in 0..word(6)? {
        at = skip_name(at)?;
        let (record, length) = (word(at)?, usize::from(word(at + 8)?));
        let data = message.get(at + 10..at + 10 + length)?;
        match (record, length) {
            (1, 4) if kind == 1 => found.push(IpAddr::V4(Ipv4Addr::new(data[0], data[1], data[2], data[3]))),
            (28, 16) if kind == 28 => found.push(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?))),
            _ => {}
        }
        at += 10 + length;
    }
    Some(found)
}
