//! `examples/replicas.yaml`: copies of a pod that others find by name.

use crate::common::{TestEnv, can_run_containers, eventually};
use crate::{PATIENCE, assert_gone, assert_unchanged_by_a_replay};

#[test]
fn copies_are_found_by_name() {
    if !can_run_containers() {
        return;
    }
    let env = TestEnv::new("replicas");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/replicas.yaml");
    env.ok(["kube", "play", file]);
    eventually("the visitor has seen all copies", PATIENCE, || {
        env.ok(["pod", "ps", "--filter", "name=visitor", "--format", "{{.Status}}"]) == "Exited\n"
    });
    assert_eq!(env.ok(["logs", "visitor-curious"]).trim(), "web-pod-3");
    let mut pods: Vec<String> = env.ok(["pod", "ps", "--format", "{{.Name}}"]).lines().map(str::to_owned).collect();
    pods.sort();
    assert_eq!(pods, ["visitor", "web-pod", "web-pod-2", "web-pod-3"]);
    assert_unchanged_by_a_replay(&env, file);
    env.ok(["kube", "down", "--force", file]);
    assert_gone(&env);
}
