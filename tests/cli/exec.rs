//! `exec` without a terminal.

use crate::with_sleeper;
use std::io::Write;
use std::process::Stdio;

#[test]
fn codes_of_programs_and_of_failures() {
    let env = with_sleeper("exec-codes");
    let demo = |arguments: &[&str]| {
        let all = ["exec", "web-app", "/podkin-demo"].iter().chain(arguments).copied().collect::<Vec<_>>();
        env.run(all).code()
    };
    assert_eq!((demo(&["true"]), demo(&["false"]), demo(&["exit", "42"])), (0, 1, 42));
    assert_eq!(demo(&["abort"]), 134, "128 and the signal");
    let said = env.fails(127, ["exec", "web-app", "/no/such/program"]);
    assert!(said.starts_with("error: cannot run `/no/such/program` in container `web-app`"), "{said}");
    env.fails(126, ["exec", "web-app", "/etc/passwd"]);
    env.fails(2, ["exec", "web-app"]);
    env.fails(2, ["exec", "-w", "relative", "web-app", "true"]);
    env.ok(["stop", "web-app"]);
    let said = env.fails(125, ["exec", "web-app", "/podkin-demo", "true"]);
    assert!(said.contains("container `web-app` is not running, it is exited"), "{said}");
}

#[test]
fn environment_directory_and_user() {
    let env = with_sleeper("exec-options");
    let file = env.file("vars", "# comment\nFROM_FILE=1\n\nALSO=a=b\n").to_string_lossy().into_owned();
    let mut command =
        env.command(["exec", "-e", "A=b", "-e", "PASSED", "-e", "UNSET_HERE", "--env-file", &file, "web-app"]);
    command.args(["/podkin-demo", "env"]).env("PASSED", "through").env_remove("UNSET_HERE");
    let shown = env.finish(command).stdout;
    for wanted in ["A=b\n", "PASSED=through\n", "FROM_FILE=1\n", "ALSO=a=b\n"] {
        assert!(shown.contains(wanted), "{shown}");
    }
    assert!(!shown.contains("UNSET_HERE"));
    assert_eq!(env.ok(["exec", "-w", "/etc", "web-app", "/podkin-demo", "pwd"]), "/etc\n");
    assert!(env.ok(["exec", "-u", "1000:50", "web-app", "/podkin-demo", "id"]).starts_with("uid=1000 gid=50"));
    assert_eq!(env.ok(["exec", "--detach", "web-app", "/podkin-demo", "true"]), "");
    assert!(env.ok(["exec", "--latest", "/podkin-demo", "hostname"]).starts_with("web"));
}

#[test]
fn input_reaches_the_program_however_it_comes() {
    let env = with_sleeper("exec-input");
    let cat = ["exec", "-i", "web-app", "/podkin-demo", "cat"];
    let big = "0123456789abcdef".repeat(64 * 1024);
    let mut child = env.command(cat).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = big.clone();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.stdout == big.as_bytes(), "{} bytes came back through pipes", output.stdout.len());

    // A file is no pipe: it is copied, and nothing of this machine's file system is in the container.
    let file = env.file("big", &big);
    let copy = env.base.join("copy");
    let mut command = env.command(cat);
    command.stdin(std::fs::File::open(&file).unwrap()).stdout(std::fs::File::create(&copy).unwrap());
    assert!(env.finish(command).status.success());
    assert!(std::fs::read(&copy).unwrap() == big.as_bytes());

    let without =
        env.command(["exec", "web-app", "/podkin-demo", "cat"]).stdin(std::fs::File::open(&file).unwrap()).output();
    assert!(without.unwrap().stdout.is_empty(), "without -i there is no input");
}

#[test]
fn signals_are_passed_on() {
    let env = with_sleeper("exec-signal");
    let child = env.command(["exec", "web-app", "/podkin-demo", "sleep", "forever"]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
}
