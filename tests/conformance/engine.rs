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

/// A command of the engine, in the environment of one case.
pub fn command(kind: EngineKind, env: &TestEnv, directory: &Path, args: &[String]) -> Command {
    let mut command = match kind {
        EngineKind::Podkin => env.command(args),
        EngineKind::Podman => {
            let mut command = Command::new("podman");
            command.arg("--cgroup-manager=cgroupfs").args(args).env("CONTAINERS_CONF", podman_conf());
            command
        }
    };
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

fn podman_conf() -> PathBuf {
    let path = std::env::temp_dir().join("podkin-conformance-containers.conf");
    if !path.exists() {
        let text = "[containers]\ndefault_ulimits=[\"nofile=20000:20000\",\"nproc=32768:32768\"]\n[engine]\nruntime=\"runc\"\n";
        // A second writer writes the same text.
        let _ = std::fs::write(&path, text);
    }
    path
}

/// Imports the layer of the demo image with the configuration it has in podkin.
fn import_demo() -> Result<(), String> {
    let layer = Path::new(env!("OUT_DIR")).join("demo-layer.tar");
    let changes = ["ENTRYPOINT [\"/podkin-demo\"]", "CMD [\"serve\"]", "ENV PATH=/bin:/", "EXPOSE 8080"];
    let mut import = Command::new("podman");
    import.arg("import").args(changes.iter().flat_map(|change| ["--change", change]));
    let output = import.arg(&layer).arg("localhost/podkin-demo:latest").output().map_err(|e| e.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
