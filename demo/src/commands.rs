//! What only this program does: serve, wait, count, crash, listen, connect, and tell what it sees of itself.

use crate::sys::{self, Signals};
use crate::{Context, fail, net, say, serve, tools};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub const NAMES: &str = "serve exit sleep crash abort write attempt swap mount count listen alloc resolve connect get post signals trap ids mounts fds";

const SIGINT: u32 = 2;
const SIGTERM: u32 = 15;

pub fn run(name: &str, context: &Context) -> Option<i32> {
    let args: Vec<&str> = context.args.iter().map(String::as_str).collect();
    Some(match (name, args.as_slice()) {
        ("serve", _) => serve::serve(context),
        ("exit", []) => 0,
        ("exit", [code]) => code.parse().unwrap_or(2),
        ("sleep", args) => sleep(args),
        ("crash", _) => sys::crash(),
        ("abort", _) => {
            sys::raise(6);
            134
        }
        ("write", ["--mode", mode, path, text @ ..]) => write_with(mode, path, &text.join(" ")),
        ("write", [path, text @ ..]) => match write(path, &text.join(" "), false) {
            Ok(()) => 0,
            Err(error) => fail!("write: {path}: {error}"),
        },
        ("attempt", [path, codes @ ..]) => attempt(path, codes),
        ("mount", [path]) => match sys::mount_tmpfs(path.as_bytes()) {
            Ok(()) => 0,
            Err(error) => fail!("mount: {path}: {error}"),
        },
        ("swap", [one, other]) => swap(one, other),
        ("count", args) => count(args),
        ("listen", [kind, port]) => listen(kind, port),
        ("alloc", [mib]) => alloc(mib),
        ("resolve", [name]) => resolve(name),
        ("connect", [host, port, text @ ..]) => connect(host, port, &text.join(" ")),
        ("get", [url]) => request("GET", url),
        ("post", [url]) => request("POST", url),
        ("signals", _) => signals(false),
        ("trap", _) => signals(true),
        ("ids", _) => ids(),
        ("mounts", _) => show_file("/proc/self/mountinfo"),
        ("fds", _) => descriptors(),
        ("write" | "attempt" | "mount" | "swap" | "listen" | "alloc" | "resolve" | "connect" | "get" | "post" | "exit", _) => {
            fail!("{name}: wrong number of arguments");
            2
        }
        _ => return None,
    })
}

/// Waits; a signal that asks to end does so at once, even as pid 1.
fn sleep(args: &[&str]) -> i32 {
    let stop = Signals::of(&[SIGINT, SIGTERM, 3, 1]);
    stop.block();
    let mut total = 0u64;
    let mut forever = args.is_empty();
    for arg in args {
        match duration_us(arg) {
            Some(us) => total += us,
            None if matches!(*arg, "forever" | "infinity" | "inf") => forever = true,
            None => return fail!("sleep: `{arg}` is no time"),
        }
    }
    match stop.wait(if forever { None } else { Some(total) }) {
        Some(signal) => 128 + signal as i32,
        None => 0,
    }
}

/// Seconds with a fraction, or a number with `s`, `m`, `h`, `ms`.
fn duration_us(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "" | "s" => 1_000_000,
        "ms" => 1000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut value = if whole.is_empty() && !fraction.is_empty() { 0 } else { whole.parse::<u64>().ok()?.checked_mul(factor)? };
    let mut part = factor;
    for digit in fraction.bytes() {
        part /= 10;
        value += u64::from(digit.checked_sub(b'0')?) * part;
    }
    Some(value)
}

pub fn write(path: &str, text: &str, append: bool) -> sys::Result<()> {
    let how = if append { sys::O_APPEND } else { sys::O_TRUNC };
    let file = sys::open(path.as_bytes(), sys::O_WRONLY | sys::O_CREAT | how)?;
    sys::write_all(file.0, text.as_bytes())?;
    sys::write_all(file.0, b"\n")
}

/// Writes a file with these permissions (octal), and tells what it is then and what it holds.
fn write_with(mode: &str, path: &str, text: &str) -> i32 {
    let Ok(mode) = u32::from_str_radix(mode, 8) else { return fail!("write: `{mode}` is no mode") };
    let written = sys::open(path.as_bytes(), sys::O_WRONLY | sys::O_CREAT | sys::O_TRUNC)
        .and_then(|file| sys::set_mode(&file, mode))
        .and_then(|()| write(path, text, false));
    match written {
        Ok(()) => tools::stat(path).max(show_file(path)),
        Err(error) => fail!("write: {path}: {error}"),
    }
}

/// Ends with the first of the codes when the file is not there, with the second the next time, and so on: the file counts.
/// `forever` instead of a code waits.
fn attempt(path: &str, codes: &[&str]) -> i32 {
    let before = sys::read_file(path.as_bytes(), 1 << 16).unwrap_or_default();
    if let Err(error) = write(path, "again", true) {
        return fail!("attempt: {path}: {error}");
    }
    let number = before.iter().filter(|byte| **byte == b'\n').count();
    say!("attempt {}", number + 1);
    match codes.get(number).or(codes.last()) {
        Some(&"forever") => sleep(&[]),
        code => code.and_then(|code| code.parse().ok()).unwrap_or(0),
    }
}

/// Has two names change places as often as it can, until one of them is gone.
fn swap(one: &str, other: &str) -> i32 {
    loop {
        if let Err(error) = sys::exchange(one.as_bytes(), other.as_bytes()) {
            return fail!("swap: {one} and {other}: {error}");
        }
    }
}

/// The number after an option.
pub fn option(args: &[&str], name: &str) -> Option<u64> {
    let at = args.iter().position(|arg| *arg == name)?;
    args.get(at + 1)?.parse().ok()
}

/// Numbered lines from 1, each written by itself; to standard error with `--stderr`.
fn count(args: &[&str]) -> i32 {
    let stop = Signals::of(&[SIGINT, SIGTERM]);
    stop.block();
    let interval = option(args, "--interval-us").unwrap_or(1_000_000);
    let total = option(args, "--total").unwrap_or(u64::MAX);
    let to = if args.contains(&"--stderr") { 2 } else { 1 };
    let mut number = 0;
    while number < total {
        number += 1;
        let mut line = number.to_string();
        line.push('\n');
        if let Err(error) = sys::write_all(to, line.as_bytes()) {
            return fail!("count: {error}");
        }
        if let Some(signal) = (number < total).then(|| stop.wait(Some(interval))).flatten() {
            return 128 + signal as i32;
        }
    }
    0
}

/// Echoes what comes in, a connection or datagram at a time.
fn listen(kind: &str, port: &str) -> i32 {
    let Ok(port) = port.parse() else { return fail!("listen: `{port}` is no port") };
    let answer: fn(&sys::Fd) = if kind == "grpc" { crate::health::answer } else { echo };
    let datagram = kind == "udp";
    let stop = Signals::of(&[SIGINT, SIGTERM]);
    stop.block();
    let (socket, signals) = match (net::bound(if datagram { net::DATAGRAM } else { net::STREAM }, port), stop.descriptor()) {
        (Ok(socket), Ok(signals)) => (socket, signals),
        (Err(error), _) | (_, Err(error)) => return fail!("listen: {error}"),
    };
    say!("listening on {kind} port {port}");
    loop {
        let ready = sys::poll(&[signals.0, socket.0], None);
        if ready.first() == Some(&true) {
            return 0;
        }
        if datagram {
            let mut buffer = [0; 65536];
            if let Ok((length, from)) = sys::receive(&socket, &mut buffer) {
                say!("{} bytes from {}", length, net::show(&from));
                let _ = sys::send(&socket, &buffer[..length], &from);
            }
            continue;
        }
        let Ok((peer, from)) = sys::accept(&socket) else { continue };
        say!("connection from {}", net::show(&from));
        if sys::fork() == Ok(true) {
            answer(&peer);
            return 0;
        }
        sys::reap();
    }
}

fn echo(peer: &sys::Fd) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = sys::read(peer.0, &mut buffer) {
        if sys::send(peer, &buffer[..length], &[]).is_err() {
            return;
        }
    }
}

fn alloc(mib: &str) -> i32 {
    let Ok(mib) = mib.parse::<usize>() else { return fail!("alloc: `{mib}` is no number") };
    for held in 1..=mib {
        if !sys::hold(1 << 20) {
            return fail!("alloc: out of memory after {} MiB", held - 1);
        }
    }
    say!("holding {mib} MiB");
    sleep(&[])
}

fn resolve(name: &str) -> i32 {
    match net::resolve(name) {
        Ok(addresses) => {
            addresses.iter().for_each(|address| say!("{address}"));
            0
        }
        Err(error) => fail!("resolve: {error}"),
    }
}

fn connect(host: &str, port: &str, text: &str) -> i32 {
    let Ok(port) = port.parse() else { return fail!("connect: `{port}` is no port") };
    match net::connect(host, port) {
        Ok(socket) if text.is_empty() => {
            drop(socket);
            say!("connected");
            0
        }
        Ok(socket) => {
            let answer = net::exchange(&socket, text.as_bytes(), text.len());
            say!("{}", String::from_utf8_lossy(&answer));
            i32::from(answer.is_empty())
        }
        Err(error) => fail!("connect: {error}"),
    }
}

fn request(method: &str, url: &str) -> i32 {
    match net::request(method, url) {
        Ok((head, body)) => {
            let _ = sys::write_all(1, &body);
            let status = head.split(' ').nth(1).unwrap_or_default();
            if status.starts_with('2') { 0 } else { fail!("{url}: status {status}") }
        }
        Err(error) => fail!("{url}: {error}"),
    }
}

/// Says which signals come; ends with SIGTERM or SIGINT unless told to go on.
fn signals(ignore: bool) -> i32 {
    let all = Signals::all();
    all.block();
    say!("waiting for signals as pid {}", sys::pid());
    loop {
        let Some(signal) = all.wait(None) else { continue };
        say!("signal {signal} {}", signal_name(signal));
        if !ignore && matches!(signal, SIGINT | SIGTERM) {
            return 0;
        }
    }
}

fn signal_name(signal: u32) -> &'static str {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
        "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
        "PWR", "SYS",
    ];
    NAMES.get(signal as usize - 1).copied().unwrap_or("RT")
}

fn ids() -> i32 {
    let [uid, euid, gid, egid] = sys::ids();
    say!("uid {uid}\neuid {euid}\ngid {gid}\negid {egid}");
    let groups: Vec<String> = sys::groups().iter().map(u32::to_string).collect();
    say!("groups {}", groups.join(" "));
    let status = sys::read_file(b"/proc/self/status", 1 << 16).unwrap_or_default();
    for line in String::from_utf8_lossy(&status).lines() {
        let wanted = ["Cap", "Seccomp:", "NoNewPrivs:", "Umask:"];
        if wanted.iter().any(|name| line.starts_with(name)) {
            say!("{}", line.replace([':'], "").replace('\t', " "));
        }
    }
    0
}

fn show_file(path: &str) -> i32 {
    match sys::read_file(path.as_bytes(), 1 << 20) {
        Ok(content) => i32::from(sys::write_all(1, &content).is_err()),
        Err(error) => fail!("{path}: {error}"),
    }
}

/// Open descriptors and what they are, without the one this list takes.
fn descriptors() -> i32 {
    for name in sys::list(b"/proc/self/fd").unwrap_or_default() {
        if let Ok(target) = sys::read_link(&[b"/proc/self/fd/", name.as_slice()].concat()) {
            say!("{} {}", String::from_utf8_lossy(&name), String::from_utf8_lossy(&target));
        }
    }
    0
}
