//! Images and volumes by the command line: killed at any step (R1), many at once (R6), archives from files and pipes.

mod common;

use common::TestEnv;
use podkin::image::archive::writer::{ImageToWrite, LayerFile, header, write_docker_archive};
use podkin::image::config::{ConfigDocument, host_architecture};
use podkin::{image, storage};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

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
