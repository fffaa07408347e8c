//! registries.conf: where an image of a name is sought.

use crate::common::fault_proxy::FaultProxy;
use crate::common::registry::{Registry, Setup, free_address};
use crate::recipe::{Packing, Parts, Recipe, layer};
use crate::scene::Scene;

fn image(registry: &Registry, repository: &str, seed: u64) -> Parts {
    Recipe::new(&[&layer("file", seed, 100)], Packing::Gzip).push(registry, repository, "latest")
}

fn plain(registry: &str) -> String {
    format!("[[registry]]\nlocation = \"{registry}\"\ninsecure = true\n")
}

#[test]
fn short_names_are_aliases_or_searched_or_of_docker_io() {
    let registry = Registry::start(Setup::default());
    let other = Registry::start(Setup::default());
    let scene = Scene::new("short-names", &[]);
    let web = image(&registry, "team/web", 1);
    let only = image(&other, "only", 2);
    let hub = image(&registry, "hub/library/app", 3);
    let (a, b) = (&registry.address, &other.address);
    let both = plain(a) + &plain(b);
    scene.configure(&format!("{both}[[registry]]\nprefix = \"docker.io\"\nlocation = \"{a}/hub\"\ninsecure = true\n"));
    assert_eq!(scene.ok(["pull", "-q", "app"]), hub.id);
    assert_eq!(scene.names(), ["docker.io/library/app:latest".to_owned()].into());
    // Aliases in a drop-in of the machine, and of the user; the user's count more.
    scene.write("etc/containers/registries.conf.d/names.conf", &format!("[aliases]\n\"w\" = \"{a}/none\"\n"));
    let own = scene.home().join(".config/containers/registries.conf.d");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("mine.conf"), format!("[aliases]\n\"w\" = \"{a}/team/web\"\n")).unwrap();
    assert_eq!(scene.ok(["pull", "-q", "w"]), web.id);
    assert_eq!(scene.ok(["inspect", "--format", "{{.Id}}", &format!("{a}/team/web")]), web.id);
    scene.configure(&format!("unqualified-search-registries = [\"{a}\", \"{b}\"]\n{both}"));
    assert_eq!(scene.ok(["pull", "-q", "only"]), only.id, "the first that is searched does not have it");
    let said = scene.fails(["pull", "-q", "nowhere"]);
    assert!(said.contains(&format!("{a}/nowhere")) && said.contains(&format!("{b}/nowhere")), "{said}");
    let enforcing = "short-name-mode = \"enforcing\"\n";
    scene.configure(&format!("{enforcing}unqualified-search-registries = [\"{a}\", \"{b}\"]\n{both}"));
    let said = scene.fails(["pull", "-q", "only"]);
    assert!(said.contains("say which"), "{said}");
    scene.configure(&format!("unqualified-search-registries = []\n{both}"));
    let said = scene.fails(["pull", "-q", "only2"]);
    assert!(said.contains("unqualified-search-registries"), "{said}");
    // Another file by the environment.
    let file = scene.env.file("registries.conf", &format!("unqualified-search-registries = [\"{b}\"]\n{both}"));
    let mut command = scene.command(["pull", "-q", "only"]);
    command.env("CONTAINERS_REGISTRIES_CONF", file);
    let ran = scene.env.finish(command);
    assert_eq!(ran.stdout.trim_end(), only.id, "{}", ran.stderr);
}

#[test]
fn mirrors_are_asked_first_and_passed_over_when_they_fail() {
    let registry = Registry::start(Setup::default());
    let (first, second) = (FaultProxy::start(&registry.address), FaultProxy::start(&registry.address));
    let scene = Scene::new("mirrors", &[]);
    let app = image(&registry, "team/app", 1);
    image(&registry, "copy/app", 2);
    let mirrored = |mirrors: &str| {
        let origin = &second.address;
        scene.configure(&format!(
            "[[registry]]\nprefix = \"origin.test/team\"\nlocation = \"{origin}/team\"\ninsecure = true\n{mirrors}"
        ));
    };
    let mirror =
        |place: &str, more: &str| format!("[[registry.mirror]]\nlocation = \"{place}\"\ninsecure = true\n{more}");
    // Nobody listens at the first; the second has it under another path.
    let down = free_address();
    mirrored(&(mirror(&format!("{down}/team"), "") + &mirror(&format!("{}/team", first.address), "")));
    assert_eq!(scene.ok(["pull", "-q", "--retry", "0", "origin.test/team/app"]), app.id);
    assert_eq!(scene.names(), ["origin.test/team/app:latest".to_owned()].into(), "named as it was asked for");
    assert_eq!(second.seen("GET", "/v2/").len(), 0, "the mirror had all of it");
    assert!(!first.seen("GET", "/v2/team/app/manifests/latest").is_empty());
    // One that is for digests only is not asked for tags.
    scene.ok(["rmi", "-a", "-f"]);
    let before = first.seen("GET", "/v2/").len();
    mirrored(&mirror(&format!("{}/team", first.address), "pull-from-mirror = \"digest-only\"\n"));
    assert_eq!(scene.ok(["pull", "-q", "origin.test/team/app"]), app.id);
    assert_eq!(first.seen("GET", "/v2/").len(), before);
    scene.ok(["rmi", "-a", "-f"]);
    let by_digest = format!("origin.test/team/app@{}", app.digest());
    let seen = second.seen("GET", "/v2/").len();
    assert_eq!(scene.ok(["pull", "-q", &by_digest]), app.id);
    assert_eq!(second.seen("GET", "/v2/").len(), seen);
    // All fail: each is named.
    mirrored(&mirror(&format!("{down}/team"), ""));
    let said = scene.fails(["pull", "-q", "--retry", "0", "origin.test/team/none"]);
    assert!(said.contains(&down) && said.contains(&second.address), "{said}");
}

#[test]
fn registries_are_blocked_or_elsewhere_and_plain_http_must_be_allowed() {
    let registry = Registry::start(Setup::default());
    let scene = Scene::new("rewritten", &[]);
    let app = image(&registry, "deep/team/app", 1);
    let address = &registry.address;
    let name = format!("{address}/deep/team/app");
    let said = scene.fails(["pull", "-q", "--retry", "0", &name]);
    assert!(said.contains("tls-verify") || said.contains("insecure"), "what to try: {said}");
    assert_eq!(scene.ok(["pull", "-q", "--tls-verify=false", &name]), app.id);
    let text = format!("[[registry]]\nprefix = \"*.wild.test\"\nlocation = \"{address}/deep\"\ninsecure = true\n");
    scene.configure(&(text + "[[registry]]\nprefix = \"bad.test/team\"\nblocked = true\n"));
    assert_eq!(scene.ok(["pull", "-q", "a.wild.test/team/app"]), app.id);
    let said = scene.fails(["pull", "-q", "bad.test/team/app"]);
    assert!(said.contains("`bad.test/team` is blocked"), "{said}");
    scene.write("etc/containers/policy.json", r#"{"default": [{"type": "reject"}]}"#);
    let said = scene.fails(["pull", "-q", "a.wild.test/team/app"]);
    assert!(said.contains("policy"), "{said}");
}

#[test]
fn a_configuration_that_is_wrong_is_told_with_its_file() {
    let scene = Scene::new("wrong-configuration", &[]);
    scene.configure("[[registry]]\nlocatoin = \"a.test\"\n");
    let said = scene.fails(["pull", "-q", "a.test/app"]);
    assert!(said.contains("machine/etc/containers/registries.conf") && said.contains("locatoin"), "{said}");
    // What asks no registry does not mind.
    scene.ok(["images"]);
}
