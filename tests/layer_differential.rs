//! Layers as podkin unpacks them beside what podman makes of the same archives: modes, owners, times, attributes, links, devices,
//! whiteouts, opaque marks, contents. No archive has a name twice: podman refuses those.
//!
//! `tests/layer_differential/<case>.txt` has what podman 4.3.1 made. Where podman is installed it is asked, and must still agree with
//! that; where it is not, the recorded trees stand for it. To record: `PODKIN_RECORD=1 cargo test --test layer_differential`.

use podkin::image::Digest;
use podkin::image::layer::{Expected, Limits, unpack};
use podkin::sys::dir::{self, Dir};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tar::{Builder, EntryType, Header};

/// Before this all times of the archives are; after it, those of the machine.
const NOW: i64 = 1_600_000_000;

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("podkin-differential-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // podman keeps a bind mount of its storage.
        let _ = rustix::mount::unmount(self.0.join("root/overlay"), rustix::mount::UnmountFlags::DETACH);
        let _ = dir::remove_tree(&self.0);
    }
}

/// A layer's archive, entry by entry.
struct Layer(Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn header(kind: EntryType, mode: u32, owner: (u64, u64), size: usize) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner.0);
        header.set_gid(owner.1);
        header.set_mtime(1_000_000_000);
        header.set_size(size as u64);
        header
    }

    fn add(mut self, kind: EntryType, path: &str, mode: u32, owner: (u64, u64), content: &[u8]) -> Self {
        self.0.append_data(&mut Self::header(kind, mode, owner, content.len()), path, content).unwrap();
        self
    }

    fn file(self, path: &str, mode: u32, content: &str) -> Self {
        self.add(EntryType::Regular, path, mode, (0, 0), content.as_bytes())
    }

    fn dir(self, path: &str, mode: u32, owner: (u64, u64)) -> Self {
        self.add(EntryType::Directory, path, mode, owner, b"")
    }

    fn link(mut self, kind: EntryType, path: &str, target: &str) -> Self {
        self.0.append_link(&mut Self::header(kind, 0o777, (3, 4), 0), path, target).unwrap();
        self
    }

    fn node(mut self, kind: EntryType, path: &str, device: (u32, u32)) -> Self {
        let mut header = Self::header(kind, 0o620, (0, 5), 0);
        header.set_device_major(device.0).unwrap();
        header.set_device_minor(device.1).unwrap();
        self.0.append_data(&mut header, path, std::io::empty()).unwrap();
        self
    }

    fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(records.iter().copied()).unwrap();
        self
    }

    fn end(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A capability: version 2, CAP_NET_BIND_SERVICE permitted and effective.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// podman gives the root of an image mode 555 unless it has a base; other engines 755. Neither takes it from the archive.
const ROOT: Meant = Meant { path: ".", because: "the directory is root's, who may write to it in most engines" };

/// A difference that is meant: lines of these paths, and why they differ.
struct Meant {
    path: &'static str,
    because: &'static str,
}

struct Case {
    name: &'static str,
    /// Lowest first; the last one is compared.
    layers: Vec<Vec<u8>>,
    meant: Vec<Meant>,
}

fn cases() -> Vec<Case> {
    let base = || {
        Layer::new()
            .dir("etc", 0o755, (0, 0))
            .file("etc/passwd", 0o644, "x")
            .dir("d", 0o755, (0, 0))
            .file("d/f", 0o644, "x")
            .end()
    };
    let case = |name, layers, meant| Case { name, layers, meant };
    vec![
        case(
            "kinds",
            vec![
                Layer::new()
                    .dir("./", 0o711, (7, 8))
                    .dir("setgid", 0o2775, (1234, 70_000))
                    .file("setgid/su", 0o6755, "su")
                    .dir("tmp", 0o1777, (0, 0))
                    .dir("closed", 0o000, (0, 0))
                    .file("closed/file", 0o000, "secret")
                    .add(EntryType::Regular, "owned", 0o640, (70_000, 2_000_000), b"owned")
                    .link(EntryType::Symlink, "link", "../../outside")
                    .link(EntryType::Symlink, "absolute", "/etc/passwd")
                    .link(EntryType::Link, "hard", "setgid/su")
                    .link(EntryType::Link, "hard-to-link", "link")
                    .node(EntryType::Char, "null", (1, 3))
                    .node(EntryType::Block, "disk", (259, 1_048_575))
                    .node(EntryType::Fifo, "fifo", (0, 0))
                    .file("implicit/parents/file", 0o644, "x")
                    .file(&format!("{0}/{0}", "long-".repeat(30)), 0o644, "x")
                    .file("usr/lib/real", 0o644, "x")
                    .link(EntryType::Symlink, "lib", "usr/lib")
                    .end(),
            ],
            vec![],
        ),
        case(
            "attributes",
            vec![
                Layer::new()
                    .pax(&[("SCHILY.xattr.security.capability", &CAPABILITY), ("SCHILY.xattr.user.a", b"b\0c")])
                    .file("capable", 0o755, "x")
                    .link(EntryType::Link, "no-longer-capable", "capable")
                    .pax(&[("SCHILY.xattr.security.capability", &CAPABILITY)])
                    .file("still-capable", 0o755, "x")
                    .pax(&[("SCHILY.xattr.user.dir", b"yes"), ("mtime", b"999999999.123456789")])
                    .dir("dir", 0o755, (0, 0))
                    .pax(&[("mtime", b"-1.5")])
                    .file("before-the-epoch", 0o644, "x")
                    .pax(&[("uid", b"3000000000"), ("gid", b"3000000001")])
                    .file("large-ids", 0o644, "x")
                    .pax(&[("SCHILY.xattr.trusted.of-a-host", b"x"), ("SCHILY.xattr.security.of-a-policy", b"x")])
                    .file("host", 0o644, "x")
                    .end(),
            ],
            vec![
                Meant {
                    path: "host",
                    because: "labels of another machine's policy and trusted attributes are not the image's to set",
                },
                Meant {
                    path: "before-the-epoch",
                    because: "it is a time as good as any, and podman makes it the epoch",
                },
            ],
        ),
        case(
            "whiteouts",
            vec![
                base(),
                Layer::new()
                    .file("etc/.wh.passwd", 0o644, "")
                    .file(".wh.gone", 0o644, "")
                    .dir("d", 0o711, (1, 1))
                    .file("d/.wh..wh..opq", 0o644, "")
                    .file("d/new", 0o644, "x")
                    .file(".wh..hidden", 0o600, "")
                    .end(),
            ],
            vec![],
        ),
        case(
            "sparse",
            vec![
                Layer::new()
                    .pax(&[
                        ("GNU.sparse.major", b"1"),
                        ("GNU.sparse.minor", b"0"),
                        ("GNU.sparse.name", b"sparse"),
                        ("GNU.sparse.realsize", b"300000"),
                    ])
                    .add(
                        EntryType::Regular,
                        "GNUSparseFile.0/sparse",
                        0o644,
                        (0, 0),
                        &[
                            &{
                                let mut map = b"2\n4096\n4\n200000\n4\n".to_vec();
                                map.resize(512, 0);
                                map
                            }[..],
                            b"datadata",
                        ]
                        .concat(),
                    )
                    .end(),
            ],
            vec![],
        ),
        case("rootless-archive", vec![base(), Layer::new().file("new", 0o644, "x").end()], vec![]),
    ]
}

/// A tree, a line for each path.
fn describe(root: &Path) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let stat = fs::symlink_metadata(&path).unwrap();
        if stat.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
        let content = match () {
            _ if stat.is_file() => format!("{} {}", stat.size(), &Digest::of(&fs::read(&path).unwrap()).hex()[..12]),
            _ if stat.is_symlink() => format!("-> {}", fs::read_link(&path).unwrap().display()),
            _ if stat.is_dir() => String::from("directory"),
            _ => format!("{}:{}", rustix::fs::major(stat.rdev()), rustix::fs::minor(stat.rdev())),
        };
        let time = match stat.mtime() {
            NOW.. => String::from("now"),
            seconds => format!("{seconds}.{:09}", stat.mtime_nsec()),
        };
        let links = if stat.is_dir() { 1 } else { stat.nlink() };
        let name = if name.is_empty() { ".".to_owned() } else { name };
        let line =
            format!("{:o} {}:{} {links} {time} {content}{}", stat.mode(), stat.uid(), stat.gid(), attributes(&path));
        lines.insert(name, line);
    }
    lines
}

fn attributes(path: &Path) -> String {
    let mut list = [0; 4096];
    let length = rustix::fs::llistxattr(path, &mut list[..]).unwrap();
    let names: BTreeSet<_> = list[..length].split(|b| *b == 0).filter(|name| !name.is_empty()).collect();
    let one = |name: &[u8]| {
        let mut value = [0; 256];
        let length = rustix::fs::lgetxattr(path, std::ffi::OsStr::from_bytes(name), &mut value[..]).unwrap();
        format!(" {}={}", name.escape_ascii(), value[..length].escape_ascii())
    };
    names.into_iter().map(one).collect()
}

fn ours(scratch: &Path, case: &Case) -> BTreeMap<String, String> {
    let layer = scratch.join("ours").join(case.name);
    fs::create_dir_all(&layer).unwrap();
    let into = Dir::open(&layer).unwrap();
    let archive = &case.layers[case.layers.len() - 1];
    unpack(&archive[..], &Expected::default(), &into, &Limits::default()).unwrap();
    describe(&layer.join("diff"))
}

/// A `docker save` archive that podman loads.
fn image(case: &Case) -> Vec<u8> {
    let diff_ids: Vec<_> = case.layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = serde_json::json!({
        "os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = config.to_string();
    let names: Vec<_> = (0..case.layers.len()).map(|number| format!("{number}.tar")).collect();
    let tag = format!("localhost/{}:1", case.name);
    let manifest = serde_json::json!([{"Config": "config.json", "RepoTags": [tag], "Layers": names}]).to_string();
    let mut archive = Layer::new().file("config.json", 0o644, &config).file("manifest.json", 0o644, &manifest);
    for (name, layer) in names.iter().zip(&case.layers) {
        archive = archive.add(EntryType::Regular, name, 0o644, (0, 0), layer);
    }
    archive.end()
}

fn podman(scratch: &Path, case: &Case) -> BTreeMap<String, String> {
    let file = scratch.join(format!("{}.tar", case.name));
    fs::write(&file, image(case)).unwrap();
    let (root, run) = (scratch.join("root"), scratch.join("run"));
    let mut command = Command::new("podman");
    command.arg("--root").arg(&root).arg("--runroot").arg(&run).args(["--storage-driver", "overlay", "load", "-i"]);
    let output = command.arg(&file).output().unwrap();
    assert!(output.status.success(), "{}: {}", case.name, String::from_utf8_lossy(&output.stderr));
    let layers: serde_json::Value =
        serde_json::from_slice(&fs::read(root.join("overlay-layers/layers.json")).unwrap()).unwrap();
    let wanted = Digest::of(&case.layers[case.layers.len() - 1]).to_string();
    let layer = layers.as_array().unwrap().iter().find(|layer| layer["diff-digest"] == wanted.as_str()).unwrap();
    describe(&root.join("overlay").join(layer["id"].as_str().unwrap()).join("diff"))
}

fn recorded(case: &Case) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/layer_differential/{}.txt", case.name))
}

fn text(tree: &BTreeMap<String, String>) -> String {
    tree.iter().map(|(path, line)| format!("{path} {line}\n")).collect()
}

#[test]
fn layers_come_out_as_podman_makes_them() {
    let scratch = Scratch::new();
    let installed = Command::new("podman").arg("--version").output().is_ok();
    if !installed {
        eprintln!("podman is not installed: layers are compared with what podman 4.3.1 made of them, as recorded");
    }
    let mut differences = String::new();
    for case in cases() {
        let file = recorded(&case);
        if installed {
            let made = text(&podman(&scratch.0, &case));
            if std::env::var_os("PODKIN_RECORD").is_some() {
                fs::write(&file, &made).unwrap();
            }
            let before = fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(made, before, "{}: this podman does otherwise than the one that was recorded", case.name);
        }
        let theirs = fs::read_to_string(&file).unwrap();
        differences += &compare(&case, &theirs, &text(&ours(&scratch.0, &case)));
    }
    assert!(differences.is_empty(), "{differences}");
}

/// The lines that differ; those that are meant to must.
fn compare(case: &Case, theirs: &str, ours: &str) -> String {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let of = |line: &String, path: &str| line.split(' ').next() == Some(path);
    let (theirs, ours) = (lines(theirs), lines(ours));
    let meant = || case.meant.iter().chain([&ROOT]);
    for Meant { path, because } in meant() {
        let line = |tree: &BTreeSet<String>| tree.iter().find(|line| of(line, path)).cloned();
        assert_ne!(line(&theirs), line(&ours), "{}: {path} no longer differs ({because})", case.name);
    }
    let differing = theirs.symmetric_difference(&ours).filter(|line| !meant().any(|meant| of(line, meant.path)));
    let side = |line: &String| if ours.contains(line) { "podkin" } else { "podman" };
    differing.map(|line| format!("{}: {} has {line}\n", case.name, side(line))).collect()
}
