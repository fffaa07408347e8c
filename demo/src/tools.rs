//! Small tools under their usual names.

use crate::{Context, fail, say, sys};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub const NAMES: &str = "true false echo cat env printenv id ls touch rm mkdir pwd hostname readlink stat";

pub fn run(name: &str, context: &Context) -> Option<i32> {
    let args = &context.args;
    Some(match name {
        "true" => 0,
        "false" => 1,
        "echo" => echo(args),
        "cat" => cat(args),
        "env" | "printenv" => env(context),
        "id" => id(args),
        "ls" => ls(args),
        "touch" => each(args, "touch", |path| sys::open(path, sys::O_WRONLY | sys::O_CREAT).and_then(|_| sys::touch(path))),
        "rm" => rm(args),
        "mkdir" => each(&without_options(args), "mkdir", |path| match sys::mkdir(path) {
            Err(sys::Errno(17)) if args.iter().any(|a| a == "-p") => Ok(()),
            done => done,
        }),
        "pwd" => show("pwd", sys::current_directory()),
        "hostname" => match args.first() {
            Some(name) => done("hostname", name, sys::set_host_name(name.as_bytes())),
            None => show("hostname", Ok(sys::host_name())),
        },
        "stat" => args.iter().map(|path| stat(path)).max().unwrap_or(1),
        "readlink" => args.iter().map(|path| show(path, sys::read_link(path.as_bytes()))).max().unwrap_or(1),
        _ => return None,
    })
}

fn done(tool: &str, subject: &str, result: sys::Result<()>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => fail!("{tool}: {subject}: {error}"),
    }
}

fn show(tool: &str, result: sys::Result<Vec<u8>>) -> i32 {
    match result {
        Ok(text) => {
            say!("{}", String::from_utf8_lossy(&text));
            0
        }
        Err(error) => fail!("{tool}: {error}"),
    }
}

fn each(paths: &[String], tool: &str, act: impl Fn(&[u8]) -> sys::Result<()>) -> i32 {
    if paths.is_empty() {
        return fail!("{tool}: no path given");
    }
    paths.iter().map(|path| done(tool, path, act(path.as_bytes()))).max().unwrap_or(0)
}

fn without_options(args: &[String]) -> Vec<String> {
    args.iter().filter(|arg| !arg.starts_with('-')).cloned().collect()
}

fn rm(args: &[String]) -> i32 {
    let force = args.iter().any(|arg| arg == "-f" || arg == "-rf");
    let recursive = args.iter().any(|arg| arg == "-r" || arg == "-rf");
    each(&without_options(args), "rm", |path| match remove(path, recursive) {
        Err(sys::Errno(2)) if force => Ok(()),
        done => done,
    })
}

fn remove(path: &[u8], recursive: bool) -> sys::Result<()> {
    match sys::remove(path, false) {
        Err(sys::Errno(21)) if recursive => {
            for name in sys::list(path)? {
                remove(&[path, b"/", &name].concat(), true)?;
            }
            sys::remove(path, true)
        }
        done => done,
    }
}

fn echo(args: &[String]) -> i32 {
    let newline = args.first().is_none_or(|arg| arg != "-n");
    let text = if newline { format!("{}\n", args.join(" ")) } else { args[1..].join(" ") };
    i32::from(sys::write_all(1, text.as_bytes()).is_err())
}

fn cat(args: &[String]) -> i32 {
    if args.is_empty() {
        return copy(0).map_or_else(|error| fail!("cat: {error}"), |()| 0);
    }
    let one = |path: &String| match sys::open(path.as_bytes(), sys::O_RDONLY).and_then(|file| copy(file.0)) {
        Ok(()) => 0,
        Err(error) => fail!("cat: {path}: {error}"),
    };
    args.iter().map(one).max().unwrap_or(0)
}

fn copy(from: usize) -> sys::Result<()> {
    let mut buffer = [0; 16384];
    loop {
        match sys::read(from, &mut buffer)? {
            0 => return Ok(()),
            length => sys::write_all(1, &buffer[..length])?,
        }
    }
}

fn env(context: &Context) -> i32 {
    match context.args.first() {
        None => {
            for (name, value) in &context.env {
                say!("{name}={value}");
            }
            0
        }
        Some(wanted) => match context.env.iter().find(|(name, _)| name == wanted) {
            Some((_, value)) => {
                say!("{value}");
                0
            }
            None => 1,
        },
    }
}

fn id(args: &[String]) -> i32 {
    let [_, uid, _, gid] = sys::ids();
    let mut groups: Vec<String> = sys::groups().iter().map(u32::to_string).collect();
    if !groups.contains(&gid.to_string()) {
        groups.insert(0, gid.to_string());
    }
    match args.first().map(String::as_str) {
        Some("-u") => say!("{uid}"),
        Some("-g") => say!("{gid}"),
        Some("-G") => say!("{}", groups.join(" ")),
        _ => say!("uid={uid} gid={gid} groups={}", groups.join(",")),
    }
    0
}

fn ls(args: &[String]) -> i32 {
    let long = args.iter().any(|arg| arg.starts_with('-') && arg.contains('l'));
    let mut paths = without_options(args);
    if paths.is_empty() {
        paths.push(".".into());
    }
    let several = paths.len() > 1;
    let one = |path: &String| match sys::list(path.as_bytes()) {
        Ok(names) => {
            if several {
                say!("{path}:");
            }
            names.iter().for_each(|name| entry(&[path.as_bytes(), b"/", name].concat(), name, long));
            0
        }
        Err(sys::Errno(20)) => {
            entry(path.as_bytes(), path.as_bytes(), long);
            0
        }
        Err(error) => fail!("ls: {path}: {error}"),
    };
    paths.iter().map(one).max().unwrap_or(0)
}

fn entry(path: &[u8], name: &[u8], long: bool) {
    let name = String::from_utf8_lossy(name);
    let Some(status) = sys::status(path, false).ok().filter(|_| long) else { return say!("{name}") };
    let mut mode = String::new();
    mode.push(match status.mode >> 12 {
        4 => 'd',
        8 => '-',
        10 => 'l',
        2 => 'c',
        6 => 'b',
        1 => 'p',
        _ => 's',
    });
    for (at, letter) in "rwxrwxrwx".chars().enumerate() {
        mode.push(if status.mode & (0o400 >> at) != 0 { letter } else { '-' });
    }
    let special = status.mode >> 9 & 7;
    let link = match sys::read_link(path) {
        Ok(target) if status.mode >> 12 == 10 => format!(" -> {}", String::from_utf8_lossy(&target)),
        _ => String::new(),
    };
    say!("{special}{mode} {} {} {} {name}{link}", status.uid, status.gid, status.size);
}

/// Mode, owner, group, file system, size and path of a file, or of what a link leads to, in one line.
pub fn stat(path: &str) -> i32 {
    let (status, system) = match (sys::status(path.as_bytes(), true), sys::file_system(path.as_bytes())) {
        (Ok(status), Ok(system)) => (status, system),
        (Err(error), _) | (_, Err(error)) => return fail!("stat: {path}: {error}"),
    };
    let system = match system {
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        _ => "other",
    };
    say!("{:04o} {}:{} {system} {} {path}", status.mode & 0o7777, status.uid, status.gid, status.size);
    0
}
