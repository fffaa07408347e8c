//! `attach`: input and output of the containers themselves.

use crate::common::{TestEnv, eventually, leftovers};
use crate::terminal::Desk;
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Plays a pod `web` whose container `app` copies its input to its output.
fn with_copier(name: &str, fields: &str) -> TestEnv {
    let env = TestEnv::new(name);
    let file = env.file(
        "web.yaml",
        &format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  restartPolicy: Never\n  terminationGracePeriodSeconds: 0\n  \
             containers:\n  - {{name: app, image: localhost/podkin-demo, imagePullPolicy: IfNotPresent, command: \
             [/podkin-demo, cat], {fields}}}\n"
        ),
    );
    env.ok(["kube", "play", "--quiet", &file.to_string_lossy()]);
    env
}

/// A session with pipes in place of a terminal.
fn session(env: &TestEnv) -> Child {
    let mut command = env.command(["attach", "web-app"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn say(session: &mut Child, text: &str) {
    session.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
}

fn logged(env: &TestEnv, text: &str) {
    eventually(text, Duration::from_secs(10), || env.ok(["logs", "web-app"]).contains(text));
}

#[test]
fn several_share_a_terminal_and_leave_it_as_they_like() {
    let env = with_copier("attach-terminal", "stdin: true, tty: true");
    let mut one = Desk::start(env.command(["attach", "web-app"]));
    let mut two = Desk::start(env.command(["container", "attach", "--detach-keys", "ctrl-x,x", "web-app"]));
    eventually("raw mode", Duration::from_secs(10), || one.is_raw() && two.is_raw());
    one.types(b"hello\r");
    one.shows("hello\r\nhello\r\n");
    two.shows("hello\r\nhello\r\n");
    two.types(&[24, b'x']);
    assert_eq!(two.ends().0.code(), Some(0));
    one.types(b"again\r");
    one.shows("again\r\nagain\r\n");
    // The end of input, typed at a terminal, ends the program, and with it the session.
    one.types(&[4]);
    assert_eq!(one.ends().0.code(), Some(0));
    let refused = env.run(["attach", "web-app"]);
    assert_eq!(refused.code(), 125, "{refused:?}");
    assert!(refused.stderr.contains("is not running"), "{refused:?}");
    env.ok(["pod", "rm", "--force", "web"]);
    env.assert_clean();
}

#[test]
fn the_terminal_has_the_size_of_the_window_that_changed_last() {
    let env = with_copier("attach-size", "stdin: true, tty: true");
    let (pid, _) = leftovers::processes(&env.base).into_iter().find(|(_, args)| args == "/podkin-demo cat").unwrap();
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let inside = rustix::fs::open(format!("/proc/{pid}/fd/0"), flags, rustix::fs::Mode::empty()).unwrap();
    let becomes = |wanted: (u16, u16)| {
        eventually(&format!("{wanted:?} inside"), Duration::from_secs(10), || {
            let size = rustix::termios::tcgetwinsize(&inside).unwrap();
            (size.ws_row, size.ws_col) == wanted
        });
    };
    let mut one = Desk::start(env.command(["attach", "web-app"]));
    becomes((33, 77));
    let two = Desk::start(env.command(["attach", "web-app"]));
    eventually("raw mode", Duration::from_secs(10), || one.is_raw() && two.is_raw());
    one.resize(50, 132);
    becomes((50, 132));
    two.resize(20, 60);
    becomes((20, 60));
    drop(inside);
    one.types(&[4]);
    assert_eq!((one.ends().0.code(), two.ends().0.code()), (Some(0), Some(0)));
}

#[test]
fn input_stays_open_from_session_to_session() {
    let env = with_copier("attach-again", "stdin: true");
    for text in ["first\n", "second\n"] {
        let mut session = session(&env);
        say(&mut session, text);
        drop(session.stdin.take());
        logged(&env, text.trim());
        assert!(session.try_wait().unwrap().is_none(), "the container goes on, and so does the session");
        session.kill().unwrap();
        session.wait().unwrap();
    }
    assert_eq!(env.ok(["ps", "--format", "{{.State}}"]).trim(), "running");
}

#[test]
fn input_for_one_session_ends_with_it() {
    let env = with_copier("attach-once", "stdin: true, stdinOnce: true");
    let mut session = session(&env);
    say(&mut session, "only\n");
    logged(&env, "only");
    let second = {
        let mut command = env.command(["attach", "web-app"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    say(&mut session, "more\n");
    logged(&env, "more");
    drop(session.stdin.take());
    let first = session.wait_with_output().unwrap();
    assert_eq!((first.status.code(), String::from_utf8_lossy(&first.stdout).as_ref()), (Some(0), "only\nmore\n"));
    assert_eq!(second.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(env.ok(["ps", "-a", "--format", "{{.State}}"]).trim(), "exited");
}

#[test]
fn a_session_that_is_killed_ends_the_input_that_was_its_own() {
    let env = with_copier("attach-killed", "stdin: true, stdinOnce: true");
    let mut session = session(&env);
    say(&mut session, "only\n");
    logged(&env, "only");
    session.kill().unwrap();
    session.wait().unwrap();
    eventually("the container's end", Duration::from_secs(10), || {
        env.ok(["ps", "-a", "--format", "{{.State}}"]).trim() == "exited"
    });
}

#[test]
fn signals_go_on_to_the_container_and_its_exit_code_comes_back() {
    let env = TestEnv::new("attach-signals");
    let file = env.file("web.yaml", crate::SLEEPER);
    env.ok(["kube", "play", "--quiet", &file.to_string_lossy()]);
    let mut command = env.command(["attach", "web-app"]);
    let session = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&session);
    let signals = || std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let blocks_term = || {
        signals()
            .lines()
            .find_map(|line| line.strip_prefix("SigBlk:"))
            .is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << 14) != 0)
    };
    eventually("a session that listens to signals", Duration::from_secs(10), blocks_term);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(session.wait_with_output().unwrap().status.code(), Some(143));
}
