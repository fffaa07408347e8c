//! Builds the programs that run in containers: that of `demo/`, packed as the one layer of `localhost/podkin-demo`, and that of
//! `init/`, process 1 of containers that ask for one. Links the unwinder into the program.
//!
//! The layer and the image's documents are made here, so that at run time their digests are constants.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=demo/src");
    println!("cargo::rerun-if-changed=init/src");
    println!("cargo::rerun-if-env-changed=RUSTC");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    let architecture = match target.as_str() {
        "x86_64-unknown-linux-gnu" => "amd64",
        "aarch64-unknown-linux-gnu" => "arm64",
        other => panic!("podkin builds for x86_64 and aarch64 Linux with glibc, not for {other}"),
    };
    compile("init", &target, &out);
    let program = std::fs::read(compile("demo", &target, &out)).expect("rustc wrote the demo program");
    let layer = layer(&program);
    let config = config(architecture, &hex(&layer));
    let constants = format!(
        "/// The image's configuration.\npub(super) const CONFIG: &str = {config:?};\n\
         /// Image id: digest of the configuration.\npub const ID: &str = {:?};\n\
         /// Digest of the layer, and its chain id.\npub(super) const DIFF_ID: &str = \"sha256:{}\";\n\
         /// Bytes of the program in the layer.\npub(super) const PROGRAM_SIZE: u64 = {};\n",
        hex(config.as_bytes()),
        hex(&layer),
        program.len(),
    );
    std::fs::write(out.join("demo-layer.tar"), layer).expect("OUT_DIR is writable");
    std::fs::write(out.join("demo.rs"), constants).expect("OUT_DIR is writable");
    link_unwinder(&out);
}

/// Has `-lgcc_s`, which the standard library asks for, mean the static unwinder of the C compiler: as a shared library it takes a
/// twentieth of the time in which the program starts. Without such an unwinder all stays as it is.
fn link_unwinder(out: &Path) {
    println!("cargo::rerun-if-env-changed=CC");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let answer = Command::new(compiler).arg("-print-file-name=libgcc_eh.a").output();
    let found = answer.ok().and_then(|answer| String::from_utf8(answer.stdout).ok()).unwrap_or_default();
    // A compiler that has none says the bare name.
    if !Path::new(found.trim()).is_absolute() {
        return;
    }
    let directory = out.join("unwinder");
    std::fs::create_dir_all(&directory).expect("OUT_DIR is writable");
    let script = format!("INPUT({} -lgcc)\n", found.trim());
    std::fs::write(directory.join("libgcc_s.so"), script).expect("OUT_DIR is writable");
    println!("cargo::rustc-link-search=native={}", directory.display());
}

/// A static program without the C library: a tenth of the size, and nothing but rustc is needed to build it.
fn compile(name: &str, target: &str, out: &Path) -> PathBuf {
    let path = out.join(format!("podkin-{name}"));
    let source = Path::new(name).join("src");
    let rustc = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let status = Command::new(rustc)
        .args(["--edition", "2024", "--crate-name", &format!("podkin_{name}"), "--target", target])
        .arg(format!("--remap-path-prefix={}/=", source.display()))
        .args(["-C", "target-feature=+crt-static", "-C", "relocation-model=static", "-C", "panic=abort"])
        .args(["-C", "opt-level=z", "-C", "lto=fat", "-C", "strip=symbols", "-C", "codegen-units=1"])
        .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nostdlib", "-C", "link-arg=-static"])
        .arg("-o")
        .args([&path, &source.join("main.rs")])
        .status()
        .expect("rustc can be run");
    assert!(status.success(), "the program in {} does not compile", source.display());
    path
}

/// Names under which the program acts as the tool of that name.
const TOOLS: [&str; 17] = [
    "cat",
    "echo",
    "env",
    "false",
    "hostname",
    "id",
    "ls",
    "mkdir",
    "podkin-demo",
    "printenv",
    "pwd",
    "readlink",
    "rm",
    "sleep",
    "stat",
    "touch",
    "true",
];

const PASSWD: &str = "root:x:0:0:root:/root:/sbin/nologin\n\
                      demo:x:1000:1000:demo:/home/demo:/sbin/nologin\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nstaff:x:50:demo\ndemo:x:1000:\nnogroup:x:65534:\n";

fn layer(program: &[u8]) -> Vec<u8> {
    let mut tar = Tar(Vec::new());
    tar.directory("bin/", 0o755, 0);
    for tool in TOOLS {
        tar.entry(&format!("bin/{tool}"), b'2', 0o777, 0, "/podkin-demo", &[]);
    }
    tar.directory("etc/", 0o755, 0);
    tar.entry("etc/group", b'0', 0o644, 0, "", GROUP.as_bytes());
    tar.entry("etc/passwd", b'0', 0o644, 0, "", PASSWD.as_bytes());
    tar.directory("home/", 0o755, 0);
    tar.directory("home/demo/", 0o755, 1000);
    tar.entry("podkin-demo", b'0', 0o755, 0, "", program);
    tar.directory("root/", 0o700, 0);
    tar.directory("tmp/", 0o1777, 0);
    tar.0.extend([0; 1024]);
    tar.0
}

/// A ustar archive in memory.
struct Tar(Vec<u8>);

impl Tar {
    fn directory(&mut self, name: &str, mode: u32, owner: u32) {
        self.entry(name, b'5', mode, owner, "", &[]);
    }

    fn entry(&mut self, name: &str, kind: u8, mode: u32, owner: u32, link: &str, content: &[u8]) {
        let mut header = [0u8; 512];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, name);
        put(100, &format!("{mode:07o}"));
        put(108, &format!("{owner:07o}"));
        put(116, &format!("{owner:07o}"));
        put(124, &format!("{:011o}", content.len()));
        // The first of January 2026: the same program makes the same image.
        put(136, &format!("{:011o}", 1_767_225_600));
        put(148, "        ");
        put(157, link);
        put(257, "ustar");
        put(263, "00");
        header[156] = kind;
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(header);
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }
}

fn config(architecture: &str, diff_id: &str) -> String {
    format!(
        r#"{{"created":"2026-01-01T00:00:00Z","architecture":"{architecture}","os":"linux","config":{{"ExposedPorts":{{"8080/tcp":{{}}}},"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Entrypoint":["/podkin-demo"],"Cmd":["serve"],"WorkingDir":"/","Labels":{{"io.podkin.embedded":"true","org.opencontainers.image.title":"podkin-demo","org.opencontainers.image.description":"A web page about the pod it runs in, and small tools"}}}},"rootfs":{{"type":"layers","diff_ids":["sha256:{diff_id}"]}},"history":[{{"created":"2026-01-01T00:00:00Z","created_by":"podkin build script"}}]}}"#
    )
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
