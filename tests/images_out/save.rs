//! Archives: what is saved is what is loaded.

use crate::common::TestEnv;
use crate::{id, layers, load};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

/// Names of the files in a tar.
fn members(path: &Path) -> Vec<String> {
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let entries = archive.entries().unwrap();
    entries.map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().to_owned()).collect()
}

/// What lies in a directory.
fn entries(path: &Path) -> BTreeSet<String> {
    fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_form_comes_back_as_it_was() {
    let env = TestEnv::new("save-forms");
    let one = load(&env, "localhost/one:1", "a b c");
    env.ok(["tag", "one:1", "quay.io/team/one:2"]);
    let was = layers(&env, "one:1");
    let forms: [(&str, &[&str], bool); 6] = [
        ("docker-archive", &[], true),
        ("oci-archive", &[], true),
        ("oci-archive", &["--uncompressed"], true),
        ("oci-dir", &[], true),
        ("docker-dir", &[], false),
        ("docker-dir", &["--compress"], false),
    ];
    for (number, (format, options, has_names)) in forms.into_iter().enumerate() {
        let path = env.base.join(format!("saved-{number}"));
        let mut command = vec!["save", "-q", "--format", format, "-o", path.to_str().unwrap()];
        command.extend(options);
        env.ok([&command[..], &["one:1", "quay.io/team/one:2"]].concat());
        let other = TestEnv::new("save-other");
        other.ok(["load", "-q", "-i", path.to_str().unwrap()]);
        assert_eq!(id(&other, &one), one, "{format} {options:?}");
        assert_eq!(layers(&other, &one), was, "{format} {options:?}");
        let names = other.ok(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        let names: BTreeSet<&str> = names.lines().collect();
        let expected = if has_names { vec!["localhost/one:1", "quay.io/team/one:2"] } else { vec!["<none>:<none>"] };
        assert_eq!(names, expected.into_iter().collect(), "{format} {options:?}");
    }
    // Given by its id it has no name, and an uncompressed layout keeps the digest of the manifest.
    let path = env.base.join("by-id");
    env.ok(["image", "save", "-q", "--uncompressed", "--format", "oci-archive", "-o", path.to_str().unwrap(), &one]);
    let other = TestEnv::new("save-by-id");
    let said = other.ok(["load", "-i", path.to_str().unwrap()]);
    assert_eq!(said, format!("Loaded image: sha256:{one}\n"));
    let digest = |env: &TestEnv| env.ok(["image", "inspect", "--format", "{{.Digest}}", &one]);
    assert_eq!(digest(&other), digest(&env));
}

#[test]
fn images_share_their_layers_and_the_same_images_give_the_same_bytes() {
    let env = TestEnv::new("save-shared");
    let (one, two) = (load(&env, "localhost/one:1", "a b"), load(&env, "localhost/two:1", "a b c"));
    for (format, files) in [("docker-archive", 3 + 2 + 1), ("oci-archive", 3 + 2 + 2 + 2)] {
        let path = env.base.join(format);
        env.ok(["save", "-m", "-q", "--format", format, "-o", path.to_str().unwrap(), "one:1", "two:1"]);
        let names = members(&path);
        assert_eq!(names.len(), files, "{names:?}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), files, "{names:?}");
        let again = env.base.join("again");
        let mut command = env.command(["save", "-q", "--format", format, "one:1", "two:1"]);
        command.stdout(Stdio::from(fs::File::create(&again).unwrap()));
        assert_eq!(env.finish(command).code(), 0);
        assert!(fs::read(&path).unwrap() == fs::read(&again).unwrap(), "{format}");
        let other = TestEnv::new("save-both");
        other.ok(["load", "-q", "-i", path.to_str().unwrap()]);
        assert_eq!((id(&other, "one:1"), id(&other, "two:1")), (one.clone(), two.clone()), "{format}");
        // Without names, too.
        let path = env.base.join(format!("{format}-ids"));
        env.ok(["save", "-q", "--format", format, "-o", path.to_str().unwrap(), &one, &two]);
        let other = TestEnv::new("save-ids");
        other.ok(["load", "-q", "-i", path.to_str().unwrap()]);
        assert_eq!(other.ok(["images", "-q"]).lines().count(), 2, "{format}");
    }
}

#[test]
fn nothing_is_left_of_what_was_not_finished() {
    let env = TestEnv::new("save-broken");
    load(&env, "localhost/one:1", "a b");
    let place = env.base.join("place");
    fs::create_dir(&place).unwrap();
    let (file, directory) = (place.join("one.tar"), place.join("one"));
    fs::write(&file, "what was there").unwrap();
    // A layer that lost a file cannot be written again.
    let chain = layers(&env, "one:1")[0].as_str().unwrap()["sha256:".len()..].to_owned();
    let lost = env.root.join("layers").join(chain).join("diff/a");
    let content = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    for (format, path) in [("docker-archive", &file), ("oci-archive", &file), ("oci-dir", &directory)] {
        let ran = env.run(["save", "-q", "--format", format, "-o", path.to_str().unwrap(), "one:1"]);
        assert_eq!(ran.code(), 125, "{format}");
        assert!(ran.stderr.contains("cannot save to"), "{}", ran.stderr);
        assert_eq!(entries(&place), ["one.tar".to_owned()].into(), "{format}");
        assert_eq!(fs::read(&file).unwrap(), b"what was there", "{format}");
    }
    fs::write(&lost, content).unwrap();
    let full = env.run(["save", "-q", "-o", "/dev/full", "one:1"]);
    assert!(full.code() == 125 && full.stderr.contains("No space left on device"), "{}", full.stderr);
    assert!(!full.stderr.contains("cannot make the archive"), "{}", full.stderr);
    env.ok(["save", "-q", "-o", file.to_str().unwrap(), "one:1"]);
    assert!(members(&file).contains(&"manifest.json".to_owned()));
    // A directory that holds something is left alone, an empty one is filled.
    fs::create_dir(&directory).unwrap();
    env.ok(["save", "-q", "--format", "oci-dir", "-o", directory.to_str().unwrap(), "one:1"]);
    let was = entries(&directory);
    let ran = env.run(["save", "-q", "--format", "docker-dir", "-o", directory.to_str().unwrap(), "one:1"]);
    assert!(ran.code() == 125 && ran.stderr.contains("is not empty"), "{}", ran.stderr);
    assert_eq!(entries(&directory), was);
}

#[test]
fn a_pipe_is_written_to_and_a_terminal_is_not() {
    let env = TestEnv::new("save-pipe");
    load(&env, "localhost/one:1", "a");
    let ran = env.run(["save", "--format", "oci-dir", "one:1"]);
    assert!(ran.code() == 2 && ran.stderr.contains("--output"), "{}", ran.stderr);
    let ran = env.run(["save", "-q", "-o", env.base.join("x").to_str().unwrap(), "nothing"]);
    assert!(ran.code() == 125 && ran.stderr.contains("no image `nothing`"), "{}", ran.stderr);
    let ran = env.run(["save", "--compress", "one:1"]);
    assert!(ran.code() == 2 && ran.stderr.contains("docker-dir"), "{}", ran.stderr);
    let fifo = env.base.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut child = env.command(["save", "-q", "-o", fifo.to_str().unwrap(), "one:1"]).spawn().unwrap();
    let mut bytes = Vec::new();
    fs::File::open(&fifo).unwrap().read_to_end(&mut bytes).unwrap();
    assert!(child.wait().unwrap().success());
    let direct = env.base.join("direct");
    env.ok(["save", "-q", "-o", direct.to_str().unwrap(), "one:1"]);
    assert!(bytes == fs::read(&direct).unwrap());
    // A link is followed, and stays: `/dev/stdout` is one.
    let (target, link) = (env.base.join("target"), env.base.join("link"));
    fs::write(&target, "longer than nothing").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    env.ok(["save", "-q", "-o", link.to_str().unwrap(), "one:1"]);
    assert!(link.is_symlink() && bytes == fs::read(&target).unwrap());
}

#[test]
fn push_to_an_archive_is_save() {
    let env = TestEnv::new("push-archive");
    let one = load(&env, "localhost/one:1", "a b");
    let place = |name: &str| env.base.join(name).display().to_string();
    for (transport, name, expected) in [
        ("docker-archive", ":quay.io/x/y:3", "quay.io/x/y:3"),
        ("oci-archive", "", "localhost/one:1"),
        ("oci", ":short", "localhost/short:latest"),
        ("dir", "", "<none>:<none>"),
    ] {
        let path = place(transport);
        env.ok(["push", "-q", "one:1", &format!("{transport}:{path}{name}")]);
        let other = TestEnv::new("push-archive-other");
        assert_eq!(other.ok(["pull", "-q", &format!("{transport}:{path}")]).trim(), one, "{transport}");
        assert_eq!(other.ok(["images", "--format", "{{.Repository}}:{{.Tag}}"]).trim(), expected, "{transport}");
    }
    for bad in ["docker-daemon:one:1", "ostree:one@/x"] {
        let ran = env.run(["push", "one:1", bad]);
        assert!(ran.code() == 2 && ran.stderr.contains("is no place for images"), "{}", ran.stderr);
    }
    let ran = env.run(["push", "--digestfile", "x", "one:1", "dir:y"]);
    assert!(ran.code() == 2 && ran.stderr.contains("`--digestfile` is for registries only"), "{}", ran.stderr);
}
