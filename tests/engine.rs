//! The binary's promises about state: what a command leaves behind when it fails, is one of many, or finds something dead.

mod common;

use common::{TestEnv, eventually};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A pod of one container that runs until it is told to end.
fn pod(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  terminationGracePeriodSeconds: 0\n  \
         containers:\n  - {{name: c, image: localhost/podkin-demo, args: [sleep, forever]}}\n"
    )
}

/// A pod whose program does not exist.
fn broken_pod(name: &str) -> String {
    pod(name).replace("args: [sleep, forever]", "command: [/no/such/program]")
}

fn config_map(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: conf}}\ndata: {{key: {value}}}\n---\n")
}

const CLAIM: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
                     resources: {requests: {storage: 1Mi}}\n---\n";

fn names(env: &TestEnv) -> Vec<String> {
    env.ok(["ps", "--format", "{{.Names}}"]).lines().map(str::to_owned).collect()
}

#[test]
fn a_fresh_environment_has_nothing_behind_it() {
    let env = TestEnv::new("fresh");
    env.assert_clean();
    assert!(env.state_files().is_empty());
}

#[test]
fn played_replayed_replaced_and_taken_down_without_a_trace() {
    let env = TestEnv::new("life");
    let file = env.file("two.yaml", &format!("{}{CLAIM}{}---\n{}", config_map("a"), pod("one"), pod("two")));
    let path = file.to_str().unwrap();
    env.ok(["kube", "play", path]);
    assert_eq!(names(&env), ["one-c", "two-c"]);
    let ids = env.ok(["ps", "-q", "--no-trunc"]);
    let again = env.run(["kube", "play", path]);
    assert!(again.status.success() && again.stderr.contains("unchanged"), "{again:?}");
    assert_eq!(env.ok(["ps", "-q", "--no-trunc"]), ids, "nothing was made anew");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("metadata: {name: two}\nspec:", "metadata: {name: two, labels: {a: b}}\nspec:");
    fs::write(&file, &text).unwrap();
    let again = env.run(["kube", "play", path]);
    assert!(again.status.success() && again.stderr.contains("pod two: refreshed"), "{again:?}");
    assert_eq!(env.ok(["ps", "-q", "--no-trunc"]), ids, "labels need no new pod");
    fs::write(&file, text.replace("labels: {a: b}}\nspec:", "labels: {a: b}}\nspec:\n  hostname: other")).unwrap();
    let refused = env.fails(125, ["kube", "play", path]);
    assert!(refused.contains("hostname") && refused.contains("--replace"), "{refused}");
    env.ok(["kube", "play", "--replace", path]);
    let after: Vec<_> = env.ok(["ps", "-q", "--no-trunc"]).lines().map(str::to_owned).collect();
    let before: Vec<_> = ids.lines().map(str::to_owned).collect();
    assert_eq!(after[0], before[0], "the unchanged pod was left alone");
    assert_ne!(after[1], before[1]);
    env.ok(["kube", "down", path]);
    assert_eq!(env.ok(["volume", "ls", "-q"]), "data\n", "volumes stay without --force");
    env.ok(["kube", "down", "--force", path]);
    assert_eq!(env.ok(["volume", "ls", "-q"]), "");
    env.assert_clean();
    assert!(env.state_files().is_empty(), "{:?}", env.state_files());
}

#[test]
fn a_failed_play_undoes_itself() {
    let env = TestEnv::new("undo");
    let first = env.file("first.yaml", &format!("{}{}", config_map("old"), pod("one")));
    env.ok(["kube", "play", first.to_str().unwrap()]);
    let state = env.state_files();
    let text = format!("{}{CLAIM}{}---\n{}---\n{}", config_map("new"), pod("one"), pod("good"), broken_pod("bad"));
    fs::write(&first, text).unwrap();
    let error = env.fails(127, ["kube", "play", first.to_str().unwrap()]);
    assert!(error.contains("/no/such/program"), "{error}");
    assert_eq!(names(&env), ["one-c"]);
    assert_eq!(env.ok(["volume", "ls", "-q"]), "");
    assert_eq!(env.state_files(), state);
    // The ConfigMap has its old value again: playing the old file changes nothing.
    fs::write(&first, format!("{}{}", config_map("old"), pod("one"))).unwrap();
    let again = env.run(["kube", "play", first.to_str().unwrap()]);
    assert!(again.status.success() && again.stderr.contains("unchanged"), "{again:?}");
}

#[test]
fn what_a_failed_play_made_stays_when_asked() {
    let env = TestEnv::new("keep");
    let file = env.file("a.yaml", &format!("{}---\n{}", pod("good"), broken_pod("bad")));
    env.fails(127, ["kube", "play", "--keep-on-error", file.to_str().unwrap()]);
    assert_eq!(names(&env), ["good-c"]);
    env.ok(["kube", "down", file.to_str().unwrap()]);
    env.assert_clean();
}

#[test]
fn every_missing_image_is_said_before_anything_is_made() {
    let env = TestEnv::new("images");
    let missing = |name: &str| pod(name).replace("localhost/podkin-demo", &format!("example.org/{name}:1"));
    let file = env.file("a.yaml", &format!("{CLAIM}{}---\n{}", missing("one"), missing("two")));
    let error = env.fails(125, ["kube", "play", file.to_str().unwrap()]);
    assert!(error.contains("example.org/one:1") && error.contains("example.org/two:1"), "{error}");
    assert_eq!(env.ok(["volume", "ls", "-q"]), "");
    assert!(env.state_files().is_empty());
}

#[test]
fn names_belong_to_one_application() {
    let env = TestEnv::new("names");
    for name in ["one", "two"] {
        let file = env.file(&format!("{name}.yaml"), &pod(name));
        env.ok(["kube", "play", "--start=false", file.to_str().unwrap()]);
    }
    let both = env.file("both.yaml", &format!("{}---\n{}", pod("one"), pod("two")));
    let error = env.fails(125, ["kube", "play", both.to_str().unwrap()]);
    assert!(error.contains("different applications") && error.contains("`one`") && error.contains("`two`"), "{error}");
    env.ok(["kube", "down", both.to_str().unwrap()]);
    assert!(env.state_files().is_empty(), "down takes both: {:?}", env.state_files());
}

#[test]
fn part_of_an_application_goes_by_its_file() {
    let env = TestEnv::new("part");
    let (one, two) = (env.file("one.yaml", &pod("one")), env.file("two.yaml", &pod("two")));
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    env.ok(["kube", "play", one, two]);
    env.ok(["kube", "down", one]);
    assert_eq!(names(&env), ["two-c"]);
    env.ok(["kube", "down", one, two]);
    env.assert_clean();
    assert!(env.state_files().is_empty(), "{:?}", env.state_files());
}

#[test]
fn an_interrupted_play_is_taken_back() {
    let env = TestEnv::new("interrupt");
    let waits = pod("slow").replace(
        "  containers:",
        "  initContainers:\n  - {name: i, image: localhost/podkin-demo, args: [sleep, forever]}\n  containers:",
    );
    let file = env.file("a.yaml", &format!("{CLAIM}{waits}"));
    let mut child = env.command(["kube", "play", file.to_str().unwrap()]).spawn().unwrap();
    eventually("the init container runs", PATIENCE, || names(&env) == ["slow-i"]);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert_eq!(env.ok(["ps", "-aq"]), "");
    assert_eq!(env.ok(["volume", "ls", "-q"]), "");
    env.assert_clean();
    assert!(env.state_files().is_empty(), "{:?}", env.state_files());
}

/// R6: commands on different files neither wait for each other for long nor fail on a lock.
#[test]
fn fifty_files_played_at_once() {
    let env = TestEnv::new("fifty");
    let files: Vec<PathBuf> = (0..50).map(|n| env.file(&format!("{n}.yaml"), &pod(&format!("p{n}")))).collect();
    let all = |verb: &[&str]| {
        let children: Vec<_> = files
            .iter()
            .map(|file| env.command(verb.iter().map(|v| v.as_ref()).chain([file.as_os_str()])).spawn().unwrap())
            .collect();
        for child in children {
            let out = child.wait_with_output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        }
    };
    all(&["kube", "play"]);
    assert_eq!(names(&env).len(), 50);
    all(&["kube", "down"]);
    env.assert_clean();
    assert!(env.state_files().is_empty(), "{:?}", env.state_files());
}

#[test]
fn one_file_played_at_once_is_one_application() {
    let env = TestEnv::new("same");
    let file = env.file("a.yaml", &pod("one"));
    let play = || env.command(["kube", "play", file.to_str().unwrap()]).spawn().unwrap();
    let children: Vec<_> = (0..8).map(|_| play()).collect();
    for child in children {
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    assert_eq!(names(&env), ["one-c"]);
    assert_eq!(fs::read_dir(env.run.join("apps")).unwrap().count(), 1);
}

/// R5, as a command sees it: whoever looks next starts a supervisor that takes the pods over.
#[test]
fn a_dead_supervisor_is_replaced_by_whoever_looks() {
    let env = TestEnv::new("orphan");
    let file = env.file("a.yaml", &pod("one"));
    env.ok(["kube", "play", file.to_str().unwrap()]);
    let pid = env.ok(["ps", "--format", "{{.Pid}}"]);
    let supervisor =
        common::leftovers::processes(&env.base).into_iter().find(|(_, what)| what.contains(" supervisor "));
    let (supervisor, _) = supervisor.expect("a supervisor runs");
    let raw = rustix::process::Pid::from_raw(supervisor).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    eventually("it is gone", PATIENCE, || !std::path::Path::new(&format!("/proc/{supervisor}/exe")).exists());
    // None can be started: that is what is told of the pod, and who wants to change it learns why that cannot be.
    let crippled = |args: &[&str]| {
        let out = env.command(args).env("PODKIN_FAILPOINTS", "supervisor.listening=kill").output().unwrap();
        (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let ready = "{.status.phase} {.status.message} {.status.conditions[?(@.type=='Ready')].status}";
    let (_, shown) = crippled(&["kube", "get", "pod", "one", "-o", &format!("jsonpath={ready}")]);
    assert!(shown.starts_with("Unknown no supervisor looks after the pod: ") && shown.ends_with(" Unknown"), "{shown}");
    assert_eq!(crippled(&["ps", "--format", "{{.State}}"]), (true, "unknown\n".into()));
    assert_eq!(crippled(&["pod", "stop", "one"]), (false, String::new()));

    assert_eq!(env.ok(["ps", "--format", "{{.Pid}}"]), pid, "the same process, still running");
    assert_eq!(env.ok(["kube", "get", "pod", "one", "-o", "jsonpath={.status.phase}"]), "Running");
    env.ok(["kube", "down", file.to_str().unwrap()]);
    env.assert_clean();
}

/// R4: after a reboot nothing stale blocks, and a play starts what there is.
#[test]
fn another_boot_ends_every_pod_and_play_starts_them() {
    let env = TestEnv::new("boot");
    let file = env.file("a.yaml", &pod("one"));
    let path = file.to_str().unwrap();
    env.ok(["kube", "play", path]);
    let id = env.ok(["pod", "ps", "-q", "--no-trunc"]).trim().to_owned();
    let status = env.root.join("pods").join(&id).join("status.json");
    let before = fs::read_to_string(&status).unwrap();
    env.ok(["pod", "stop", "one"]);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    eventually("the supervisor ends", PATIENCE, || {
        env.run(["pod", "ps"]).status.success() && {
            let alive = common::leftovers::processes(&env.base);
            !alive.iter().any(|(_, what)| what.contains(" supervisor "))
        }
    });
    let _ = fs::remove_dir_all(&env.run);
    fs::write(&status, before.replace(boot.trim(), "00000000-0000-0000-0000-000000000000")).unwrap();
    fs::remove_file(env.root.join("pods").join(&id).join("pod.json")).unwrap();
    assert_eq!(names(&env), Vec::<String>::new());
    assert!(env.ok(["ps", "-a", "--format", "{{.Status}}"]).contains("Exited"));
    env.ok(["kube", "play", path]);
    assert_eq!(names(&env), ["one-c"]);
    assert_eq!(env.ok(["pod", "ps", "-q", "--no-trunc"]).trim(), id, "the same pod");
}

#[test]
fn a_newer_state_is_refused_with_the_reason() {
    let env = TestEnv::new("newer");
    env.ok(["ps"]);
    let connection = rusqlite::Connection::open(env.root.join("state.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = env.fails(125, ["ps"]);
    assert!(error.contains("version 99") && error.contains("newer podkin"), "{error}");
}

#[test]
fn names_win_over_id_prefixes() {
    let env = TestEnv::new("prefix");
    let file = env.file("a.yaml", &format!("{}---\n{}", pod("a"), pod("b")));
    env.ok(["kube", "play", "--start=false", file.to_str().unwrap()]);
    // `a` may begin an id, of either pod; the name decides.
    assert!(env.ok(["pod", "inspect", "--format", "{{.Name}}", "a"]).trim() == "a");
    let error = env.fails(125, ["pod", "inspect", "0123456789abcdef"]);
    assert!(error.contains("no such pod"), "{error}");
}
