//! The images of `kube play`: when a registry is asked, with which credentials, and what is said.

use crate::common::can_run_containers;
use crate::common::fault_proxy::{Fault, FaultProxy};
use crate::common::registry::{PASSWORD, Registry, Setup, USER};
use crate::recipe::Recipe;
use crate::scene::Scene;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A pod `p` of one container, with more lines of its spec.
fn pod(scene: &Scene, image: &str, policy: &str, more: &str) -> String {
    let policy = if policy.is_empty() { String::new() } else { format!(", imagePullPolicy: {policy}") };
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  restartPolicy: Never\n  \
         containers: [{{name: c, image: \"{image}\"{policy}}}]\n{more}"
    );
    scene.env.file("pod.yaml", &text).to_str().expect("the base is text").to_owned()
}

/// Plays the pod anew, and gives what its container says.
#[track_caller]
fn told(scene: &Scene, file: &str) -> String {
    scene.ok(["kube", "play", "--replace", file]);
    scene.ok(["wait", "p-c"]);
    scene.ok(["logs", "p-c"])
}

/// What is pushed behind the tag tells `word`.
fn offer(registry: &Registry, tag: &str, word: &str) {
    Recipe::demo(word).push(registry, "app", tag);
}

#[test]
fn the_policy_of_a_container_says_when_its_registry_is_asked() {
    if !can_run_containers() {
        return;
    }
    let registry = Registry::start(Setup::default());
    let proxy = FaultProxy::start(&registry.address);
    let scene = Scene::new("play-policy", &[&proxy.address]);
    let image = |tag: &str| format!("{}/app{tag}", proxy.address);
    offer(&registry, "1", "first");
    offer(&registry, "latest", "first");
    let ran = scene.run(["kube", "play", &pod(&scene, &image(":1"), "Never", "")]);
    assert_eq!(ran.code(), 125);
    assert!(ran.stderr.contains(&image(":1")), "{}", ran.stderr);
    assert_eq!(proxy.seen("GET", "/v2/").len(), 0, "nobody was asked");
    assert_eq!(scene.ok(["ps", "-a", "-q"]), "");
    for (tag, policy) in [(":1", "IfNotPresent"), (":1", ""), (":latest", ""), ("", ""), (":1", "Always")] {
        assert_eq!(told(&scene, &pod(&scene, &image(tag), policy, "")), "first", "{tag} {policy}: it was not here");
        scene.ok(["kube", "down", &pod(&scene, &image(tag), policy, "")]);
        scene.ok(["rmi", "-a", "-f"]);
    }
    scene.ok(["pull", "-q", &image(":1"), &image(":latest")]);
    offer(&registry, "1", "second");
    offer(&registry, "latest", "second");
    for (tag, policy, word) in [
        (":1", "Never", "first"),
        (":1", "IfNotPresent", "first"),
        (":1", "", "first"),
        (":latest", "IfNotPresent", "first"),
        (":latest", "Never", "first"),
        (":1", "Always", "second"),
        (":latest", "", "second"),
    ] {
        assert_eq!(told(&scene, &pod(&scene, &image(tag), policy, "")), word, "`{tag}` {policy}");
    }
    // Unchanged behind its tag, the pod stays; changed, it is replaced.
    offer(&registry, "1", "third");
    let file = pod(&scene, &image(":1"), "Always", "");
    let plan = scene.ok(["kube", "play", "--dry-run", "--replace", &file]);
    assert!(plan.contains("pull image") && plan.contains(&image(":1")), "{plan}");
    assert_eq!(scene.ok(["logs", "p-c"]), "second", "a plan changes nothing");
    let ran = scene.run(["kube", "play", "--replace", &file]);
    assert!(ran.status.success(), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("pulling {}", image(":1"))), "{}", ran.stderr);
    scene.ok(["wait", "p-c"]);
    assert_eq!(scene.ok(["logs", "p-c"]), "third");
    let again = scene.run(["kube", "play", "--replace", &file]);
    assert!(again.status.success() && !again.stderr.contains("pulling"), "{}", again.stderr);
    // A registry that gives nothing: `Always` is an error, an unset policy uses what is here and says so.
    proxy.fail("GET", "/manifests/", 99, Fault::Status(403, None));
    let ran = scene.run(["kube", "play", "--replace", &file]);
    assert_eq!(ran.code(), 125, "{}", ran.stderr);
    assert!(ran.stderr.contains(&image(":1")), "{}", ran.stderr);
    let file = pod(&scene, &image(":latest"), "", "");
    let ran = scene.run(["kube", "play", "--replace", &file]);
    assert!(ran.status.success() && ran.stderr.contains("the one that is here is used"), "{}", ran.stderr);
    // One that is down is not waited for when there is something to fall back on.
    proxy.fail("GET", "/manifests/", 99, Fault::Status(503, None));
    let ran = scene.run(["kube", "play", "--replace", &file]);
    assert!(ran.status.success() && !ran.stderr.contains("trying again"), "{}", ran.stderr);
    scene.ok(["kube", "down", &file]);
    scene.env.assert_clean();
}

#[test]
fn images_that_cannot_be_had_are_told_at_once_and_nothing_is_made() {
    let registry = Registry::start(Setup::default());
    let scene = Scene::new("play-missing", &[&registry.address]);
    offer(&registry, "1", "word");
    let address = &registry.address;
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  volumes: [{{name: v, persistentVolumeClaim: {{claimName: v}}}}]\n  \
         containers:\n  - {{name: a, image: \"{address}/app:1\"}}\n  - {{name: b, image: \"{address}/app:none\"}}\n  \
         - {{name: c, image: \"{address}/nothing\"}}\n  - {{name: d, image: \"localhost/absent\", imagePullPolicy: Never}}\n"
    );
    let file = scene.env.file("pod.yaml", &text);
    let said = scene.fails(["kube", "play", file.to_str().unwrap()]);
    for name in ["/app:none", "/nothing", "localhost/absent"] {
        assert!(said.contains(name), "{name} is missing in: {said}");
    }
    assert_eq!(scene.ok(["ps", "-a", "-q"]), "");
    assert_eq!(scene.ok(["volume", "ls", "-q"]), "");
    assert_eq!(scene.names(), [].into(), "not even the image that can be had");
}

#[test]
fn pull_secrets_open_a_registry_that_wants_a_password() {
    if !can_run_containers() {
        return;
    }
    let registry = Registry::start(Setup { tls: true, password: true });
    let scene = Scene::new("play-secrets", &[]);
    scene.trust(&registry.address, &registry.directory.join("ca.crt"));
    offer(&registry, "1", "opened");
    let image = format!("{}/app:1", registry.address);
    let secret = |password: &str| {
        let auth = STANDARD.encode(format!("{USER}:{password}"));
        let config = format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, registry.address);
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: pull}}\ntype: kubernetes.io/dockerconfigjson\n\
             data: {{.dockerconfigjson: {}}}\n",
            STANDARD.encode(config)
        )
    };
    let with = |password: &str| format!("  imagePullSecrets: [{{name: pull}}]\n{}", secret(password));
    let said = scene.fails(["kube", "play", &pod(&scene, &image, "", "")]);
    assert!(said.contains(&image) && said.contains("podkin login"), "{said}");
    let said = scene.fails(["kube", "play", &pod(&scene, &image, "", &with("wrong-secret"))]);
    assert!(said.contains(&image) && !said.contains("wrong-secret"), "{said}");
    assert_eq!(scene.ok(["ps", "-a", "-q"]), "");
    let said = scene.fails(["kube", "play", &pod(&scene, &image, "", "  imagePullSecrets: [{name: absent}]\n")]);
    assert!(said.contains("absent"), "one that is not there is said: {said}");
    // A Secret that no pod names opens nothing.
    scene.fails(["kube", "play", &pod(&scene, &image, "", &secret(PASSWORD))]);
    let file = pod(&scene, &image, "", &with(PASSWORD));
    assert_eq!(told(&scene, &file), "opened");
    scene.ok(["kube", "down", &file]);
    // One that was played before does, too.
    scene.ok(["rmi", "-a", "-f"]);
    let alone = scene.env.file("secret.yaml", secret(PASSWORD).trim_start_matches("---\n"));
    scene.ok(["kube", "play", alone.to_str().unwrap()]);
    let file = pod(&scene, &image, "", "  imagePullSecrets: [{name: pull}]\n");
    assert_eq!(told(&scene, &file), "opened");
    scene.ok(["kube", "down", &file, alone.to_str().unwrap()]);
    // What the command line says of registries counts, too.
    scene.ok(["rmi", "-a", "-f"]);
    let file = pod(&scene, &image, "", "");
    scene.ok(["kube", "play", "-q", "--creds", &crate::scene::creds(), &file]);
    scene.ok(["kube", "down", &file]);
}
