//! Images and volumes by the command line: killed at any step (R1), many at once (R6), archives from files and pipes.

mod common;

use common::TestEnv;
use podkin::image::archive::writer::{ImageToWrite, LayerFile, header, write_docker_archive};
use podkin::image::config::ConfigDocument;
use podkin::image::platform::host_architecture;
use podkin::{image, storage};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

/// A docker-archive of an image with one layer a word of `layers`; equal words give equal layers.
fn archive(env: &TestEnv, name: &str, layers: &str) -> PathBuf {
    let build = |word: &str| {
        let content = vec![word.as_bytes()[0]; 300_000];
        LayerFile::build(&env.base, |builder| {
            let mut header = header(tar::EntryType::Regular, content.len() as u64, 0o644);
            builder.append_data(&mut header, word, &content[..])
        })
    };
    let image = ImageToWrite {
        names: vec![format!("localhost/{name}:latest")],
        config: ConfigDocument { os: "linux".into(), architecture: host_architecture().into(), ..Default::default() },
        layers: layers.split(' ').map(|word| build(word).unwrap()).collect(),
    };
    let path = env.base.join(format!("{name}.tar"));
    write_docker_archive(fs::File::create(&path).unwrap(), vec![image]).unwrap();
    path
}

/// Entries of the directory of layers.
fn layers(env: &TestEnv) -> BTreeSet<String> {
    let entries = fs::read_dir(env.root.join("layers")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Runs a command that is to die at a failpoint, the `pass`th time it comes there; false when it did not.
fn killed_at(env: &TestEnv, point: &str, pass: usize, arguments: &[&str]) -> bool {
    let mut command = env.command(arguments);
    let skip = if pass > 1 { format!("{}*off->", pass - 1) } else { String::new() };
    command.env("PODKIN_FAILPOINTS", format!("{point}={skip}kill"));
    env.finish(command).code() == 137
}

#[test]
fn a_killed_load_is_forgotten_or_complete() {
    let mut passed = 0;
    for point in image::store::FAILPOINTS {
        for pass in 1..4 {
            let env = TestEnv::new("kill-load");
            let (base, more) = (archive(&env, "base", "a"), archive(&env, "more", "a b c"));
            let more = more.to_str().unwrap();
            env.ok(["load", "-q", "-i", base.to_str().unwrap()]);
            let before = layers(&env);
            if !killed_at(&env, point, pass, &["load", "-q", "-i", more]) {
                continue;
            }
            passed += 1;
            let names = env.ok(["images", "--format", "{{.Repository}}"]);
            assert_eq!(names.trim(), "localhost/base", "{point} {pass}");
            // Any command that changes images takes away what is left; a failed one does, too.
            env.run(["rmi", "nothing"]);
            env.ok(["image", "prune", "-f"]);
            assert_eq!(layers(&env), before, "{point} {pass}");
            env.ok(["load", "-q", "-i", more]);
            assert_eq!(layers(&env).len(), 3, "{point} {pass}");
            env.ok(["image", "exists", "more"]);
        }
    }
    assert!(passed >= 6, "a load passes {passed} points only");
}

#[test]
fn a_killed_import_and_a_killed_removal_leave_nothing() {
    let mut passed = 0;
    for point in image::store::FAILPOINTS {
        let env = TestEnv::new("kill-import");
        let files = archive(&env, "files", "a");
        let files = files.to_str().unwrap();
        if killed_at(&env, point, 1, &["import", files, "imported"]) {
            passed += 1;
            env.ok(["image", "prune", "-f"]);
            assert_eq!(layers(&env), BTreeSet::new(), "{point}");
            env.ok(["import", files, "imported"]);
        }
        if killed_at(&env, point, 1, &["rmi", "imported"]) {
            passed += 1;
            assert_eq!(env.ok(["images", "-q"]), "", "{point}");
            env.ok(["image", "prune", "-f"]);
            assert_eq!(layers(&env), BTreeSet::new(), "{point}");
        }
    }
    assert!(passed >= 5, "import and removal pass {passed} points only");
}

#[test]
fn a_killed_command_on_volumes_loses_nothing_and_leaves_nothing() {
    let mut passed = 0;
    for point in storage::FAILPOINTS {
        let env = TestEnv::new("kill-volume");
        if killed_at(&env, point, 1, &["volume", "create", "data"]) {
            passed += 1;
            assert_eq!(env.ok(["volume", "ls", "-q"]), "", "{point}");
        }
        env.ok(["volume", "create", "--ignore", "data"]);
        fs::write(env.root.join("volumes/data/_data/file"), "kept").unwrap();
        if killed_at(&env, point, 1, &["volume", "rm", "data"]) {
            passed += 1;
            let listed = env.ok(["volume", "ls", "-q"]);
            env.ok(["system", "check"]);
            let file = env.root.join("volumes/data/_data/file");
            // Either nothing was decided and all is there, or it is gone without a trace.
            assert_eq!(file.exists(), listed.trim() == "data", "{point}");
            let entries: Vec<_> =
                fs::read_dir(env.root.join("volumes")).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert!(entries.iter().all(|name| name == "data"), "{point}: {entries:?}");
        }
    }
    assert!(passed >= 3, "volumes pass {passed} points only");
}

#[test]
fn a_play_whose_image_is_removed_meanwhile_makes_no_broken_pod() {
    let env = TestEnv::new("vanished");
    let base = archive(&env, "base", "a");
    env.ok(["load", "-q", "-i", base.to_str().unwrap()]);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - {name: c, image: localhost/base:latest, command: [/a]}\n";
    let file = env.file("web.yaml", pod);
    // It has found its image, and has not recorded its pod yet.
    let mut play = env.command(["kube", "play", "--start=false", file.to_str().unwrap()]);
    play.env("PODKIN_FAILPOINTS", "engine.play.networks=sleep(1500)");
    play.env("PODKIN_FAILPOINT_TRACE", env.base.join("trace"));
    let playing = play.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let there = || fs::read_to_string(env.base.join("trace")).is_ok_and(|trace| trace.contains("engine.play.networks"));
    common::eventually("the play finds its image", std::time::Duration::from_secs(10), there);
    env.ok(["rmi", "base"]);
    let played = playing.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&played.stderr).into_owned();
    assert_eq!(played.status.code(), Some(125), "{said}");
    assert!(said.contains("`localhost/base:latest` was removed by another command"), "{said}");
    assert_eq!(env.ok(["pod", "ps", "-q"]), "");
    env.assert_clean();
}

#[test]
fn many_commands_at_once_share_layers_and_fail_on_no_lock() {
    let env = TestEnv::new("many-loads");
    let paths: Vec<PathBuf> = (0..4).map(|n| archive(&env, &format!("image{n}"), &format!("a b c{n}"))).collect();
    std::thread::scope(|scope| {
        for round in 0..24 {
            let (path, env) = (&paths[round % 4], env.command(["load", "-q", "-i"]));
            let mut command = env;
            command.arg(path);
            scope.spawn(move || {
                let output = command.output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            });
        }
    });
    assert_eq!(layers(&env).len(), 2 + 4);
    // Removing and loading the same image against each other ends with one of the two.
    std::thread::scope(|scope| {
        for round in 0..16 {
            let arguments: &[&str] = if round % 2 == 0 {
                &["load", "-q", "-i", paths[0].to_str().unwrap()]
            } else {
                &["rmi", "-f", "image0"]
            };
            let mut command = env.command(arguments);
            scope.spawn(move || {
                let output = command.output().unwrap();
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success() || text.contains("image0"), "{text}");
            });
        }
    });
    env.ok(["image", "prune", "-f"]);
    let present = env.run(["image", "exists", "image0"]).code() == 0;
    assert_eq!(layers(&env).len(), if present { 6 } else { 5 });
    let check = env.ok(["system", "check"]);
    assert!(!check.contains("layer"), "{check}");
}

#[test]
fn archives_are_read_from_files_and_pipes_in_any_compression() {
    let env = TestEnv::new("archives");
    let path = archive(&env, "base", "a b");
    let list =
        std::process::Command::new("tar").args(["-tf", path.to_str().unwrap()]).output().expect("tar is installed");
    let names = String::from_utf8(list.stdout).unwrap();
    assert!(
        names.contains("manifest.json") && names.lines().filter(|name| name.ends_with(".tar")).count() == 2,
        "{names}"
    );
    let loaded = env.ok(["load", "-i", path.to_str().unwrap()]);
    assert_eq!(loaded.trim(), "Loaded image: localhost/base:latest");
    let packed = env.base.join("base.tar.gz");
    let status = std::process::Command::new("gzip").arg("-k").arg(&path).status().expect("gzip is installed");
    assert!(status.success());
    env.ok(["rmi", "base"]);
    env.ok(["load", "-q", "-i", packed.to_str().unwrap()]);
    let mut piped = env.command(["load", "-q"]);
    piped.stdin(fs::File::open(&packed).unwrap());
    let ran = env.finish(piped);
    assert!(ran.status.success(), "{}", ran.stderr);
}

#[test]
fn a_short_name_means_here_what_it_means_to_registries() {
    let env = TestEnv::new("short");
    let path = archive(&env, "app", "a");
    env.ok(["load", "-q", "-i", path.to_str().unwrap()]);
    env.ok(["tag", "localhost/app", "registry.test/team/app:latest"]);
    let conf = env.file("registries.conf", "unqualified-search-registries = ['other.test', 'registry.test']\n");
    let ask = |arguments: &[&str]| {
        let mut command = env.command(arguments);
        command.env("CONTAINERS_REGISTRIES_CONF", &conf);
        env.finish(command).code()
    };
    for command in [&["image", "exists"][..], &["history"], &["image", "inspect"], &["image", "tree"]] {
        assert_eq!(ask(&[command, &["team/app"]].concat()), 0, "{command:?}");
        assert_ne!(ask(&[command, &["team/none"]].concat()), 0, "{command:?}");
    }
    assert_eq!(env.run(["image", "exists", "team/app"]).code(), 1, "without the configuration it means another one");
    assert_eq!(ask(&["rmi", "team/app"]), 0);
}

#[test]
fn what_is_done_to_images_is_in_the_event_log() {
    let env = TestEnv::new("events");
    let path = archive(&env, "base", "a b");
    let path = path.to_str().unwrap();
    env.ok(["load", "-q", "-i", path]);
    env.ok(["tag", "base", "other:2"]);
    env.ok(["untag", "base", "other:2"]);
    env.ok(["image", "mount", "base"]);
    env.ok(["image", "unmount", "base"]);
    env.ok(["rmi", "base"]);
    env.ok(["import", "-q", path, "imported"]);
    env.ok(["image", "prune", "-a", "-f"]);
    let said = env.ok(["events", "--stream=false", "--format", "{{.Type}} {{.Status}} {{.Name}}"]);
    let lines: Vec<&str> = said.lines().collect();
    let (base, other) = ("localhost/base:latest", "localhost/other:2");
    let wanted = [
        format!("image load {base}"),
        format!("image tag {other}"),
        format!("image untag {other}"),
        format!("image mount {base}"),
        format!("image unmount {base}"),
        format!("image untag {base}"),
        format!("image remove {base}"),
        "image import localhost/imported:latest".to_owned(),
    ];
    assert_eq!(lines[..wanted.len()], wanted);
    assert!(lines.len() == wanted.len() + 1 && lines[wanted.len()].starts_with("image remove "), "{said}");
}

/// An OCI layout of the demo image's layer, compressed as asked, below an index that has another platform too.
fn oci_layout(env: &TestEnv, name: &str, compression: &str) -> PathBuf {
    use std::io::Write;
    let directory = env.base.join(name);
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = image::Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        (digest.to_string(), bytes.len())
    };
    let plain = fs::read(concat!(env!("OUT_DIR"), "/demo-layer.tar")).unwrap();
    let (suffix, layer) = match compression {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&plain).unwrap();
            ("+gzip", encoder.finish().unwrap())
        }
        "zstd" => ("+zstd", zstd::encode_all(&plain[..], 1).unwrap()),
        _ => ("", plain.clone()),
    };
    let (layer_digest, layer_size) = put(&layer);
    let config = serde_json::json!({
        "os": "linux", "architecture": host_architecture(),
        "config": {"Entrypoint": ["/podkin-demo"], "Cmd": ["echo", name]},
        "rootfs": {"type": "layers", "diff_ids": [image::Digest::of(&plain).to_string()]},
    });
    let (config_digest, config_size) = put(config.to_string().as_bytes());
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config_size},
        "layers": [{
            "mediaType": format!("application/vnd.oci.image.layer.v1.tar{suffix}"),
            "digest": layer_digest, "size": layer_size,
        }],
    });
    let (manifest_digest, manifest_size) = put(manifest.to_string().as_bytes());
    let media = "application/vnd.oci.image.manifest.v1+json";
    let other = format!("sha256:{}", "0".repeat(64));
    let inner = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {"mediaType": media, "digest": other, "size": 7, "platform": {"os": "linux", "architecture": "s390x"}},
            {"mediaType": media, "digest": manifest_digest, "size": manifest_size,
             "platform": {"os": "linux", "architecture": host_architecture()}},
        ],
    });
    let (index_digest, index_size) = put(inner.to_string().as_bytes());
    let index = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.index.v1+json", "digest": index_digest, "size": index_size,
            "annotations": {"org.opencontainers.image.ref.name": format!("localhost/{name}:v1")},
        }],
    });
    fs::write(directory.join("index.json"), index.to_string()).unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    directory
}

#[test]
fn oci_layouts_are_loaded_and_run() {
    let env = TestEnv::new("oci");
    for compression in ["plain", "gzip", "zstd"] {
        let directory = oci_layout(&env, compression, compression);
        let path = if compression == "gzip" {
            let packed = env.base.join("layout.tar");
            let (packed_name, from) = (packed.to_str().unwrap(), directory.to_str().unwrap());
            let tar = std::process::Command::new("tar").args(["-cf", packed_name, "-C", from, "."]).status();
            assert!(tar.expect("tar is installed").success());
            packed
        } else {
            directory
        };
        let loaded = env.ok(["load", "-i", path.to_str().unwrap()]);
        assert_eq!(loaded.trim(), format!("Loaded image: localhost/{compression}:v1"));
        let quietly = env.run(["load", "-q", "-i", path.to_str().unwrap()]);
        assert_eq!((quietly.stdout, quietly.stderr), (loaded, String::new()));
        if common::can_run_containers() {
            let yaml = format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {compression}}}\nspec:\n  restartPolicy: Never\n  \
                 containers: [{{name: c, image: \"localhost/{compression}:v1\"}}]\n"
            );
            let file = env.file(&format!("{compression}.yaml"), &yaml);
            env.ok(["kube", "play", "-q", file.to_str().unwrap()]);
            env.ok(["wait", &format!("{compression}-c")]);
            assert_eq!(env.ok(["logs", &format!("{compression}-c")]), format!("{compression}\n"));
        }
    }
    assert_eq!(layers(&env).len(), 1, "all three are one layer");
    env.ok(["tag", "localhost/gzip:v1", "localhost/other:v2"]);
    assert_eq!(env.ok(["images", "-q", "other"]).lines().count(), 1);
    env.ok(["untag", "localhost/other:v2"]);
    env.fails(1, ["image", "exists", "localhost/other:v2"]);
    let said = env.fails(2, ["rmi", "localhost/zstd:v1"]);
    assert!(said.contains("is used by"), "{said}");
    // One name of several is only a name, also by force.
    env.ok(["tag", "localhost/zstd:v1", "localhost/other:v3"]);
    assert_eq!(env.ok(["rmi", "--force", "localhost/other:v3"]), "Untagged: localhost/other:v3\n");
    assert_eq!(env.run(["container", "exists", "zstd-c"]).code(), 0, "its pod stays");
    let removed = env.run(["rmi", "--force", "localhost/zstd:v1"]);
    assert!(removed.stderr.contains("pod zstd: removed"), "{}", removed.stderr);
}
