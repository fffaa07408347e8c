//! R1: a command killed at any of its steps leaves a state that the next command understands and puts right by itself.
//!
//! Every failpoint of the engine is one case of each scene: the command is killed there, then the next command is an ordinary one, and
//! after it the state must be what it was before or what was asked for - never something between.

mod common;

use common::TestEnv;
use podkin::engine::FAILPOINTS;
use std::fs;
use std::path::{Path, PathBuf};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec:\n  terminationGracePeriodSeconds: 0\n  \
    containers:\n  - {name: c, image: localhost/podkin-demo, args: [sleep, forever]}\n";
const OBJECTS: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: pw}\nstringData: {p: hunter2}\n---\napiVersion: v1\n\
    kind: PersistentVolumeClaim\nmetadata: {name: data}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
    resources: {requests: {storage: 1Mi}}\n---\n";

fn pod(name: &str) -> String {
    POD.replace("NAME", name)
}

/// Runs a command that is to die at a failpoint; false when it did not pass it.
fn killed_at(env: &TestEnv, point: &str, arguments: &[&str]) -> bool {
    let mut command = env.command(arguments);
    command.env("PODKIN_FAILPOINTS", format!("{point}=kill"));
    env.finish(command).code() == 137
}

fn failed_at(env: &TestEnv, point: &str, arguments: &[&str]) -> bool {
    let mut command = env.command(arguments);
    command.env("PODKIN_FAILPOINTS", format!("{point}=error(injected)"));
    let ran = env.finish(command);
    assert!(ran.status.success() || ran.stderr.contains("injected"), "{point}: {}", ran.stderr);
    !ran.status.success()
}

/// What a user sees of the state.
fn seen(env: &TestEnv) -> (String, String) {
    (env.ok(["ps", "-a", "--format", "{{.Names}} {{.State}}"]), env.ok(["volume", "ls", "-q"]))
}

fn file(env: &TestEnv, text: &str) -> PathBuf {
    env.file("app.yaml", text)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of a test is text")
}

const NOTHING: (&str, &str) = ("", "");

fn is(seen: &(String, String), expected: (&str, &str)) -> bool {
    seen.0.trim() == expected.0 && seen.1.trim() == expected.1
}

#[test]
fn a_killed_play_is_undone_or_goes_forward() {
    let mut passed = 0;
    for point in FAILPOINTS {
        let env = TestEnv::new("kill-play");
        let file = file(&env, &format!("{OBJECTS}{}", pod("web")));
        if !killed_at(&env, point, &["kube", "play", path(&file)]) {
            continue;
        }
        passed += 1;
        let after = seen(&env);
        let made = ("web-c running", "data");
        if point == &"engine.play.accepted" || point == &"engine.play.started" {
            common::eventually("the pod goes forward", std::time::Duration::from_secs(20), || is(&seen(&env), made));
        } else {
            assert!(is(&after, NOTHING), "{point}: {after:?}");
            env.assert_clean();
            assert!(env.state_files().is_empty(), "{point}: {:?}", env.state_files());
        }
        let problems = env.ok(["system", "check"]);
        assert!(!problems.contains("without"), "{point}: {problems}");
        env.ok(["kube", "play", path(&file)]);
        assert!(is(&seen(&env), made), "{point}: {:?}", seen(&env));
        env.ok(["kube", "down", "--force", path(&file)]);
        env.assert_clean();
        assert!(env.state_files().is_empty(), "{point}: {:?}", env.state_files());
    }
    assert!(passed >= 8, "a play passes {passed} points only");
}

#[test]
fn a_play_that_fails_anywhere_undoes_itself() {
    let mut passed = 0;
    for point in FAILPOINTS {
        let env = TestEnv::new("fail-play");
        let file = file(&env, &format!("{OBJECTS}{}", pod("web")));
        if !failed_at(&env, point, &["kube", "play", path(&file)]) {
            continue;
        }
        passed += 1;
        let after = seen(&env);
        assert!(is(&after, NOTHING), "{point}: {after:?}");
        env.assert_clean();
        assert!(env.state_files().is_empty(), "{point}: {:?}", env.state_files());
    }
    assert!(passed >= 8, "a play passes {passed} points only");
}

#[test]
fn a_killed_removal_is_finished() {
    let mut passed = 0;
    for point in FAILPOINTS {
        let env = TestEnv::new("kill-down");
        let file = file(&env, &format!("{OBJECTS}{}", pod("web")));
        env.ok(["kube", "play", path(&file)]);
        if !killed_at(&env, point, &["kube", "down", "--force", path(&file)]) {
            continue;
        }
        passed += 1;
        let after = seen(&env);
        assert!(is(&after, NOTHING), "{point}: {after:?}");
        env.assert_clean();
        assert!(env.state_files().is_empty(), "{point}: {:?}", env.state_files());
    }
    assert!(passed >= 4, "a removal passes {passed} points only");
}

/// The undo itself may be killed, too.
#[test]
fn a_killed_undo_is_finished() {
    let mut passed = 0;
    for point in FAILPOINTS.iter().filter(|point| point.contains(".undo.") || point.contains(".remove.")) {
        let env = TestEnv::new("kill-undo");
        let file =
            file(&env, &format!("{OBJECTS}{}", pod("web").replace("args: [sleep, forever]", "command: [/nothing]")));
        if !killed_at(&env, point, &["kube", "play", path(&file)]) {
            continue;
        }
        passed += 1;
        let after = seen(&env);
        assert!(is(&after, NOTHING), "{point}: {after:?}");
        env.assert_clean();
        assert!(env.state_files().is_empty(), "{point}: {:?}", env.state_files());
    }
    assert!(passed >= 4, "an undo passes {passed} points only");
}

/// What was there before a killed play is as it was, also an object the play changed.
#[test]
fn a_killed_replay_leaves_the_old_pods_alone() {
    let mut passed = 0;
    for point in FAILPOINTS.iter().filter(|point| point.starts_with("engine.play.")) {
        let env = TestEnv::new("kill-replay");
        let file = file(&env, &format!("{OBJECTS}{}", pod("one")));
        env.ok(["kube", "play", path(&file)]);
        let id = env.ok(["ps", "-q", "--no-trunc"]);
        let changed = format!("{}{}---\n{}", OBJECTS.replace("hunter2", "hunter3"), pod("one"), pod("two"));
        fs::write(&file, changed).expect("base is writable");
        if !killed_at(&env, point, &["kube", "play", path(&file)]) {
            continue;
        }
        passed += 1;
        let ids = env.ok(["ps", "-q", "--no-trunc"]);
        assert!(ids.starts_with(&id), "{point}: the first pod was left alone");
        if point == &"engine.play.accepted" || point == &"engine.play.started" {
            continue;
        }
        assert_eq!(ids, id, "{point}");
        fs::write(&file, format!("{OBJECTS}{}", pod("one"))).expect("base is writable");
        let again = env.run(["kube", "play", path(&file)]);
        assert!(again.stderr.contains("unchanged"), "{point}: the secret has its old value: {again:?}");
    }
    assert!(passed >= 6, "a second play passes {passed} points only");
}

/// A pod that made room for a changed one is there again when that one does not come to be, and so is one the file no longer has.
#[test]
fn a_killed_or_failed_replacement_puts_the_old_pods_back() {
    let mut passed = 0;
    for (point, kills) in FAILPOINTS.iter().flat_map(|point| [(point, true), (point, false)]) {
        let env = TestEnv::new("replace");
        let file = file(&env, &format!("{}---\n{}---\n{}", pod("keep"), pod("old"), pod("gone")));
        env.ok(["kube", "play", path(&file)]);
        let ids = env.ok(["pod", "ps", "-q", "--no-trunc"]);
        let changed = pod("old").replace("forever", "infinity");
        fs::write(&file, format!("{}---\n{changed}", pod("keep"))).expect("base is writable");
        let hit = if kills { killed_at } else { failed_at };
        if !hit(&env, point, &["kube", "play", "--replace", path(&file)]) {
            continue;
        }
        passed += 1;
        let after = || env.ok(["ps", "--format", "{{.Names}}={{.State}}", "--sort", "names"]);
        if kills && ["engine.play.accepted", "engine.play.started"].contains(point) {
            let new = "keep-c=running\nold-c=running\n";
            common::eventually("the pods go forward", std::time::Duration::from_secs(20), || after() == new);
        } else {
            // They are handed to the supervisor; nobody waits until they have started.
            let old = "gone-c=running\nkeep-c=running\nold-c=running\n";
            let what = format!("{point} kills={kills}: the old pods run again");
            common::eventually(&what, std::time::Duration::from_secs(20), || after() == old);
            let mut now: Vec<String> = env.ok(["pod", "ps", "-q", "--no-trunc"]).lines().map(str::to_owned).collect();
            let mut then: Vec<String> = ids.lines().map(str::to_owned).collect();
            now.sort();
            then.sort();
            assert_eq!(now, then, "{point}: they are what they were");
            let command = env.ok(["inspect", "--format", "{{.Config.Cmd}}", "old-c"]);
            assert!(command.contains("forever"), "{point}: {command}");
        }
        env.ok(["kube", "play", "--replace", path(&file)]);
        assert_eq!(after(), "keep-c=running\nold-c=running\n", "{point}");
        env.ok(["kube", "down", path(&file)]);
        env.assert_clean();
        assert!(env.state_files().is_empty(), "{point}: {:?}", env.state_files());
    }
    assert!(passed >= 16, "a replacement passes {passed} points only");
}

/// While not all pods were handed over, none of them is kept.
#[test]
fn a_killed_play_in_batches_leaves_no_pod_behind() {
    let env = TestEnv::new("kill-batches");
    let file = file(&env, &format!("{}---\n{}---\n{}", pod("one"), pod("two"), pod("three")));
    assert!(killed_at(&env, "engine.play.accepted", &["kube", "play", "--parallel", "1", path(&file)]));
    assert_eq!(env.ok(["ps", "-aq"]), "");
    env.assert_clean();
    let third = "engine.play.accepted=2*off->kill";
    let mut command = env.command(["kube", "play", "--parallel", "1", path(&file)]);
    command.env("PODKIN_FAILPOINTS", third);
    assert_eq!(env.finish(command).code(), 137);
    common::eventually("all go forward", std::time::Duration::from_secs(20), || {
        env.ok(["ps", "-q"]).lines().count() == 3
    });
}

/// A play that finds pods still being started by a dead one waits for them, and takes its part in their failure.
#[test]
fn a_play_after_a_killed_one_tells_how_the_pods_fare() {
    let env = TestEnv::new("kill-follow");
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: late}\nspec:\n  restartPolicy: Never\n  initContainers:\n  \
        - {name: i, image: localhost/podkin-demo, args: [sleep, \"2\"]}\n  containers:\n  \
        - {name: c, image: localhost/podkin-demo, command: [/no/such/program]}\n";
    let file = file(&env, text);
    assert!(killed_at(&env, "engine.play.accepted", &["kube", "play", path(&file)]));
    let said = env.fails(127, ["kube", "play", path(&file)]);
    assert!(said.contains("/no/such/program"), "{said}");
}

/// The supervisor of pods with a network, ports and names, killed at each of its steps: the next commands find their way, and in
/// the end nothing is left.
#[test]
fn a_supervisor_killed_anywhere_is_followed_by_another() {
    let mut passed = 0;
    for point in podkin::supervisor::FAILPOINTS {
        let env = TestEnv::new("kill-supervisor");
        let port = "sleep, forever], ports: [{containerPort: 80, hostPort: 18396}]";
        let text = format!("{}---\n{}", pod("one").replace("sleep, forever]", port), pod("two"));
        let file = file(&env, &text);
        let trace = env.base.join("trace");
        for arguments in [["kube", "play", path(&file)], ["kube", "down", path(&file)]] {
            let mut command = env.command(arguments);
            command.env("PODKIN_FAILPOINTS", format!("{point}=kill")).env("PODKIN_FAILPOINT_TRACE", &trace);
            env.finish(command);
        }
        let reached = fs::read_to_string(&trace).unwrap_or_default().lines().any(|line| line == point);
        passed += usize::from(reached);
        env.ok(["kube", "play", path(&file)]);
        assert_eq!(env.ok(["ps", "-q"]).lines().count(), 2, "{point}");
        env.ok(["exec", "one-c", "/podkin-demo", "resolve", "two"]);
        env.ok(["kube", "down", path(&file)]);
        env.assert_clean();
        assert!(env.state_files().is_empty(), "{point}: {:?}", env.state_files());
    }
    assert!(passed >= 15, "a life passes {passed} points only");
}

/// An old pod whose name another application took meanwhile cannot come back; nothing else suffers from that.
#[test]
fn a_name_taken_meanwhile_does_not_lock_the_application() {
    let env = TestEnv::new("name-taken");
    let file = file(&env, &format!("{}---\n{}", pod("keep"), pod("old")));
    env.ok(["kube", "play", path(&file)]);
    fs::write(&file, format!("{}---\n{}", pod("keep"), pod("new"))).expect("base is writable");
    assert!(killed_at(&env, "engine.play.replaced", &["kube", "play", "--replace", path(&file)]));
    let other = env.file("other.yaml", &pod("old"));
    // Before any recovery: as a play of another application that was under way would have it.
    let mut command = env.command(["kube", "play", path(&other)]);
    command.env("PODKIN_FAILPOINTS", "engine.undo.volumes=error(not now)");
    assert!(env.finish(command).status.success());
    env.ok(["pod", "restart", "keep"]);
    assert_eq!(env.ok(["ps", "--format", "{{.Names}}", "--sort", "names"]), "keep-c\nold-c\n");
    env.ok(["kube", "down", path(&file)]);
    env.ok(["kube", "down", path(&other)]);
    env.assert_clean();
}

/// Nobody waits for the init containers of a pod that is put back.
#[test]
fn an_old_pod_that_is_still_starting_does_not_hold_up_others() {
    let env = TestEnv::new("slow-old");
    let init = "spec:\n  initContainers: [{name: i, image: localhost/podkin-demo, args: [sleep, forever]}]";
    let slow = pod("slow").replace("spec:", init);
    let file = file(&env, &slow);
    let mut first = env.command(["kube", "play", path(&file)]).spawn().expect("it starts");
    common::eventually("it is being started", std::time::Duration::from_secs(20), || {
        env.ok(["ps", "-q"]).lines().count() == 1
    });
    first.kill().expect("it waits");
    first.wait().expect("it can be waited for");
    fs::write(&file, slow.replace("args: [sleep, forever]}\n", "args: [sleep, \"999\"]}\n")).expect("base is writable");
    assert!(killed_at(&env, "engine.play.replaced", &["kube", "play", "--replace", path(&file)]));
    let listed = env.run(["pod", "ps", "--format", "{{.Name}}"]);
    assert!(listed.took < std::time::Duration::from_secs(10), "{listed:?}");
    assert_eq!(listed.stdout, "slow\n");
    env.ok(["pod", "rm", "--force", "--time", "0", "slow"]);
    env.assert_clean();
}
