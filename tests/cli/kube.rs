//! `kube get`, `kube describe`, `kube wait` and `kube set-condition`.

use crate::common::{TestEnv, eventually};
use crate::{SLEEPER, with_sleeper};
use std::process::Stdio;
use std::time::{Duration, Instant};

const OBJECTS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {of: test}}
data: {one: "1", two: "2"}
---
apiVersion: v1
kind: Secret
metadata: {name: hidden}
stringData: {word: geheim}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: localhost/podkin-demo, command: [/podkin-demo, sleep, forever]}]
"#;

fn with_objects(name: &str) -> TestEnv {
    let env = with_sleeper(name);
    let file = env.file("objects.yaml", OBJECTS);
    env.ok(["kube", "play", "--quiet", &file.to_string_lossy()]);
    env
}

/// Columns of the first line that begins with a word.
fn line(text: &str, begin: &str) -> Vec<String> {
    let found = text.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("no {begin} in\n{text}"));
    found.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn get_shows_objects_in_kubectls_tables() {
    let env = with_objects("kube-get");
    let pods = env.ok(["kube", "get", "pods"]);
    assert_eq!(line(&pods, "NAME"), ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    assert_eq!(line(&pods, "web")[..4], ["web", "1/1", "Running", "0"]);
    assert_eq!(
        pods.lines().skip(1).map(|l| l.split(' ').next().unwrap()).collect::<Vec<_>>(),
        ["api-pod", "api-pod-2", "web"]
    );
    let wide = line(&env.ok(["kube", "get", "po", "web", "-o", "wide", "--show-labels"]), "web");
    assert!(wide[5].starts_with("10."), "{wide:?}");
    assert_eq!(wide[7..], ["<none>", "<none>", "app=site"]);
    assert_eq!(env.ok(["kube", "get", "pods", "-l", "app in (api)", "-o", "name"]), "pod/api-pod\npod/api-pod-2\n");
    assert_eq!(line(&env.ok(["kube", "get", "deploy"]), "api")[..4], ["api", "2/2", "2", "2"]);
    assert_eq!(line(&env.ok(["kube", "get", "cm", "--no-headers"]), "settings")[..2], ["settings", "2"]);
    assert_eq!(line(&env.ok(["kube", "get", "secrets"]), "hidden")[..3], ["hidden", "Opaque", "1"]);
    assert_eq!(line(&env.ok(["kube", "get", "pvc"]), "data")[..5], ["data", "Bound", "data", "1Gi", "RWO"]);
    let both = env.ok(["kube", "get", "pod/web", "configmap/settings"]);
    assert!(both.contains("\npod/web ") && both.contains("\nconfigmap/settings "), "{both}");
    let none = env.run(["kube", "get", "pods", "-l", "app=none"]);
    assert_eq!((none.code(), none.stdout.as_str(), none.stderr.trim()), (0, "", "No resources found"));
}

#[test]
fn get_gives_the_object_that_was_played_and_its_status() {
    let env = with_objects("kube-get-yaml");
    let yaml = env.ok(["kube", "get", "pod", "web", "-o", "yaml"]);
    let json: serde_json::Value = serde_json::from_str(&env.ok(["kube", "get", "pod", "web", "-o", "json"])).unwrap();
    let same: serde_json::Value = serde_yaml::from_str(&yaml).unwrap();
    assert_eq!(json, same);
    let spec = serde_json::json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "app", "image": "localhost/podkin-demo", "command": ["/podkin-demo", "sleep", "forever"]}],
    });
    assert_eq!(json["spec"], spec, "nothing that the file does not say");
    let id = env.ok(["pod", "ps", "-q", "-f", "name=web"]);
    assert!(json["metadata"]["uid"].as_str().is_some_and(|uid| uid.len() == 36 && uid[..8] == id[..8]), "{json}");
    assert!(json["metadata"]["creationTimestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    assert_eq!(json["status"]["phase"], "Running");
    assert_eq!(json["status"]["qosClass"], "BestEffort");
    let types: Vec<_> =
        json["status"]["conditions"].as_array().unwrap().iter().map(|c| (&c["type"], &c["status"])).collect();
    assert_eq!(types.len(), 5);
    assert!(types.iter().all(|(_, status)| *status == "True"), "{types:?}");
    let container = &json["status"]["containerStatuses"][0];
    assert!(container["state"]["running"]["startedAt"].is_string(), "{container}");
    assert!(container["imageID"].as_str().is_some_and(|id| id.starts_with("sha256:")), "{container}");

    let template = r#"{range .items[*]}{.metadata.name}={.status.phase}{"\n"}{end}"#;
    let shown = env.ok(["kube", "get", "pods", "-o", &format!("jsonpath={template}")]);
    assert_eq!(shown, "api-pod=Running\napi-pod-2=Running\nweb=Running\n");
    let columns = env.ok(["kube", "get", "pod", "web", "-o", "custom-columns=POD:.metadata.name,NO:{.spec.nothing}"]);
    assert_eq!(columns, "POD   NO\nweb   <none>\n");
    assert_eq!(env.ok(["kube", "get", "pod", "api-pod-2", "-o", "jsonpath={.metadata.labels.app}"]), "api");
    assert_eq!(env.ok(["kube", "get", "secret", "hidden", "-o", "jsonpath={.data.word}"]), "Z2VoZWlt");
    assert!(!env.ok(["kube", "get", "secrets"]).contains("geheim"));
    let list: serde_json::Value = serde_json::from_str(&env.ok(["kube", "get", "cm,pvc", "-o", "json"])).unwrap();
    let kinds: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!((list["kind"].as_str(), kinds), (Some("List"), vec!["ConfigMap", "PersistentVolumeClaim"]));
}

/// Of every kind that is not in [`OBJECTS`], in a namespace of its own where there are some.
const CLASSES: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: kubernetes.io/no-provisioner
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec: {capacity: {storage: 5Gi}, accessModes: [ReadWriteOnce], storageClassName: fast, hostPath: {path: DIRECTORY}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 1Gi}}}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: high}
value: 1000
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: plain}
handler: runc
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: hidden, namespace: shop}
stringData: {word: geheim}
---
apiVersion: v1
kind: Pod
metadata: {name: till, namespace: shop, labels: {tier: front}}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]
  containers:
  - {name: c, image: localhost/podkin-demo, command: [/podkin-demo, sleep, forever], volumeMounts: [{name: d, mountPath: /d}]}
"#;

fn with_classes(name: &str) -> TestEnv {
    let env = with_sleeper(name);
    let directory = env.base.join("disk");
    std::fs::create_dir_all(&directory).unwrap();
    let file = env.file("classes.yaml", &CLASSES.replace("DIRECTORY", &directory.to_string_lossy()));
    env.ok(["kube", "play", "--quiet", &file.to_string_lossy()]);
    env
}

#[test]
fn get_shows_every_kind_that_is_played() {
    let env = with_classes("kube-get-kinds");
    let row = |kind: &str, name: &str, to: usize| line(&env.ok(["kube", "get", kind]), name)[..to].join(" ");
    assert_eq!(row("pvc", "data", 6), "data Bound disk 5Gi RWO fast");
    assert_eq!(row("pv", "disk", 7), "disk 5Gi RWO Retain Bound shop/data fast");
    assert_eq!(row("sc", "fast", 5), "fast kubernetes.io/no-provisioner Delete Immediate false");
    assert_eq!(row("priorityclass", "high", 3), "high 1000 false");
    assert_eq!(row("runtimeclasses", "plain", 2), "plain runc");
    assert_eq!(row("sa", "robot", 1), "robot");
    let volume = env.ok([
        "kube",
        "get",
        "pv",
        "disk",
        "-o",
        "jsonpath={.status.phase} {.spec.claimRef.name}{.metadata.namespace}",
    ]);
    assert_eq!(volume, "Bound data");
    assert_eq!(env.ok(["kube", "get", "all", "-o", "name"]), "pod/till\npod/web\n");
}

#[test]
fn get_chooses_by_namespace_and_field_and_sorts() {
    let env = with_classes("kube-get-choice");
    let names = |more: &[&str]| env.ok([&["kube", "get", "pods", "-o", "name"], more].concat());
    assert_eq!(names(&[]), "pod/till\npod/web\n", "of every namespace");
    assert_eq!(names(&["-n", "shop"]), "pod/till\n");
    assert_eq!(names(&["-n", "shop", "-A"]), "pod/till\npod/web\n");
    assert_eq!(names(&["-n", "none"]), "");
    assert_eq!(names(&["--field-selector", "status.phase=Running,metadata.name!=till"]), "pod/web\n");
    assert_eq!(names(&["--sort-by", "{.metadata.namespace}"]), "pod/web\npod/till\n");
    assert_eq!(env.ok(["kube", "get", "pv", "-n", "none", "-o", "name"]), "persistentvolume/disk\n", "in no namespace");
    let all = env.ok(["kube", "get", "pods", "-A", "-L", "tier,app"]);
    assert_eq!(line(&all, "NAMESPACE"), ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "TIER", "APP"]);
    assert_eq!(line(&all, "shop")[..2], ["shop", "till"]);
    assert_eq!(line(&all, "shop")[6..], ["front", "<none>"]);
}

#[test]
fn describe_tells_of_every_kind_and_of_secrets_no_value() {
    let env = with_classes("kube-describe-kinds");
    let told = env.ok(["kube", "describe", "secret,pvc,pv,sc,pc,runtimeclass,sa"]);
    for expected in [
        "word:  6 bytes\n",
        "Used By:       till\n",
        "Claim:           shop/data\n",
        "    Type:          HostPath (bare host directory volume)\n",
        "IsDefaultClass:        No\n",
        "Value:             1000\n",
        "Handler:      runc\n",
        "Image pull secrets:  <none>\n",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
    assert!(!told.contains("geheim") && !told.contains("Z2VoZWlt"), "{told}");
    let env = with_objects("kube-describe-objects");
    let told = env.ok(["kube", "describe", "deploy/api", "cm/settings"]);
    let replicas = "Replicas:           2 desired | 2 updated | 2 total | 2 available | 0 unavailable\n";
    assert!(told.contains(replicas) && told.contains("one:\n----\n1\n"), "{told}");
}

#[test]
fn events_are_told_of_one_pod_and_followed() {
    let env = with_classes("kube-events");
    let told = env.ok(["kube", "events", "--for", "pod/till"]);
    assert_eq!(line(&told, "LAST"), ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    assert!(told.contains("Pod/till") && !told.contains("Pod/web"), "{told}");
    assert_eq!(env.ok(["kube", "events", "-n", "shop", "--types", "Warning"]), "");
    let reasons = env.ok(["kube", "events", "--for", "pod/till", "-o", "custom-columns=R:.reason", "--no-headers"]);
    assert_eq!(reasons.split_whitespace().collect::<Vec<_>>(), ["Scheduled", "Pulled", "Created", "Started"]);
    let mut watching =
        env.command(["kube", "events", "--for", "pod/till", "-w"]).stdout(Stdio::piped()).spawn().unwrap();
    let (sender, lines) = std::sync::mpsc::channel();
    let out = std::io::BufReader::new(watching.stdout.take().unwrap());
    std::thread::spawn(move || std::io::BufRead::lines(out).map_while(Result::ok).try_for_each(|l| sender.send(l)));
    let until = |word: &str| loop {
        let line = lines.recv_timeout(Duration::from_secs(10)).expect(word);
        if line.contains(word) {
            break;
        }
    };
    until("Started");
    env.ok(["pod", "stop", "till"]);
    until("Killing");
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn get_says_what_is_wrong_with_the_command_line() {
    let env = with_sleeper("kube-get-wrong");
    for (words, code, expected) in [
        (&["kube", "get", "services"][..], 2, "there is no resource type `services`"),
        (&["kube", "get", "pod", "wbe"], 125, "did you mean `web`?"),
        (&["kube", "get", "pods", "-o", "xml"], 2, "there is no output format `xml`"),
        (&["kube", "get", "pods", "-o", "jsonpath={.a"], 2, "`}` is missing at character 4"),
        (&["kube", "get", "pods", "-l", "a b"], 2, "`a b` is no label selector"),
        (&["kube", "get", "cm,pods", "-w"], 2, "objects of one type can be watched at a time"),
        (&["kube", "get", "events", "-w"], 2, "`kube events --watch` shows those that come"),
        (&["kube", "get", "pods", "--sort-by", ".spec.nothing"], 2, "no object has the field `.spec.nothing`"),
        (&["kube", "get", "pods", "--field-selector", "a"], 2, "`a` is no field selector"),
        (&["kube", "events", "--for", "cm/a"], 2, "`cm/a` is no `pod/NAME`"),
        (&["kube", "events", "--for", "pod/wbe"], 125, "did you mean `web`?"),
        (&["kube", "wait", "pod/web", "--for=ready"], 2, "`ready` is nothing to wait for"),
        (&["kube", "wait", "pod", "--for=delete"], 2, "name them, or give `--all` or `-l`"),
        (&["kube", "wait", "pod/none", "--for=condition=Ready"], 1, "pods \"none\" not found"),
        (&["kube", "wait", "pod", "-l", "a=b", "--for=condition=Ready"], 1, "no matching resources found"),
        (&["kube", "set-condition", "web", "a.b/c"], 2, "`a.b/c` is no `TYPE=True`"),
        (&["kube", "set-condition", "web", "Ready=True"], 2, "`Ready` follows from what the pod does"),
    ] {
        let said = env.fails(code, words);
        assert!(said.contains(expected), "{words:?}\n{said}");
    }
    assert_eq!(env.ok(["kube", "get", "pod", "wbe", "--ignore-not-found"]), "");
}

/// The supervisor and the first container of the only pod.
fn processes(env: &TestEnv) -> [i32; 2] {
    let status = env.root.join("pods").join(env.ok(["pod", "ps", "-q", "--no-trunc"]).trim()).join("status.json");
    let status: serde_json::Value = serde_json::from_slice(&std::fs::read(status).unwrap()).unwrap();
    let pids = [&status["supervisor_pid"], &status["containers"][0]["state"]["Running"]["pid"]];
    pids.map(|pid| pid.as_i64().expect("it runs") as i32)
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it lives");
}

#[test]
fn wait_is_woken_by_what_happens_to_pods() {
    let env = TestEnv::new("kube-wait");
    let file = env.file("web.yaml", SLEEPER);
    let file = file.to_string_lossy();
    let wait = |what: &str| {
        let words = ["kube", "wait", "--timeout", "1m", "--for", what, "pod/web"];
        let child = env.command(words).stdout(Stdio::piped()).spawn().expect("it starts");
        std::thread::spawn(move || child.wait_with_output().expect("its output can be read"))
    };
    let begin = Instant::now();
    let created = wait("create");
    std::thread::sleep(Duration::from_millis(100));
    env.ok(["kube", "play", "--quiet", &file]);
    let deleted = wait("delete");
    let terminated = wait("jsonpath={.status.containerStatuses[0].restartCount}=1");
    env.ok(["kube", "wait", "--for=condition=Ready", "pods", "--all"]);
    std::thread::sleep(Duration::from_millis(100));
    // Nobody is left to tell of what follows but the kernel.
    for pid in processes(&env) {
        kill(pid);
    }
    for (waiting, what) in [(created, "create"), (terminated, "restart")] {
        let output = waiting.join().expect("no panic");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "pod/web condition met\n", "{what}");
    }
    env.ok(["pod", "rm", "-f", "web"]);
    assert!(deleted.join().expect("no panic").status.success());
    assert!(begin.elapsed() < Duration::from_secs(30), "woken, not timed out: {:?}", begin.elapsed());
    env.assert_clean();
}

#[test]
fn wait_ends_when_its_time_is_over() {
    let env = with_sleeper("kube-wait-timeout");
    let said = env.fails(1, ["kube", "wait", "--for=condition=Ready=False", "--timeout=200ms", "pod/web"]);
    assert!(said.contains("timed out waiting for the condition on pods/web"), "{said}");
}

#[test]
fn watching_shows_each_change() {
    let env = with_sleeper("kube-watch");
    let mut watch = env.command(["kube", "get", "pods", "-w"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(watch.stdout.take().expect("it is piped")));
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let reader = std::thread::spawn({
        let seen = seen.clone();
        move || lines.map_while(Result::ok).for_each(|line| seen.lock().unwrap().push(line))
    });
    let shows = |wanted: &str| seen.lock().unwrap().iter().any(|line: &String| line.contains(wanted));
    let patience = Duration::from_secs(10);
    eventually("the pod is shown", patience, || shows("Running"));
    env.ok(["pod", "stop", "web"]);
    eventually("its end is shown", patience, || shows("Error"));
    watch.kill().expect("it lives");
    watch.wait().expect("it ends");
    reader.join().expect("no panic");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.iter().filter(|line| line.starts_with("NAME")).count(), 1, "{seen:?}");
}

const PROBED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: app
    image: localhost/podkin-demo
    command: [/podkin-demo, sleep, forever]
    env: [{name: WORD, valueFrom: {secretKeyRef: {name: hidden, key: word}}}]
    readinessProbe: {exec: {command: [/podkin-demo, cat, /nothing/here]}, periodSeconds: 1}
---
apiVersion: v1
kind: Secret
metadata: {name: hidden}
stringData: {word: geheim}
"#;

#[test]
fn describe_tells_all_about_a_pod_and_what_happened_to_it() {
    let env = TestEnv::new("kube-describe");
    let file = env.file("web.yaml", PROBED);
    env.ok(["kube", "play", "--quiet", &file.to_string_lossy()]);
    let described = || env.ok(["kube", "describe", "pod", "web"]);
    eventually("the probe is told of", Duration::from_secs(10), || described().contains("Unhealthy"));
    let text = described();
    let has = |wanted: &str| {
        let squeezed = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(squeezed.into_iter().any(|line| line.contains(wanted)), "no {wanted} in\n{text}");
    };
    has("Name: web");
    has("Status: Running");
    has("State: Running");
    has("ContainersReady False");
    has("WORD: <set to the key 'word' in secret 'hidden'> Optional: false");
    has("QoS Class: BestEffort");
    has("Normal Pulled");
    has("podkin Created container: app");
    has("podkin Started container app");
    has("podkin Readiness probe failed: ");
    let unhealthy = text.lines().find(|line| line.contains("Unhealthy")).unwrap_or_default();
    assert!(unhealthy.contains("/nothing/here"), "what the probing program printed: {unhealthy}");
    assert!(!text.contains("geheim"), "{text}");

    let events = env.ok(["kube", "get", "events"]);
    assert_eq!(line(&events, "LAST"), ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    assert!(events.lines().any(|l| l.contains("Started") && l.contains("pod/web")), "{events}");
    let reasons = env.ok(["kube", "get", "events", "-o", "jsonpath={.items[*].reason}"]);
    assert!(reasons.starts_with("Scheduled Pulled Created Started"), "{reasons}");
    let podmans = env.ok(["events", "--stream=false", "--since", "1h"]);
    assert!(podmans.contains(" container start ") && !podmans.contains(" kube "), "{podmans}");

    env.ok(["pod", "rm", "-f", "web"]);
    assert!(env.ok(["kube", "get", "events"]).contains("Stopping container app"), "events outlive their pod");
    assert!(env.fails(125, ["kube", "describe", "pod", "web"]).contains("no such pod `web`"));
}

#[test]
fn an_image_that_went_is_told_when_its_container_starts_again() {
    let env = with_sleeper("kube-image-gone");
    let status =
        || env.ok(["kube", "get", "pod", "web", "-o", "jsonpath={.status.containerStatuses[0].state.waiting}"]);
    let layers = env.root.join("layers");
    std::fs::rename(&layers, env.root.join("gone")).expect("the layers can be taken away");
    let [_, container] = processes(&env);
    kill(container);
    eventually("it waits for its image", Duration::from_secs(10), || status().contains("ErrImagePull"));
    assert!(status().contains("is not here any more"), "{}", status());
    let row = line(&env.ok(["kube", "get", "pods"]), "web");
    assert_eq!(row[1..3], ["0/1", "ErrImagePull"]);
    std::fs::rename(env.root.join("gone"), &layers).expect("they can be put back");
}
