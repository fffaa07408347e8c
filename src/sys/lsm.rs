//! What the kernel's security modules make of a program when it is executed: AppArmor profiles and SELinux labels
//! (`/proc/[pid]/attr`, LSM usage guide of the kernel).

use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// Under what the next program that this thread executes runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecLabel {
    /// Name of a loaded profile.
    AppArmor(String),
    /// `user:role:type:level`
    SeLinux(String),
}

impl ExecLabel {
    /// Sets it for the next exec of this thread; `/proc` must be procfs, which a container's own file tree could only pretend
    /// (CVE-2019-16884).
    pub fn set(&self) -> io::Result<()> {
        let (files, value): (&[&str], _) = match self {
            // Before Linux 5.8 AppArmor had no directory of its own.
            Self::AppArmor(name) => (&["attr/apparmor/exec", "attr/exec"], format!("exec {name}")),
            Self::SeLinux(label) => (&["attr/exec"], label.clone()),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = rustix::fs::open("/proc/thread-self", flags, Mode::empty())?;
        if rustix::fs::fstatfs(&own)?.f_type as u64 != PROC_SUPER_MAGIC as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "`/proc` is not procfs"));
        }
        let mut error = io::Error::from(io::ErrorKind::NotFound);
        for file in files {
            match rustix::fs::openat(&own, *file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
                Ok(file) => return Ok(rustix::io::write(&file, value.as_bytes()).map(drop)?),
                Err(cause) => error = cause.into(),
            }
        }
        Err(error)
    }
}

/// Names of the AppArmor profiles that are loaded; `None` where AppArmor is not enabled.
pub fn app_armor_profiles() -> Option<BTreeSet<String>> {
    let enabled = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled").ok()?;
    if !enabled.starts_with('Y') {
        return None;
    }
    // Not readable, or securityfs not mounted: nothing can be said to be loaded.
    let list = std::fs::read_to_string("/sys/kernel/security/apparmor/profiles").unwrap_or_default();
    Some(list.lines().map(profile_name).map(str::to_owned).collect())
}

/// A line is `name (mode)`; names may hold blanks.
fn profile_name(line: &str) -> &str {
    line.rsplit_once(" (").map_or(line, |(name, _)| name)
}

/// Whether SELinux is enabled.
pub fn is_se_linux_enabled() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_listed_with_their_mode() {
        assert_eq!(profile_name("podkin-default (enforce)"), "podkin-default");
        assert_eq!(profile_name("/usr/bin/a b (c) (complain)"), "/usr/bin/a b (c)");
    }

    #[test]
    fn a_label_that_no_module_takes_is_an_error() {
        if app_armor_profiles().is_none() {
            assert!(ExecLabel::AppArmor("podkin-no-such-profile".to_owned()).set().is_err());
        }
    }
}
