//! `debug`: containers added to a running pod.

use crate::common::eventually;
use crate::terminal::Desk;
use crate::with_sleeper;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

const DEBUG: [&str; 4] = ["debug", "web", "--image", "localhost/podkin-demo"];

fn debug<'a>(more: &'a [&'a str]) -> Vec<&'a str> {
    [&DEBUG[..], more].concat()
}

#[test]
fn it_is_added_to_the_pod_and_never_started_again() {
    let env = with_sleeper("debug-added");
    let id = env.ok(debug(&["-c", "look", "--env", "COLOUR=green", "--", "/podkin-demo", "env"]));
    assert_eq!(id.trim().len(), 64);
    assert_eq!(env.ok(["wait", "web-look"]).trim(), "0");
    let printed = env.ok(["logs", "web-look"]);
    assert!(printed.contains("COLOUR=green") && printed.contains("HOSTNAME=web"), "{printed}");
    let listed = env.ok(["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
    assert!(listed.contains("web-look exited") && listed.contains("web-app running"), "{listed}");
    assert_eq!(env.ok(["inspect", "web-look", "--format", "{{.RestartCount}}"]).trim(), "0");
    let path = "jsonpath={.spec.ephemeralContainers[0].env[0].value} {.status.ephemeralContainerStatuses[0].ready}";
    assert_eq!(env.ok(["kube", "get", "pod", "web", "-o", path]), "green false");
    let described = env.ok(["kube", "describe", "pod", "web"]);
    assert!(described.contains("Ephemeral Containers:\n  look:\n    Container ID:"), "{described}");
    // What was added is no change of the pod.
    let file = env.file("web.yaml", crate::SLEEPER);
    env.ok(["kube", "play", "--quiet", &file.to_string_lossy()]);
    assert!(env.ok(["ps", "-a", "--format", "{{.Names}}"]).contains("web-look"));
    let taken = env.run(debug(&["-c", "look"]));
    assert!(taken.code() == 125 && taken.stderr.contains("already exists"), "{taken:?}");
    // A pod that is started anew leaves it be.
    env.ok(["pod", "restart", "web"]);
    assert!(env.ok(["ps", "-a", "--format", "{{.Names}} {{.State}}"]).contains("web-look exited"));
    env.ok(["pod", "rm", "--force", "web"]);
    env.assert_clean();
}

#[test]
fn it_sees_the_processes_of_its_target() {
    let env = with_sleeper("debug-target");
    let seen = |more: &[&str]| {
        let ran = env.run(debug(more));
        assert_eq!(ran.code(), 0, "{ran:?}");
        ran
    };
    let target =
        ["-c", "one", "--attach", "--no-stdin", "--target", "app", "--", "/podkin-demo", "cat", "/proc/1/cmdline"];
    let ran = seen(&target);
    assert!(ran.stdout.contains("sleep"), "process 1 is that of the target: {ran:?}");
    let alone = ["-c", "two", "--attach", "--no-stdin", "--", "/podkin-demo", "cat", "/proc/1/cmdline"];
    let ran = seen(&alone);
    assert!(ran.stdout.contains("cmdline"), "process 1 is its own: {ran:?}");
    let unknown = env.run(debug(&["--target", "other"]));
    assert!(unknown.code() == 125 && unknown.stderr.contains("no such target container `other`"), "{unknown:?}");
    eventually("the target goes on", Duration::from_secs(1), || {
        env.ok(["inspect", "web-app", "--format", "{{.State.Status}} {{.RestartCount}}"]).trim() == "running 0"
    });
    env.ok(["pod", "rm", "--force", "web"]);
    env.assert_clean();
}

#[test]
fn it_can_be_talked_to() {
    let env = with_sleeper("debug-session");
    let mut desk = Desk::start(env.command(debug(&["-q", "-it", "-c", "shell", "--", "/podkin-demo", "cat"])));
    eventually("raw mode", Duration::from_secs(10), || desk.is_raw());
    desk.types(b"hello\r");
    desk.shows("hello\r\nhello\r\n");
    desk.types(&[4]);
    assert_eq!(desk.ends().0.code(), Some(0));
    let mut command = env.command(debug(&["-q", "-i", "-c", "pipe", "--", "/podkin-demo", "cat"]));
    let mut piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(b"through\n").unwrap();
    let done = piped.wait_with_output().unwrap();
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(0), &b"through\n"[..]));
}

#[test]
fn it_ends_with_the_pod() {
    let env = with_sleeper("debug-ends");
    env.ok(debug(&["-c", "look", "--", "/podkin-demo", "sleep", "forever"]));
    let state = || env.ok(["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
    assert!(state().contains("web-look running"), "{}", state());
    env.ok(["pod", "stop", "web"]);
    assert!(state().contains("web-look exited"), "{}", state());
    let refused = env.run(debug(&["-c", "late"]));
    assert!(refused.code() == 125 && refused.stderr.contains("not running"), "{refused:?}");
    env.ok(["pod", "start", "web"]);
    assert!(state().contains("web-app running") && !state().contains("web-look running"), "{}", state());
    env.ok(["pod", "rm", "--force", "web"]);
    env.assert_clean();
}
