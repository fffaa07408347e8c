//! What commands print and the codes they end with.

use crate::common::TestEnv;
use crate::{SLEEPER, with_sleeper};
use std::process::Stdio;
use std::time::Duration;

#[test]
fn play_and_down_print_what_podman_prints() {
    let env = TestEnv::new("outcome-play");
    let yaml = format!(
        "{SLEEPER}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\nstringData: {{password: x}}\n\
         ---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: {{}}\n"
    );
    let file = env.file("web.yaml", &yaml).to_string_lossy().into_owned();
    let text = env.ok(["kube", "play", &file]);
    let lines: Vec<&str> = text.lines().collect();
    let shape: Vec<&str> = lines.iter().map(|line| if is_id(line) { "ID" } else { line }).collect();
    assert_eq!(shape[..4], ["Volumes:", "data", "Secrets:", lines[3]], "{text}");
    assert_eq!(shape[4..], ["Pod:", "ID", "Container:", "ID", ""], "{text}");

    let again = env.run(["kube", "play", &file]);
    assert_eq!((again.code(), again.stderr.as_str()), (0, "unchanged: 1 pod is as the input has it\n"));

    let down = env.ok(["kube", "down", &file]);
    let headings: Vec<&str> = down.lines().filter(|line| line.ends_with(':')).collect();
    assert_eq!(headings, ["Pods stopped:", "Pods removed:", "Secrets removed:", "Volumes removed:"]);
    assert_eq!(env.ok(["volume", "ls", "-q"]), "data\n", "volumes stay without --force");
    let nothing = env.ok(["kube", "down", "--force", &file]);
    assert!(nothing.contains("Volumes removed:"), "{nothing}");
}

fn is_id(line: &str) -> bool {
    line.len() == 64 && line.bytes().all(|b| b.is_ascii_hexdigit())
}

#[test]
fn wrong_input_is_2_and_changes_nothing() {
    let env = TestEnv::new("outcome-invalid");
    let file = env.file("bad.yaml", &SLEEPER.replace("image:", "imgae:")).to_string_lossy().into_owned();
    let said = env.fails(2, ["kube", "play", &file]);
    assert!(said.contains("imgae") && said.contains("bad.yaml:8:"), "{said}");
    env.fails(2, ["no-such-command"]);
    env.fails(2, ["ps", "--no-such-flag"]);
    env.fails(2, ["ps", "--format", "{{.Nope"]);
    env.fails(2, ["ps", "--filter", "colour=red"]);
    env.fails(2, ["kill", "--signal", "SIGNONSENSE", "x"]);
    let said = env.fails(2, ["kube", "play", "--build", &file]);
    assert!(said.contains("`--build` is not supported: images are not built"), "{said}");
    let said = env.fails(2, ["kube", "play", "--userns", "some", &file]);
    assert!(said.contains("`some` is no user namespace"), "{said}");
    assert_eq!(env.ok(["ps", "-aq"]), "");
}

#[test]
fn names_that_do_not_exist_are_125_with_the_one_that_was_meant() {
    let env = with_sleeper("outcome-missing");
    let said = env.fails(125, ["stop", "web-ap"]);
    assert_eq!(said, "error: no such container `web-ap`\nhint: did you mean `web-app`?\n");
    let said = env.fails(125, ["pod", "inspect", "wbe"]);
    assert_eq!(said, "error: no such pod `wbe`\nhint: did you mean `web`?\n");
    let said = env.fails(125, ["image", "inspect", "podkin-dmeo"]);
    assert!(said.ends_with("hint: did you mean `localhost/podkin-demo:latest`?\n"), "{said}");
    env.fails(125, ["inspect", "nothing-of-that-name"]);
    env.ok(["stop", "--ignore", "nothing"]);
    env.ok(["pod", "rm", "--ignore", "nothing"]);
}

#[test]
fn exists_answers_by_exit_code_and_says_nothing() {
    let env = with_sleeper("outcome-exists");
    for yes in [["pod", "exists", "web"], ["container", "exists", "web-app"], ["image", "exists", "podkin-demo"]] {
        assert_eq!(env.ok(yes), "");
    }
    for kind in ["pod", "container", "image", "volume"] {
        assert_eq!(env.fails(1, [kind, "exists", "nothing"]), "");
    }
}

#[test]
fn a_closed_pipe_is_success() {
    let env = with_sleeper("outcome-pipe");
    let mut child = env.command(["inspect", "web-app"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn lifecycle_commands_echo_what_they_were_given() {
    let env = with_sleeper("outcome-lifecycle");
    let id = env.ok(["pod", "inspect", "--format", "{{.Id}}", "web"]);
    assert_eq!(env.ok(["stop", "web-app"]), "web-app\n");
    assert_eq!(env.ok(["wait", "web-app"]), "137\n");
    assert_eq!(env.ok(["start", "web-app"]), "web-app\n");
    assert_eq!(env.ok(["pod", "stop", "web"]), id);
    assert_eq!(env.ok(["pod", "start", "web"]), id);
    assert_eq!(env.ok(["wait", "--condition", "running", "web-app"]), "-1\n");
    let said = env.fails(125, ["pod", "rm", "web"]);
    assert!(said.contains("--force"), "{said}");
    assert_eq!(env.ok(["pod", "rm", "--force", "web"]), id);
    env.assert_clean();
}

#[test]
fn a_secret_is_nowhere_to_be_seen() {
    let env = TestEnv::new("outcome-secret");
    let file = env.file(
        "web.yaml",
        "
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: hunter2hunter2}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: v, secret: {secretName: login}}]
  containers:
  - name: app
    image: localhost/podkin-demo
    command: [/podkin-demo, sleep, forever]
    volumeMounts: [{name: v, mountPath: /v}]
    envFrom: [{secretRef: {name: login}, prefix: ALL_}]
    env:
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}}
    - {name: URL, value: http://me:$(PASSWORD)@db/}
",
    );
    let file = file.to_string_lossy().into_owned();
    env.ok(["kube", "play", &file]);
    assert!(env.ok(["exec", "web-app", "/podkin-demo", "env"]).contains("URL=http://me:hunter2hunter2@db/"));
    let inspected = env.ok(["inspect", "web-app"]);
    for wanted in ["PASSWORD=<secret>", "URL=http://me:<secret>@db/", "ALL_password=<secret>"] {
        assert!(inspected.contains(wanted), "{inspected}");
    }
    let mut seen = inspected;
    for command in [
        vec!["pod", "inspect", "web"],
        vec!["ps", "--format", "json"],
        vec!["ps", "--no-trunc"],
        vec!["pod", "ps", "--format", "json"],
        vec!["events", "--stream=false", "--format", "json"],
        vec!["kube", "play", "--dry-run=json", "--replace", &file],
        vec!["volume", "ls", "--format", "json"],
    ] {
        let ran = env.run(&command);
        seen.push_str(&ran.stdout);
        seen.push_str(&ran.stderr);
    }
    assert!(!seen.contains("hunter2"), "{seen}");
}

#[test]
fn an_interrupted_play_takes_back_what_it_made() {
    let env = TestEnv::new("outcome-interrupt");
    let file = env.file(
        "slow.yaml",
        "
apiVersion: v1
kind: Pod
metadata: {name: slow}
spec:
  terminationGracePeriodSeconds: 0
  initContainers: [{name: first, image: localhost/podkin-demo, command: [/podkin-demo, sleep, forever]}]
  containers: [{name: app, image: localhost/podkin-demo, command: [/podkin-demo, sleep, forever]}]
",
    );
    let child = env.command(["kube", "play", &file.to_string_lossy()]).spawn().unwrap();
    crate::common::eventually("the init container runs", Duration::from_secs(10), || {
        env.ok(["ps", "--format", "{{.Names}}"]).contains("slow-first")
    });
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(env.ok(["pod", "ps", "-q"]), "");
    env.assert_clean();
}

#[test]
fn wait_takes_everything_down_when_the_pod_has_ended() {
    let env = TestEnv::new("outcome-wait");
    let yaml = SLEEPER.replace("spec:\n", "spec:\n  restartPolicy: Never\n").replace("sleep, forever", "exit, \"0\"");
    let file = env.file("web.yaml", &yaml).to_string_lossy().into_owned();
    let text = env.ok(["kube", "play", "--wait", &file]);
    assert!(text.contains("Pods removed:\n"), "{text}");
    assert_eq!(env.ok(["pod", "ps", "-q"]), "");
}

#[test]
fn system_commands_say_what_they_find() {
    let env = with_sleeper("outcome-system");
    let check = env.run(["system", "check"]);
    assert_eq!((check.code(), check.stderr.as_str()), (0, "nothing is damaged\n"), "{}", check.stdout);
    let said = env.fails(2, ["system", "reset"]);
    assert!(said.contains("--force"), "{said}");
    assert_eq!(env.ok(["info", "--format", "{{.Store.PodStore.number}} {{.host.networkBackend}}"]), "1 netavark\n");
    assert!(env.ok(["info"]).starts_with("host:\n"));
    env.ok(["system", "reset", "--force"]);
    assert!(!env.root.join("state.db").exists());
    env.assert_clean();
}

#[test]
fn what_was_played_is_generated_back() {
    let env = with_sleeper("outcome-generate");
    let back = env.ok(["kube", "generate", "web"]);
    assert_eq!(back.trim(), SLEEPER.trim());
    let file = env.base.join("back.yaml").to_string_lossy().into_owned();
    env.ok(["generate", "kube", "-f", &file, "web-app"]);
    env.fails(125, ["kube", "generate", "-f", &file, "web"]);
    env.fails(2, ["kube", "generate", "--service", "web"]);
}

#[test]
fn small_commands_say_what_they_should() {
    let env = with_sleeper("outcome-small");
    assert_eq!(env.ok(["version", "--format", "{{.Client.Version}}"]).trim(), env!("CARGO_PKG_VERSION"));
    assert!(env.ok(["explain", "K101"]).starts_with("K101"));
    env.fails(2, ["explain", "K999"]);
    for shell in ["bash", "zsh", "fish"] {
        assert!(env.ok(["completion", shell]).contains("podkin"), "{shell}");
    }
    let pages = env.base.join("man");
    env.ok(["man", pages.to_str().expect("a path")]);
    let page = std::fs::read_to_string(pages.join("podkin-kube-play.1")).expect("it is written");
    assert!(page.contains(".TH") && page.contains("replace"));

    assert_eq!(env.ok(["kill", "-s", "WINCH", "web-app"]), "web-app\n");
    assert_eq!(env.ok(["ps", "-q"]).lines().count(), 1, "it does not end from that");
    env.ok(["pod", "kill", "-s", "KILL", "web"]);
    assert_eq!(env.ok(["wait", "web-app"]), "137\n");
    assert_eq!(env.ok(["rm", "web-app"]), "web-app\n");
    assert_eq!(env.ok(["pod", "ps", "-q"]), "", "a pod goes with its only container");
    env.fails(125, ["rm", "web-app"]);
    env.assert_clean();
}
