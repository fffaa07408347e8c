//! podkin: hidden helper sub-commands first, before any thread exists and before the command line is read; then the command
//! line, whose result is the exit code.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    podkin::cli::main(args)
}
