//! What can be seen of images and of containers' files: history, tree, filters, mounts, differences, exports, sizes; and how images go.

mod common;

use common::{TestEnv, can_run_containers};
use podkin::image::archive::writer::{ImageToWrite, LayerFile, header, write_docker_archive};
use podkin::image::config::{ConfigDocument, History};
use podkin::image::platform::host_architecture;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Files of a layer: path and content; a path that ends with a slash is a directory.
type Files<'a> = &'a [(&'a str, &'a [u8])];

/// Loads an image of these layers; a layer without files is a step that made none.
fn load(env: &TestEnv, name: &str, layers: &[Files<'_>]) {
    let step = |(number, files): (usize, &Files<'_>)| History {
        created: Some(format!("2026-01-0{}T00:00:00Z", number % 9 + 1)),
        created_by: Some(format!("step {number}")),
        empty_layer: files.is_empty(),
        ..History::default()
    };
    let mut config = ConfigDocument {
        os: "linux".into(),
        architecture: host_architecture().into(),
        created: Some(format!("2026-01-0{}T00:00:00Z", layers.len() % 10)),
        history: layers.iter().enumerate().map(step).collect(),
        ..ConfigDocument::default()
    };
    config.config.labels.insert("layers".into(), layers.len().to_string());
    let made = layers.iter().filter(|files| !files.is_empty()).map(|files| layer(env, files));
    let image = ImageToWrite { names: vec![format!("localhost/{name}")], config, layers: made.collect() };
    let path = env.base.join("image.tar");
    write_docker_archive(fs::File::create(&path).unwrap(), vec![image]).unwrap();
    env.ok(["load", "-q", "-i", path.to_str().unwrap()]);
}

fn layer(env: &TestEnv, files: Files<'_>) -> LayerFile {
    LayerFile::build(&env.base, |builder| {
        for (path, content) in files {
            let (kind, mode) = match path.ends_with('/') {
                true => (tar::EntryType::Directory, 0o755),
                false => (tar::EntryType::Regular, 0o755),
            };
            builder.append_data(&mut header(kind, content.len() as u64, mode), path, *content)?;
        }
        Ok(())
    })
    .unwrap()
}

const BASE: [Files<'static>; 2] = [&[("bin/", b""), ("bin/a", b"a"), ("etc/x", b"x")], &[("b", b"b")]];

/// Two images, one made from the other by a step with a layer and one without.
fn family(name: &str) -> TestEnv {
    let env = TestEnv::new(name);
    load(&env, "base:1", &BASE);
    load(&env, "child:1", &[BASE[0], BASE[1], &[("c", b"c")], &[]]);
    env
}

fn id(env: &TestEnv, name: &str) -> String {
    env.ok(["image", "inspect", "-f", "{{.Id}}", name]).trim().to_owned()
}

#[test]
fn history_knows_the_images_that_steps_made() {
    let env = family("history");
    load(&env, "middle:1", &[BASE[0], BASE[1], &[("c", b"c")]]);
    let (base, middle, child) = (id(&env, "base:1"), id(&env, "middle:1"), id(&env, "child:1"));
    let short = |id: &str| id[..12].to_owned();
    let ids = env.ok(["history", "-q", "child:1"]);
    assert_eq!(
        ids.lines().collect::<Vec<_>>(),
        [&short(&child), &short(&middle), &short(&base), "<missing>"],
        "newest first"
    );
    let text = env.ok(["image", "history", "--human=false", "child:1"]);
    let header = "ID            CREATED               CREATED BY  SIZE        COMMENT";
    assert_eq!(text.lines().next().unwrap(), header);
    assert!(text.lines().nth(1).unwrap().contains("2026-01-04T00:00:00Z  step 3      0  "), "{text}");
    let json: serde_json::Value = serde_json::from_str(&env.ok(["history", "--format", "json", "child:1"])).unwrap();
    assert_eq!(json[2]["tags"][0], "localhost/base:1");
    assert_eq!((&json[0]["id"], &json[3]["id"]), (&child.clone().into(), &"<missing>".into()));
    let row = env.ok(["history", "--no-trunc", "--format", "{{.ID}} {{.CreatedBy}}", "base:1"]);
    assert_eq!(row, format!("{base} step 1\n<missing> step 0\n"));
    let parent = env.ok(["image", "inspect", "-f", "{{.Parent}}", "child:1"]);
    assert_eq!(parent.trim(), middle);
    env.fails(125, ["history", "nothing"]);
}

#[test]
fn tree_draws_what_is_below_and_what_is_above() {
    let env = family("tree");
    let below = env.ok(["image", "tree", "child:1"]);
    let lines: Vec<&str> = below.lines().collect();
    assert_eq!(lines[1], "Tags:     [localhost/child:1]");
    assert_eq!(lines[3], "Image Layers");
    assert!(lines[4].starts_with("├── ID: ") && lines[5].ends_with("Top Layer of: [localhost/base:1]"), "{below}");
    assert!(lines[6].starts_with("└── ID: ") && lines[6].ends_with("Top Layer of: [localhost/child:1]"), "{below}");
    let above = env.ok(["image", "tree", "--whatrequires", "base:1"]);
    let lines: Vec<&str> = above.lines().skip(4).collect();
    assert!(lines[0].starts_with("└── ID: ") && lines[0].ends_with("[localhost/base:1]"), "{above}");
    assert!(lines[1].starts_with("    └── ID: ") && lines[1].ends_with("[localhost/child:1]"), "{above}");
}

#[test]
fn every_filter_of_images_chooses() {
    let env = family("filters");
    load(&env, "other:1", &[&[("o", b"o")], &[], &[], &[], &[]]);
    let digest = env.ok(["image", "inspect", "-f", "{{.Digest}}", "base:1"]);
    let by_digest = format!("digest={}*", &digest[..20]);
    let by_id = format!("id!={}", &id(&env, "base:1")[..10]);
    let named = |filters: &[&str]| -> BTreeSet<String> {
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        let text = env.ok(["images", "--format", "{{.Repository}}"].into_iter().chain(filters));
        text.lines().map(|line| line.replace("localhost/", "")).collect()
    };
    let cases: [(&[&str], &str); 18] = [
        (&["before=child:1"], "base"),
        (&["since=base:1"], "child other"),
        (&["after=child:1"], "other"),
        (&["until=2026-01-03T00:00:00Z"], "base"),
        (&["label=layers=2"], "base"),
        (&["label!=layers=2"], "child other"),
        (&[by_digest.as_str()], "base"),
        (&[by_id.as_str()], "child other"),
        (&["reference=*hil*"], "child"),
        (&["reference=localhost/[a-c]*:1"], "base child"),
        (&["reference!=base", "reference!=other:1"], "child"),
        (&["reference=base", "reference=other"], "base other"),
        (&["dangling=true"], ""),
        (&["intermediate=true"], ""),
        (&["containers=true"], ""),
        (&["readonly=true"], ""),
        (&["manifest=false"], "base child other"),
        (&["dangling=false", "since=base:1", "before=other:1"], "child"),
    ];
    for (filters, wanted) in cases {
        let wanted: BTreeSet<String> = wanted.split_whitespace().map(str::to_owned).collect();
        assert_eq!(named(filters), wanted, "{filters:?}");
    }
    load(&env, "next:1", &[BASE[0], BASE[1], &[("c", b"c")]]);
    env.ok(["untag", "base:1"]);
    assert_eq!(env.ok(["images", "-q"]).lines().count(), 3, "what only stands between is not shown");
    assert_eq!(env.ok(["images", "-q", "-a"]).lines().count(), 4);
    assert_eq!(env.ok(["images", "-q", "--filter", "intermediate=true"]).lines().count(), 1);
    for wrong in ["colour=red", "before=nothing", "dangling=maybe", "until=soon", "id"] {
        assert_ne!(env.run(["images", "--filter", wrong]).code(), 0, "{wrong}");
    }
}

#[test]
fn a_mounted_image_can_be_read_and_is_in_use() {
    if !can_run_containers() {
        return;
    }
    let env = family("mount");
    let path = PathBuf::from(env.ok(["image", "mount", "child:1"]).trim());
    assert_eq!(fs::read(path.join("bin/a")).unwrap(), b"a");
    assert_eq!(fs::write(path.join("new"), "").unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    assert_eq!(env.ok(["image", "mount"]).trim(), format!("localhost/child:1  {}", path.display()));
    let json: serde_json::Value = serde_json::from_str(&env.ok(["image", "mount", "--format", "json"])).unwrap();
    assert_eq!(json[0]["mountpoint"], path.to_str().unwrap());
    env.fails(2, ["rmi", "child:1"]);
    env.ok(["image", "prune", "-a", "-f"]);
    assert_eq!(env.ok(["images", "-n", "--format", "{{.Repository}}"]), "localhost/child\n", "base is not mounted");
    // Twice mounted is twice unmounted.
    env.ok(["image", "mount", "child:1"]);
    env.ok(["image", "unmount", "child:1"]);
    assert!(path.join("c").exists());
    assert_eq!(env.ok(["system", "check"]), "");
    env.ok(["image", "umount", "child:1"]);
    assert!(!path.exists());
    env.fails(125, ["image", "unmount", "child:1"]);
    // A mount that somebody took away by hand leaves no lie, and a mount point that check finds.
    env.ok(["image", "mount", "child:1"]);
    podkin::sys::mount::unmount(&path).unwrap();
    assert_eq!(env.ok(["image", "mount"]), "");
    let checked = env.run(["system", "check"]);
    assert_eq!(checked.code(), 1);
    assert!(checked.stdout.contains("mount point without a mount"), "{}", checked.stdout);
    env.ok(["system", "check", "--repair"]);
    assert!(!path.exists());
    env.ok(["image", "mount", "--all"]);
    env.ok(["rmi", "-f", "child:1"]);
    assert!(!path.exists());
    load(&env, "one:1", &[&[("f", b"f"), (".wh.gone", b"")]]);
    let path = PathBuf::from(env.ok(["image", "mount", "one:1"]).trim());
    let names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["f"], "a single layer is an overlay, too");
    env.ok(["system", "reset", "-f"]);
    assert!(!path.exists() && !podkin::sys::mount::points().unwrap().iter().any(|point| point.starts_with(&env.run)));
}

#[test]
fn a_root_with_a_long_path_holds_images_and_containers() {
    if !can_run_containers() {
        return;
    }
    let mut env = TestEnv::new("long");
    // Longer than a value of fsconfig(2) may be, and short enough for the sockets below the other directory.
    env.root = env.base.join("x".repeat(200)).join("y".repeat(200));
    load(&env, "many:1", &[&[("a", b"a")], &[("b", b"b")], &[("c", b"c")]]);
    let path = PathBuf::from(env.ok(["image", "mount", "many:1"]).trim());
    assert_eq!(fs::read_dir(&path).unwrap().count(), 3);
    env.ok(["image", "unmount", "many:1"]);
    sleeper(&env, "web", "podkin-demo", "");
    env.ok(["pod", "rm", "-f", "web"]);
}

#[test]
fn an_image_differs_from_what_is_below_it() {
    if !can_run_containers() {
        return;
    }
    let env = family("diff");
    let top: Files<'_> =
        &[("bin/new", b"n"), ("bin/.wh.a", b""), ("b", b"changed"), ("etc/", b""), ("etc/.wh..wh..opq", b"")];
    load(&env, "changed:1", &[BASE[0], BASE[1], top]);
    let wanted = "C /b\nC /bin\nD /bin/a\nA /bin/new\nC /etc\nD /etc/x\n";
    assert_eq!(env.ok(["image", "diff", "changed:1"]), wanted);
    assert_eq!(env.ok(["diff", "changed:1"]), wanted);
    assert_eq!(env.ok(["image", "diff", "changed:1", "base:1"]), wanted);
    assert_eq!(env.ok(["diff", "child:1", "base:1"]), "A /c\n");
    assert_eq!(env.ok(["diff", "base:1", "child:1"]), "D /c\n");
    let json: serde_json::Value =
        serde_json::from_str(&env.ok(["image", "diff", "--format", "json", "changed:1"])).unwrap();
    assert_eq!(json["deleted"], serde_json::json!(["/bin/a", "/etc/x"]));
    load(&env, "one:1", &BASE[..1]);
    assert_eq!(env.ok(["image", "diff", "one:1"]), "A /bin\nA /bin/a\nA /etc\nA /etc/x\n", "nothing is below");
    env.fails(125, ["image", "diff", "nothing"]);
}

#[test]
fn rmi_ends_as_podman_documents() {
    let env = family("rmi");
    env.fails(1, ["rmi", "nothing"]);
    env.fails(1, ["rmi", "nothing", "neither"]);
    assert_eq!(env.ok(["rmi", "--ignore", "nothing"]), "");
    env.ok(["tag", "child:1", "child:2"]);
    env.fails(125, ["rmi", &id(&env, "child:1")]);
    env.ok(["untag", "base:1"]);
    // A parent without a name goes with its last child, unless it is to stay.
    let removed = env.ok(["rmi", "child:1", "child:2"]);
    assert_eq!(removed.matches("Untagged:").count(), 2);
    assert_eq!(removed.matches("Deleted:").count(), 1, "the step between has no image here: {removed}");
    load(&env, "next:1", &[BASE[0], BASE[1], &[("c", b"c")]]);
    assert_eq!(env.ok(["rmi", "--no-prune", "next:1"]).matches("Deleted:").count(), 1);
    load(&env, "next:1", &[BASE[0], BASE[1], &[("c", b"c")]]);
    assert_eq!(env.ok(["rmi", "next:1"]).matches("Deleted:").count(), 2);
    load(&env, "base:1", &BASE);
    load(&env, "other:1", &[&[("o", b"o")], &[], &[], &[]]);
    env.ok(["image", "prune", "-a", "-f", "--filter", "label=layers=4"]);
    assert_eq!(env.ok(["images", "-n", "--format", "{{.Repository}}"]), "localhost/base\n");
    env.ok(["tag", "base:1", "base:2"]);
    assert_eq!(env.ok(["rmi", "--all"]).matches("Untagged:").count(), 2);
    assert_eq!(env.ok(["images", "-q", "-a"]), "");
}

/// A pod of the embedded image that sleeps.
fn sleeper(env: &TestEnv, pod: &str, image: &str, more: &str) {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}}}\nspec:\n  hostNetwork: true\n  \
         terminationGracePeriodSeconds: 0\n  containers:\n  \
         - {{name: c, image: localhost/{image}, command: [/podkin-demo, sleep, forever]{more}}}\n"
    );
    let file = env.file(&format!("{pod}.yaml"), &text);
    env.ok(["kube", "play", "--quiet", file.to_str().unwrap()]);
}

#[test]
fn what_a_container_wrote_is_shown_exported_and_counted() {
    if !can_run_containers() {
        return;
    }
    let env = TestEnv::new("container-files");
    sleeper(&env, "web", "podkin-demo", "");
    for command in [&["touch", "/new"][..], &["mkdir", "/dir"], &["touch", "/dir/f"], &["touch", "/etc/more"]] {
        let program = ["exec", "web-c", "/podkin-demo"];
        env.ok(program.iter().chain(command));
    }
    let upper = fs::read_dir(env.root.join("containers")).unwrap().next().unwrap().unwrap().path().join("upper");
    fs::hard_link(upper.join("new"), upper.join("linked")).unwrap();
    let value = rustix::fs::setxattr(upper.join("new"), "user.colour", b"red", rustix::fs::XattrFlags::empty());
    value.expect("the file system of the temporary directory has extended attributes");
    let diff = env.ok(["diff", "web-c"]);
    for line in ["A /dir", "A /dir/f", "A /etc/more", "A /new", "A /linked"] {
        assert!(diff.lines().any(|found| found == line), "{line}: {diff}");
    }
    assert!(!diff.contains("/proc") && !diff.contains("/etc/hosts"), "{diff}");
    assert_eq!(env.ok(["container", "diff", "web-c", "web-c"]), "");

    let archive = env.base.join("export.tar");
    env.ok(["export", "-o", archive.to_str().unwrap(), "web-c"]);
    let entries = entries(&archive);
    let named =
        |name: &str| entries.iter().find(|entry| entry.0 == name).unwrap_or_else(|| panic!("{name}: {entries:?}"));
    assert_eq!(named("dir/").1, tar::EntryType::Directory);
    assert_eq!(named("proc/").1, tar::EntryType::Directory);
    assert_eq!(named("etc/mtab").1, tar::EntryType::Symlink);
    assert!(!entries.iter().any(|entry| entry.0.starts_with("proc/") && entry.0 != "proc/"), "mounts are left out");
    let linked = [named("linked"), named("new")].map(|entry| entry.1);
    assert_eq!(linked, [tar::EntryType::Regular, tar::EntryType::Link]);
    assert_eq!(named("linked").2, ["SCHILY.xattr.user.colour=red"]);
    env.ok(["import", archive.to_str().unwrap(), "again:1"]);
    let path = PathBuf::from(env.ok(["image", "mount", "again:1"]).trim());
    assert!(path.join("dir/f").exists() && path.join("podkin-demo").exists());
    env.ok(["image", "unmount", "again:1"]);

    let df: serde_json::Value = serde_json::from_str(&env.ok(["system", "df", "--format", "json"])).unwrap();
    assert_eq!((&df[0]["Type"], &df[0]["Total"], &df[0]["Active"]), (&"Images".into(), &2.into(), &1.into()));
    assert_eq!((&df[1]["Type"], &df[1]["Total"], &df[1]["Active"]), (&"Containers".into(), &1.into(), &1.into()));
    assert!(df[0]["RawReclaimable"].as_u64().unwrap() < df[0]["RawSize"].as_u64().unwrap());
    let details = env.ok(["system", "df", "-v"]);
    assert!(details.contains("UNIQUE SIZE") && details.contains("web-c") && details.contains("VOLUME NAME"));
    env.fails(2, ["rmi", "podkin-demo"]);
    env.fails(2, ["rmi", "--all"]);
    env.ok(["pod", "kill", "web"]);
    assert!(env.ok(["diff", "web-c"]).contains("A /new\n"), "of a container that does not run");
    env.fails(125, ["export", "nothing"]);
    env.ok(["pod", "rm", "-f", "web"]);
}

/// Name, kind and PAX records of each entry.
fn entries(path: &Path) -> Vec<(String, tar::EntryType, Vec<String>)> {
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let records: Vec<String> = match entry.pax_extensions().unwrap() {
            Some(records) => records
                .map(|record| record.unwrap())
                .map(|record| format!("{}={}", record.key().unwrap(), record.value().unwrap()))
                .collect(),
            None => Vec::new(),
        };
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert_eq!(content.len() as u64, entry.size());
        found.push((name, entry.header().entry_type(), records));
    }
    found
}

#[test]
fn a_container_starts_on_a_hundred_layers_as_fast_as_on_one() {
    if !can_run_containers() {
        return;
    }
    let env = TestEnv::new("many-layers");
    sleeper(&env, "first", "podkin-demo", "");
    let demo = fs::read(Path::new(env.ok(["image", "mount", "podkin-demo"]).trim()).join("podkin-demo")).unwrap();
    env.ok(["image", "unmount", "podkin-demo"]);
    env.ok(["pod", "rm", "-f", "first"]);
    let names: Vec<String> = (0..500).map(|number| format!("file{number}")).collect();
    let program = [("podkin-demo", &demo[..])];
    let files: Vec<[(&str, &[u8]); 1]> = names.iter().map(|name| [(name.as_str(), &b"x"[..])]).collect();
    for count in [1, 100, 500] {
        let mut layers: Vec<Files<'_>> = vec![&program];
        layers.extend(files[1..count].iter().map(|files| &files[..]));
        load(&env, &format!("layers{count}:1"), &layers);
    }
    let start = |count: usize| {
        let begin = Instant::now();
        sleeper(&env, "web", &format!("layers{count}:1"), "");
        let taken = begin.elapsed();
        env.ok(["pod", "rm", "-f", "web"]);
        taken
    };
    let least = |count: usize| -> Duration { (0..5).map(|_| start(count)).min().unwrap() };
    let (one, hundred) = (least(1), least(100));
    // The bare mount costs the kernel some microseconds a layer; what is asked is what a user waits for.
    assert!(hundred < one * 2, "one layer: {one:?}, a hundred: {hundred:?}");
    // With the layer of podkin's own, more than one overlay takes.
    start(500);
}
