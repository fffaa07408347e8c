//! `subPath` while another container changes what it leads through (CVE-2017-1002101, CVE-2021-25741).

use crate::common::{TestEnv, can_run_containers, eventually};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

/// A pod with the directory `volume` at `/v`.
const ATTACKER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: attacker}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: localhost/podkin-demo
    command: [/podkin-demo, swap, /v/a, /v/b]
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, hostPath: {path: BASE/files/volume}}]
";

/// A pod that tells what is mounted in it, and ends.
const VICTIM: &str = "
apiVersion: v1
kind: Pod
metadata: {name: victim}
spec:
  hostNetwork: true
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: localhost/podkin-demo
    command: [/podkin-demo, mounts]
    env: [{name: WHERE, value: a}]
    volumeMounts: [{name: v, mountPath: /mounted, MOUNT}]
  volumes: [{name: v, hostPath: {path: BASE/files/volume}}]
";

/// Ways to mount a part of a volume: a directory, a file, one that is made, one by a variable.
const MOUNTS: [&str; 5] = [
    "subPath: a",
    "subPath: a/file",
    "subPath: a/made/here",
    "subPathExpr: $(WHERE)/deep",
    "subPath: a/deep, readOnly: true",
];
const ROUNDS: usize = 3;

fn entries(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        names.push(entry.path().to_string_lossy().into_owned());
        if entry.file_type().unwrap().is_dir() {
            names.extend(entries(&entry.path()));
        }
    }
    names.sort();
    names
}

#[test]
fn nothing_outside_is_mounted_or_made_while_links_are_swapped() {
    if !can_run_containers() {
        return;
    }
    let env = TestEnv::new("sub-path");
    let write = |name: &str, text: &str| env.file(name, &text.replace("BASE", &env.base.to_string_lossy()));
    for place in ["volume/a", "outside"] {
        env.file(&format!("{place}/file"), "");
        env.file(&format!("{place}/deep/file"), "");
    }
    let outside = env.base.join("files/outside");
    let (a, b) = (env.base.join("files/volume/a"), env.base.join("files/volume/b"));
    symlink("../outside", &b).unwrap();
    let before = entries(&outside);
    env.ok(["kube", "play", "--quiet", &write("attacker.yaml", ATTACKER).to_string_lossy()]);
    let is_link = |path: &Path| path.symlink_metadata().unwrap().is_symlink();
    eventually("names that are swapped", Duration::from_secs(10), || is_link(&a));

    let (mut mounted, mut refused) = (0, 0);
    for mount in MOUNTS.iter().cycle().take(MOUNTS.len() * ROUNDS) {
        let victim = write("victim.yaml", &VICTIM.replace("MOUNT", mount));
        let ran = env.run(["kube", "play", "--quiet", "--replace", &victim.to_string_lossy()]);
        if ran.status.success() {
            env.ok(["wait", "victim-c"]);
            let seen = env.ok(["logs", "victim-c"]);
            let line = seen.lines().find(|line| line.contains(" /mounted ")).expect("the volume is mounted");
            assert!(line.contains("/files/volume/") && !line.contains("outside"), "{mount}: {line}");
            mounted += 1;
        } else {
            assert!(ran.stderr.contains("subPath"), "{mount}: {}", ran.stderr);
            refused += 1;
        }
        assert_eq!(entries(&outside), before, "{mount}");
    }
    println!("{mounted} mounted, {refused} refused");
    assert!(mounted > 0, "the path is right half of the time");
    env.ok(["pod", "rm", "--force", "--all"]);
    env.assert_clean();
}
