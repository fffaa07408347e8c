//! Pulling from a registry on loopback, cold and with all layers there, and what many layers cost a container.

use super::engine::{Engine, Scratch, text};
use super::registry::{MANIFEST, Registry, Setup};
use super::report::Report;
use super::{IDLE, write_manifest};
use flate2::write::GzEncoder;
use podkin::image::Digest;
use podkin::image::platform::host_architecture;
use podkin::image::registry::Which;
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes of the one large layer, uncompressed.
const LARGE: usize = 300 << 20;
const SMALL_LAYERS: usize = 40;
/// Files in each small layer, and bytes of each file.
const SMALL_FILES: usize = 20;
const SMALL_FILE: usize = 40_000;

pub fn measure(report: &mut Report, engines: &[&Engine], scratch: &Scratch, runs: usize) {
    if !Path::new("/usr/bin/docker-registry").exists() {
        println!("bench: docker-registry is not installed (apt-get install docker-registry): images are not measured");
        return;
    }
    let registry = Registry::start(Setup::default());
    push(&registry, "bench/large", &[large_layer()]);
    let small: Vec<Vec<u8>> = (0..SMALL_LAYERS).map(small_layer).collect();
    push(&registry, "bench/small", &small);
    for (name, title, runs) in [("large", "1 layer of 300 MB", runs / 3 + 1), ("small", "40 small layers", runs)] {
        let image = format!("{}/bench/{name}:1", registry.address);
        pull(report, engines, scratch, &image, title, runs);
    }
    let demo = fs::read(super::LAYER).expect("the build made it");
    let filler = |number: usize| tar_of(&[(format!("filler-{number}"), vec![0; 10])]);
    for count in [1, 100] {
        let layers: Vec<Vec<u8>> = std::iter::once(demo.clone()).chain((1..count).map(filler)).collect();
        push(&registry, &format!("bench/layers-{count}"), &layers);
    }
    layers(report, engines, scratch, &registry, runs);
}

fn pull(report: &mut Report, engines: &[&Engine], scratch: &Scratch, image: &str, title: &str, runs: usize) {
    let arguments = ["pull", "-q", "--tls-verify=false", image];
    for run in 0..=runs {
        for engine in engines {
            engine.timed(&["rmi", "-a", "-f"]);
            let (cold, peak) = watched(engine, &arguments);
            let warm = engine.timed(&arguments);
            if run > 0 {
                report.add(&format!("pull, {title}"), "ms", engine.name, cold);
                report.add(&format!("pull, {title}, all there"), "ms", engine.name, warm);
                report.add(&format!("peak memory of pull, {title}"), "MiB", engine.name, peak);
            }
        }
        if let Some(time) = skopeo(scratch, image)
            && run > 0
        {
            report.add(&format!("pull, {title}"), "ms", "skopeo", time);
        }
    }
}

/// skopeo into a store of its own; `None` where it is not installed.
fn skopeo(scratch: &Scratch, image: &str) -> Option<f64> {
    let (root, run) = (scratch.path("skopeo-root"), scratch.path("run/skopeo"));
    let store = format!("containers-storage:[overlay@{}+{}]{image}", text(&root), text(&run));
    let begin = Instant::now();
    let mut command = Command::new("skopeo");
    command.args(["copy", "-q", "--insecure-policy", "--src-tls-verify=false", &format!("docker://{image}"), &store]);
    let output = command.output().ok()?;
    let time = begin.elapsed().as_secs_f64() * 1000.0;
    assert!(output.status.success(), "skopeo: {}", String::from_utf8_lossy(&output.stderr));
    let _ = Command::new("umount").arg(root.join("overlay")).stderr(Stdio::null()).status();
    fs::remove_dir_all(&root).expect("its store can be removed");
    Some(time)
}

/// Runs a command; milliseconds, and the largest resident set seen, in MiB.
fn watched(engine: &Engine, arguments: &[&str]) -> (f64, f64) {
    let begin = Instant::now();
    let mut child = engine.command(arguments).spawn().expect("the engine runs");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        // The kernel keeps the maximum: only what comes in the last moment is missed.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = value.unwrap_or(0u64).max(peak);
        if let Some(ended) = child.try_wait().expect("it is our child") {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let time = begin.elapsed().as_secs_f64() * 1000.0;
    let mut said = String::new();
    let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
    assert!(ended.success(), "{} {arguments:?}: {said}", engine.name);
    (time, peak as f64 / 1024.0)
}

/// Starts of a container of an image of one layer and of one with a hundred.
fn layers(report: &mut Report, engines: &[&Engine], scratch: &Scratch, registry: &Registry, runs: usize) {
    let image = |count: usize| format!("{}/bench/layers-{count}:1", registry.address);
    for engine in engines {
        for count in [1, 100] {
            engine.timed(&["pull", "-q", "--tls-verify=false", &image(count)]);
        }
    }
    for run in 0..=runs {
        for count in [1, 100] {
            let yaml = super::manifest(1, 1, IDLE).replace(super::IMAGE, &image(count));
            let file = write_manifest(scratch, "layers.yaml", &yaml);
            for engine in engines {
                let up = engine.timed(&["kube", "play", &file]);
                engine.timed(&["kube", "down", &file]);
                engine.settle();
                if run > 0 {
                    report.add(&format!("play, image of {count} layers"), "ms", engine.name, up);
                }
            }
        }
    }
}

/// Puts an image into the registry, its layers compressed.
fn push(registry: &Registry, repository: &str, layers: &[Vec<u8>]) {
    let descriptor = |kind: &str, content: &[u8]| {
        let digest = registry.push_blob(repository, content);
        json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": content.len() })
    };
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = json!({
        "os": "linux", "architecture": host_architecture(), "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let packed = layers.iter().map(|layer| descriptor("layer.v1.tar+gzip", &gzip(layer)));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "layers": packed.collect::<Vec<_>>(),
        "config": descriptor("config.v1+json", config.to_string().as_bytes()),
    });
    let manifest = manifest.to_string().into_bytes();
    let which = Which::Tag("1".to_owned());
    registry.repository(repository).put_manifest(&which, MANIFEST, &manifest).expect("a manifest is taken");
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// Programs and libraries of this machine, as images have them, until there are enough bytes.
fn large_layer() -> Vec<u8> {
    let mut files = Vec::new();
    let mut left = LARGE;
    let mut pending = vec![Path::new("/usr/lib").to_owned(), Path::new("/usr/bin").to_owned()];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Ok(metadata) = path.symlink_metadata() else { continue };
            if metadata.is_dir() {
                pending.push(path);
            } else if metadata.is_file() && left > 0 {
                let mut content = fs::read(&path).unwrap_or_default();
                content.truncate(left);
                left -= content.len();
                files.push((text(&path)[1..].to_owned(), content));
            }
        }
    }
    // A machine with less than that gets what it has again.
    let known = files.len();
    for copy in 0.. {
        if left == 0 || known == 0 {
            break;
        }
        let (name, content) = &files[copy % known];
        let mut content = content.clone();
        content.truncate(left);
        left -= content.len();
        files.push((format!("{copy}/{name}"), content));
    }
    tar_of(&files)
}

fn small_layer(number: usize) -> Vec<u8> {
    let content = |file: usize| -> Vec<u8> {
        let mut state = (number * SMALL_FILES + file) as u32 | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        // Half of it can be compressed.
        (0..SMALL_FILE).map(|at| if at % 2 == 0 { b'a' } else { next() as u8 }).collect()
    };
    let files: Vec<_> = (0..SMALL_FILES).map(|file| (format!("srv/{number}/{file}"), content(file))).collect();
    tar_of(&files)
}

fn tar_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = podkin::image::archive::writer::header(tar::EntryType::Regular, content.len() as u64, 0o755);
        builder.append_data(&mut header, name, &content[..]).expect("memory can be written");
    }
    builder.into_inner().expect("memory can be written")
}
