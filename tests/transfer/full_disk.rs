//! R2: a root on a disk that is too small.

use crate::common::can_run_containers;
use crate::common::registry::{Registry, Setup};
use crate::recipe::{Packing, Recipe, layer};
use crate::scene::Scene;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small disk at a place, for as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path, size: &str) -> Self {
        std::fs::create_dir_all(path).expect("the base is writable");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(path).status();
        assert!(status.expect("mount is installed").success());
        Self(path.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_pull_that_does_not_fit_says_so_and_costs_nothing() {
    if !can_run_containers() {
        return;
    }
    let registry = Registry::start(Setup::default());
    let scene = Scene::new("full-disk", &[&registry.address]);
    let _disk = SmallDisk::mount(&scene.env.root, "size=12m");
    let image = |name: &str, seed, sizes: &[usize]| {
        let layers: Vec<Vec<u8>> = sizes.iter().zip(seed..).map(|(size, seed)| layer("file", seed, *size)).collect();
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        Recipe::new(&layers, Packing::Gzip).push(&registry, name, "1");
        format!("{}/{name}:1", registry.address)
    };
    let small = image("small", 1, &[1_000_000]);
    let second = image("second", 2, &[1_000_000]);
    let large = image("large", 10, &[500_000, 30_000_000, 500_001]);
    scene.ok(["pull", "-q", &small, &second]);
    let before = scene.layers();
    let ran = scene.run(["pull", "-q", &large]);
    assert_eq!(ran.code(), 125, "{}", ran.stderr);
    let root = scene.env.root.display().to_string();
    assert!(ran.stderr.contains("no space left on the file system of") && ran.stderr.contains(&root), "{}", ran.stderr);
    assert_eq!(scene.names(), [small.clone(), second.clone()].into());
    assert_eq!(scene.file_of(&small, "file").len(), 1_000_000);
    scene.assert_sound();
    scene.ok(["image", "prune", "-f"]);
    assert_eq!(scene.layers(), before);
    // Not a byte is left now.
    let filler = scene.env.root.join("filler");
    let _ = std::fs::write(&filler, vec![1; 16 << 20]);
    assert_eq!(scene.run(["pull", "-q", &large]).code(), 125);
    scene.ok(["images"]);
    scene.ok(["image", "prune", "-f"]);
    scene.ok(["rmi", &second]);
    assert_eq!(scene.names(), [small.clone()].into());
    assert_eq!(scene.layers().len(), 1);
    std::fs::remove_file(&filler).unwrap();
    scene.ok(["pull", "-q", &second]);
    scene.assert_sound();
}
