//! Archives made to break out, to mislead or to exhaust: whatever they say, nothing outside the layer's directory changes.
//!
//! Each case names what it is modelled on: the CVEs are those of container engines and tar libraries.

use podkin::image::archive::tar::NameLimits;
use podkin::image::layer::{Expected, LayerError, Limits, Unpacked, restore, unpack};
use podkin::image::{Digest, ImageError, ImageStore, Input};
use podkin::store::{Database, layout::Layout};
use podkin::sys::dir::{self, Dir};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory with `outside`, which must not change, and `inside/diff`, the layer.
struct Arena {
    path: PathBuf,
    before: Vec<String>,
}

impl Arena {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("podkin-hostile-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("inside/diff")).unwrap();
        fs::create_dir_all(path.join("outside/dir")).unwrap();
        fs::write(path.join("outside/canary"), "alive").unwrap();
        fs::set_permissions(path.join("outside"), fs::Permissions::from_mode(0o700)).unwrap();
        let before = snapshot(&path.join("outside"));
        Self { path, before }
    }

    fn diff(&self) -> PathBuf {
        self.path.join("inside/diff")
    }

    /// The directory of the layer.
    fn layer(&self) -> Dir {
        Dir::open(&self.path.join("inside")).unwrap()
    }

    /// The absolute path of the directory outside, as an archive would name it.
    fn outside(&self) -> String {
        self.path.join("outside").display().to_string()
    }

    fn unpack_with(&self, archive: &[u8], limits: &Limits) -> Result<Unpacked, LayerError> {
        for beside in ["recipe", "spare"] {
            dir::remove_tree(&self.path.join("inside").join(beside)).unwrap();
        }
        let result = unpack(archive, &Expected::default(), &self.layer(), limits);
        assert_eq!(snapshot(&self.path.join("outside")), self.before, "something outside changed");
        let beside = fs::read_dir(self.path.join("inside")).unwrap().map(|e| e.unwrap().file_name());
        let foreign: Vec<_> = beside.filter(|name| name != "diff" && name != "recipe" && name != "spare").collect();
        assert!(foreign.is_empty(), "something appeared beside the layer: {foreign:?}");
        if let Ok(unpacked) = &result {
            let restored =
                restore(&self.path.join("inside"), std::io::sink()).expect("what was taken can be given back");
            assert_eq!((&restored.diff_id, restored.size), (&unpacked.diff_id, unpacked.size));
        }
        result
    }

    fn unpack(&self, archive: &[u8]) -> Result<Unpacked, LayerError> {
        self.unpack_with(archive, &Limits::default())
    }

    /// Unpacks what must be refused, and gives the message with its causes.
    fn refuse(&self, archive: &[u8]) -> String {
        message(&self.unpack(archive).expect_err("refused"))
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let _ = dir::remove_tree(&self.path);
    }
}

fn message(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// All that can change of a tree; the change time gives away what was changed back.
fn snapshot(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let s = fs::symlink_metadata(&path).unwrap();
        lines.push(format!(
            "{path:?} {:o} {} {} {} {} {}.{}",
            s.mode(),
            s.uid(),
            s.gid(),
            s.nlink(),
            s.size(),
            s.ctime(),
            s.ctime_nsec()
        ));
        if s.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
    }
    lines.sort();
    lines
}

/// An archive with any header one likes.
#[derive(Default)]
struct Raw(Vec<u8>);

impl Raw {
    fn header(&mut self, name: &[u8], kind: u8, mode: u32, link: &[u8], size: u64) -> usize {
        let start = self.0.len();
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name);
        let mut put = |at: usize, text: String| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(100, format!("{mode:07o}"));
        put(108, format!("{:07o}", 0));
        put(116, format!("{:07o}", 0));
        put(124, format!("{size:011o}"));
        put(136, format!("{:011o}", 1_000_000_000));
        header[157..157 + link.len()].copy_from_slice(link);
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header[263..265].copy_from_slice(b"00");
        self.0.extend(header);
        self.seal(start);
        start
    }

    /// Computes the checksum of a header that was changed.
    fn seal(&mut self, start: usize) {
        let header = &mut self.0[start..start + 512];
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    fn data(&mut self, content: &[u8]) {
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    fn file(mut self, name: impl AsRef<[u8]>, content: &str) -> Self {
        self.header(name.as_ref(), b'0', 0o644, b"", content.len() as u64);
        self.data(content.as_bytes());
        self
    }

    fn dir(mut self, name: &str, mode: u32) -> Self {
        self.header(name.as_bytes(), b'5', mode, b"", 0);
        self
    }

    fn symlink(mut self, name: &str, target: &str) -> Self {
        self.header(name.as_bytes(), b'2', 0o777, target.as_bytes(), 0);
        self
    }

    fn hard(mut self, name: &str, target: &str) -> Self {
        self.header(name.as_bytes(), b'1', 0o777, target.as_bytes(), 0);
        self
    }

    fn node(mut self, name: &str, kind: u8, major: u32, minor: u32) -> Self {
        let start = self.header(name.as_bytes(), kind, 0o666, b"", 0);
        self.0[start + 329..start + 336].copy_from_slice(format!("{major:07o}").as_bytes());
        self.0[start + 337..start + 344].copy_from_slice(format!("{minor:07o}").as_bytes());
        self.seal(start);
        self
    }

    fn pax(mut self, kind: u8, records: &[(&str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (key, value) in records {
            let base = key.len() + value.len() + 3;
            let length = (1..).find(|n| base + n.to_string().len() == *n).unwrap();
            body.extend(format!("{length} {key}=").as_bytes());
            body.extend(*value);
            body.push(b'\n');
        }
        self.header(b"pax", kind, 0o644, b"", body.len() as u64);
        self.data(&body);
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

#[test]
fn paths_that_lead_out_are_refused() {
    for name in ["../x", "a/../../x", "..", "../../../../../../etc/cron.d/x", "/../x"] {
        let arena = Arena::new();
        let text = arena.refuse(&Raw::default().dir("a", 0o755).file(name, "evil").end());
        assert!(text.contains("leaves the layer") && text.contains(name), "{text}");
    }
}

#[test]
fn absolute_paths_stay_inside() {
    let arena = Arena::new();
    let name = format!("{}/canary", arena.outside());
    arena.unpack(&Raw::default().file(&name, "evil").end()).unwrap();
    assert_eq!(fs::read_to_string(arena.diff().join(&name[1..])).unwrap(), "evil");
}

#[test]
fn files_below_links_never_leave() {
    // CVE-2025-11395 and a dozen before it.
    let arena = Arena::new();
    for target in
        [arena.outside(), "../../outside".into(), "/".repeat(3) + "nowhere", "a".into(), "/proc/self/cwd".into()]
    {
        let arena = Arena::new();
        let text = arena.refuse(&Raw::default().symlink("a", &target).file("a/canary", "evil").end());
        assert!(text.contains("goes through `a`"), "{target}: {text}");
    }
    // A link to a directory of the same layer is how merged archives look.
    let merged = Raw::default().dir("usr/lib", 0o755).symlink("lib", "/usr/lib").file("lib/x", "fine").end();
    arena.unpack(&merged).unwrap();
    assert!(arena.diff().join("usr/lib/x").is_file() && arena.diff().join("lib").is_symlink());
    let nested = Raw::default().symlink("up", "../../../..").file("up/x", "clamped").end();
    arena.unpack(&nested).unwrap();
    assert!(arena.diff().join("x").is_file());
}

#[test]
fn directories_below_links_never_leave() {
    let arena = Arena::new();
    let archive = Raw::default().symlink("a", &arena.outside()).dir("a/dir/deeper", 0o777).end();
    assert!(arena.refuse(&archive).contains("goes through"));
    let archive = Raw::default().symlink("b", &arena.outside()).dir("b", 0o777).end();
    arena.unpack(&archive).unwrap();
    let made = fs::symlink_metadata(arena.diff().join("b")).unwrap();
    assert!(made.is_dir() && made.mode() & 0o777 == 0o777, "the link was replaced (RUSTSEC-2026-0067)");
    // The other way round: the directory's late metadata must not go through the link that took its place.
    let archive = Raw::default().dir("c", 0o777).symlink("c", &arena.outside()).end();
    arena.unpack(&archive).unwrap();
    assert!(arena.diff().join("c").is_symlink());
    let archive = Raw::default().dir("d/e", 0o777).symlink("d", &arena.outside()).file("d/e/canary", "evil").end();
    arena.refuse(&archive);
}

#[test]
fn hard_links_name_files_of_the_layer_only() {
    let outside = Arena::new().outside();
    for target in [
        "../outside/canary",
        "../../outside/canary",
        &format!("{outside}/canary"),
        "missing",
        "",
        ".",
        "a",
        "/etc/passwd",
    ] {
        let arena = Arena::new();
        let text = arena.refuse(&Raw::default().dir("a", 0o755).hard("h", target).end());
        assert!(text.contains("leaves the layer") || text.contains("not a file of this layer"), "{target}: {text}");
    }
    let arena = Arena::new();
    let through = Raw::default().symlink("d", &arena.outside()).hard("h", "d/canary").end();
    assert!(arena.refuse(&through).contains("not a file of this layer"));
    // A hard link to a link is the link, and what replaces it is not written through it.
    let link = format!("{}/canary", arena.outside());
    let archive = Raw::default().symlink("l", &link).hard("m", "l").file("m", "evil").hard("l2", "l").end();
    arena.unpack(&archive).unwrap();
    assert!(arena.diff().join("l2").is_symlink() && !arena.diff().join("m").is_symlink());
    // To itself, and to what its own making removes.
    arena.unpack(&Raw::default().file("f", "x").hard("f", "f").end()).unwrap();
    assert_eq!(fs::read_to_string(arena.diff().join("f")).unwrap(), "x");
    arena.refuse(&Raw::default().file("p/f", "x").hard("p", "p/f").end());
}

#[test]
fn files_are_not_written_through_what_stood_there() {
    let arena = Arena::new();
    let link = format!("{}/canary", arena.outside());
    let archive = Raw::default()
        .symlink("link", &link)
        .file("link", "evil")
        .node("null", b'3', 1, 3)
        .file("null", "file")
        .node("fifo", b'6', 0, 0)
        .file("fifo", "file")
        .file("twice", "one")
        .file("twice", "two")
        .file("dir/below", "x")
        .file("dir", "file now")
        .file("file", "x")
        .dir("file", 0o700)
        .file("file/below", "y")
        .end();
    arena.unpack(&archive).unwrap();
    let read = |name: &str| fs::read_to_string(arena.diff().join(name)).unwrap();
    assert_eq!(
        (read("link"), read("null"), read("fifo"), read("twice")),
        ("evil".into(), "file".into(), "file".into(), "two".into())
    );
    assert_eq!((read("dir"), read("file/below")), ("file now".into(), "y".into()));
}

#[test]
fn whiteouts_hide_in_the_layer_only() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh..", "a/.wh...", ".wh.x/y", "a/.wh.b/c/d"] {
        let arena = Arena::new();
        let text = arena.refuse(&Raw::default().file(name, "").end());
        assert!(text.contains("name is not allowed"), "{name}: {text}");
    }
    let arena = Arena::new();
    let archive = Raw::default().symlink("a", &arena.outside()).file("a/.wh.canary", "").end();
    assert!(arena.refuse(&archive).contains("goes through"));
    let archive = Raw::default().symlink("o", &arena.outside()).file("o/.wh..wh..opq", "").end();
    assert!(arena.refuse(&archive).contains("goes through"));
    assert!(arena.unpack(&Raw::default().file(".wh..wh..opq", "").end()).unwrap().opaque);
    // Whiting out a link hides the name, not what it leads to.
    let archive = Raw::default().symlink("l", &arena.outside()).file(".wh.l", "").end();
    arena.unpack(&archive).unwrap();
}

#[test]
fn the_root_stays_a_directory() {
    let arena = Arena::new();
    for archive in
        [Raw::default().symlink("./", &arena.outside()), Raw::default().file("/", "x"), Raw::default().hard(".", "x")]
    {
        assert!(arena.refuse(&archive.end()).contains("root of the layer"));
    }
    arena.unpack(&Raw::default().dir("./", 0o4710).end()).unwrap();
    assert_eq!(fs::metadata(arena.diff()).unwrap().mode() & 0o7777, 0o755, "said, and not obeyed");
}

#[test]
fn overlay_attributes_are_refused_and_others_kept() {
    let overlay =
        ["trusted.overlay.redirect", "trusted.overlay.opaque", "trusted.overlay.metacopy", "user.overlay.redirect"];
    for name in overlay {
        let arena = Arena::new();
        let archive = Raw::default().pax(b'x', &[(&format!("SCHILY.xattr.{name}"), b"/etc")]).dir("a", 0o755).end();
        assert!(arena.refuse(&archive).contains("belongs to the overlay file system"), "{name}");
        let archive = Raw::default().pax(b'x', &[(&format!("SCHILY.xattr.{name}"), b"/etc")]).dir("./", 0o755).end();
        assert!(arena.refuse(&archive).contains("belongs to the overlay file system"), "{name}");
    }
    let arena = Arena::new();
    let capability = [1u8, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let records: [(&str, &[u8]); 3] = [
        ("SCHILY.xattr.security.capability", &capability),
        ("SCHILY.xattr.trusted.other", b"x"),
        ("SCHILY.xattr.security.selinux", b"x"),
    ];
    arena.unpack(&Raw::default().pax(b'x', &records).file("f", "x").end()).unwrap();
    let mut list = [0u8; 256];
    let length = rustix::fs::llistxattr(arena.diff().join("f"), &mut list[..]).unwrap();
    assert_eq!(&list[..length], b"security.capability\0");
    let large = vec![b'x'; 200 << 10];
    let archive = Raw::default().pax(b'x', &[("SCHILY.xattr.user.a", &large)]).file("g", "x").end();
    assert!(arena.refuse(&archive).contains("attributes have more than"));
}

#[test]
fn set_id_bits_and_devices_arrive() {
    let arena = Arena::new();
    let mut archive = Raw::default().node("zero", b'3', 1, 5).node("disk", b'4', 8, 0);
    archive.header(b"su", b'0', 0o6755, b"", 0);
    arena.unpack(&archive.end()).unwrap();
    assert_eq!(fs::metadata(arena.diff().join("su")).unwrap().mode() & 0o7777, 0o6755);
    assert_eq!(fs::metadata(arena.diff().join("zero")).unwrap().rdev(), rustix::fs::makedev(1, 5));
}

#[test]
fn two_sizes_are_refused() {
    // CVE-2025-62518: an inner archive smuggled past a reader that takes the other size.
    for size in ["0", "512", "1024", "99999999999"] {
        let arena = Arena::new();
        let inner = Raw::default().file("smuggled", "evil").end();
        let mut archive = Raw::default().pax(b'x', &[("size", size.as_bytes())]);
        archive.header(b"outer", b'0', 0o644, b"", inner.len() as u64);
        archive.data(&inner);
        assert!(arena.refuse(&archive.end()).contains("two sizes"), "{size}");
        let mut archive = Raw::default().pax(b'x', &[("size", size.as_bytes())]);
        archive.header(b"outer", b'0', 0o644, b"", 0);
        archive.data(&inner);
        let result = arena.unpack(&archive.end());
        assert_eq!(result.is_ok(), size == "0", "{size}");
    }
    let arena = Arena::new();
    for (kind, name) in [(b'1', "hard"), (b'2', "soft"), (b'3', "char"), (b'5', "dir"), (b'6', "fifo")] {
        let mut archive = Raw::default();
        archive.header(name.as_bytes(), kind, 0o755, b"x", 512);
        archive.data(&Raw::default().file("smuggled", "").0);
        assert!(arena.refuse(&archive.end()).contains("data that its type does not have"), "{name}");
    }
    assert!(!arena.diff().join("smuggled").exists());
}

#[test]
fn extended_headers_are_checked_like_names() {
    let arena = Arena::new();
    let out = Raw::default().pax(b'x', &[("path", b"../outside/canary")]).file("fine", "evil").end();
    assert!(arena.refuse(&out).contains("leaves the layer"));
    let out = Raw::default().pax(b'x', &[("linkpath", b"../../outside/canary")]).hard("h", "fine").end();
    assert!(arena.refuse(&out).contains("leaves the layer"));
    let nul = Raw::default().pax(b'x', &[("path", b"a\0/../b")]).file("fine", "").end();
    assert!(arena.refuse(&nul).contains("malformed path"));
    for key in ["path", "linkpath", "size"] {
        let global = Raw::default().pax(b'g', &[(key, b"1")]).file("fine", "").end();
        assert!(arena.refuse(&global).contains("global PAX record"), "{key}");
    }
    let comment = Raw::default().pax(b'g', &[("comment", b"0123")]).file("fine", "").end();
    arena.unpack(&comment).unwrap();
    for (key, value) in [("uid", "4294967295"), ("uid", "99999999999"), ("gid", "-1"), ("size", "x"), ("mtime", "soon")]
    {
        let archive = Raw::default().pax(b'x', &[(key, value.as_bytes())]).file("ids", "").end();
        assert!(arena.refuse(&archive).contains(&format!("malformed {key}")), "{key}={value}");
    }
    // CVE-2024-40635: ids that wrap to root.
    let mut archive = Raw::default();
    let start = archive.header(b"wrap", b'0', 0o644, b"", 0);
    archive.0[start + 108..start + 116].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 0]);
    archive.seal(start);
    assert!(arena.refuse(&archive.end()).contains("malformed uid"));
}

#[test]
fn sparse_maps_are_checked() {
    let sparse = |map: &str, size: &str, content: &str| {
        let records: [(&str, &[u8]); 3] =
            [("GNU.sparse.map", map.as_bytes()), ("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.name", b"s")];
        Raw::default().pax(b'x', &records).file("x", content).end()
    };
    let arena = Arena::new();
    arena.unpack(&sparse("1000,4", "5000", "data")).unwrap();
    let content = fs::read(arena.diff().join("s")).unwrap();
    assert!(content.len() == 5000 && &content[1000..1004] == b"data" && content[..1000].iter().all(|b| *b == 0));
    let bad = [
        ("1000,5", "5000", "data"),
        ("4998,4", "5000", "data"),
        ("10,2,11,2", "5000", "data"),
        ("10,2,0,2", "5000", "data"),
        ("18446744073709551615,4", "5000", "data"),
        ("0,4", "18446744073709551615", "data"),
        ("0,4,5", "5000", "data"),
        ("x", "5000", "data"),
    ];
    for (map, size, content) in bad {
        let text = arena.refuse(&sparse(map, size, content));
        assert!(text.contains("map"), "{map} {size}: {text}");
    }
    let records: [(&str, &[u8]); 3] =
        [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"100")];
    for map in ["999999999\n", "1\n0\n", "1\nx\n", "1\n0\n4\n"] {
        let archive = Raw::default().pax(b'x', &records).file("y", map).end();
        assert!(arena.refuse(&archive).contains("sparse"), "{map:?}");
    }
    // Larger than any disk, and without a byte: the file system decides, nothing is filled.
    let _ = arena.unpack(&sparse("0,0", "9223372036854775807", ""));
}

#[test]
fn names_have_limits() {
    let arena = Arena::new();
    let path = |length: usize| "d/".repeat(length / 2).into_bytes();
    let named = |path: &[u8]| Raw::default().pax(b'x', &[("path", path)]).file("x", "").end();
    arena.unpack(&named(&path(500))).unwrap();
    assert!(arena.refuse(&named(&path(600))).contains("more than 256 components"));
    assert!(arena.refuse(&named(&path(4200))).contains("more than 4096 bytes"));
    assert!(arena.refuse(&named(&[b'a'; 256])).contains("File name too long"));
    let mut gnu = Raw::default();
    gnu.header(b"././@LongLink", b'L', 0, b"", 1 << 30);
    assert!(arena.refuse(&gnu.end()).contains("extended header of more than"));
    arena.unpack(&Raw::default().file([b'n', 0xff, 0xfe], "bytes").end()).unwrap();
    let odd = std::os::unix::ffi::OsStrExt::from_bytes(&[b'n', 0xff, 0xfe][..]);
    assert!(arena.diff().join::<&std::ffi::OsStr>(odd).is_file());
    let escaped = arena.refuse(&Raw::default().file(b"../\x1b[31m\xff", "").end());
    assert!(escaped.contains(r"../\x1b[31m\xff"), "no terminal sequence reaches the user: {escaped}");
}

#[test]
fn bombs_are_stopped() {
    let limits = Limits {
        bytes: 8 << 20,
        ratio: 100,
        ratio_from: 1 << 20,
        entries: 100,
        names: NameLimits { path: 100, extended: 1000, regions: 4 },
        ..Limits::default()
    };
    let arena = Arena::new();
    let archive = |size: usize| Raw::default().file("zeros", &"\0".repeat(size)).end();
    let text = message(&arena.unpack_with(&archive(9 << 20), &limits).unwrap_err());
    assert!(text.contains("unpacks to more than 8388608 bytes"), "{text}");
    for packed in [zstd::encode_all(&archive(4 << 20)[..], 19).unwrap(), gzip(&archive(4 << 20))] {
        let text = message(&arena.unpack_with(&packed, &limits).unwrap_err());
        assert!(text.contains("unpacks to more than 100 times its size"), "{text}");
    }
    let many = (0..101).fold(Raw::default(), |raw, n| raw.file(format!("f{n}"), "")).end();
    let text = message(&arena.unpack_with(&many, &limits).unwrap_err());
    assert!(text.contains("more than 100 entries"), "{text}");
}

#[test]
fn maps_of_old_sparse_files_are_checked() {
    // Type `S`: regions in the header, 24 bytes each, and the real size behind them.
    let sparse = |regions: &[(u64, u64)], size: u64, content: &str| {
        let mut raw = Raw::default();
        let start = raw.header(b"s", b'S', 0o644, b"", content.len() as u64);
        raw.0[start + 257..start + 265].copy_from_slice(b"ustar  \0");
        for (number, (offset, length)) in regions.iter().enumerate() {
            let at = start + 386 + number * 24;
            raw.0[at..at + 24].copy_from_slice(format!("{offset:011o}\0{length:011o}\0").as_bytes());
        }
        raw.0[start + 483..start + 494].copy_from_slice(format!("{size:011o}").as_bytes());
        raw.seal(start);
        raw.data(content.as_bytes());
        raw
    };
    let arena = Arena::new();
    arena.unpack(&sparse(&[(1000, 4)], 5000, "data").end()).unwrap();
    let content = fs::read(arena.diff().join("s")).unwrap();
    assert!(content.len() == 5000 && &content[1000..1004] == b"data");
    for (regions, size) in
        [(&[(0, 5)][..], 5000), (&[(4998, 4)], 5000), (&[(10, 2), (11, 2)], 5000), (&[(10, 2), (0, 2)], 5000)]
    {
        assert!(arena.refuse(&sparse(regions, size, "data").end()).contains("map"), "{regions:?} {size}");
    }
    // More regions than are allowed, or than there are.
    let mut endless = sparse(&[(0, 1)], 5000, "d");
    endless.0.truncate(512);
    endless.0[482] = 1;
    endless.seal(0);
    let mut block = [b'0'; 512];
    block[504] = 1;
    for _ in 0..4000 {
        endless.0.extend(block);
    }
    assert!(arena.refuse(&endless.0).contains("map"));
}

#[test]
fn directories_that_do_not_fit_in_memory_get_their_times() {
    let arena = Arena::new();
    let count = 12_000;
    let name = |number: usize| format!("{}-{number}", "long-name".repeat(9));
    let raw = (0..count).fold(Raw::default(), |raw, number| raw.dir(&name(number), 0o755));
    // The last word counts, and it comes after the others were put away.
    let mut raw = raw.dir(&name(1), 0o700).file(name(0) + "/file", "x");
    let start = raw.header(name(2).as_bytes(), b'5', 0o711, b"", 0);
    raw.0[start + 136..start + 147].copy_from_slice(format!("{:011o}", 7).as_bytes());
    raw.seal(start);
    arena.unpack(&raw.end()).unwrap();
    for (number, time) in [(0, 1_000_000_000), (1, 1_000_000_000), (2, 7), (count - 1, 1_000_000_000)] {
        assert_eq!(fs::metadata(arena.diff().join(name(number))).unwrap().mtime(), time, "{number}");
    }
}

#[test]
fn what_follows_the_end_is_hashed_and_not_read() {
    let tar = Raw::default().file("seen", "x").end();
    let more = Raw::default().file("unseen", "x").end();
    let both = [tar.clone(), more.clone()].concat();
    for packed in [
        [gzip(&tar), gzip(&more)].concat(),
        [zstd::encode_all(&tar[..], 1).unwrap(), zstd::encode_all(&more[..], 1).unwrap()].concat(),
        both.clone(),
    ] {
        let arena = Arena::new();
        let unpacked = arena.unpack(&packed).unwrap();
        assert_eq!((&unpacked.diff_id, &unpacked.blob), (&Digest::of(&both), &Digest::of(&packed)));
        assert_eq!((unpacked.blob_size, unpacked.entries), (packed.len() as u64, 1));
        assert!(!arena.diff().join("unseen").exists());
    }
    let arena = Arena::new();
    for wrong in [
        Expected { blob: None, diff_id: Some(Digest::of(b"other")) },
        Expected { blob: Some((Digest::of(b"other"), None)), diff_id: None },
        Expected { blob: Some((Digest::of(&tar), Some(1))), diff_id: None },
    ] {
        assert!(unpack(&tar[..], &wrong, &arena.layer(), &Limits::default()).is_err());
    }
}

#[test]
fn broken_archives_are_errors_and_nothing_worse() {
    let arena = Arena::new();
    let sound = Raw::default()
        .dir("d", 0o755)
        .pax(b'x', &[("path", b"d/file"), ("mtime", b"1.5"), ("SCHILY.xattr.user.a", b"b")])
        .file("f", "content of some length")
        .symlink("l", "../../outside")
        .hard("h", "d/file")
        .node("n", b'3', 1, 3)
        .end();
    for length in (0..sound.len()).step_by(100) {
        let _ = arena.unpack(&sound[..length]);
    }
    for packed in [gzip(&sound), zstd::encode_all(&sound[..], 1).unwrap()] {
        for length in 6..packed.len() {
            assert!(arena.unpack(&packed[..length]).is_err());
        }
    }
    // Bytes changed at random, checksums made right again: any outcome will do that leaves the outside alone.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..3000 {
        let mut raw = Raw(sound.clone());
        for _ in 0..1 + random(4) {
            let at = random(raw.0.len());
            raw.0[at] = [b'/', b'.', 0, 0xff, b'1', b'2', b'5', b'x', b'L', b'S', random(256) as u8][random(11)];
        }
        for start in (0..raw.0.len()).step_by(512) {
            if &raw.0[start + 257..start + 262] == b"ustar" {
                raw.seal(start);
            }
        }
        let _ = arena.unpack(&raw.0);
    }
    for text in ["", "not a tar archive at all", "\u{1f}\u{8b}"] {
        let _ = arena.unpack(text.as_bytes());
    }
    assert!(arena.refuse(&[b'x'; 2048]).contains("not a sound tar archive"));
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A store of its own below an arena.
struct Store {
    arena: Arena,
    layout: Layout,
    database: Database,
}

impl Store {
    fn new() -> Self {
        let arena = Arena::new();
        let layout = Layout::new(arena.path.join("inside/diff/root"), arena.path.join("inside/diff/run"));
        Self { database: Database::open(&layout).unwrap(), layout, arena }
    }

    /// Loads an archive that must be refused; nothing of it may stay.
    fn refuse(&mut self, archive: &[u8]) -> String {
        let mut images = ImageStore::new(&self.layout, &mut self.database);
        let error = images.load(Input::Stream(Box::new(archive)), "archive").expect_err("refused");
        self.nothing_stays();
        message(&error)
    }

    fn refuse_path(&mut self, path: &Path) -> String {
        let error =
            ImageStore::new(&self.layout, &mut self.database).load(Input::Path(path), "layout").expect_err("refused");
        self.nothing_stays();
        message(&error)
    }

    fn nothing_stays(&mut self) {
        assert_eq!(snapshot(&self.arena.path.join("outside")), self.arena.before);
        assert!(ImageStore::new(&self.layout, &mut self.database).list().unwrap().is_empty());
        let left: Vec<_> = fs::read_dir(self.layout.layers()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn config(diff_id: &Digest, more: &str) -> String {
    format!(
        r#"{{"os":"linux","architecture":"amd64","config":{{{more}}},"rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    )
}

#[test]
fn docker_archives_are_checked() {
    let layer = Raw::default().file("f", "x").0;
    let manifest =
        |config: &str, layer: &str| format!(r#"[{{"Config":"{config}","RepoTags":["a:1"],"Layers":["{layer}"]}}]"#);
    let build = |config: &str, manifest: &str| {
        let raw = Raw::default().file("config", config).file("manifest.json", manifest);
        raw.file("layer.tar", std::str::from_utf8(&layer).unwrap())
            .symlink("loop", "loop")
            .symlink("out", "../../etc/passwd")
            .end()
    };
    let good = config(&Digest::of(&layer), "");
    let mut store = Store::new();
    let cases = [
        (build(&good, &manifest("../../../etc/passwd", "layer.tar")), "lacks `../../../etc/passwd`"),
        (build(&good, &manifest("/etc/passwd", "layer.tar")), "lacks `/etc/passwd`"),
        (build(&good, &manifest("config", "loop")), "lacks `loop`"),
        (build(&good, &manifest("config", "out")), "lacks `out`"),
        (build(&good, r#"[{"Config":"config","RepoTags":["a:1"],"Layers":[]}]"#), "0 layers"),
        (build(&good, r#"[{"Config":"config","RepoTags":["../a"],"Layers":["layer.tar"]}]"#), "malformed"),
        (build(&good, "[]"), "holds no image"),
        (build(&good, "{"), "malformed manifest.json"),
        (build(&config(&Digest::of(b"other"), ""), &manifest("config", "layer.tar")), "unpacks to content"),
        (build(&good.replace("sha256", "sha512"), &manifest("config", "layer.tar")), "malformed image configuration"),
        (
            build(&good.replace("sha256:", "sha256:../../"), &manifest("config", "layer.tar")),
            "malformed image configuration",
        ),
        (build(&good.replace("linux", "windows"), &manifest("config", "layer.tar")), "runs no Linux containers"),
        (build(&(" ".repeat(5 << 20) + &good), &manifest("config", "layer.tar")), "larger than"),
        (Raw::default().file("f", "x").end(), "neither `manifest.json` nor `index.json`"),
        (vec![b'x'; 4096], "not an archive of images"),
    ];
    for (archive, expected) in cases {
        let text = store.refuse(&archive);
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // CVE-2026-57231: entries without a value pulled variables of the machine in.
    for entry in ["HOME", "*", "=x", ""] {
        let archive =
            build(&config(&Digest::of(&layer), &format!(r#""Env":["{entry}"]"#)), &manifest("config", "layer.tar"));
        assert!(store.refuse(&archive).contains("has no `NAME=`"), "{entry}");
    }
    let named = Raw::default().file(format!("{}.json", "ab".repeat(32)), &good);
    let archive = named.file("manifest.json", &manifest(&format!("{}.json", "ab".repeat(32)), "layer.tar")).end();
    assert!(store.refuse(&archive).contains("is not what its descriptor says"));
}

#[test]
fn oci_layouts_are_checked() {
    let layer = String::from_utf8(Raw::default().file("f", "x").0).unwrap();
    let config = config(&Digest::of(layer.as_bytes()), "");
    let descriptor = |content: &str, size: usize| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{size}}}"#,
            Digest::of(content.as_bytes())
        )
    };
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        descriptor(&config, config.len()),
        descriptor(&layer, layer.len())
    );
    let index = |descriptors: &str| format!(r#"{{"schemaVersion":2,"manifests":[{descriptors}]}}"#);
    let pack = |index: &str, blobs: &[&str]| {
        let blob = |raw: Raw, content: &&str| {
            raw.file(format!("blobs/sha256/{}", Digest::of(content.as_bytes()).hex()), content)
        };
        blobs.iter().fold(Raw::default().file("index.json", index), blob).end()
    };
    let both = manifest.replace(r#""schemaVersion""#, r#""manifests":[],"schemaVersion""#);
    let short = manifest.replace(&format!(r#""size":{}"#, layer.len()), r#""size":1"#);
    let foreign = manifest.replace("layer.v1.tar", "layer.v1.tar+encrypted");
    let windows = format!(
        r#"{},"platform":{{"os":"windows","architecture":"amd64"}}}}"#,
        descriptor(&manifest, manifest.len()).trim_end_matches('}')
    );
    let of = |m: &str| index(&descriptor(m, m.len()));
    let mut store = Store::new();
    let cases = [
        (pack(&of(&both), &[&both, &config, &layer]), "could be taken for two things"),
        (pack(&of(&short), &[&short, &config, &layer]), "bytes instead of 1"),
        (pack(&of(&foreign), &[&foreign, &config, &layer]), "is not supported"),
        (pack(&index(&windows), &[&manifest, &config, &layer]), "no image for linux/"),
        (pack(&index(&descriptor(&manifest, 7)), &[&manifest, &config, &layer]), "not what its descriptor says"),
        (pack(&of(&manifest), &[&manifest, &layer]), "archive lacks `blobs/sha256/"),
        (pack(&of(&manifest), &[&manifest, &config]), "archive lacks `blobs/sha256/"),
        (pack(&of(&manifest).replace("sha256:", "sha256:../"), &[&manifest]), "malformed manifest"),
        (pack(&of(&manifest).replace("sha256:", "md5:"), &[&manifest]), "malformed manifest"),
        (pack(&manifest, &[&manifest, &config, &layer]), "neither"),
        (pack(&index(""), &[]), "holds no image"),
    ];
    for (archive, expected) in cases {
        let text = store.refuse(&archive);
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // An index that leads to itself cannot be made, one as deep as one likes can.
    let mut blobs = vec![manifest.clone()];
    for _ in 0..8 {
        blobs.push(of(blobs.last().unwrap()));
    }
    let all: Vec<&str> = blobs.iter().map(String::as_str).collect();
    assert!(store.refuse(&pack(blobs.last().unwrap(), &all)).contains("too deeply"));
    // The sound one is taken.
    let mut images = ImageStore::new(&store.layout, &mut store.database);
    let sound = pack(&of(&manifest), &[&manifest, &config, &layer]);
    images.load(Input::Stream(Box::new(&sound[..])), "archive").unwrap();
    assert_eq!(images.list().unwrap()[0].digest, Digest::of(manifest.as_bytes()).to_string());
}

#[test]
fn layouts_in_a_directory_stay_in_it() {
    let mut store = Store::new();
    let layout = store.arena.path.join("inside/diff/layout");
    fs::create_dir_all(&layout).unwrap();
    let secret = store.arena.path.join("inside/diff/secret");
    fs::write(&secret, r#"{"manifests":[]}"#).unwrap();
    std::os::unix::fs::symlink(&secret, layout.join("index.json")).unwrap();
    assert!(store.refuse_path(&layout).contains("neither"));
    fs::remove_file(layout.join("index.json")).unwrap();
    // Reading it would wait for ever.
    rustix::fs::mkfifoat(rustix::fs::CWD, layout.join("index.json"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    assert!(store.refuse_path(&layout).contains("neither"));
    fs::remove_file(layout.join("index.json")).unwrap();
    fs::File::create(layout.join("index.json")).unwrap().set_len(10 << 30).unwrap();
    assert!(store.refuse_path(&layout).contains("larger than"));
}

#[test]
fn an_opaque_root_hides_the_layers_below() {
    let mut store = Store::new();
    let lower = Raw::default().file("hidden", "x").0;
    let upper = Raw::default().file(".wh..wh..opq", "").file("seen", "x").0;
    let config = format!(
        r#"{{"os":"linux","rootfs":{{"type":"layers","diff_ids":["{}","{}"]}}}}"#,
        Digest::of(&lower),
        Digest::of(&upper)
    );
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let archive = Raw::default()
        .file("c", &config)
        .file("manifest.json", r#"[{"Config":"c","RepoTags":["a:1"],"Layers":["l","u"]}]"#)
        .file("l", &text(&lower))
        .file("u", &text(&upper))
        .end();
    let mut images = ImageStore::new(&store.layout, &mut store.database);
    images.load(Input::Stream(Box::new(&archive[..])), "archive").unwrap();
    let record = images.to_record("docker.io/library/a:1").unwrap();
    assert_eq!(record.layers, [Digest::of(&upper).chain(Some(&Digest::of(&lower))).hex()]);
}

/// A small file system that can be filled.
struct Disk(PathBuf);

impl Disk {
    fn new(path: PathBuf, size: &str) -> Self {
        fs::create_dir_all(&path).unwrap();
        let options = std::ffi::CString::new(format!("size={size}")).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", &path, "tmpfs", flags, Some(options.as_c_str()))
            .expect("mounting a tmpfs needs root");
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_is_a_clear_error_and_leaves_nothing_half_done() {
    let arena = Arena::new();
    let disk = Disk::new(arena.path.join("disk"), "4m");
    let layout = Layout::new(disk.0.join("root"), disk.0.join("run"));
    let mut database = Database::open(&layout).unwrap();
    // Text that does not shrink, so that the layer alone fills the disk.
    let noise = |seed: u64, size: usize| -> String {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + (state >> 40) as u8 % 26)
        };
        (0..size).map(|_| next()).collect()
    };
    let archive = |name: &str, size: usize| {
        let layer =
            Raw::default().file("a", &noise(size as u64, size / 2)).file("b", &noise(size as u64 + 1, size / 2)).end();
        let config = config(&Digest::of(&layer), "");
        let manifest = format!(r#"[{{"Config":"c","RepoTags":["{name}:1"],"Layers":["l"]}}]"#);
        let raw = Raw::default().file("c", &config).file("manifest.json", &manifest);
        let path = arena.path.join(format!("inside/{name}.tar"));
        fs::write(&path, raw.file("l", std::str::from_utf8(&layer).unwrap()).end()).unwrap();
        path
    };
    let (small, large) = (archive("small", 1 << 20), archive("large", 8 << 20));
    let mut images = ImageStore::new(&layout, &mut database);
    images.load(Input::Path(&small), "small").unwrap();
    let error = images.load(Input::Path(&large), "large").unwrap_err();
    assert!(matches!(error, ImageError::DiskFull { .. }), "{error:?}");
    assert!(message(&error).contains("no space left"));
    // The same from a pipe, which has to be kept somewhere first.
    let error = images.load(Input::Stream(Box::new(fs::File::open(&large).unwrap())), "large").unwrap_err();
    assert!(matches!(error, ImageError::DiskFull { .. }), "{error:?}");
    assert_eq!(images.list().unwrap().len(), 1);
    assert!(images.check(false, podkin::image::store::Depth::Thorough).unwrap().is_empty());
    assert_eq!(images.prune(true, |_| true).unwrap().deleted.len(), 1);
    images.load(Input::Path(&small), "small").unwrap();
}
