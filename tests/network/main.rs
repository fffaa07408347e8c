//! The network of pods on a machine made for each case: a process with one thread in network and mount namespaces of its own,
//! so that no bridge, rule or port ever touches the machine that runs the tests.
//!
//! Runs as root; arguments are parts of case names.

mod isolation;
mod lifecycle;
mod machine;
mod names;
mod ports;
mod speed;

use podkin::sys::namespace::{Kinds, unshare};
use podkin::sys::process::{exit_now, fork_child, wait};
use std::time::Instant;

type Case = (&'static str, fn());

fn main() {
    // Setup runs its own program again to be the name server, which is this one here.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|command| command == podkin::network::dns::COMMAND) {
        podkin::network::dns::run(arguments);
    }
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(f.as_str()));
    let cases = [ports::CASES, isolation::CASES, lifecycle::CASES, names::CASES, speed::CASES].concat();
    let mut failed = 0;
    for (name, body) in cases.into_iter().filter(|(name, _)| chosen(name)) {
        let begin = Instant::now();
        let ok = run(body);
        println!("network::{name} ... {} ({} ms)", if ok { "ok" } else { "FAILED" }, begin.elapsed().as_millis());
        failed += i32::from(!ok);
    }
    exit_now(i32::from(failed > 0));
}

fn run(body: fn()) -> bool {
    let child = fork_child(|| {
        unshare(Kinds::NETWORK | Kinds::MOUNT).expect("new namespaces: these cases run as root");
        body();
        0
    });
    let child = child.expect("fork");
    let exit = wait(&child.pidfd).expect("wait");
    if exit.shell_code() != 0 {
        println!("the case ended with {exit:?}");
    }
    exit.shell_code() == 0
}
