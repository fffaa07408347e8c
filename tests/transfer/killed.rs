//! R1 and R3: a pull that is killed anywhere leaves what the next command understands.

use crate::common::registry::{Registry, Setup};
use crate::recipe::{Packing, Recipe, layer};
use crate::scene::Scene;
use podkin::image::store::FAILPOINTS;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_killed_pull_is_completed_by_the_next() {
    let registry = Registry::start(Setup::default());
    let base = [layer("low", 1, 50_000)];
    let image = Recipe::new(&[&base[0], &layer("middle", 2, 50_000), &layer("high", 3, 50_000)], Packing::Gzip);
    Recipe::new(&[&base[0]], Packing::Gzip).push(&registry, "base", "1");
    let id = image.push(&registry, "app", "1").id;
    let passed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for point in FAILPOINTS {
            let (registry, passed, id) = (&registry, &passed, &id);
            scope.spawn(move || {
                for pass in 0..3 {
                    passed.fetch_add(usize::from(killed(registry, id, point, pass)), Ordering::Relaxed);
                }
            });
        }
    });
    let passed = passed.into_inner();
    assert!(passed >= 6, "a pull passes {passed} points only");
}

/// Kills a pull when it comes to a point after `pass` others; false when it does not.
fn killed(registry: &Registry, id: &str, point: &str, pass: usize) -> bool {
    let scene = Scene::new("killed", &[&registry.address]);
    let (base, name) = (format!("{}/base:1", registry.address), format!("{}/app:1", registry.address));
    scene.ok(["pull", "-q", &base]);
    let mut command = scene.command(["pull", "-q", &name]);
    let skip = if pass > 0 { format!("{pass}*off->") } else { String::new() };
    command.env("PODKIN_FAILPOINTS", format!("{point}={skip}kill"));
    let ran = scene.env.finish(command);
    if ran.code() != 137 {
        assert_eq!(ran.code(), 0, "{point} {pass}: {}", ran.stderr);
        return false;
    }
    assert_eq!(scene.names(), [base.clone()].into(), "{point} {pass}: nothing is visible before it is whole");
    assert_eq!(scene.file_of(&base, "low").len(), 50_000);
    assert_eq!(scene.ok(["pull", "-q", &name]), id, "{point} {pass}");
    scene.assert_sound();
    assert_eq!(scene.layers().len(), 3, "{point} {pass}");
    assert_eq!(scene.file_of(&name, "high").len(), 50_000, "{point} {pass}");
    true
}
