//! `examples/hello.yaml`: an init container, a web server with all that one can have, and a sidecar.

use crate::common::{TestEnv, can_run_containers, eventually, leftovers};
use crate::host::{Following, free_port, get, page};
use crate::terminal::Terminal;
use crate::{PATIENCE, assert_gone, assert_unchanged_by_a_replay, example, wait_until_ready};
use std::path::Path;
use std::process::Command;

#[test]
fn the_main_job() {
    if !can_run_containers() {
        return;
    }
    let (env, port) = (TestEnv::new("hello"), free_port());
    let text = example("hello.yaml", 8080, port);
    let file = env.file("hello.yaml", &text);
    let file = file.to_str().expect("an ordinary path");

    env.ok(["kube", "play", file]);
    wait_until_ready(&env, "hello");
    shows_what_the_file_says(&env, port);
    answers(port);
    readiness_follows_the_probe(&env, port);
    is_followed(&env, port);
    is_entered(&env);
    keeps_its_secret(&env);
    assert_eq!(env.ok(["kube", "generate", "hello"]), text, "what was played comes back as it went in");
    assert_unchanged_by_a_replay(&env, file);
    assert!(page(port, "/").contains("hello"), "and it still answers");

    env.ok(["kube", "down", file]);
    assert_eq!(env.ok(["volume", "ls", "-q"]), "hello-data\n", "what it stored stays");
    env.ok(["kube", "down", "--force", file]);
    assert!(get(port, "/").is_err(), "nobody listens at port {port}");
    assert_gone(&env);
}

fn shows_what_the_file_says(env: &TestEnv, port: u16) {
    let shown = env.ok(["ps", "-a", "--format", "{{.Names}}|{{.State}}|{{.ExitCode}}|{{.Ports}}"]);
    let mut shown: Vec<&str> = shown.lines().collect();
    shown.sort_unstable();
    let web = format!("hello-web|running|0|0.0.0.0:{port}->8080/tcp");
    assert_eq!(shown, ["hello-helper|running|0|", "hello-prepare|exited|0|", web.as_str()]);
    let health = ["inspect", "--format", "{{.State.Health.Status}} {{.State.Ready}}", "hello-web", "hello-helper"];
    assert_eq!(env.ok(health), "healthy true\nhealthy true\n");
}

/// Over the published port: the environment, and the files of each volume.
fn answers(port: u16) {
    for (page_of, expected) in [
        ("/env/GREETING", "Hello, world!"),
        ("/env/LOG_LEVEL", "info"),
        ("/env/PASSWORD", "not-so-secret"),
        ("/env/POD_NAME", "hello"),
        ("/hostname", "hello"),
        ("/file?path=/data/prepared.txt", "prepared for hello"),
        ("/file?path=/etc/demo-login/password", "not-so-secret"),
        ("/get?url=http://localhost:9090/hostname", "hello"),
    ] {
        assert_eq!(page(port, page_of).trim_end(), expected, "{page_of}");
    }
    assert!(page(port, "/file?path=/etc/demo/motd.txt").starts_with("This file comes from a ConfigMap.\n"));
    // Written by one container, read by the other.
    assert_eq!(page(port, "/write?path=/shared/note&text=shared").trim_end(), "written");
    assert_eq!(page(port, "/get?url=http://localhost:9090/file?path=/shared/note").trim_end(), "shared");
}

fn readiness_follows_the_probe(env: &TestEnv, port: u16) {
    let post = |path: &str| {
        let url = format!("http://localhost:{port}{path}");
        assert!(Command::new("curl").args(["-sf", "-X", "POST", &url]).output().is_ok_and(|out| out.status.success()));
    };
    let ready = || env.ok(["inspect", "--format", "{{.State.Ready}}", "hello-web"]) == "true\n";
    post("/fail/ready");
    eventually("the probe finds it not ready", PATIENCE, || !ready());
    post("/ok/ready");
    eventually("the probe finds it ready again", PATIENCE, ready);
    assert_eq!(env.ok(["ps", "--filter", "name=hello-web", "--format", "{{.Restarts}}"]), "0\n");
}

/// `logs -f` shows a request while it goes on, and ends when it is told to.
fn is_followed(env: &TestEnv, port: u16) {
    let mut web = Following::start(env.command(["logs", "-f", "--tail", "0", "hello-web"]));
    let mut pod = Following::start(env.command(["pod", "logs", "-f", "hello"]));
    pod.expect(&["hello-helper", "serving on port 9090"]);
    page(port, "/env/WHO");
    web.expect(&["GET /env/WHO 200"]);
    pod.expect(&["hello-web", "GET /env/WHO 200"]);
    assert!(web.is_running() && pod.is_running(), "they go on");
    let since = env.ok(["logs", "-t", "--since", "10m", "hello-web"]);
    assert!(since.lines().any(|line| line.starts_with("20") && line.ends_with("GET /env/WHO 200")), "{since}");
}

/// `exec -it` through a real terminal: what is typed, its size, and how the program ended.
fn is_entered(env: &TestEnv) {
    let exec = |arguments: &[&str]| env.command(["exec", "-it", "hello-web"].iter().chain(arguments));
    let mut cat = Terminal::start(exec(&["/podkin-demo", "cat"]), 31, 87);
    // What is typed before the session stands is shown by the user's own terminal, too.
    eventually("it runs", PATIENCE, || is_running(env, "cat") && cat.is_raw());
    cat.enter("typed\r");
    cat.expect("typed\r\n");
    cat.expect("typed\r\n");
    let inside = terminal_inside(env);
    assert_eq!(inside.size(), (31, 87));
    cat.resize(40, 120);
    eventually("the new size arrives", PATIENCE, || inside.size() == (40, 120));
    drop(inside);
    cat.enter("\x04");
    let (code, shown) = cat.finish();
    assert_eq!(code, Some(0), "the end of input ended it");
    assert_eq!(shown.matches("typed\r\n").count(), 2, "the echo, and what it wrote: {shown}");

    let (code, _) = Terminal::start(exec(&["/podkin-demo", "exit", "7"]), 24, 80).finish();
    assert_eq!(code, Some(7));
    let (code, shown) = Terminal::start(exec(&["/podkin-demo", "readlink", "/proc/self/fd/0"]), 24, 80).finish();
    assert_eq!((code, shown.as_str()), (Some(0), "/dev/pts/0\r\n"));
    let mut sleep = Terminal::start(exec(&["/podkin-demo", "sleep", "forever"]), 24, 80);
    eventually("it sleeps", PATIENCE, || is_running(env, "sleep forever") && sleep.is_raw());
    sleep.enter("\x03");
    assert_eq!(sleep.finish().0, Some(130), "Ctrl-C reaches the program");
    assert!(!is_running(env, "sleep forever"));
    let (code, shown) = Terminal::start(exec(&["/no/such/program"]), 24, 80).finish();
    assert_eq!(code, Some(127), "{shown}");
}

fn is_running(env: &TestEnv, what: &str) -> bool {
    leftovers::processes(&env.base).iter().any(|(_, arguments)| arguments == &format!("/podkin-demo {what}"))
}

/// The terminal of the `cat` in the container.
struct Inside(std::fs::File);

impl Inside {
    fn size(&self) -> (u16, u16) {
        let size = rustix::termios::tcgetwinsize(&self.0).expect("a terminal");
        (size.ws_row, size.ws_col)
    }
}

fn terminal_inside(env: &TestEnv) -> Inside {
    let processes = leftovers::processes(&env.base);
    let (pid, _) = processes.iter().find(|(_, arguments)| arguments == "/podkin-demo cat").expect("cat runs");
    let input = Path::new("/proc").join(pid.to_string()).join("fd/0");
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    Inside(options.read(true).custom_flags(rustix::fs::OFlags::NOCTTY.bits() as i32).open(input).expect("its terminal"))
}

fn keeps_its_secret(env: &TestEnv) {
    for command in [
        &["inspect", "hello-web"][..],
        &["pod", "inspect", "hello"],
        &["logs", "hello-web"],
        &["events", "--stream=false"],
        &["ps", "-a", "--format", "json"],
    ] {
        let shown = env.ok(command);
        assert!(!shown.contains("not-so-secret") && !shown.contains("bm90LXNvLXNlY3JldA"), "{command:?}");
    }
}

/// What `make play` runs: twice, and then what `make down` runs.
#[test]
fn the_script_of_make_play() {
    if !can_run_containers() {
        return;
    }
    let (env, port) = (TestEnv::new("script"), free_port());
    let file = env.file("hello.yaml", &example("hello.yaml", 8080, port));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/play");
    for _ in 0..2 {
        let mut play = Command::new(&script);
        play.arg(&env.binary).arg(&file).env("PODKIN_ROOT", &env.root).env("PODKIN_RUNROOT", &env.run);
        let ran = env.finish(play);
        assert!(ran.status.success(), "{ran:?}");
        let url = format!("http://localhost:{port}/ answers:\n");
        for part in [url.as_str(), "    Hello from podkin!", "hello-web", "GET /readyz 200", "make down"] {
            assert!(ran.stdout.contains(part), "no `{part}` in:\n{}\n{}", ran.stdout, ran.stderr);
        }
    }
    assert_eq!(env.ok(["pod", "ps", "-q"]).lines().count(), 1);
    env.ok(["kube".as_ref(), "down".as_ref(), "--force".as_ref(), file.as_os_str()]);
    assert_gone(&env);
}
