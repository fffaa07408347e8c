//! Commands that wait: woken by what they wait for, ended by signals.

use crate::SLEEPER;
use crate::common::{TestEnv, eventually};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Far less than any interval asked for here.
const SOON: Duration = Duration::from_secs(10);
const CLAIM: &str = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {}\n";

/// A pod that sleeps a moment and ends.
fn brief() -> String {
    SLEEPER.replace("forever", "\"1\"") + "  restartPolicy: Never\n"
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_raw(child.id() as i32).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it lives");
}

fn finish(mut child: Child) -> (Option<i32>, String) {
    let end = Instant::now() + SOON;
    while child.try_wait().expect("it can be waited for").is_none() {
        if Instant::now() > end {
            child.kill().expect("it can be killed");
            panic!("did not end within {SOON:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("its output can be read");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn wait_is_woken_by_the_end() {
    let env = TestEnv::new("waiting-end");
    let file = env.file("web.yaml", &brief());
    env.ok(["kube", "play", "--quiet", &file.to_string_lossy()]);
    let wait = env.command(["wait", "--interval", "1h", "web-app"]).spawn().expect("it starts");
    assert_eq!(finish(wait), (Some(0), "0\n".to_owned()));
}

#[test]
fn a_play_that_waits_takes_everything_down_when_the_pods_have_ended() {
    let env = TestEnv::new("waiting-play");
    let file = env.file("web.yaml", &(brief() + CLAIM));
    let play = env.command(["kube", "play", "--wait", &file.to_string_lossy()]).spawn().expect("it starts");
    let (code, said) = finish(play);
    assert_eq!(code, Some(0));
    assert!(said.contains("Pods removed:\n") && said.ends_with("Volumes removed:\ndata\n"), "{said}");
    assert_eq!(env.ok(["ps", "-aq"]) + &env.ok(["volume", "ls", "-q"]), "");
    env.assert_clean();
}

#[test]
fn a_play_that_waits_takes_everything_down_when_interrupted() {
    let env = TestEnv::new("waiting-interrupt");
    let file = env.file("web.yaml", &(SLEEPER.to_owned() + CLAIM));
    let play = env.command(["kube", "play", "--wait", &file.to_string_lossy()]).spawn().expect("it starts");
    eventually("the pod runs", SOON, || env.ok(["ps", "-q"]).lines().count() == 1);
    interrupt(&play);
    let (code, said) = finish(play);
    assert_eq!(code, Some(130));
    assert!(said.ends_with("Volumes removed:\ndata\n"), "{said}");
    env.assert_clean();
}

#[test]
fn events_are_shown_as_they_happen() {
    let env = TestEnv::new("waiting-events");
    env.ok(["volume", "create", "first"]);
    let events = env.command(["events", "--format", "{{.Type}} {{.Status}} {{.Name}}"]).stdout(Stdio::piped()).spawn();
    let mut events = events.expect("it starts");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(events.stdout.take().expect("it is piped")));
    // It may not have begun to look when the first of them is made.
    let mut made = 0;
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || sender.send(lines.next().expect("a line").expect("text")));
    let line = loop {
        env.ok(["volume", "create", &format!("later{made}")]);
        made += 1;
        assert!(made < 20, "no event was shown");
        if let Ok(line) = receiver.recv_timeout(Duration::from_millis(500)) {
            break line;
        }
    };
    assert!(line.starts_with("volume create later"), "{line}");
    reader.join().expect("it does not panic").expect("somebody listened");
    events.kill().expect("it lives");
    events.wait().expect("it can be waited for");
}
