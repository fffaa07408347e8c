//! NFS, with a program in the place of mount.nfs(8) that gives directories of this machine.

use crate::common::{Ran, TestEnv, can_run_containers, eventually};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Writes down how it was called, and mounts a directory below `exports`; a server that has none fails as the real one does.
const MOUNT_NFS: &str = r#"#!/bin/sh
echo "$*" >>BASE/files/calls
directory=BASE/files/exports/${1##*:}
[ -d "$directory" ] || { echo "mount.nfs: mounting $1 failed, reason given by server: No such file or directory" >&2; exit 32; }
exec mount --bind "$directory" "$2"
"#;

const PODS: &str = "
apiVersion: v1
kind: PersistentVolume
metadata: {name: far}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  storageClassName: far
  mountOptions: [nfsvers=4.1, soft]
  nfs: {server: 10.0.0.9, path: /claimed}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {storageClassName: far, accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: localhost/podkin-demo
    command: [/podkin-demo, sleep, forever]
    volumeMounts: [{name: own, mountPath: /own}, {name: read, mountPath: /read}, {name: data, mountPath: /data}]
  volumes:
  - {name: own, nfs: {server: files.example.com, path: /own}}
  - {name: read, nfs: {server: 'fd00::1', path: /own, readOnly: true}}
  - {name: data, persistentVolumeClaim: {claimName: data}}
---
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: localhost/podkin-demo
    command: [/podkin-demo, sleep, forever]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
";

fn with_server(name: &str) -> TestEnv {
    let env = TestEnv::new(name);
    let program = env.file("sbin/mount.nfs", &MOUNT_NFS.replace("BASE", &env.base.to_string_lossy()));
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    env.file("exports/own/file", "of the server");
    env.file("exports/claimed/file", "claimed");
    env
}

/// Runs with the server's program first in `PATH`.
fn run(env: &TestEnv, arguments: &[&str]) -> Ran {
    let mut command = env.command(arguments);
    command.env("PATH", format!("{}:/usr/bin:/bin", env.base.join("files/sbin").display()));
    env.finish(command)
}

#[track_caller]
fn ok(env: &TestEnv, arguments: &[&str]) -> String {
    let ran = run(env, arguments);
    assert!(ran.status.success(), "{arguments:?}: {ran:?}");
    ran.stdout
}

fn mounts(env: &TestEnv) -> usize {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().filter(|line| line.contains("/files/exports/") && line.contains(&*env.run.to_string_lossy())).count()
}

fn supervisor(pod: &Path) -> rustix::process::Pid {
    let status: serde_json::Value = serde_json::from_slice(&fs::read(pod.join("status.json")).unwrap()).unwrap();
    rustix::process::Pid::from_raw(status["supervisor_pid"].as_i64().unwrap() as i32).unwrap()
}

#[test]
fn exports_are_mounted_for_each_pod_and_go_with_it_also_after_a_crash() {
    if !can_run_containers() {
        return;
    }
    let env = with_server("nfs");
    let pods = env.file("pods.yaml", PODS);
    let pods = pods.to_string_lossy();
    ok(&env, &["kube", "play", "--quiet", &pods]);
    let calls = fs::read_to_string(env.base.join("files/calls")).unwrap();
    let options = |source: &str| {
        let line =
            calls.lines().find(|line| line.starts_with(&format!("{source} "))).unwrap_or_else(|| panic!("{calls}"));
        line.split_once(" -o ").unwrap().1.to_owned()
    };
    assert_eq!(options("files.example.com:/own"), "rw");
    assert_eq!(options("[fd00::1]:/own"), "ro");
    assert_eq!(options("10.0.0.9:/claimed"), "rw,nfsvers=4.1,soft");
    assert_eq!(mounts(&env), 4, "two pods have the claim");
    assert_eq!(ok(&env, &["exec", "one-c", "cat", "/own/file", "/data/file"]), "of the serverclaimed");
    ok(&env, &["exec", "one-c", "/podkin-demo", "write", "/own/new", "text"]);
    assert_eq!(fs::read_to_string(env.base.join("files/exports/own/new")).unwrap(), "text\n");
    let refused = run(&env, &["exec", "one-c", "/podkin-demo", "write", "/read/new", "text"]);
    assert!(refused.stderr.contains("read-only"), "{refused:?}");
    assert_eq!(ok(&env, &["volume", "inspect", "data", "--format", "{{.Mountpoint}}"]), "10.0.0.9:/claimed\n");

    ok(&env, &["pod", "rm", "--force", "one"]);
    assert_eq!(mounts(&env), 1, "the other pod keeps its own");
    let two = fs::read_dir(env.root.join("pods")).unwrap().next().unwrap().unwrap().path();
    let killed = supervisor(&two);
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    eventually("the supervisor's end", Duration::from_secs(5), || {
        !Path::new("/proc").join(killed.to_string()).exists()
    });
    assert_eq!(ok(&env, &["exec", "two-c", "cat", "/data/file"]), "claimed");
    ok(&env, &["pod", "restart", "two"]);
    assert_eq!(mounts(&env), 1, "mounted once");
    ok(&env, &["kube", "down", "--force", &pods]);
    assert_eq!(mounts(&env), 0);
    assert!(env.base.join("files/exports/claimed/file").exists(), "what is the server's stays");
    env.assert_clean();
}

#[test]
fn what_the_program_says_is_told_and_nothing_is_left() {
    if !can_run_containers() {
        return;
    }
    let env = with_server("nfs-fails");
    let pods = env.file("pods.yaml", &PODS.replace("path: /claimed", "path: /gone"));
    let ran = run(&env, &["kube", "play", "--quiet", &pods.to_string_lossy()]);
    assert_eq!(ran.code(), 125, "{ran:?}");
    for part in ["cannot make volume `data`", "`10.0.0.9:/gone` failed", "reason given by server: No such file"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert_eq!(mounts(&env), 0);
    env.assert_clean();
}
