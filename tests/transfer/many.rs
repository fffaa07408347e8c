//! R6: many commands at once, each layer downloaded once.

use crate::common::fault_proxy::{Fault, FaultProxy};
use crate::common::registry::{Registry, Setup};
use crate::recipe::{Packing, Recipe, layer};
use crate::scene::Scene;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Output};
use std::time::{Duration, Instant};

/// Longest that all of them together may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits for all of them; one that does not end is a deadlock.
fn finish(children: Vec<Child>) -> Vec<Output> {
    let end = Instant::now() + LIMIT;
    let waiting = children.into_iter().map(|mut child| {
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                child.kill().unwrap();
                panic!("a command has not ended after {LIMIT:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait_with_output().unwrap()
    });
    waiting.collect()
}

/// Three images that share two layers of three.
fn three() -> impl Iterator<Item = Recipe> {
    let shared = [layer("a", 1, 300_000), layer("b", 2, 200_000)];
    (0..3).map(move |number| {
        let own = layer("own", 10 + number, 100_000);
        Recipe::new(&[&shared[0], &shared[1], &own], Packing::Gzip)
    })
}

/// A registry with the three as `app:0` to `app:2`, behind a proxy that counts.
fn registry_of_three() -> (Registry, FaultProxy) {
    let registry = Registry::start(Setup::default());
    for (number, image) in three().enumerate() {
        image.push(&registry, "app", &number.to_string());
    }
    let proxy = FaultProxy::start(&registry.address);
    (registry, proxy)
}

/// Paths under which the layers of the three are asked for.
fn layer_paths() -> BTreeSet<String> {
    three().flat_map(|image| (0..3).map(move |at| format!("/v2/app{}", image.parts().blob_path(at)))).collect()
}

#[test]
fn twenty_pulls_at_once_fetch_each_layer_once() {
    let (_registry, proxy) = registry_of_three();
    let scene = Scene::new("twenty", &[&proxy.address]);
    // Long enough for the others to come while one is at it.
    proxy.fail("GET", "/blobs/", 12, Fault::Slow(50_000, Duration::from_millis(10)));
    let name = |number: usize| format!("{}/app:{}", proxy.address, number % 3);
    let children = (0..20).map(|number| match number % 4 {
        0 => scene.command(["pull", "-q", &name(number), &name(number + 1)]).spawn().unwrap(),
        _ => scene.command(["pull", "-q", &name(number)]).spawn().unwrap(),
    });
    for output in finish(children.collect()) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut fetched: BTreeMap<String, usize> = BTreeMap::new();
    let layers = layer_paths();
    for seen in proxy.seen("GET", "/blobs/").into_iter().filter(|seen| layers.contains(&seen.path)) {
        *fetched.entry(seen.path).or_default() += 1;
    }
    assert_eq!(fetched.len(), 5);
    assert!(fetched.values().all(|count| *count == 1), "a layer came twice: {fetched:?}");
    assert_eq!(scene.names().len(), 3);
    scene.assert_sound();
}

#[test]
fn pulls_removals_and_prunes_against_each_other_lose_nothing() {
    let (_registry, proxy) = registry_of_three();
    let scene = Scene::new("against", &[&proxy.address]);
    let name = |number: usize| format!("{}/app:{}", proxy.address, number % 3);
    for _ in 0..2 {
        let children = (0..24).map(|number| {
            let image = name(number);
            let arguments: Vec<&str> = match number % 4 {
                0 | 1 => vec!["pull", "-q", &image],
                2 => vec!["rmi", "-f", &image],
                _ => vec!["image", "prune", "-a", "-f"],
            };
            scene.command(arguments).spawn().unwrap()
        });
        let outputs = finish(children.collect());
        for (number, output) in outputs.iter().enumerate() {
            let said = String::from_utf8_lossy(&output.stderr);
            match number % 4 {
                // Somebody else may have been first.
                2 => {
                    assert!(output.status.success() || said.contains(&format!("no image `{}`", name(number))), "{said}")
                }
                _ => assert!(output.status.success(), "{number}: {said}"),
            }
        }
        let run = scene.run(["system", "check"]);
        assert!(run.status.success() && run.stdout.is_empty(), "{}", run.stdout);
    }
    let all: Vec<String> = (0..3).map(name).collect();
    scene.ok(["pull", "-q"].into_iter().chain(all.iter().map(String::as_str)));
    assert_eq!(scene.layers().len(), 5);
    for image in &all {
        assert_eq!(scene.file_of(image, "a").len(), 300_000);
    }
    scene.ok(["rmi", "-a", "-f"]);
    scene.ok(["image", "prune", "-f"]);
    assert_eq!(scene.layers().len(), 0);
    scene.assert_sound();
}

#[test]
fn a_pull_that_fails_does_not_spoil_the_layers_of_another() {
    let (registry, proxy) = registry_of_three();
    let scene = Scene::new("spoil", &[&proxy.address]);
    // One image has a layer that nobody has, so that its pull ends while its other layers are on their way.
    let broken =
        Recipe::new(&[&layer("a", 1, 300_000), &layer("b", 2, 200_000), &layer("none", 77, 50_000)], Packing::Gzip);
    let parts = broken.push(&registry, "broken", "1");
    proxy.fail("GET", &parts.blob_path(2), 999, Fault::Status(404, None));
    proxy.fail("GET", "/blobs/", 999, Fault::Slow(20_000, Duration::from_millis(10)));
    let (bad, good) = (format!("{}/broken:1", proxy.address), format!("{}/app:0", proxy.address));
    for _ in 0..3 {
        let pairs = (0..8).map(|number| if number % 2 == 0 { &bad } else { &good });
        let children = pairs.map(|image| scene.command(["pull", "-q", image]).spawn().unwrap());
        for (number, output) in finish(children.collect()).into_iter().enumerate() {
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(if number % 2 == 0 { 125 } else { 0 }), "{said}");
        }
        assert_eq!(scene.file_of(&good, "a").len(), 300_000);
        scene.assert_sound();
        scene.ok(["rmi", "-a", "-f"]);
    }
}
