//! Sound layers have no fault; each thing that can go wrong is told, and nothing else.

use super::{Aspect, LayerFault, verify};
use crate::image::digest::Digest;
use crate::image::layer::{Expected, Limits, tests::make_tree, unpack};
use crate::sys::dir::{self, Dir};
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

struct Layer {
    path: PathBuf,
    diff_id: Digest,
}

impl Layer {
    fn of(archive: &[u8]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("podkin-check-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let into = Dir::open(&path).unwrap();
        let unpacked = unpack(archive, &Expected::default(), &into, &Limits::default()).unwrap();
        Self { path, diff_id: unpacked.diff_id }
    }

    fn faults(&self) -> Vec<LayerFault> {
        verify(&self.path, &self.diff_id).unwrap()
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        let _ = dir::remove_tree(&self.path);
    }
}

/// Two archives in one: the second replaces, hides and repeats things of the first.
fn archive() -> Vec<u8> {
    let scratch = std::env::temp_dir().join(format!(
        "podkin-check-tree-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let _ = dir::remove_tree(&scratch);
    let (first, second) = (scratch.join("first"), scratch.join("second"));
    make_tree(&first);
    fs::write(first.join("small"), "small").unwrap();
    fs::create_dir_all(first.join("gone/below")).unwrap();
    fs::write(first.join("gone/below/file"), vec![3; 1000]).unwrap();
    fs::create_dir_all(second.join("a")).unwrap();
    for name in ["gone", ".wh.hidden", "a/.wh..wh..opq", "a/new", ".wh.small", ".wh..wh.plnk"] {
        fs::write(second.join(name), "x".repeat(100)).unwrap();
    }
    symlink("a/b", second.join("link")).unwrap();
    let pack = |tree: &Path, names: &[&str]| {
        let mut command = Command::new("tar");
        command.args([
            "-C",
            tree.to_str().unwrap(),
            "--format=posix",
            "--sparse",
            "--sort=name",
            "-b1",
            "--xattrs",
            "--xattrs-include=*",
            "-cf",
            "-",
        ]);
        let output = command.args(names).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let mut first_archive = pack(&first, &["."]);
    first_archive.truncate(first_archive.len() - 1024);
    let mut second_archive = pack(&second, &["gone", ".wh.hidden", "a", ".wh.small", ".wh..wh.plnk", "link"]);
    second_archive.truncate(second_archive.len() - 1024);
    fs::create_dir(second.join("link2")).unwrap();
    fs::write(second.join("link2/through"), vec![8; 500]).unwrap();
    let mut command = Command::new("tar");
    command.args(["-C", second.to_str().unwrap(), "--transform", "s/link2/link/", "-cf", "-", "link2/through"]);
    let third = command.output().unwrap().stdout;
    dir::remove_tree(&scratch).unwrap();
    [first_archive, second_archive, third].concat()
}

#[test]
fn sound_layers_have_no_fault() {
    let layer = Layer::of(&archive());
    assert_eq!(layer.faults(), []);
    let other = Digest::of(b"other");
    assert_eq!(verify(&layer.path, &other).unwrap(), [LayerFault::DiffId { found: layer.diff_id.clone() }]);
}

#[test]
fn every_fault_is_told_with_its_path() {
    let archive = archive();
    let path = |path: &str| path.to_owned();
    let metadata = |name: &str, aspect| vec![LayerFault::Metadata { path: path(name), aspect }];
    let set = |name: &'static str, attribute: &'static str, value: &'static [u8]| {
        move |diff: &Path| {
            // Whoever changes a file may put its time back.
            rustix::fs::lsetxattr(diff.join(name), attribute, value, rustix::fs::XattrFlags::empty()).unwrap();
        }
    };
    fn keep_time(diff: &Path, name: &str, change: impl FnOnce(&Path)) {
        let time = |path: &Path| fs::symlink_metadata(path).unwrap().modified().unwrap();
        let (file, parent) = (diff.join(name), diff.join(name).parent().unwrap().to_owned());
        let times = (time(&file), time(&parent));
        change(&file);
        for (path, time) in [(&file, times.0), (&parent, times.1)] {
            if let Ok(file) = fs::File::open(path) {
                file.set_modified(time).unwrap();
            }
        }
    }
    type Change = Box<dyn Fn(&Path)>;
    let cases: Vec<(&str, Change, Vec<LayerFault>)> = vec![
        (
            "a byte of a file",
            Box::new(|diff| {
                keep_time(diff, "hard", |f| {
                    fs::File::options().write(true).open(f).unwrap().write_all_at(b"x", 9).unwrap()
                })
            }),
            vec![
                LayerFault::Content { path: path("a/file") },
                // The kernel takes capabilities from a file that is written to.
                LayerFault::Metadata { path: path("a/file"), aspect: Aspect::Attributes },
            ],
        ),
        (
            "a byte of a small file",
            Box::new(|diff| keep_time(diff, "small", |f| fs::write(f, "smalL").unwrap())),
            vec![LayerFault::Content { path: path("small") }],
        ),
        (
            "more at the end of a file",
            Box::new(|diff| keep_time(diff, "gone", |f| fs::write(f, "x".repeat(101)).unwrap())),
            vec![LayerFault::Content { path: path("gone") }],
        ),
        (
            "data in a hole",
            Box::new(|diff| {
                keep_time(diff, "sparse", |f| {
                    fs::File::options().write(true).open(f).unwrap().write_all_at(b"x", 200_000).unwrap()
                })
            }),
            vec![LayerFault::Content { path: path("sparse") }],
        ),
        (
            "a file less",
            Box::new(|diff| keep_time(diff, "a/b/through", |f| fs::remove_file(f).unwrap())),
            vec![LayerFault::Missing { path: path("a/b/through") }],
        ),
        (
            "a whiteout less",
            Box::new(|diff| keep_time(diff, "hidden", |f| fs::remove_file(f).unwrap())),
            vec![LayerFault::Missing { path: path("hidden") }],
        ),
        (
            "a file more",
            Box::new(|diff| keep_time(diff, "a/b", |f| fs::write(f.join("more"), "").unwrap())),
            vec![LayerFault::Extra { path: path("a/b/more") }],
        ),
        (
            "a directory more",
            Box::new(|diff| keep_time(diff, "small", |f| fs::create_dir_all(f.with_file_name("more/below")).unwrap())),
            vec![LayerFault::Extra { path: path("more") }],
        ),
        (
            "a link to somewhere else",
            Box::new(|diff| {
                keep_time(diff, "a/link", |f| {
                    fs::remove_file(f).unwrap();
                    symlink("../inside", f).unwrap();
                })
            }),
            vec![
                LayerFault::Metadata { path: path("a/link"), aspect: Aspect::Time },
                LayerFault::Metadata { path: path("a/link"), aspect: Aspect::Link },
            ],
        ),
        (
            "a hard link of its own",
            Box::new(|diff| {
                keep_time(diff, "a", |a| {
                    let file = a.join("file");
                    let content = fs::read(&file).unwrap();
                    let _ = content;
                    assert!(Command::new("cp").arg("-a").arg(&file).arg(a.join("copy")).status().unwrap().success());
                    fs::rename(a.join("copy"), a.with_file_name("hard")).unwrap();
                })
            }),
            metadata("hard", Aspect::Link),
        ),
        (
            "a mode",
            Box::new(|diff| fs::set_permissions(diff.join("a/file"), fs::Permissions::from_mode(0o755)).unwrap()),
            metadata("hard", Aspect::Mode),
        ),
        ("an owner", Box::new(|diff| chown(diff.join("a/b"), Some(1), None).unwrap()), metadata("a/b", Aspect::Owner)),
        (
            "a time",
            Box::new(|diff| fs::File::open(diff.join("a")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap()),
            metadata("a", Aspect::Time),
        ),
        ("an attribute more", Box::new(set("a/new", "user.more", b"x")), metadata("a/new", Aspect::Attributes)),
        ("another attribute", Box::new(set("a/file", "user.colour", b"red")), metadata("a/file", Aspect::Attributes)),
        (
            "an opaque mark more",
            Box::new(set("a/b", "trusted.overlay.opaque", b"y")),
            metadata("a/b", Aspect::Attributes),
        ),
        (
            "an opaque mark less",
            Box::new(|diff| rustix::fs::lremovexattr(diff.join("a"), "trusted.overlay.opaque").unwrap()),
            metadata("a", Aspect::Attributes),
        ),
        (
            "another device",
            Box::new(|diff| {
                let null = diff.join("null");
                let stat = fs::symlink_metadata(&null).unwrap();
                keep_time(diff, "small", |_| {
                    fs::remove_file(&null).unwrap();
                    let mode = rustix::fs::Mode::from_raw_mode(0o640);
                    rustix::fs::mknodat(
                        rustix::fs::CWD,
                        &null,
                        rustix::fs::FileType::CharacterDevice,
                        mode,
                        rustix::fs::makedev(1, 5),
                    )
                    .unwrap();
                    fs::set_permissions(&null, stat.permissions()).unwrap();
                });
            }),
            vec![
                LayerFault::Metadata { path: path("null"), aspect: Aspect::Time },
                LayerFault::Metadata { path: path("null"), aspect: Aspect::Device },
            ],
        ),
    ];
    for (name, change, expected) in cases {
        let layer = Layer::of(&archive);
        change(&layer.path.join("diff"));
        let mut found = layer.faults();
        // The time of the root says only that something in it changed.
        found.retain(|fault| *fault != LayerFault::Metadata { path: ".".into(), aspect: Aspect::Time });
        assert_eq!(found, expected, "{name}");
    }
}
