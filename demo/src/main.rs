//! The program of the image `localhost/podkin-demo`: a web page about the pod it runs in, and small tools for examples and
//! tests. Static, without the C library, so that it is tiny and starts at once.

#![no_std]
#![no_main]

extern crate alloc;

mod call;
mod commands;
mod health;
mod net;
mod serve;
mod sys;
mod tools;

use alloc::string::String;
use alloc::vec::Vec;
use sys::begin;

/// Writes one line to standard output at once.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::print(1, &alloc::format!($($argument)*))
    };
}

/// Writes one line to standard error and gives the exit code 1.
#[macro_export]
macro_rules! fail {
    ($($argument:tt)*) => {{
        $crate::print(2, &alloc::format!($($argument)*));
        1
    }};
}

fn print(fd: usize, line: &str) {
    let mut bytes = Vec::from(line);
    bytes.push(b'\n');
    let _ = sys::write_all(fd, &bytes);
}

/// Arguments and environment as text.
pub struct Context {
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

fn main(start: sys::Start) -> i32 {
    let text = |bytes: &&[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut args: Vec<String> = start.args.iter().map(text).collect();
    let env = start.env.iter().map(text).filter_map(|e| e.split_once('=').map(|(n, v)| (n.into(), v.into())));
    let called = args.first().map_or("", |name| name.rsplit('/').next().unwrap_or(name));
    // By its own name, the first argument says what to do.
    if called.starts_with("podkin-demo") || called.is_empty() {
        args = args.split_off(args.len().min(1));
        if args.is_empty() {
            args.push("serve".into());
        }
    } else {
        args[0] = called.into();
    }
    let name = args.remove(0);
    let context = Context { args, env: env.collect() };
    commands::run(&name, &context).unwrap_or_else(|| tools::run(&name, &context).unwrap_or_else(|| unknown(&name)))
}

fn unknown(name: &str) -> i32 {
    fail!("podkin-demo: unknown command `{name}`; known are: {} {}", commands::NAMES, tools::NAMES);
    127
}
