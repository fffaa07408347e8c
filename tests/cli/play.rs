//! What `kube play` and `kube down` do with changed files, options, and what fails.

use crate::SLEEPER;
use crate::common::TestEnv;

fn path(env: &TestEnv, name: &str, text: &str) -> String {
    env.file(name, text).to_string_lossy().into_owned()
}

fn pods(env: &TestEnv) -> Vec<String> {
    let mut names: Vec<String> = env.ok(["pod", "ps", "--format", "{{.Name}}"]).lines().map(str::to_owned).collect();
    names.sort();
    names
}

fn pod(name: &str) -> String {
    SLEEPER.replace("name: web", &format!("name: {name}"))
}

fn deployment(replicas: usize) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: many}}\nspec:\n  replicas: {replicas}\n  \
         selector: {{matchLabels: {{a: b}}}}\n  template:\n    metadata: {{labels: {{a: b}}}}\n    spec:\n      \
         terminationGracePeriodSeconds: 0\n      containers:\n      \
         - {{name: c, image: localhost/podkin-demo, args: [sleep, forever]}}\n"
    )
}

const TAKES_VALUES: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green, file: one}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  volumes:
  - {name: files, configMap: {name: settings}}
  containers:
  - name: app
    image: localhost/podkin-demo
    args: [sleep, forever]
    volumeMounts: [{name: files, mountPath: /files}]
    env:
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}}
";

#[test]
fn a_changed_value_in_the_environment_is_a_changed_pod() {
    let env = TestEnv::new("play-environment");
    let play = |text: &str, options: &[&str]| {
        let file = path(&env, "web.yaml", text);
        env.run(["kube", "play"].iter().copied().chain(options.iter().copied()).chain([file.as_str()]))
    };
    let value = |name: &str| env.ok(["exec", "web-app", "printenv", name]);
    assert_eq!(play(TAKES_VALUES, &[]).code(), 0);
    let id = env.ok(["ps", "-q"]);

    let colour = TAKES_VALUES.replace("green", "blue");
    let refused = play(&colour, &[]);
    assert_eq!(refused.code(), 125);
    assert!(
        refused.stderr.contains("in its environment") && refused.stderr.contains("--replace"),
        "{}",
        refused.stderr
    );
    assert_eq!(value("COLOUR"), "green\n");
    assert_eq!(play(&colour, &["--replace"]).code(), 0);
    assert_eq!(value("COLOUR"), "blue\n");
    assert_ne!(env.ok(["ps", "-q"]), id);

    let password = colour.replace("hunter2", "hunter3");
    let replaced = play(&password, &["--replace"]);
    assert!(replaced.stderr.contains("pod web: replaced"), "{}", replaced.stderr);
    assert_eq!(value("PASSWORD"), "hunter3\n");

    // What only files show does not restart anything.
    let id = env.ok(["ps", "-q"]);
    let file = play(&password.replace("file: one", "file: two"), &[]);
    assert!(file.stderr.contains("pod web: refreshed"), "{}", file.stderr);
    assert_eq!(env.ok(["exec", "web-app", "cat", "/files/file"]), "two");
    assert_eq!(env.ok(["ps", "-q"]), id);
}

#[test]
fn what_the_file_no_longer_has_is_told_and_goes_with_replace() {
    let env = TestEnv::new("play-lost");
    let both = path(&env, "app.yaml", &format!("{}---{}", pod("a"), pod("b")));
    env.ok(["kube", "play", &both]);
    path(&env, "app.yaml", &pod("a"));
    let played = env.run(["kube", "play", &both]);
    assert!(played.stderr.contains("pod b: no longer in the file, and left alone"), "{}", played.stderr);
    assert_eq!(pods(&env), ["a", "b"]);
    let replaced = env.run(["kube", "play", "--replace", &both]);
    assert!(replaced.stderr.contains("pod b: removed, as it is no longer in the file"), "{}", replaced.stderr);
    assert_eq!(pods(&env), ["a"]);
}

#[test]
fn a_file_with_a_part_stands_for_that_part() {
    let env = TestEnv::new("play-part");
    let both = path(&env, "both.yaml", &format!("{}---{}", pod("a"), pod("b")));
    let part = path(&env, "part.yaml", &pod("a"));
    env.ok(["kube", "play", &both]);
    env.ok(["kube", "play", "--replace", &part]);
    assert_eq!(pods(&env), ["a", "b"], "the other one is not of this file");
    env.ok(["kube", "down", &part]);
    assert_eq!(pods(&env), ["b"]);
    env.ok(["kube", "play", &both]);
    let more = path(&env, "more.yaml", &format!("{}---{}", pod("b"), pod("c")));
    env.ok(["kube", "play", &more]);
    assert!(env.ok(["kube", "generate", "a"]).contains("name: a"), "what the first file said is still known");
    env.ok(["kube", "play", &both]);
    env.ok(["kube", "down", &both]);
    assert_eq!(pods(&env), ["c"]);
    env.ok(["kube", "down", &more]);
    assert_eq!(pods(&env), [""; 0]);
    env.assert_clean();
}

#[test]
fn a_deployment_goes_with_all_its_pods() {
    let env = TestEnv::new("play-deployment");
    let (three, five) = (path(&env, "three.yaml", &deployment(3)), path(&env, "five.yaml", &deployment(5)));
    env.ok(["kube", "play", &three]);
    env.ok(["kube", "play", "--replace", &five]);
    assert_eq!(pods(&env).len(), 5);
    env.ok(["kube", "down", &three]);
    assert_eq!(pods(&env), [""; 0]);
    env.assert_clean();
}

#[test]
fn down_reads_names_only() {
    let env = TestEnv::new("play-down");
    let map = path(&env, "map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: b}\n");
    let text = format!(
        "{}    envFrom: [{{configMapRef: {{name: m}}}}]\n",
        SLEEPER.replace(
            "- {name: app, image: localhost/podkin-demo, command: [/podkin-demo, sleep, forever]}",
            "- name: app\n    image: localhost/podkin-demo\n    command: [/podkin-demo, sleep, forever]"
        )
    );
    let file = path(&env, "web.yaml", &text);
    env.ok(["kube", "play", &map]);
    env.ok(["kube", "play", &file]);
    env.ok(["kube", "down", &map]);
    path(&env, "web.yaml", &text.replace("image: localhost/podkin-demo", "image: [5]\n    ports: none"));
    env.ok(["kube", "down", &file]);
    assert_eq!(pods(&env), [""; 0]);
    let broken = path(&env, "web.yaml", "a: [");
    env.fails(2, ["kube", "down", &broken]);
    env.assert_clean();
}

/// As the kubelet has it; who wants the play to fail gives `restartPolicy: Never`.
#[test]
fn an_init_container_that_fails_is_tried_again() {
    let env = TestEnv::new("play-init");
    let init = "spec:\n  initContainers:\n  - {name: wait, image: localhost/podkin-demo, args: [exit, \"3\"]}";
    let file = path(&env, "web.yaml", &SLEEPER.replace("spec:", init));
    let played = env.run(["kube", "play", &file]);
    assert_eq!(played.code(), 0, "{}", played.stderr);
    let said = "pod `web` waits: init container `wait` failed: exit code 3 (2 times; it is tried again)";
    assert!(played.stderr.contains(said), "{}", played.stderr);
    assert_eq!(pods(&env), ["web"]);
    let file =
        path(&env, "never.yaml", &(SLEEPER.replace("spec:", init) + "  restartPolicy: Never\n").replace("web", "one"));
    let said = env.fails(125, ["kube", "play", &file]);
    assert!(said.contains("init container `wait` failed: exit code 3"), "{said}");
    assert_eq!(pods(&env), ["web"]);
}

#[test]
fn a_secret_in_the_command_is_not_in_its_error() {
    let env = TestEnv::new("play-secret");
    for command in ["$(PASSWORD)", "/$(PASSWORD)"] {
        let text = TAKES_VALUES.replace("args: [sleep, forever]", &format!("command: [\"{command}\"]"));
        let file = path(&env, "web.yaml", &text);
        let said = env.fails(127, ["kube", "play", &file]);
        assert!(said.contains(command) && !said.contains("hunter2"), "{said}");
        let played = env.run(["kube", "play", "--keep-on-error", &file]);
        assert!(!played.stderr.contains("hunter2"), "{}", played.stderr);
        for shown in [["inspect", "web-app"], ["inspect", "web"], ["ps", "-a"], ["events", "--stream=false"]] {
            assert!(!env.ok(shown).contains("hunter2"), "{shown:?}");
        }
        env.ok(["kube", "down", &file]);
    }
}

#[test]
fn options_of_play_reach_the_pods() {
    let env = TestEnv::new("play-options");
    let file = path(&env, "web.yaml", SLEEPER);
    let again = |options: &[&str]| {
        env.ok(["kube", "down", &file]);
        env.ok(["kube", "play"].iter().copied().chain(options.iter().copied()).chain([file.as_str()]));
    };
    let inside = |arguments: &[&str]| env.ok(["exec", "web-app", "/podkin-demo"].iter().chain(arguments));
    let inspect = |template: &str| env.ok(["inspect", "--format", template, "web-app"]).trim().to_owned();

    again(&["--network", "host"]);
    let own = std::fs::read_link("/proc/self/ns/net").expect("procfs").display().to_string();
    assert_eq!(inside(&["readlink", "/proc/self/ns/net"]).trim(), own);
    assert_eq!(inspect("{{.HostConfig.NetworkMode}}"), "host");

    again(&["--network", "none"]);
    assert_eq!(inspect("{{.HostConfig.NetworkMode}}"), "none");
    assert_ne!(inside(&["readlink", "/proc/self/ns/net"]).trim(), own);

    again(&[]);
    let first = env.ok(["inspect", "--format", "{{.NetworkSettings.IPAddress}}", "web-app"]).trim().to_owned();
    let wanted = first.rsplit_once('.').map(|(net, _)| format!("{net}.77")).expect("an address");
    again(&["--ip", &wanted, "--mac-address", "02:00:00:00:00:77"]);
    assert_eq!(inspect("{{.NetworkSettings.IPAddress}}"), wanted);
    assert_eq!(inspect("{{.NetworkSettings.MacAddress}}"), "02:00:00:00:00:77");

    again(&["--annotation", "team=a,b", "--annotation", "stage=test"]);
    let annotations = env.ok(["pod", "inspect", "--format", "{{json .Annotations}}", "web"]);
    assert!(annotations.contains("\"a,b\"") && annotations.contains("\"test\""), "{annotations}");

    again(&["--no-hosts", "--no-hostname"]);
    assert!(!inside(&["mounts"]).contains("/etc/hosts"));

    again(&["--log-driver", "none"]);
    assert_eq!(inspect("{{.HostConfig.LogConfig.Type}}"), "none");
    let copy = env.base.join("copy.log");
    again(&["--log-opt", &format!("path={}", copy.display()), "--log-opt", "max-size=1mb"]);
    assert!(copy.exists());

    env.ok(["play", "kube", "--down", &file]);
    env.assert_clean();
}

#[test]
fn input_comes_from_files_addresses_and_standard_input() {
    use std::io::{Read, Write};
    let env = TestEnv::new("play-input");
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}/web.yaml", server.local_addr().expect("an address"));
    let serve = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a client");
        let _ = stream.read(&mut [0; 4096]);
        let text = pod("from-url");
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len())
            .expect("the client reads");
    });
    env.ok(["kube", "play", &url]);
    serve.join().expect("it served");
    let mut command = env.command(["kube", "play", "-"]);
    let file = env.file("stdin.yaml", &pod("from-stdin"));
    command.stdin(std::fs::File::open(file).expect("it was written"));
    assert_eq!(env.finish(command).code(), 0);
    assert_eq!(pods(&env), ["from-stdin", "from-url"]);
}

#[test]
fn a_port_of_another_pod_is_a_clash_before_anything_is_made() {
    let env = TestEnv::new("play-port");
    let with_port = |name: &str| {
        pod(name).replace("sleep, forever]", "sleep, forever], ports: [{containerPort: 80, hostPort: 18399}]")
    };
    let (one, two) = (path(&env, "one.yaml", &with_port("one")), path(&env, "two.yaml", &with_port("two")));
    env.ok(["kube", "play", &one]);
    for options in [&["--dry-run"][..], &[]] {
        let said =
            env.fails(125, ["kube", "play"].iter().copied().chain(options.iter().copied()).chain([two.as_str()]));
        assert!(said.contains("18399/tcp") && said.contains("pod `one`"), "{said}");
    }
    assert!(!env.ok(["events", "--stream=false", "--filter", "type=pod"]).contains("two"), "nothing was made");
}

#[test]
fn reset_waits_until_all_is_gone() {
    let env = TestEnv::new("play-reset");
    let file = path(&env, "web.yaml", SLEEPER);
    env.ok(["kube", "play", &file]);
    env.ok(["system", "reset", "--force"]);
    assert_eq!(env.leftovers(), [""; 0]);
    assert!(!env.run.exists() && !env.root.exists());
}

#[test]
fn a_hundred_pods_come_and_go_without_a_trace() {
    let env = TestEnv::new("play-hundred");
    let text: Vec<String> = (0..100).map(|n| pod(&format!("p{n}"))).collect();
    let file = path(&env, "many.yaml", &text.join("---"));
    env.ok(["kube", "play", "--quiet", &file]);
    assert_eq!(env.ok(["ps", "-q"]).lines().count(), 100);
    env.ok(["kube", "down", "--quiet", &file]);
    env.assert_clean();
    assert!(env.state_files().is_empty(), "{:?}", env.state_files());
}

/// What `--replace` dropped comes back with the rest.
#[test]
fn a_failed_replacement_keeps_its_secrets() {
    let env = TestEnv::new("play-dropped");
    let file = path(&env, "web.yaml", TAKES_VALUES);
    env.ok(["kube", "play", &file]);
    let text = format!(
        "{}---\n{}",
        SLEEPER.replace("name: web", "name: other"),
        pod("bad").replace("/podkin-demo, sleep", "/nothing, sleep")
    );
    path(&env, "web.yaml", &text);
    env.fails(127, ["kube", "play", "--replace", &file]);
    assert_eq!(pods(&env), ["web"]);
    let soon = std::time::Duration::from_secs(20);
    crate::common::eventually("it runs again", soon, || env.ok(["ps", "-q"]).lines().count() == 1);
    assert_eq!(env.ok(["exec", "web-app", "printenv", "PASSWORD"]), "hunter2\n");
    path(&env, "web.yaml", TAKES_VALUES);
    let again = env.run(["kube", "play", &file]);
    assert!(again.stderr.contains("unchanged"), "{}", again.stderr);
}

#[test]
fn a_port_moves_to_the_pod_that_replaces_its_holder() {
    let env = TestEnv::new("play-port-moves");
    let with_port = |name: &str| {
        pod(name).replace("sleep, forever]", "sleep, forever], ports: [{containerPort: 80, hostPort: 18398}]")
    };
    let file = path(&env, "web.yaml", &with_port("before"));
    env.ok(["kube", "play", &file]);
    path(&env, "web.yaml", &with_port("after"));
    env.ok(["kube", "play", "--replace", &file]);
    assert_eq!(pods(&env), ["after"]);
}

#[test]
fn a_port_that_nobody_could_reach_is_refused() {
    let env = TestEnv::new("play-port-family");
    let text = SLEEPER.replace("forever]", "forever], ports: [{containerPort: 80, hostPort: 18397, hostIP: \"::1\"}]");
    let file = path(&env, "web.yaml", &text);
    let said = env.fails(125, ["kube", "play", &file]);
    assert!(said.contains("cannot be published on ::1"), "{said}");
    env.assert_clean();
}

#[test]
fn a_stopped_pod_restarts_and_a_removed_one_does_not_start() {
    let env = TestEnv::new("play-restart");
    let file = path(&env, "web.yaml", SLEEPER);
    env.ok(["kube", "play", &file]);
    env.ok(["pod", "stop", "web"]);
    env.ok(["pod", "restart", "web"]);
    assert_eq!(env.ok(["ps", "--format", "{{.Names}}"]), "web-app\n");
    // Starting and removing at once: whoever is first, nothing runs in the end that nobody knows of.
    for _ in 0..20 {
        env.ok(["pod", "stop", "web"]);
        let commands = [vec!["pod", "start", "web"], vec!["kube", "down", file.as_str()]];
        let started = commands.map(|arguments| env.command(arguments).spawn().expect("it starts"));
        started.into_iter().for_each(|child| drop(child.wait_with_output().expect("it ends")));
        env.ok(["kube", "down", &file]);
        env.assert_clean();
        env.ok(["kube", "play", &file]);
    }
}

#[test]
fn volumes_are_given_back_as_claims() {
    let env = TestEnv::new("play-claims");
    env.ok(["volume", "create", "--label", "a=b", "own"]);
    let own = env.ok(["kube", "generate", "own"]);
    assert!(own.contains("kind: PersistentVolumeClaim") && own.contains("name: own") && own.contains("a: b"), "{own}");
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data} # here\nspec: {}\n";
    let file = path(&env, "web.yaml", &format!("{SLEEPER}---\n{claim}"));
    env.ok(["kube", "play", &file]);
    assert_eq!(env.ok(["kube", "generate", "data"]), claim);
    env.ok(["kube", "down", &file]);
    assert!(env.ok(["kube", "generate", "data"]).contains("name: data"), "it is still there");
    let both = env.base.join("both.yaml");
    env.ok(["kube", "generate", "-f", both.to_str().expect("a path"), "own", "data"]);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&both).expect("written").permissions().mode() & 0o777, 0o600);
    env.ok(["kube", "play", "--dry-run", both.to_str().expect("a path")]);
}

/// The name server serves every pod of the root, and nobody else would start it.
#[test]
fn a_killed_name_server_comes_back() {
    let env = TestEnv::new("play-names");
    let file = path(&env, "web.yaml", &format!("{}---{}", pod("one"), pod("two")));
    env.ok(["kube", "play", &file]);
    let resolves = || env.run(["exec", "one-app", "/podkin-demo", "resolve", "two"]).code() == 0;
    assert!(resolves());
    // Who it is, it writes into its lock.
    let server = || {
        let text = std::fs::read_to_string(env.run.join("networks/names.lock")).unwrap_or_default();
        let pid = text.split(' ').next().and_then(|pid| pid.parse::<i32>().ok())?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        (!stat.contains(") Z ")).then_some(pid)
    };
    let kill = || {
        let pid = server().and_then(rustix::process::Pid::from_raw).expect("it runs");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
        crate::common::eventually("it is dead", std::time::Duration::from_secs(5), || server().is_none());
    };
    kill();
    let played = env.run(["kube", "play", &file]);
    assert!(played.stderr.contains("name server"), "{}", played.stderr);
    assert!(resolves());
    kill();
    env.run(["system", "check", "--repair"]);
    assert!(resolves());
}

#[test]
fn systemd_is_refused_and_says_why() {
    let env = TestEnv::new("play-systemd");
    let said = env.fails(2, ["--cgroup-manager", "systemd", "ps"]);
    assert!(said.contains("leave the option out"), "{said}");
}
