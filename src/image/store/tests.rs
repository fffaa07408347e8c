use super::super::archive::writer::{ImageToWrite, LayerFile, header, write_docker_archive};
use super::super::config::{ConfigDocument, Descriptor, RootFs};
use super::super::demo::{DEMO_IMAGE, ID};
use super::super::digest::Digest;
use super::super::error::ImageError;
use super::super::layer::Expected;
use super::super::platform::host_architecture;
use super::super::transfer::{Again, Change, ImageSource, Incoming, LayerSource, OpenLayer};
use super::super::{ImageStore, Input};
use super::{Depth, ImportOptions, ProblemKind, Removal};
use crate::store::{Database, layout::Layout};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A root of its own, removed at the end.
struct Root {
    layout: Layout,
    database: Database,
}

impl Root {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("podkin-images-{}-{number}", std::process::id()));
        let layout = Layout::new(path.join("root"), path.join("run"));
        Self { database: Database::open(&layout).unwrap(), layout }
    }

    fn images(&mut self) -> ImageStore<'_> {
        ImageStore::new(&self.layout, &mut self.database)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.layout.root.parent().unwrap().join(name)
    }

    /// Names in the directory of layers, without those of locks.
    fn layers(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.layout.layers()).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// An archive of one image with a layer for each list of files.
    fn archive(&self, name: &str, names: &[&str], layers: &[&[(&str, &str)]]) -> PathBuf {
        let build = |files: &&[(&str, &str)]| {
            LayerFile::build(&self.layout.root, |builder| {
                for (path, content) in *files {
                    let mut header = header(tar::EntryType::Regular, content.len() as u64, 0o644);
                    builder.append_data(&mut header, path, content.as_bytes())?;
                }
                Ok(())
            })
        };
        let config = ConfigDocument {
            architecture: host_architecture().into(),
            os: "linux".into(),
            created: Some("2026-01-02T03:04:05Z".into()),
            ..ConfigDocument::default()
        };
        let image = ImageToWrite {
            names: names.iter().map(|n| n.to_string()).collect(),
            config,
            layers: layers.iter().map(|l| build(l).unwrap()).collect(),
        };
        let path = self.path(name);
        write_docker_archive(std::fs::File::create(&path).unwrap(), vec![image]).unwrap();
        path
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = crate::sys::dir::remove_tree(self.layout.root.parent().unwrap());
    }
}

#[test]
fn the_demo_image_is_loaded_once() {
    let mut root = Root::new();
    assert!(root.images().ensure_demo().unwrap());
    assert!(!root.images().ensure_demo().unwrap());
    let record = root.images().to_record("podkin-demo").unwrap();
    assert_eq!((record.reference.as_str(), record.id.as_str()), (DEMO_IMAGE, ID));
    assert_eq!(record.config.entrypoint, ["/podkin-demo"]);
    let diff = root.layout.layer_diff(&record.layers[0]);
    let output = std::process::Command::new(diff.join("podkin-demo")).args(["echo", "works"]).output().unwrap();
    assert_eq!(output.stdout, b"works\n");
    // Of another version, or the user's own: only the first is replaced.
    let archive = root.archive("own.tar", &["localhost/own:1"], &[&[("a", "1")]]);
    root.images().load(Input::Path(&archive), "own.tar").unwrap();
    root.images().tag("own:1", "podkin-demo").unwrap();
    assert!(!root.images().ensure_demo().unwrap());
    root.images().untag("podkin-demo", &["podkin-demo".into()]).unwrap();
    assert!(root.images().ensure_demo().unwrap());
    // Cut short by a power failure.
    std::fs::write(diff.join("podkin-demo"), "").unwrap();
    assert!(root.images().ensure_demo().unwrap());
    assert!(!root.images().ensure_demo().unwrap());
}

#[test]
fn names_ids_and_digests_find_an_image() {
    let mut root = Root::new();
    let archive =
        root.archive("a.tar", &["docker.io/library/web:1", "quay.io/x/web:2"], &[&[("a", "1")], &[("b", "2")]]);
    let loaded = root.images().load(Input::Path(&archive), "a.tar").unwrap();
    let id = loaded[0].id.clone();
    let images = root.images();
    let digest = images.inspect(&id).unwrap().digest;
    for text in [
        "web:1",
        "docker.io/library/web:1",
        "quay.io/x/web:2",
        &id,
        &id[..8],
        &format!("sha256:{id}"),
        &digest,
        &format!("quay.io/x/web@{digest}"),
    ] {
        assert_eq!(images.find(text).unwrap().id, id, "{text}");
    }
    for text in ["web", "web:2", "quay.io/x/web:1", "localhost/web:1", "ffffffffff"] {
        assert!(images.resolve(text).unwrap().is_none(), "{text}");
    }
    assert!(images.resolve("Web:1").is_err());
    assert_eq!(images.to_record(&id[..12]).unwrap().layers.len(), 2);
}

#[test]
fn layers_are_shared_and_freed_with_the_last_image() {
    let mut root = Root::new();
    let one = root.archive("one.tar", &["localhost/one:1"], &[&[("base", "x")], &[("one", "1")]]);
    let two = root.archive("two.tar", &["localhost/two:1"], &[&[("base", "x")], &[("two", "2")]]);
    for path in [&one, &two, &one] {
        root.images().load(Input::Path(path), "archive").unwrap();
    }
    assert_eq!(root.layers().len(), 3);
    root.images().tag("one:1", "other").unwrap();
    assert_eq!(root.images().remove("one:1", Removal::Name).unwrap().deleted.len(), 0);
    assert_eq!(root.images().remove("localhost/other", Removal::Name).unwrap().deleted.len(), 1);
    assert_eq!(root.layers().len(), 2);
    root.images().tag("two:1", "two:2").unwrap();
    let id = root.images().find("two:1").unwrap().id;
    assert!(matches!(root.images().remove(&id, Removal::Name), Err(ImageError::SeveralNames { .. })));
    assert_eq!(root.images().remove(&id, Removal::Force).unwrap().untagged.len(), 2);
    assert!(root.layers().is_empty());
}

#[test]
fn who_brings_images_sweeps_up_what_was_removed_meanwhile() {
    let mut root = Root::new();
    let one = root.archive("one.tar", &["localhost/one:1"], &[&[("one", "1")]]);
    let two = root.archive("two.tar", &["localhost/two:1"], &[&[("two", "2")]]);
    root.images().load(Input::Path(&one), "one.tar").unwrap();
    let lease = crate::store::lock::FileLock::acquire_shared(&root.layout.intake_lock()).unwrap();
    root.images().remove("one:1", Removal::Name).unwrap();
    assert_eq!(root.layers().len(), 1, "another command may be about to use it");
    drop(lease);
    root.images().load(Input::Path(&two), "two.tar").unwrap();
    assert_eq!(root.images().check(false, Depth::Quick).unwrap(), []);
    assert_eq!(root.layers().len(), 1);
    assert!(!root.layout.unswept().exists());
}

#[test]
fn what_was_interrupted_is_finished() {
    let mut root = Root::new();
    let archive = root.archive("a.tar", &["localhost/a:1"], &[&[("a", "1")]]);
    root.images().load(Input::Path(&archive), "a.tar").unwrap();
    let half = root.layout.layers().join(format!(".tmp-{}", "ab".repeat(32)));
    let extra = root.layout.layers().join("cd".repeat(32));
    for path in [&half, &extra] {
        std::fs::create_dir_all(path.join("diff/x")).unwrap();
    }
    let kinds: Vec<_> = root.images().check(false, Depth::Thorough).unwrap().into_iter().map(|p| p.kind).collect();
    assert!(kinds.contains(&ProblemKind::HalfLayer) && kinds.contains(&ProblemKind::ExtraLayer) && kinds.len() == 2);
    root.images().sweep().unwrap();
    assert!(!half.exists() && !extra.exists());
    assert!(root.images().check(false, Depth::Thorough).unwrap().is_empty());
    // A layer that is gone takes its image with it.
    let chain = root.images().to_record("a:1").unwrap().layers[0].clone();
    crate::sys::dir::remove_tree(&root.layout.layers().join(&chain)).unwrap();
    let problems = root.images().check(true, Depth::Thorough).unwrap();
    assert_eq!(
        (problems[0].kind, problems[0].images.as_slice(), problems[0].repaired),
        (ProblemKind::MissingLayer, &["localhost/a:1".to_owned()][..], true)
    );
    assert!(root.images().list().unwrap().is_empty());
}

#[test]
fn a_tar_of_files_becomes_an_image() {
    let mut root = Root::new();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header(tar::EntryType::Regular, 2, 0o755), "run", &b"ok"[..]).unwrap();
    let tar = builder.into_inner().unwrap();
    let options = ImportOptions {
        name: Some("mine:3".into()),
        changes: vec!["CMD [\"/run\"]".into(), "ENV A=b".into()],
        message: Some("from nothing".into()),
        origin: "-".into(),
        ..ImportOptions::default()
    };
    let packed = zstd::encode_all(&tar[..], 3).unwrap();
    let first = root.images().import(&packed[..], &options).unwrap();
    assert_eq!(first.names, ["localhost/mine:3"]);
    let record = root.images().to_record("mine:3").unwrap();
    assert_eq!((record.config.cmd, record.config.env), (vec!["/run".to_owned()], vec!["A=b".to_owned()]));
    // The same files again share the layer.
    root.images().import(&tar[..], &ImportOptions { name: Some("other".into()), ..options.clone() }).unwrap();
    assert_eq!(root.layers().len(), 1);
    assert_eq!(root.images().inspect("mine:3").unwrap().comment, "from nothing");
    assert!(root.images().import(&tar[..], &ImportOptions { changes: vec!["RUN x".into()], ..options }).is_err());
}

#[test]
fn many_commands_unpack_a_layer_once() {
    let root = Root::new();
    let archive = root.archive("a.tar", &["localhost/a:1"], &[&[("a", "1")], &[("b", "2")]]);
    let ids: Vec<String> = std::thread::scope(|scope| {
        let load = || {
            let mut database = Database::open(&root.layout).unwrap();
            let mut images = ImageStore::new(&root.layout, &mut database);
            images.load(Input::Path(&archive), "a.tar").unwrap().remove(0).id
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(root.layers().len(), 2);
}

/// Images of one file a layer, as [`ImageSource`]s; opening a layer named in `broken` fails, and `opened` counts.
struct Made {
    label: &'static str,
    words: Vec<&'static str>,
    broken: Option<&'static str>,
    opened: std::sync::Mutex<Vec<String>>,
}

impl Made {
    fn new(label: &'static str, words: &[&'static str], broken: Option<&'static str>) -> Self {
        Self { label, words: words.to_vec(), broken, opened: Default::default() }
    }

    fn layer(word: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header(tar::EntryType::Regular, 2, 0o644), word, &b"ok"[..]).unwrap();
        builder.into_inner().unwrap()
    }
}

impl ImageSource for Made {
    fn label(&self) -> &str {
        self.label
    }

    fn resolve(&self) -> Result<Incoming<'_>, ImageError> {
        let diff_ids = self.words.iter().map(|word| Digest::of(&Self::layer(word))).collect();
        let rootfs = RootFs { kind: "layers".into(), diff_ids };
        let config = ConfigDocument { os: "linux".into(), rootfs, ..ConfigDocument::default() };
        Ok(Incoming {
            names: vec![format!("localhost/{}:latest", self.label)],
            config: serde_json::to_vec(&config).unwrap(),
            manifests: Vec::new(),
            blobs: Vec::new(),
            repository: None,
            durable: true,
            layers: Box::new(self),
        })
    }
}

impl LayerSource for &Made {
    fn open(&self, number: usize, _: Again) -> Result<OpenLayer<'_>, ImageError> {
        let word = self.words[number];
        self.opened.lock().unwrap().push(word.to_owned());
        // Time enough for the others to want it, too.
        std::thread::sleep(std::time::Duration::from_millis(20));
        if self.broken == Some(word) {
            std::thread::sleep(std::time::Duration::from_millis(100));
            return Err(ImageError::Vanished(word.to_owned()));
        }
        let expected = Expected { blob: None, diff_id: Some(Digest::of(&Made::layer(word))) };
        Ok(OpenLayer { blob: Box::new(std::io::Cursor::new(Made::layer(word))), expected })
    }
}

#[test]
fn a_layer_of_several_images_is_read_once_and_from_whoever_has_it() {
    let mut root = Root::new();
    let sources = [
        Made::new("one", &["base", "x", "y"], Some("base")),
        Made::new("two", &["base", "x", "z"], None),
        Made::new("three", &["base", "broken"], Some("broken")),
    ];
    let dynamic: Vec<&dyn ImageSource> = sources.iter().map(|source| source as &dyn ImageSource).collect();
    let mut events = Vec::new();
    let results = root.images().take_in(&dynamic, &mut |event| events.push(event)).unwrap();
    let mut opened: Vec<String> = sources.iter().flat_map(|s| s.opened.lock().unwrap().clone()).collect();
    opened.retain(|word| word == "base" || word == "x");
    let broken: Vec<bool> = results.iter().map(Result::is_err).collect();
    // Whether the first image was the first to be resolved is chance: then its broken layer was read again, of another image.
    let first_failed = broken[0];
    assert!(!broken[1] && broken[2], "{results:?}");
    assert_eq!(opened.iter().filter(|word| *word == "base").count(), 1 + usize::from(first_failed), "{opened:?}");
    assert_eq!(opened.iter().filter(|word| *word == "x").count(), 1, "{opened:?}");
    let failed = events.iter().filter(|event| event.change == Change::Failed).count();
    assert_eq!(failed, 1 + usize::from(first_failed));
    // What came of the failed ones stays for another attempt, and goes when images are pruned.
    let names: Vec<String> = root.images().list().unwrap().into_iter().flat_map(|image| image.names).collect();
    assert!(
        names.contains(&"localhost/two:latest".to_owned()) && !names.contains(&"localhost/three:latest".to_owned())
    );
    root.images().prune(false, |_| true).unwrap();
    assert_eq!(root.layers().len(), if first_failed { 3 } else { 4 });
}

#[test]
fn layers_stored_before_their_image_are_not_swept_away() {
    let mut root = Root::new();
    let failed = Made::new("one", &["base", "x"], Some("x"));
    assert!(root.images().take_in(&[&failed], &mut |_| {}).unwrap()[0].is_err());
    assert_eq!(root.layers().len(), 1);
    let lease = crate::store::lock::FileLock::acquire_shared(&root.layout.intake_lock()).unwrap();
    root.images().sweep().unwrap();
    assert_eq!(root.layers().len(), 1, "another command brings images here");
    drop(lease);
    root.images().sweep().unwrap();
    assert!(root.layers().is_empty());
}

/// An image whose blob comes only when nobody wants it any more.
#[derive(Default)]
struct Stalled {
    cancelled: std::sync::atomic::AtomicBool,
}

impl ImageSource for Stalled {
    fn label(&self) -> &str {
        "stalled"
    }

    fn resolve(&self) -> Result<Incoming<'_>, ImageError> {
        for _ in 0..2000 {
            if self.cancelled.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(ImageError::Vanished("cancelled".to_owned()));
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("it was not cancelled within ten seconds");
    }

    fn cancel(&self) {
        self.cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn whoever_has_had_enough_waits_for_nothing() {
    let mut root = Root::new();
    let begun = std::time::Instant::now();
    let enough = || begun.elapsed() > std::time::Duration::from_millis(100);
    let stalled = Stalled::default();
    let result = root.images().interrupted_when(&enough).take_in(&[&stalled], &mut |_| {});
    assert!(matches!(result, Err(ImageError::Interrupted)), "{result:?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_failed_image_waits_for_no_other_command_and_leaves_no_half_layer() {
    let mut root = Root::new();
    // `base` is in the hands of another command that does not end.
    let chain = Digest::of(&Made::layer("base")).chain(None);
    let path = root.layout.layers().join(format!(".lock-{}", chain.hex()));
    let lock = crate::store::lock::FileLock::acquire(&path).unwrap();
    let failed = Made::new("one", &["base", "x", "y"], Some("y"));
    let begun = std::time::Instant::now();
    assert!(root.images().take_in(&[&failed], &mut |_| {}).unwrap()[0].is_err());
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    let entries = std::fs::read_dir(root.layout.layers()).unwrap();
    let left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    let half: Vec<_> = left.iter().filter(|name| name.to_string_lossy().starts_with(".tmp-")).collect();
    assert!(half.is_empty(), "{left:?}");
    drop(lock);
}

#[test]
fn what_another_command_works_on_is_no_problem() {
    let mut root = Root::new();
    let failed = Made::new("one", &["base", "x"], Some("x"));
    assert!(root.images().take_in(&[&failed], &mut |_| {}).unwrap()[0].is_err());
    let (half, whole) = ("1".repeat(64), "2".repeat(64));
    std::fs::create_dir_all(root.layout.layers().join(format!(".tmp-{half}"))).unwrap();
    std::fs::create_dir_all(root.layout.layer_diff(&whole)).unwrap();
    let kinds = |root: &mut Root, repair| {
        let problems = root.images().check(repair, Depth::Quick).unwrap();
        let mut kinds: Vec<String> = problems.into_iter().map(|problem| format!("{:?}", problem.kind)).collect();
        kinds.sort();
        kinds
    };
    let lease = crate::store::lock::FileLock::acquire_shared(&root.layout.intake_lock()).unwrap();
    let held = [&half, &whole].map(|chain| {
        let path = root.layout.layers().join(format!(".lock-{chain}"));
        crate::store::lock::FileLock::acquire(&path).unwrap().removing()
    });
    assert_eq!(
        kinds(&mut root, true),
        [""; 0],
        "a layer stored before its image, one half there, one without its row yet"
    );
    drop((held, lease));
    assert_eq!(kinds(&mut root, false), ["ExtraLayer", "HalfLayer", "UnusedLayer"]);
}

#[test]
fn a_layer_that_a_container_came_to_use_is_not_taken_from_it() {
    let mut root = Root::new();
    let image = Made::new("one", &["base"], None);
    let id = root.images().take_in(&[&image], &mut |_| {}).unwrap().remove(0).unwrap().id;
    let chain = root.layers().remove(0);
    std::fs::write(root.layout.layer_diff(&chain).join("base"), "changed").unwrap();
    let mut problems = root.images().check(false, Depth::Thorough).unwrap();
    assert!(problems.len() == 1 && problems[0].users.is_empty(), "{problems:?}");
    // Between the look and the repair.
    root.database
        .write(|t| {
            t.execute("INSERT INTO apps (id, name, sources, created) VALUES ('a', 'a', '[]', '')", [])?;
            t.execute(
                "INSERT INTO pods (id, name, app, created, spec_hash, record) VALUES ('p', 'p', 'a', '', '', '{}')",
                [],
            )?;
            t.execute("INSERT INTO containers (id, name, pod, image) VALUES ('c', 'web', 'p', ?)", [&id])?;
            Ok::<_, crate::store::StoreError>(())
        })
        .unwrap();
    root.images().repair(&mut problems).unwrap();
    assert!(!problems[0].repaired && problems[0].users == ["web"], "{problems:?}");
    assert!(root.images().resolve(&id).unwrap().is_some());
}

/// An image of `made` at a registry, where its one layer is said to be this blob.
struct Said {
    made: Made,
    repository: &'static str,
    blob: &'static [u8],
}

impl ImageSource for Said {
    fn label(&self) -> &str {
        self.repository
    }

    fn resolve(&self) -> Result<Incoming<'_>, ImageError> {
        let blob = Descriptor {
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
            digest: Digest::of(self.blob),
            size: self.blob.len() as u64,
            annotations: Default::default(),
            platform: None,
        };
        let names = vec![format!("{}:1", self.repository)];
        let repository = Some(self.repository.to_owned());
        Ok(Incoming { names, blobs: vec![blob], repository, ..self.made.resolve()? })
    }
}

#[test]
fn what_only_a_manifest_says_of_a_layer_is_not_passed_on() {
    let mut root = Root::new();
    let honest = Said { made: Made::new("one", &["base"], None), repository: "good.test/app", blob: b"gzip" };
    // The same configuration, so that nothing has to be read, and other blobs.
    let lying = Said { made: Made::new("one", &["base"], None), repository: "evil.test/app", blob: b"trap" };
    for source in [&honest, &lying] {
        root.images().take_in(&[source], &mut |_| {}).unwrap().remove(0).unwrap();
    }
    assert!(lying.made.opened.lock().unwrap().is_empty());
    let forms = &root.images().outgoing("evil.test/app:1").unwrap().layers[0].forms;
    let forms: Vec<(&str, &Digest)> = forms.iter().map(|(at, form)| (at.as_str(), &form.digest)).collect();
    assert_eq!(forms, [("good.test/app", &Digest::of(b"gzip"))]);
}
