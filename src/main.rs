//! podkin: hidden helper sub-commands first, before any thread exists and before the command line is read; then the command
//! line, whose result is the exit code.

use podkin::{cli, network, supervisor};
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    match args.get(1).and_then(|name| name.to_str()) {
        Some(network::dns::COMMAND) => network::dns::run(args.into_iter().skip(2)),
        Some(supervisor::COMMAND) => ExitCode::from(supervisor::run(&args[2..]) as u8),
        _ => cli::main(args),
    }
}
