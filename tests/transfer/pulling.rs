//! What is pulled: forms of manifests and layers, platforms, tags and digests, and when a registry is asked.

use crate::common::fault_proxy::FaultProxy;
use crate::common::registry::{Registry, Setup};
use crate::recipe::{DOCKER_LIST, OCI_INDEX, Packing, Recipe, index, layer, put};
use crate::scene::Scene;
use podkin::image::platform::host_architecture;
use podkin::image::registry::Which;
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn every_form_of_manifest_and_layer_is_the_same_image() {
    let registry = Registry::start(Setup::default());
    let scene = Scene::new("forms", &[&registry.address]);
    let (low, high) = (layer("low", 1, 70_000), layer("high", 2, 5000));
    let mut names = Vec::new();
    let mut ids = Vec::new();
    for (docker, packing) in [
        (false, Packing::Plain),
        (false, Packing::Gzip),
        (false, Packing::Zstd),
        (true, Packing::Gzip),
        (true, Packing::Plain),
    ] {
        let name = format!("form-{docker}-{packing:?}").to_lowercase();
        let mut recipe = Recipe::new(&[&low, &high], packing);
        recipe.docker = docker;
        ids.push(recipe.push(&registry, &name, "1").id);
        names.push(format!("{}/{name}:1", registry.address));
    }
    let pulled = scene.ok(["pull", "-q"].iter().copied().chain(names.iter().map(String::as_str)));
    assert_eq!(pulled.lines().collect::<BTreeSet<_>>(), ids.iter().map(String::as_str).collect());
    assert_eq!(scene.names(), names.iter().cloned().collect());
    assert_eq!(scene.layers().len(), 2, "however packed, there are two layers");
    for name in &names {
        assert_eq!(scene.file_of(name, "low"), low[512..512 + 70_000], "{name}");
    }
    scene.assert_sound();
}

#[test]
fn a_platform_is_chosen_from_indexes_of_both_kinds() {
    let registry = Registry::start(Setup::default());
    let scene = Scene::new("platforms", &[&registry.address]);
    let own = json!({"os": "linux", "architecture": host_architecture()});
    for (kind, media_type) in [("oci", OCI_INDEX), ("docker", DOCKER_LIST)] {
        let make = |architecture: &str, seed: u64| {
            let mut recipe = Recipe::new(&[&layer("file", seed, 100)], Packing::Gzip).architecture(architecture);
            recipe.docker = kind == "docker";
            recipe.push(&registry, kind, &format!("part{seed}"))
        };
        let (host, v7, v6) = (make(host_architecture(), 1), make("arm", 7), make("arm", 6));
        let arm = |variant: &str| json!({"os": "linux", "architecture": "arm", "variant": variant});
        let members = [v6.descriptor(arm("v6")), v7.descriptor(arm("v7")), host.descriptor(own.clone())];
        let digest = put(&registry, kind, Which::Tag("all".into()), media_type, &index(media_type, &members));
        let name = format!("{}/{kind}:all", registry.address);
        let pull = |options: &[&str]| scene.ok(["pull", "-q"].iter().chain(options).copied().chain([name.as_str()]));
        assert_eq!(pull(&[]), host.id);
        assert_eq!(pull(&["--platform", "linux/arm/v6"]), v6.id);
        assert_eq!(pull(&["--platform", "linux/arm/v7"]), v7.id);
        assert_eq!(pull(&["--arch", "arm", "--variant", "v6"]), v6.id);
        assert_eq!(pull(&["--arch", "arm"]), v7.id, "without a variant it is v7");
        let said = scene.fails(["pull", "-q", "--platform", "linux/s390x", &name]);
        assert!(said.contains("not there for linux/s390x"), "{said}");
        assert_eq!(pull(&[]), host.id);
        let by_index = format!("{}/{kind}@{digest}", registry.address);
        assert_eq!(scene.ok(["pull", "-q", &by_index]), host.id, "the digest of an index names the image, too");
        assert_eq!(scene.ok(["inspect", "--format", "{{.Id}}", &by_index]), host.id);
    }
}

#[test]
fn tags_digests_and_all_tags() {
    let registry = Registry::start(Setup::default());
    let scene = Scene::new("tags", &[&registry.address]);
    let image = |seed, tag: &str| Recipe::new(&[&layer("file", seed, 100)], Packing::Gzip).push(&registry, "app", tag);
    let (one, two) = (image(1, "one"), image(2, "two"));
    let name = format!("{}/app", registry.address);
    let by_digest = format!("{name}@{}", one.digest());
    assert_eq!(scene.ok(["pull", "-q", &by_digest]), one.id);
    assert_eq!(scene.ok(["inspect", "--format", "{{.Id}}", &by_digest]), one.id);
    scene.ok(["rmi", &by_digest]);
    let both = format!("{name}:two@{}", one.digest());
    assert_eq!(scene.ok(["pull", "-q", &both]), one.id, "of tag and digest the digest counts");
    scene.ok(["rmi", "-a", "-f"]);
    let absent = format!("{name}@sha256:{}", "0".repeat(64));
    let said = scene.fails(["pull", "-q", &absent]);
    assert!(said.contains("cannot pull") && said.contains(&absent), "{said}");
    let ids = scene.ok(["pull", "-q", "-a", &name]);
    assert_eq!(ids.lines().collect::<Vec<_>>(), [&one.id, &two.id]);
    assert_eq!(scene.names(), [format!("{name}:one"), format!("{name}:two")].into());
    assert!(scene.run(["pull", "-q", "-a", &format!("{name}:one")]).stderr.contains("--all-tags"));
    // What can be had comes, whatever else cannot.
    scene.ok(["rmi", "-a", "-f"]);
    let (good, bad, none) = (format!("{name}:one"), format!("{name}:none"), format!("{}/none:1", registry.address));
    let ran = scene.run(["pull", "-q", &bad, &good, &none]);
    assert_eq!((ran.code(), ran.stdout.trim_end()), (125, one.id.as_str()));
    assert!(ran.stderr.contains(&bad) && ran.stderr.contains(&none), "each failure is told: {}", ran.stderr);
    assert_eq!(scene.names(), [good].into());
}

#[test]
fn the_policy_says_when_a_registry_is_asked() {
    let mut registry = Registry::start(Setup::default());
    let proxy = FaultProxy::start(&registry.address);
    let scene = Scene::new("policy", &[&proxy.address]);
    let image = |registry: &Registry, seed| {
        Recipe::new(&[&layer("file", seed, 100)], Packing::Gzip).push(registry, "app", "1").id
    };
    let first = image(&registry, 1);
    let name = format!("{}/app:1", proxy.address);
    let asked = || proxy.seen("GET", "/manifests/").len() + proxy.seen("HEAD", "/manifests/").len();
    let said = scene.fails(["pull", "-q", "--policy", "never", &name]);
    assert!(said.contains(&name), "{said}");
    assert_eq!(asked(), 0);
    assert_eq!(scene.ok(["pull", "-q", "--policy", "missing", &name]), first);
    let second = image(&registry, 2);
    let before = asked();
    assert_eq!(scene.ok(["pull", "-q", "--policy", "missing", &name]), first);
    assert_eq!(scene.ok(["pull", "-q", "--policy", "never", &name]), first);
    assert_eq!(asked(), before);
    assert_eq!(scene.ok(["pull", "-q", "--policy", "newer", &name]), second);
    let third = image(&registry, 3);
    assert_eq!(scene.ok(["pull", "-q", "--policy", "always", &name]), third);
    registry.stop();
    assert_eq!(scene.ok(["pull", "-q", "--retry", "0", "--policy", "newer", &name]), third);
    assert!(scene.fails(["pull", "-q", "--retry", "0", &name]).contains(&name));
    assert_eq!(scene.ok(["inspect", "--format", "{{.Id}}", &name]), third, "what was here stays");
}

#[test]
fn what_is_here_is_not_downloaded_again() {
    let registry = Registry::start(Setup::default());
    let proxy = FaultProxy::start(&registry.address);
    let scene = Scene::new("again", &[&proxy.address]);
    let shared = layer("shared", 1, 200_000);
    Recipe::new(&[&shared, &layer("own", 2, 100)], Packing::Gzip).push(&registry, "one", "1");
    Recipe::new(&[&shared, &layer("own", 3, 100)], Packing::Gzip).push(&registry, "two", "1");
    let (one, two) = (format!("{}/one:1", proxy.address), format!("{}/two:1", proxy.address));
    scene.ok(["pull", "-q", &one]);
    assert_eq!(proxy.seen("GET", "/blobs/").len(), 3, "two layers and a configuration");
    scene.ok(["pull", "-q", &one]);
    assert_eq!(proxy.seen("GET", "/blobs/").len(), 3);
    scene.ok(["pull", "-q", &two]);
    assert_eq!(proxy.seen("GET", "/blobs/").len(), 5, "one layer and a configuration");
}
