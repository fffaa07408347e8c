//! What is said while images are transferred.

use crate::common::registry::{Registry, Setup};
use crate::recipe::{Packing, Recipe, layer};
use crate::scene::Scene;
use serde_json::Value;
use std::collections::BTreeMap;

#[test]
fn lines_stay_json_adds_up_and_quiet_is_quiet() {
    let registry = Registry::start(Setup::default());
    let scene = Scene::new("progress", &[&registry.address]);
    let layers = [layer("a", 1, 900_000), layer("b", 2, 3000)];
    let image = Recipe::new(&[&layers[0], &layers[1]], Packing::Gzip).push(&registry, "app", "1");
    let name = format!("{}/app:1", registry.address);
    let ran = scene.run(["pull", &name]);
    assert_eq!(ran.stdout, format!("{}\n", image.id));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.first(), Some(&format!("pulling {name}").as_str()));
    assert_eq!(lines.last(), Some(&format!("{name}: done").as_str()));
    assert_eq!(lines.iter().filter(|line| line.contains(": layer ") && line.contains(" done, ")).count(), 2);
    assert!(!ran.stderr.contains('\x1b'), "no terminal, no bars");
    let again = scene.run(["pull", "--progress", "plain", &name]);
    assert_eq!(again.stderr.matches("is there already").count(), 2, "{}", again.stderr);
    scene.ok(["rmi", "-a", "-f"]);
    let ran = scene.run(["pull", "--progress", "json", &name]);
    assert_eq!(ran.stdout, format!("{}\n", image.id));
    let events: Vec<Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let mut sizes: BTreeMap<String, (u64, u64, bool)> = BTreeMap::new();
    for event in &events {
        assert_eq!(event["image"], name.as_str());
        let Some(layer) = event["layer"].as_str() else { continue };
        let (total, current, done) = sizes.entry(layer.to_owned()).or_default();
        match event["status"].as_str().unwrap() {
            "started" => *total = event["total"].as_u64().unwrap(),
            "progress" => {
                let now = event["current"].as_u64().unwrap();
                assert!(now >= *current, "bytes never go back: {event}");
                *current = now;
            }
            "done" => *done = true,
            other => panic!("{other}: {event}"),
        }
    }
    let mut totals: Vec<u64> = image.layers.iter().map(|blob| blob.len() as u64).collect();
    totals.sort();
    let mut seen: Vec<u64> = sizes.values().map(|(total, ..)| *total).collect();
    seen.sort();
    assert_eq!(seen, totals);
    assert!(sizes.values().all(|(total, current, done)| total == current && *done), "{sizes:?}");
    assert_eq!(
        events.last().map(|event| (&event["status"], &event["id"])),
        Some((&"done".into(), &image.id.as_str().into()))
    );
    for quiet in [["--quiet", "--progress=json"], ["--progress=quiet", "--tls-verify=false"]] {
        scene.ok(["rmi", "-a", "-f"]);
        let ran = scene.run(["pull", quiet[0], quiet[1], &name]);
        assert_eq!((ran.stdout, ran.stderr), (format!("{}\n", image.id), String::new()));
    }
    let to = format!("{}/sent:1", registry.address);
    assert_eq!(scene.run(["push", "-q", &name, &to]).stderr, "");
    let ran = scene.run(["push", "--force-compression", "--compression-format=zstd", "--progress=json", &name, &to]);
    let events: Vec<Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(events.last().map(|event| &event["status"]), Some(&"done".into()), "{}", ran.stderr);
    // All that was started is ended, to its last byte.
    let mut left: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &events {
        match (event["layer"].as_str(), event["status"].as_str()) {
            (Some(layer), Some("started")) => drop(left.insert(layer, event["total"].as_u64().unwrap())),
            (Some(layer), Some("progress")) => {
                assert!(event["current"].as_u64().unwrap() <= left[layer], "{event} of {left:?}");
            }
            (Some(layer), Some("done")) => drop(left.remove(layer)),
            _ => {}
        }
    }
    assert!(left.is_empty(), "{left:?}");
}
