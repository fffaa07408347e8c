//! What a container was started with, for later execs; `exec.json`.

use super::config::{ContainerConfig, Seccomp, UserSpec, Users};
use super::entry::DEFAULT_PATH;
use super::rootfs::Identity;
use crate::sys::lsm::ExecLabel;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::{fs, io};

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExecRecord {
    /// As the container's first process got it, with `HOME` and `PATH`.
    pub env: Vec<(String, String)>,
    pub cwd: String,
    #[serde(default)]
    pub users: Option<Users>,
    pub user: UserSpec,
    pub identity: Identity,
    pub capabilities: Vec<String>,
    pub privileged: bool,
    pub no_new_privileges: bool,
    #[serde(default)]
    pub label: Option<ExecLabel>,
    pub seccomp: Seccomp,
    pub seccomp_cache: PathBuf,
    pub rlimits: Vec<(String, u64, u64)>,
    pub oom_score_adj: Option<i32>,
}

impl ExecRecord {
    pub(crate) const FILE: &'static str = "exec.json";

    pub(crate) fn new(
        config: &ContainerConfig,
        identity: Identity,
        label: Option<ExecLabel>,
        seccomp_cache: &Path,
    ) -> Self {
        let process = &config.process;
        Self {
            env: complete(process.env.clone(), &identity.home, &config.hostname, process.terminal),
            cwd: process.cwd.clone(),
            users: config.users.clone(),
            user: process.user.clone(),
            identity,
            capabilities: process.capabilities.iter().cloned().collect(),
            privileged: config.privileged,
            no_new_privileges: process.no_new_privileges,
            label,
            seccomp: process.seccomp.clone(),
            seccomp_cache: seccomp_cache.to_owned(),
            rlimits: process.rlimits.clone(),
            oom_score_adj: process.oom_score_adj,
        }
    }

    /// That of the container with this run directory.
    pub(crate) fn read(run_dir: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(run_dir.join(Self::FILE))?)?)
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Maps with other than string keys are all that cannot be written, and there are none.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Whom the first process of a container runs as: its ids inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstUser {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// Whom the container with this run directory was started as, while it is there.
pub fn first_user(run_dir: &Path) -> Option<FirstUser> {
    let Identity { uid, gid, groups, home: _ } = ExecRecord::read(run_dir).ok()?.identity;
    Some(FirstUser { uid, gid, groups })
}

/// Adds what every program expects, unless it is given.
pub(crate) fn complete(
    mut env: Vec<(String, String)>,
    home: &str,
    hostname: &str,
    terminal: bool,
) -> Vec<(String, String)> {
    let mut default = |name: &str, value: &str| {
        if !env.iter().any(|(n, v)| n == name && (name != "HOME" || !v.is_empty())) {
            env.push((name.to_owned(), value.to_owned()));
        }
    };
    default("PATH", DEFAULT_PATH);
    default("HOME", home);
    if !hostname.is_empty() {
        default("HOSTNAME", hostname);
    }
    if terminal {
        default("TERM", "xterm");
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_kept() {
        let given = vec![("HOME".to_owned(), "/x".to_owned()), ("PATH".to_owned(), "/p".to_owned())];
        assert_eq!(complete(given.clone(), "/root", "", false), given);
        let completed = complete(Vec::new(), "/root", "web", true);
        let names: Vec<_> = completed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["PATH", "HOME", "HOSTNAME", "TERM"]);
    }
}
