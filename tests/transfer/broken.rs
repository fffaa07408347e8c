//! Connections that end, slow down or lie in the middle of a layer.

use crate::common::fault_proxy::{Fault, FaultProxy};
use crate::common::registry::{Registry, Setup};
use crate::recipe::{Packing, Parts, Recipe, layer};
use crate::scene::Scene;
use std::time::Duration;

const SIZE: usize = 400_000;
const QUICKLY: &str = "--retry-delay=10ms";

/// A registry behind a proxy, with an image of two layers.
struct Broken {
    registry: Registry,
    proxy: FaultProxy,
    scene: Scene,
    image: Parts,
    name: String,
}

impl Broken {
    fn new(name: &str) -> Self {
        let registry = Registry::start(Setup::default());
        let proxy = FaultProxy::start(&registry.address);
        let scene = Scene::new(name, &[&proxy.address]);
        let layers = [layer("low", 1, SIZE), layer("high", 2, SIZE)];
        let image = Recipe::new(&[&layers[0], &layers[1]], Packing::Gzip).push(&registry, "app", "1");
        let name = format!("{}/app:1", proxy.address);
        Self { registry, proxy, scene, image, name }
    }

    /// Bytes asked for of a layer, by every request.
    fn bytes_asked(&self, layer: usize) -> Vec<u64> {
        let size = self.image.layers[layer].len() as u64;
        let from = |range: &str| range.strip_prefix("bytes=").and_then(|r| r.trim_end_matches('-').parse().ok());
        let seen = self.proxy.seen("GET", &self.image.blob_path(layer));
        seen.iter().map(|seen| size - seen.header("range").and_then(from).unwrap_or(0)).collect()
    }
}

#[test]
fn what_is_tried_again_is_said() {
    let broken = Broken::new("told");
    broken.proxy.fail("GET", "/manifests/", 2, Fault::Status(503, None));
    let ran = broken.scene.run(["pull", "-q", QUICKLY, &broken.name]);
    assert!(ran.status.success(), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("trying again").count(), 2, "{}", ran.stderr);
    // Whoever waits at a prompt wants to know at once.
    broken.proxy.fail("GET", "/v2/", 9, Fault::Status(503, None));
    let before = broken.proxy.seen("GET", "/v2/").len();
    let registry = broken.name.trim_end_matches("/app:1");
    let said = broken.scene.fails(["login", "--tls-verify=false", "-u", "a", "-p", "b", registry]);
    assert!(said.contains("cannot log in"), "{said}");
    assert_eq!(broken.proxy.seen("GET", "/v2/").len(), before + 1);
}

#[test]
fn a_broken_layer_goes_on_where_it_broke() {
    for (fault, resumed) in [
        (Fault::Cut(150_000), true),
        (Fault::Cut(0), false),
        (Fault::Truncate(100_000), false),
        (Fault::Slow(40_000, Duration::from_millis(5)), false),
        (Fault::Status(503, Some("0")), false),
        (Fault::Status(429, None), false),
        (Fault::LoseAnswer, false),
    ] {
        let broken = Broken::new("broken");
        broken.proxy.fail("GET", &broken.image.blob_path(0), 1, fault.clone());
        assert_eq!(broken.scene.ok(["pull", "-q", QUICKLY, &broken.name]), broken.image.id, "{fault:?}");
        let content = layer("low", 1, SIZE);
        assert_eq!(broken.scene.file_of(&broken.name, "low"), content[512..512 + SIZE], "{fault:?}");
        if resumed {
            let asked = broken.bytes_asked(0);
            assert!(asked.len() == 2 && asked[1] <= asked[0] - 140_000, "the rest only: {asked:?}");
        }
        broken.scene.assert_sound();
    }
}

#[test]
fn a_byte_that_is_another_fails_the_pull_and_leaves_nothing() {
    let broken = Broken::new("corrupted");
    broken.proxy.fail("GET", &broken.image.blob_path(1), 9, Fault::Corrupt(SIZE / 2));
    let said = broken.scene.fails(["pull", "-q", QUICKLY, &broken.name]);
    assert!(said.contains(&broken.name) && said.contains("corrupt"), "{said}");
    assert_eq!(broken.scene.names(), [].into());
    broken.scene.assert_sound();
    // As soon as the registry is well, so is the image.
    let well = broken.registry.address.clone();
    assert_eq!(broken.scene.ok(["pull", "-q", "--tls-verify=false", &format!("{well}/app:1")]), broken.image.id);
    broken.scene.assert_sound();
}

#[test]
fn what_came_before_a_registry_was_gone_is_not_asked_for_again() {
    let broken = Broken::new("gone");
    broken.proxy.fail("GET", &broken.image.blob_path(1), 1, Fault::Stall(200_000, Duration::from_secs(1)));
    broken.proxy.fail("GET", &broken.image.blob_path(1), 99, Fault::Status(502, None));
    let said = broken.scene.fails(["pull", "-q", "--retry=1", QUICKLY, &broken.name]);
    assert!(said.contains(&broken.name), "{said}");
    assert_eq!(broken.scene.names(), [].into());
    assert_eq!(broken.scene.layers().len(), 1, "the whole layer is kept for the next attempt");
    broken.scene.assert_sound();
    let other = FaultProxy::start(&broken.registry.address);
    let name = format!("{}/app:1", other.address);
    assert_eq!(broken.scene.ok(["pull", "-q", "--tls-verify=false", &name]), broken.image.id);
    assert_eq!(other.seen("GET", &broken.image.blob_path(0)).len(), 0, "it is here");
    assert_eq!(other.seen("GET", &broken.image.blob_path(1)).len(), 1);
    broken.scene.assert_sound();
}

#[test]
fn a_registry_that_dies_in_the_middle_is_a_clear_error() {
    let mut broken = Broken::new("dies");
    broken.proxy.fail("GET", &broken.image.blob_path(1), 1, Fault::Stall(1000, Duration::from_millis(300)));
    let mut command = broken.scene.command(["pull", "-q", "--retry=2", QUICKLY, &broken.name]);
    let child = command.spawn().unwrap();
    crate::common::eventually("the layer is asked for", Duration::from_secs(10), || {
        !broken.proxy.seen("GET", &broken.image.blob_path(1)).is_empty()
    });
    broken.registry.stop();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains(&broken.name) && said.contains("caused by"), "{said}");
    assert_eq!(broken.scene.names(), [].into());
    broken.registry.resume();
    assert_eq!(broken.scene.ok(["pull", "-q", &broken.name]), broken.image.id);
    broken.scene.assert_sound();
}
