//! Kernel parameters of a pod's namespaces (Kubernetes, "Using sysctls in a Kubernetes Cluster").

use super::RuntimeError;
use super::config::ContainerConfig;
use std::fs;
use std::path::Path;

/// Parameters that belong to the ipc namespace, beside all of `fs.mqueue.`.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Writes the configuration's parameters; the calling process has joined the namespaces.
pub(super) fn apply(config: &ContainerConfig) -> Result<(), RuntimeError> {
    for (name, value) in &config.sysctls {
        check(config, name).map_err(|reason| RuntimeError::Refused(format!("sysctl `{name}` {reason}")))?;
        let path = Path::new("/proc/sys").join(path_of(name));
        fs::write(&path, value).map_err(|source| RuntimeError::Path { action: "set", path, source })?;
    }
    Ok(())
}

/// Dots are slashes there, and slashes, as in the name of an interface, dots.
fn path_of(name: &str) -> String {
    let exchanged = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    name.chars().map(exchanged).collect()
}

/// Only what is the pod's own may be set: anything else would change the machine (CVE-2022-0811).
fn check(config: &ContainerConfig, name: &str) -> Result<(), &'static str> {
    let is_plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/'))
    };
    if !name.split('.').all(is_plain) {
        return Err("is not a valid name");
    }
    let (namespace, missing) = if name.starts_with("net.") {
        (&config.namespaces.network, "needs a network namespace of the pod's own")
    } else if name.starts_with("fs.mqueue.") || IPC.contains(&name) {
        (&config.namespaces.ipc, "needs an ipc namespace of the pod's own")
    } else {
        return Err("is not confined to a pod");
    };
    if namespace.is_some() { Ok(()) } else { Err(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_may_have_a_dot() {
        assert_eq!(path_of("net.ipv4.conf.eth0/1.forwarding"), "net/ipv4/conf/eth0.1/forwarding");
    }
}
