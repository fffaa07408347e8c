//! Images on their way out: to archives and back, to lists of manifests, and what registries have.

#[path = "../common/mod.rs"]
mod common;
mod lists;
mod save;
mod search;

use common::TestEnv;
use common::registry::Registry;
use podkin::image::archive::writer::{ImageToWrite, LayerFile, header, write_docker_archive};
use podkin::image::config::ConfigDocument;
use podkin::image::platform::host_architecture;
use std::path::PathBuf;

/// An archive of an image with a layer for each word: a file of that name with something in it that no other has.
fn archive(env: &TestEnv, name: &str, layers: &str, architecture: &str) -> PathBuf {
    let build = |word: &str| {
        let content = word.repeat(60_000);
        LayerFile::build(&env.base, |builder| {
            let mut header = header(tar::EntryType::Regular, content.len() as u64, 0o644);
            builder.append_data(&mut header, word, content.as_bytes())
        })
    };
    let image = ImageToWrite {
        names: vec![name.to_owned()],
        config: ConfigDocument { os: "linux".into(), architecture: architecture.into(), ..Default::default() },
        layers: layers.split(' ').map(|word| build(word).unwrap()).collect(),
    };
    let path = env.base.join(format!("{}.in.tar", name.replace(['/', ':'], "-")));
    write_docker_archive(std::fs::File::create(&path).unwrap(), vec![image]).unwrap();
    path
}

/// Brings an image here; its id.
fn load(env: &TestEnv, name: &str, layers: &str) -> String {
    load_for(env, name, layers, host_architecture())
}

fn load_for(env: &TestEnv, name: &str, layers: &str, architecture: &str) -> String {
    let path = archive(env, name, layers, architecture);
    env.ok(["load", "-q", "-i", path.to_str().unwrap()]);
    id(env, name)
}

fn id(env: &TestEnv, name: &str) -> String {
    env.ok(["image", "inspect", "--format", "{{.Id}}", name]).trim().to_owned()
}

/// Layers of an image, lowest first.
fn layers(env: &TestEnv, name: &str) -> serde_json::Value {
    let inspected: serde_json::Value = serde_json::from_str(&env.ok(["image", "inspect", name])).unwrap();
    inspected[0]["RootFS"]["Layers"].clone()
}

fn at(registry: &Registry, name: &str) -> String {
    format!("{}/{name}", registry.address)
}
