//! The main job from end to end, as a user does it: play, ask over HTTP, follow the logs, go inside, give back, replay, remove.

#[path = "../common/mod.rs"]
mod common;
mod debian;
mod hello;
mod host;
mod packages;
mod replicas;
mod terminal;

use common::{TestEnv, eventually};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Text of an example, published at another port of the host.
fn example(name: &str, its_port: u16, port: u16) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let text = std::fs::read_to_string(path).expect("the example is there");
    let published = format!("hostPort: {its_port}");
    assert_eq!(text.matches(&published).count(), 1, "{name} publishes {its_port}");
    text.replace(&published, &format!("hostPort: {port}"))
}

/// Waits until every container of a pod is ready.
#[track_caller]
fn wait_until_ready(env: &TestEnv, pod: &str) {
    eventually(&format!("pod {pod} is ready"), PATIENCE, || {
        env.ok(["pod", "inspect", "--format", "{{.Ready}}", pod]) == "true\n"
    });
}

/// Asserts that playing the file again changes nothing and says so.
#[track_caller]
fn assert_unchanged_by_a_replay(env: &TestEnv, file: &str) {
    let processes = ["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.Pid}} {{.Restarts}}"];
    let before = env.ok(processes);
    let again = env.run(["kube", "play", file]);
    assert!(again.status.success() && again.stderr.contains("unchanged"), "{again:?}");
    assert_eq!(env.ok(processes), before, "the same containers, the same processes");
}

/// Asserts that nothing is left of what was played: on the machine, in the state, in what the commands say.
#[track_caller]
fn assert_gone(env: &TestEnv) {
    env.assert_clean();
    assert_eq!(env.state_files(), Vec::<std::path::PathBuf>::new());
    assert_eq!(env.ok(["ps", "-aq"]), "");
    assert_eq!(env.ok(["pod", "ps", "-q"]), "");
    assert_eq!(env.ok(["volume", "ls", "-q"]), "");
    env.ok(["system", "check"]);
}
