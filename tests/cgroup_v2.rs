//! The whole of it on another machine: cgroup v2, and the kernel of Debian 12 (`tests/vm/boot`).

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Exit code of `tests/vm/boot` when the host lacks a tool.
const MISSING: i32 = 77;

#[test]
fn a_pod_runs_on_cgroup_v2_and_linux_6_1() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm");
    let output = Command::new(directory.join("boot"))
        .arg(env!("CARGO_BIN_EXE_podkin"))
        .arg(directory.join("play.sh"))
        .args(["pod.yaml", "groups.yaml", "huge.yaml"].map(|name| directory.join(name)))
        .output()
        .expect("the script can be executed");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(MISSING) {
        // Also told where the test runner keeps the output of passing tests to itself: it catches macros only.
        std::io::stderr().write_all(format!("not checked on cgroup v2: {said}").as_bytes()).expect("someone listens");
        return;
    }
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("cgroup v2: all well"), "{said}\n{errors}");
}
