//! The words and exit codes of the commands, against real pods.

mod attach;
#[path = "../common/mod.rs"]
mod common;
mod debug;
mod devices;
mod exec;
mod explain;
mod kube;
mod listing;
mod logs;
mod outcome;
mod play;
mod registry;
mod terminal;
mod waiting;

use common::TestEnv;

/// A pod whose containers only sleep.
const SLEEPER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: site}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: app, image: localhost/podkin-demo, command: [/podkin-demo, sleep, forever]}
";

/// An environment in which [`SLEEPER`] runs.
fn with_sleeper(name: &str) -> TestEnv {
    let env = TestEnv::new(name);
    let file = env.file("web.yaml", SLEEPER);
    env.ok(["kube", "play", "--quiet", &file.to_string_lossy()]);
    env
}
