//! Programs that a device needs to be run while the container is made (OCI runtime specification, `createContainer` hooks).
//!
//! They run as whoever runs podkin, in the launcher: its mount namespace has the container's file system, not yet as its root, and
//! its cgroup and network are the container's. They come from files of the machine's administrator, never from an image, and
//! neither their environment nor their working directory is the container's. Where links in the container's tree lead is for them to
//! mind, as under any runtime.

use super::RuntimeError;
use super::config::{ContainerConfig, Hook};
use crate::sys::program;
use serde_json::json;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Runs the hooks of a container one after the other; `config.json` must be there.
pub(super) fn run_all(config: &ContainerConfig) -> Result<(), RuntimeError> {
    config.hooks.iter().try_for_each(|hook| {
        let name = hook.path.display();
        match run(hook, config) {
            Ok((status, _)) if status.success() => Ok(()),
            Ok((status, said)) => {
                Err(RuntimeError::Refused(format!("hook `{name}` of a device failed, {status}: {said}")))
            }
            Err(source) => {
                Err(RuntimeError::Path { action: "run the hook of a device", path: hook.path.clone(), source })
            }
        }
    })
}

fn run(hook: &Hook, config: &ContainerConfig) -> io::Result<(ExitStatus, String)> {
    let Hook { path, args, env, timeout_seconds } = hook;
    let mut state = program::memory_file("hook-state")?;
    state.write_all(state_of(config).as_bytes())?;
    state.seek(SeekFrom::Start(0))?;
    let mut command = Command::new(path);
    if let Some((name, rest)) = args.split_first() {
        command.arg0(name).args(rest);
    }
    command.env_clear().envs(env.iter().map(|(name, value)| (name, value))).current_dir(&config.run_dir).stdin(state);
    // Whatever it started is in the container's cgroup and goes with that.
    program::run_within(&mut command, Duration::from_secs((*timeout_seconds).into()))
}

/// OCI runtime specification, "State".
fn state_of(config: &ContainerConfig) -> String {
    let bundle: &Path = &config.run_dir;
    let state = json!({
        "ociVersion": "1.0.2",
        "id": config.id,
        "status": "creating",
        "pid": std::process::id(),
        "bundle": bundle,
    });
    state.to_string()
}
