//! What went in comes out: archives of all kinds, made again from what they were unpacked to.

use super::{RecipeError, restore};
use crate::image::archive::writer;
use crate::image::digest::Digest;
use crate::image::layer::{Expected, Limits, unpack, verify};
use crate::sys::dir::{self, Dir};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use tar::{EntryType, Header};

struct Layer(PathBuf);

impl Layer {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("podkin-recipe-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn of(archive: &[u8]) -> Self {
        let layer = Self::new();
        unpack(archive, &Expected::default(), &Dir::open(&layer.0).unwrap(), &Limits::default()).unwrap();
        layer
    }

    fn restored(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let restored = restore(&self.0, &mut out).unwrap();
        assert_eq!((restored.diff_id, restored.size), (Digest::of(&out), out.len() as u64));
        out
    }

    fn spares(&self) -> usize {
        std::fs::read_dir(self.0.join("spare")).map_or(0, Iterator::count)
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        let _ = dir::remove_tree(&self.0);
    }
}

/// One entry of a generated archive.
#[derive(Debug, Clone)]
enum Item {
    File(String, usize, u8),
    Directory(String),
    Symlink(String, String),
    HardLink(String, String),
    Fifo(String),
    Whiteout(String),
    Opaque(String),
    Ignored(String, usize),
    Sparse(String, u64),
}

fn header(kind: EntryType, size: u64) -> Header {
    writer::header(kind, size, 0o644)
}

fn add(builder: &mut tar::Builder<Vec<u8>>, item: &Item) {
    let below = |path: &str, name: &str| match path.rsplit_once('/') {
        Some((parent, last)) => format!("{parent}/{name}{last}"),
        None => format!("{name}{path}"),
    };
    let empty = |builder: &mut tar::Builder<Vec<u8>>, kind, path: &str| {
        builder.append_data(&mut header(kind, 0), path, std::io::empty()).unwrap();
    };
    match item {
        Item::File(path, size, seed) => {
            let content: Vec<u8> = (0..*size).map(|at| (at as u8).wrapping_mul(*seed)).collect();
            builder.append_data(&mut header(EntryType::Regular, *size as u64), path, &content[..]).unwrap();
        }
        Item::Directory(path) => empty(builder, EntryType::Directory, path),
        Item::Fifo(path) => empty(builder, EntryType::Fifo, path),
        Item::Symlink(path, target) => {
            builder.append_link(&mut header(EntryType::Symlink, 0), path, target).unwrap();
        }
        Item::HardLink(path, target) => {
            // A further name has a word on the metadata, too.
            let mut header = writer::header(EntryType::Link, 0, 0o600);
            header.set_mtime(5);
            builder.append_link(&mut header, path, target).unwrap();
        }
        Item::Whiteout(path) => empty(builder, EntryType::Regular, &below(path, ".wh.")),
        Item::Opaque(path) => empty(builder, EntryType::Regular, &format!("{path}/.wh..wh..opq")),
        Item::Ignored(path, size) => {
            let content = vec![7u8; *size];
            let mut header = header(EntryType::Regular, *size as u64);
            builder.append_data(&mut header, below(path, ".wh..wh.plnk"), &content[..]).unwrap();
        }
        Item::Sparse(path, hole) => {
            // PAX form 0.1: two regions around a hole.
            let (size, map) = (hole + 400, format!("10,200,{},190", hole + 210));
            let (name, size) = (path.as_bytes(), size.to_string());
            let records =
                [("GNU.sparse.map", map.as_bytes()), ("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.name", name)];
            builder.append_pax_extensions(records).unwrap();
            builder.append_data(&mut header(EntryType::Regular, 390), "GNUSparseFile", &[9u8; 390][..]).unwrap();
        }
    }
}

/// Few names, so that entries meet.
fn path() -> impl Strategy<Value = String> {
    let long = format!("b{}", "ä".repeat(70));
    let name = prop::sample::select(vec!["a".to_owned(), "b".to_owned(), "c".to_owned(), long]);
    prop::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"))
}

fn item() -> impl Strategy<Value = Item> {
    let size = prop::sample::select(vec![0usize, 1, 64, 65, 511, 512, 513, 70_000]);
    prop_oneof![
        6 => (path(), size.clone(), any::<u8>()).prop_map(|(path, size, seed)| Item::File(path, size, seed)),
        3 => path().prop_map(Item::Directory),
        2 => (path(), prop_oneof![path(), path().prop_map(|p| format!("/{p}")), path().prop_map(|p| format!("../{p}"))])
            .prop_map(|(path, target)| Item::Symlink(path, target)),
        2 => (path(), path()).prop_map(|(path, target)| Item::HardLink(path, target)),
        1 => path().prop_map(Item::Fifo),
        1 => path().prop_map(Item::Whiteout),
        1 => path().prop_map(Item::Opaque),
        1 => (path(), size).prop_map(|(path, size)| Item::Ignored(path, size)),
        1 => (path(), 1u64..100_000).prop_map(|(path, hole)| Item::Sparse(path, hole)),
    ]
}

/// The archive of those items that can be unpacked after the ones before: what is refused makes no recipe.
fn acceptable(items: Vec<Item>, trailer: usize) -> Vec<u8> {
    let build = |items: &[Item]| {
        let mut builder = tar::Builder::new(Vec::new());
        items.iter().for_each(|item| add(&mut builder, item));
        builder.into_inner().unwrap()
    };
    let mut kept = Vec::new();
    for item in items {
        kept.push(item);
        let layer = Layer::new();
        let into = Dir::open(&layer.0).unwrap();
        if unpack(&build(&kept)[..], &Expected::default(), &into, &Limits::default()).is_err() {
            kept.pop();
        }
    }
    [build(&kept), vec![5; trailer]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_archive_that_is_unpacked_can_be_made_again_and_has_no_fault(items in prop::collection::vec(item(), 1..24), trailer in 0usize..3000) {
        let archive = acceptable(items, trailer);
        let layer = Layer::of(&archive);
        prop_assert_eq!(layer.restored(), &archive[..]);
        prop_assert_eq!(verify(&layer.0, &Digest::of(&archive)).unwrap(), []);
    }
}

fn archive(items: &[Item]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    items.iter().for_each(|item| add(&mut builder, item));
    builder.into_inner().unwrap()
}

fn file(path: &str, seed: u8) -> Item {
    Item::File(path.into(), 1000, seed)
}

#[test]
fn what_is_replaced_is_kept_for_the_recipe_alone() {
    let directory = |path: &str| Item::Directory(path.into());
    let link = |path: &str, target: &str| Item::Symlink(path.into(), target.into());
    let hard = |path: &str, target: &str| Item::HardLink(path.into(), target.into());
    let cases: [(&str, usize, Vec<Item>); 9] = [
        ("a file three times", 2, vec![file("f", 1), file("f", 2), file("f", 3)]),
        ("a file that is small", 0, vec![Item::File("f".into(), 64, 1), file("f", 2)]),
        ("a file by a directory", 1, vec![file("f", 1), directory("f"), file("f/g", 2)]),
        ("a directory by a file", 1, vec![file("d/e/f", 1), file("d/g", 2), file("d", 3)]),
        ("an empty directory by a file", 0, vec![directory("d"), file("d", 3)]),
        ("a directory after one of its files", 2, vec![file("d/f", 1), file("d/f", 2), file("d", 3)]),
        (
            "a directory twice",
            2,
            vec![
                file("d/f", 1),
                link("d", "x"),
                directory("d"),
                file("d/f", 2),
                link("d", "y"),
                directory("d"),
                file("d/f", 3),
            ],
        ),
        ("a file that has another name", 1, vec![file("f", 1), hard("g", "f"), file("f", 2)]),
        (
            "files put through links that change",
            1,
            vec![
                directory("x"),
                directory("y"),
                link("l", "x"),
                file("l/f", 1),
                link("l", "/y"),
                file("l/f", 2),
                link("m", "l/../x"),
                file("m/f", 3),
            ],
        ),
    ];
    for (name, spares, items) in cases {
        let archive = archive(&items);
        let layer = Layer::of(&archive);
        assert!(layer.restored() == archive, "{name}");
        assert_eq!(verify(&layer.0, &Digest::of(&archive)).unwrap(), [], "{name}");
        assert_eq!(layer.spares(), spares, "{name}");
    }
}

#[test]
fn archives_of_other_programs_come_out_as_they_went_in() {
    let scratch = Layer::new();
    let tree = scratch.0.join("tree");
    crate::image::layer::tests::make_tree(&tree);
    let tree = tree.to_str().unwrap();
    let mut archives = Vec::new();
    for format in ["v7", "ustar", "oldgnu", "gnu", "posix"] {
        for sparse in
            [&[][..], &["--sparse", "--sparse-version=0.0"], &["--sparse", "--sparse-version=0.1"], &["--sparse"]]
        {
            if !sparse.is_empty() && matches!(format, "v7" | "ustar") {
                continue;
            }
            let mut command = Command::new("tar");
            command.args(["-C", tree, "--format", format, "-cf", "-"]).args(sparse);
            if format == "posix" {
                command.args(["--xattrs", "--xattrs-include=*"]);
            }
            // What the older formats cannot hold is left out with a warning.
            archives.push((format!("tar {format} {sparse:?}"), command.arg(".").output().unwrap().stdout));
        }
    }
    for format in ["USTAR_FORMAT", "GNU_FORMAT", "PAX_FORMAT"] {
        let script = format!(
            "import sys, tarfile\n\
             t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.{format})\n\
             def one(info):\n    return None if tarfile.{format} == tarfile.USTAR_FORMAT and (len(info.name) > 99 or len(info.linkname) > 99) else info\n\
             t.add({tree:?}, arcname='.', filter=one)\nt.close()"
        );
        let output = Command::new("python3").args(["-c", &script]).output().expect("python3 is not installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        archives.push((format!("python {format}"), output.stdout));
    }
    for (name, archive) in archives {
        assert!(archive.len() > 300_000, "{name}");
        let layer = Layer::of(&archive);
        assert!(layer.restored() == archive, "{name}");
        assert_eq!(verify(&layer.0, &Digest::of(&archive)).unwrap(), [], "{name}");
        // Compressed, and with more behind the end.
        let longer = [&archive[..], b"more", &[0; 5000]].concat();
        let packed = zstd::encode_all(&longer[..], 1).unwrap();
        assert!(Layer::of(&packed).restored() == longer, "{name}");
    }
}

#[test]
fn what_was_changed_is_not_passed_off_as_the_layer() {
    let archive = archive(&[file("d/f", 1), file("d/f", 2), file("g", 3)]);
    let fails = |change: &dyn Fn(&Path)| {
        let layer = Layer::of(&archive);
        change(&layer.0);
        restore(&layer.0, std::io::sink()).unwrap_err()
    };
    let write = |name: &'static str, content: &'static [u8]| {
        move |layer: &Path| std::fs::write(layer.join(name), content).unwrap()
    };
    assert!(matches!(fails(&write("diff/g", b"short")), RecipeError::Content { path } if path == "g"));
    assert!(matches!(fails(&write("diff/d/f", &[0; 1000])), RecipeError::Content { path } if path == "d/f"));
    assert!(matches!(fails(&write("spare/0", &[0; 1000])), RecipeError::Content { path } if path == "d/f"));
    let gone = |layer: &Path| std::fs::remove_file(layer.join("diff/g")).unwrap();
    assert!(matches!(fails(&gone), RecipeError::Missing { path } if path == "g"));
    let link = |layer: &Path| {
        std::fs::rename(layer.join("diff/g"), layer.join("diff/h")).unwrap();
        std::os::unix::fs::symlink("h", layer.join("diff/g")).unwrap();
    };
    assert!(matches!(fails(&link), RecipeError::Content { .. }), "no link is followed");
    let linked = |layer: &Path| {
        std::fs::rename(layer.join("diff/d"), layer.join("diff/e")).unwrap();
        std::os::unix::fs::symlink("e", layer.join("diff/d")).unwrap();
    };
    assert!(matches!(fails(&linked), RecipeError::Missing { .. }), "no link is followed");
    let absent = |layer: &Path| std::fs::remove_file(layer.join("recipe")).unwrap();
    assert!(matches!(fails(&absent), RecipeError::Absent));
}

#[test]
fn damage_to_a_recipe_is_found_wherever_it_is() {
    let archive = archive(&[file("d/f", 1), Item::Directory("e".into()), file("g", 3)]);
    let layer = Layer::of(&archive);
    let recipe = layer.0.join("recipe");
    let sound = std::fs::read(&recipe).unwrap();
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&recipe, &damaged).unwrap();
        let error = restore(&layer.0, std::io::sink());
        // Some bits of a zstd frame mean nothing: then the archive is whole.
        assert!(error.is_err() || layer.restored() == archive, "{at}");
        std::fs::write(&recipe, &sound[..at]).unwrap();
        assert!(matches!(restore(&layer.0, std::io::sink()), Err(RecipeError::Damaged)), "{at}");
    }
    std::fs::write(&recipe, [&sound[..15], &[9], &sound[16..]].concat()).unwrap();
    assert!(matches!(restore(&layer.0, std::io::sink()), Err(RecipeError::Version(9))));
}
