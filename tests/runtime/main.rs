//! Real containers through `podkin::runtime`, seen from inside. Needs root and `/bin/busybox` (Debian: busybox-static).
//!
//! Each test is a forked process of its own: it has one thread, as making containers demands, and plays the supervisor.
//! `cargo test --test runtime [NAME]...` runs those whose name contains one of the words; `--bench [N]` measures instead.

mod attacks;
mod bench;
mod executes;
mod fixture;
mod hardening;
mod init;
mod lifecycle;

use podkin::sys::process::{self, Exit};

type Test = (&'static str, fn());

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        return;
    }
    assert!(rustix::process::geteuid().is_root(), "these tests make containers and must run as root");
    assert!(
        std::path::Path::new(fixture::BUSYBOX).exists(),
        "{} is missing: apt-get install busybox-static",
        fixture::BUSYBOX
    );
    if words.iter().any(|word| word == "--bench") {
        bench::run(words.iter().find_map(|word| word.parse().ok()).unwrap_or(50));
        return;
    }
    process::set_child_subreaper().expect("subreaper");
    let words: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let all: Vec<Test> = [lifecycle::TESTS, init::TESTS, executes::TESTS, hardening::TESTS, attacks::TESTS].concat();
    let chosen: Vec<Test> = all
        .into_iter()
        .filter(|(name, _)| words.is_empty() || words.iter().any(|w| name.contains(w.as_str())))
        .collect();
    let failed: Vec<&str> = chosen.iter().filter(|test| !passes(test)).map(|(name, _)| *name).collect();
    println!("\ntest result: {} passed; {} failed", chosen.len() - failed.len(), failed.len());
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
        std::process::exit(1);
    }
}

fn passes((name, test): &Test) -> bool {
    let child = process::fork_child(|| {
        process::set_child_subreaper().expect("subreaper");
        test();
        fixture::expect_no_children();
        0
    })
    .expect("fork");
    let passed = process::wait(&child.pidfd).expect("wait") == Exit::Code(0);
    if !passed {
        fixture::clean_up_after(child.pid);
    }
    println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
    passed
}
