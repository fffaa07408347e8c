//! Sound archives, compared with the trees they were made of. Hostile ones are in `tests/hostile_archives.rs`.

use super::{Expected, Limits, unpack};
use crate::image::digest::Digest;
use crate::sys::dir::{self, Dir};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("podkin-layer-{}-{number}", std::process::id()));
        std::fs::create_dir_all(path.join("tree")).unwrap();
        std::fs::create_dir_all(path.join("layer/diff")).unwrap();
        Self(path)
    }

    fn tree(&self) -> PathBuf {
        self.0.join("tree")
    }

    fn out(&self) -> PathBuf {
        self.0.join("layer/diff")
    }

    /// The directory of the layer.
    fn layer(&self) -> Dir {
        Dir::open(&self.0.join("layer")).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = dir::remove_tree(&self.0);
    }
}

/// A tree with one of each kind of thing.
pub(super) fn make_tree(root: &Path) {
    let long = "long-".repeat(30);
    std::fs::create_dir_all(root.join("a/b").join(&long).join(&long)).unwrap();
    std::fs::write(root.join("a/b").join(&long).join(&long).join("deep"), "deep").unwrap();
    std::fs::write(root.join("a/file"), vec![7; 300_000]).unwrap();
    std::fs::set_permissions(root.join("a/file"), std::fs::Permissions::from_mode(0o4751)).unwrap();
    std::os::unix::fs::chown(root.join("a/b"), Some(1234), Some(70_000)).unwrap();
    std::fs::set_permissions(root.join("a/b"), std::fs::Permissions::from_mode(0o2775)).unwrap();
    std::fs::hard_link(root.join("a/file"), root.join("hard")).unwrap();
    symlink("../outside", root.join("a/link")).unwrap();
    symlink("x/".repeat(120), root.join("long-link")).unwrap();
    std::fs::write(root.join(OsStr::from_bytes(b"not-\xff-utf8")), "").unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o640);
    let node =
        |name: &str, kind, device| rustix::fs::mknodat(rustix::fs::CWD, root.join(name), kind, mode, device).unwrap();
    node("fifo", rustix::fs::FileType::Fifo, 0);
    node("null", rustix::fs::FileType::CharacterDevice, rustix::fs::makedev(1, 3));
    let sparse = std::fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(10 << 20).unwrap();
    for at in 0..30u64 {
        sparse.write_all_at(&[at as u8 + 1; 5000], at * (1 << 18) + 4096).unwrap();
    }
    rustix::fs::setxattr(root.join("a/file"), "user.colour", b"blue\0green", rustix::fs::XattrFlags::empty()).unwrap();
    // A capability: version 2, CAP_NET_BIND_SERVICE permitted and effective.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    rustix::fs::setxattr(root.join("hard"), "security.capability", &capability, rustix::fs::XattrFlags::empty())
        .unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_000_000);
    for name in ["a/file", "a/b", "a"] {
        std::fs::File::open(root.join(name)).unwrap().set_modified(old).unwrap();
    }
}

/// Every path below the root with what must come out the same.
fn describe(root: &Path, attributes: bool, nanoseconds: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let stat = std::fs::symlink_metadata(&path).unwrap();
        let content = match () {
            _ if stat.is_file() => Digest::of(&std::fs::read(&path).unwrap()).hex()[..8].to_owned(),
            _ if stat.is_symlink() => std::fs::read_link(&path).unwrap().display().to_string(),
            _ => stat.rdev().to_string(),
        };
        let attribute = |name: &str| {
            let mut value = [0; 64];
            let length = rustix::fs::lgetxattr(&path, name, &mut value[..]).unwrap_or(0);
            if attributes { value[..length].to_vec() } else { Vec::new() }
        };
        let nanos = if nanoseconds { stat.mtime_nsec() } else { 0 };
        let (mode, links) = (stat.mode(), if stat.is_dir() { 0 } else { stat.nlink() });
        lines.push(format!(
            "{:?} {mode:o} {}:{} {links} {}.{nanos} {content} {:?} {:?}",
            path.strip_prefix(root).unwrap(),
            stat.uid(),
            stat.gid(),
            stat.mtime(),
            attribute("user.colour"),
            attribute("security.capability"),
        ));
        if stat.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
    }
    // What an archive says of its root is not applied.
    lines.retain(|line| !line.starts_with("\"\" "));
    lines.sort();
    lines
}

#[test]
fn archives_of_gnu_tar_come_out_as_they_went_in() {
    for format in ["gnu", "posix", "oldgnu"] {
        for sparse in
            [&["--sparse"][..], &["--sparse", "--sparse-version=0.1"], &["--sparse", "--sparse-version=0.0"], &[]]
        {
            let scratch = Scratch::new();
            make_tree(&scratch.tree());
            let mut command = Command::new("tar");
            command.args(["-C", scratch.tree().to_str().unwrap(), "--format", format, "-cf", "-"]).args(sparse);
            let posix = format == "posix";
            if posix {
                command.args(["--xattrs", "--xattrs-include=*"]);
            }
            let output = command.arg(".").output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let into = scratch.layer();
            let expected = Expected { blob: None, diff_id: Some(Digest::of(&output.stdout)) };
            let unpacked = unpack(&output.stdout[..], &expected, &into, &Limits::default()).unwrap();
            assert_eq!(unpacked.size, output.stdout.len() as u64);
            let (wanted, found) = (describe(&scratch.tree(), posix, posix), describe(&scratch.out(), posix, posix));
            assert_eq!(found, wanted, "{format} {sparse:?}");
            let blocks = std::fs::metadata(scratch.out().join("sparse")).unwrap().blocks();
            assert!(sparse.is_empty() || blocks * 512 < 4 << 20, "holes stay holes");
        }
    }
}

#[test]
fn whiteouts_become_what_overlay_understands() {
    let scratch = Scratch::new();
    let tree = scratch.tree();
    for directory in ["opaque", "hidden-and-new", "kept"] {
        std::fs::create_dir(tree.join(directory)).unwrap();
    }
    // `a-` sorts before, `z-` after what it meets.
    for file in [
        ".wh.gone",
        "opaque/.wh..wh..opq",
        "opaque/new",
        ".wh.hidden-and-new",
        "kept/.wh.file",
        ".wh.stays",
        "stays",
        ".wh..wh.plnk",
    ] {
        std::fs::write(tree.join(file), "").unwrap();
    }
    for order in [".wh.hidden-and-new hidden-and-new", "hidden-and-new .wh.hidden-and-new"] {
        let mut command = Command::new("tar");
        command.args(["-C", tree.to_str().unwrap(), "-cf", "-"]).args(order.split(' '));
        command.args([".wh.gone", "opaque", "kept", ".wh.stays", "stays", ".wh..wh.plnk"]);
        let archive = command.output().unwrap().stdout;
        let out = scratch.0.join(order.split(' ').next().unwrap());
        std::fs::create_dir(&out).unwrap();
        unpack(&archive[..], &Expected::default(), &Dir::open(&out).unwrap(), &Limits::default()).unwrap();
        let out = out.join("diff");
        let opaque =
            |name: &str| rustix::fs::lgetxattr(out.join(name), "trusted.overlay.opaque", &mut [0u8; 4][..]) == Ok(1);
        let whiteout = |name: &str| {
            let stat = std::fs::symlink_metadata(out.join(name)).unwrap();
            stat.mode() & 0o170000 == 0o020000 && stat.rdev() == 0
        };
        assert!(whiteout("gone") && whiteout("kept/file"));
        assert!(opaque("opaque") && out.join("opaque/new").is_file() && !opaque("kept"));
        assert!(opaque("hidden-and-new"), "{order}");
        assert!(out.join("stays").is_file());
        let names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| !name.as_bytes().starts_with(b".wh.")), "{names:?}");
    }
}
