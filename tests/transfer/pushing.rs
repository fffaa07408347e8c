//! Images to a registry, and back into an empty root.

use crate::common::fault_proxy::{Fault, FaultProxy};
use crate::common::registry::{Registry, Setup};
use crate::recipe::{DOCKER, OCI, Packing, Recipe, layer};
use crate::scene::{Scene, creds};
use podkin::image::registry::{Fetched, Which};
use serde_json::Value;
use std::process::Command;

fn manifest(registry: &Registry, repository: &str) -> Fetched {
    registry.repository(repository).manifest(&Which::Tag("1".into())).expect("it was pushed")
}

fn document(fetched: &Fetched) -> Value {
    serde_json::from_slice(&fetched.bytes).expect("a manifest is JSON")
}

/// All of an image's tree that an archive can hold, names in order. The root itself is nothing that layers speak of.
fn tree(scene: &Scene, image: &str) -> Vec<u8> {
    let mounted = scene.ok(["image", "mount", image]);
    let mut names: Vec<_> = std::fs::read_dir(&mounted).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let tar = Command::new("tar")
        .args(["--sort=name", "--numeric-owner", "--xattrs", "--format=pax", "--pax-option=delete=atime,delete=ctime"])
        .args(["-cf", "-", "-C", &mounted])
        .args(names)
        .output()
        .expect("tar is installed");
    scene.ok(["image", "unmount", image]);
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    tar.stdout
}

#[test]
fn a_pulled_image_keeps_its_digest_and_its_layers_are_taken_over() {
    let registry = Registry::start(Setup::default());
    let proxy = FaultProxy::start(&registry.address);
    let scene = Scene::new("push-again", &[&proxy.address]);
    for (docker, packing) in [(false, Packing::Gzip), (true, Packing::Gzip), (false, Packing::Zstd)] {
        let from = format!("from-{docker}-{packing:?}").to_lowercase();
        let mut recipe = Recipe::new(&[&layer("a", 1, 200_000), &layer("b", 2, 100)], packing);
        recipe.docker = docker;
        let parts = recipe.push(&registry, &from, "1");
        let (name, to) = (format!("{}/{from}:1", proxy.address), format!("{}/to/{from}:1", proxy.address));
        scene.ok(["pull", "-q", &name]);
        let file = scene.env.base.join("digest");
        scene.ok(["push", "-q", "--digestfile", file.to_str().unwrap(), &name, &to]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), parts.digest().to_string(), "{from}");
        let pushed = manifest(&registry, &format!("to/{from}"));
        assert_eq!((&pushed.digest, &pushed.bytes), (&parts.digest(), &parts.manifest), "byte for byte");
        let sent = proxy.seen("PATCH", &format!("/v2/to/{from}/")).len();
        // The configuration is small; layers are mounted.
        assert!(sent <= 1, "{from}: {sent} blobs were sent");
        scene.ok(["rmi", "-a", "-f"]);
    }
}

#[test]
fn what_was_made_here_is_pushed_and_comes_back_the_same() {
    let registry = Registry::start(Setup { tls: true, password: true });
    let (here, there) = (Scene::new("push", &[]), Scene::new("push-back", &[]));
    for scene in [&here, &there] {
        scene.trust(&registry.address, &registry.directory.join("ca.crt"));
    }
    let files = here.env.base.join("files");
    let fill = "mkdir -p d/sub 'with space' && echo text >d/file && chmod 4750 d/file && ln d/file d/hard && ln -s /d/file link && \
                touch -d @1000000000 d/sub && chown 1234:567 d/sub && mknod null c 1 3 && head -c 300000 /dev/urandom >noise \
                && truncate -s 1M sparse";
    let made = Command::new("sh").arg("-ec").arg(fill).current_dir(&files).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    rustix::fs::setxattr(files.join("d/file"), "user.note", b"kept", rustix::fs::XattrFlags::empty()).unwrap();
    let archive = here.env.base.join("files.tar");
    let tar = ["--xattrs", "--format=pax", "-cf", archive.to_str().unwrap(), "-C", files.to_str().unwrap(), "."];
    assert!(Command::new("tar").args(tar).status().expect("tar is installed").success());
    here.ok(["import", "-c", "CMD [\"/d/file\"]", archive.to_str().unwrap(), "made:1"]);
    let id = here.ok(["inspect", "--format", "{{.Id}}", "made:1"]);
    let before = tree(&here, "made:1");
    for (number, options) in [
        &[][..],
        &["--format=v2s2"],
        &["--format=oci", "--compression-format=zstd", "--force-compression"],
        &["--compression-format=zstd", "--compression-level=9", "--force-compression"],
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("{}/made{number}:1", registry.address);
        let access = ["push", "-q", "--creds", &creds()].map(str::to_owned);
        let arguments = access.iter().map(String::as_str).chain(options.iter().copied()).chain(["made:1", &to]);
        here.ok(arguments);
        let fetched = manifest(&registry, &format!("made{number}"));
        let media_type = document(&fetched)["layers"][0]["mediaType"].as_str().unwrap().to_owned();
        let docker = options.contains(&"--format=v2s2");
        assert_eq!(document(&fetched)["mediaType"], if docker { DOCKER } else { OCI });
        assert_eq!(media_type.ends_with("zstd"), options.contains(&"--force-compression"), "{media_type}");
        assert_eq!(there.ok(["pull", "-q", "--creds", &creds(), &to]), id, "{options:?}");
        assert!(tree(&there, &to) == before, "{options:?}: the tree is another");
        there.ok(["rmi", "-a", "-f"]);
    }
    let said = here.fails(["push", "-q", "made:1", &format!("{}/made:1", registry.address)]);
    assert!(said.contains("podkin login"), "{said}");
    assert!(here.fails(["push", "-q", "none:1", &format!("{}/none:1", registry.address)]).contains("none:1"));
    let zstd = ["push", "-q", "--format=v2s2", "--compression-format=zstd", "--force-compression", "made:1"];
    let said = here.fails(zstd.into_iter().chain([format!("{}/made:1", registry.address).as_str()]));
    assert!(said.contains("zstd"), "{said}");
}

#[test]
fn a_push_survives_a_broken_connection() {
    let registry = Registry::start(Setup::default());
    let there = Scene::new("push-broken-back", &[&registry.address]);
    for (number, (method, path, fault)) in [
        ("POST", "/blobs/uploads", Fault::Status(503, None)),
        ("PATCH", "/blobs/uploads", Fault::CutRequest(50_000)),
        ("PATCH", "/blobs/uploads", Fault::LoseAnswer),
        ("PUT", "/blobs/uploads", Fault::LoseAnswer),
        ("PUT", "/manifests/", Fault::Status(500, None)),
    ]
    .into_iter()
    .enumerate()
    {
        let proxy = FaultProxy::start(&registry.address);
        let scene = Scene::new("push-broken", &[&proxy.address]);
        let archive = scene.env.base.join("layer.tar");
        std::fs::write(&archive, layer("file", 50 + number as u64, 400_000)).unwrap();
        let id = scene.ok(["import", archive.to_str().unwrap(), "made:1"]);
        let id = id.trim_start_matches("sha256:").to_owned();
        proxy.fail(method, path, 1, fault.clone());
        let to = format!("{}/broken{number}:1", proxy.address);
        scene.ok(["push", "-q", "--retry-delay=5ms", "made:1", &to]);
        let back = format!("{}/broken{number}:1", registry.address);
        assert_eq!(there.ok(["pull", "-q", &back]), id, "{method} {fault:?}");
        // Once more: everything is there.
        let before = proxy.seen("PATCH", "/blobs/").len();
        scene.ok(["push", "-q", "made:1", &to]);
        assert_eq!(proxy.seen("PATCH", "/blobs/").len(), before, "{method} {fault:?}");
    }
}
