//! The engine a case is run against.

use crate::common::TestEnv;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    Podkin,
    Podman,
}

impl EngineKind {
    pub fn parse(name: &str) -> Result<Self, String> {
        match name {
            "podkin" => Ok(Self::Podkin),
            "podman" => Ok(Self::Podman),
            other => Err(format!("unknown engine `{other}`: podkin or podman")),
        }
    }
}

/// Says what is missing for that engine on this machine.
pub fn available(kind: EngineKind) -> Result<(), String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = status.lines().any(|l| l.starts_with("Uid:") && l.split_whitespace().nth(2) == Some("0"));
    if !root {
        return Err("the cases run real containers and need root".into());
    }
    if kind == EngineKind::Podman {
        let version = Command::new("podman").arg("--version").stdout(Stdio::null()).status();
        if !version.is_ok_and(|s| s.success()) {
            return Err("podman is not installed".into());
        }
    }
    Ok(())
}

/// Directory of a case's files in which its programs are.
pub const PROGRAMS: &str = "sbin";

/// A command of the engine, in the environment of one case.
pub fn command(kind: EngineKind, env: &TestEnv, directory: &Path, args: &[String]) -> Command {
    let mut command = match kind {
        EngineKind::Podkin => env.command(args),
        EngineKind::Podman => {
            let mut command = podman();
            command.args(args);
            command
        }
    };
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", directory.join(PROGRAMS).display()));
    command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Makes the demo image known to podman, once; podkin carries it.
pub fn prepare(kind: EngineKind) -> Result<(), String> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    match kind {
        EngineKind::Podkin => Ok(()),
        EngineKind::Podman => DONE.get_or_init(import_demo).clone(),
    }
}

/// Podman with one state for all cases, which follow one another: its own, apart from what a user has.
fn podman() -> Command {
    let base = podman_base();
    let conf = base.join("containers.conf");
    if !conf.exists() {
        let text = "[containers]\ndefault_ulimits=[\"nofile=20000:20000\",\"nproc=32768:32768\"]\n[engine]\nruntime=\"runc\"\n";
        std::fs::create_dir_all(&base)
            .and_then(|()| std::fs::write(&conf, text))
            .expect("the scratch directory is writable");
    }
    let mut command = Command::new("podman");
    command
        .arg("--cgroup-manager=cgroupfs")
        .arg("--root")
        .arg(base.join("root"))
        .arg("--runroot")
        .arg(base.join("run"));
    command.arg("--network-config-dir").arg(base.join("networks")).env("CONTAINERS_CONF", conf);
    command
}

fn podman_base() -> PathBuf {
    std::env::temp_dir().join(format!("podkin-conformance-{}", std::process::id()))
}

/// Takes away what podman had for the cases.
pub fn finish(kind: EngineKind) {
    if kind == EngineKind::Podman {
        for args in [&["pod", "rm", "--all", "--force", "--time", "0"][..], &["system", "reset", "--force"]] {
            // What is left then is said by what cannot be removed.
            let _ = podman().args(args).output();
        }
        if let Err(error) = std::fs::remove_dir_all(podman_base()) {
            eprintln!("conformance: cannot remove {}: {error}", podman_base().display());
        }
    }
}

/// The layer of the demo image.
pub const DEMO_LAYER: &str = concat!(env!("OUT_DIR"), "/demo-layer.tar");

/// Imports the layer of the demo image with the configuration it has in podkin.
fn import_demo() -> Result<(), String> {
    let changes = ["ENTRYPOINT [\"/podkin-demo\"]", "CMD [\"serve\"]", "ENV PATH=/bin:/", "EXPOSE 8080"];
    let mut import = podman();
    import.arg("import").args(changes.iter().flat_map(|change| ["--change", change]));
    let output = import.arg(DEMO_LAYER).arg("localhost/podkin-demo:latest").output().map_err(|e| e.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
