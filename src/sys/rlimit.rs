//! Resource limits by name (setrlimit(2)), cut to what this process may set.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::sync::OnceLock;

/// `u64::MAX` in a limit means none.
pub const UNLIMITED: u64 = u64::MAX;

/// The resource of that name: `nofile`, `RLIMIT_NOFILE`, any case.
pub fn resource(name: &str) -> Option<Resource> {
    let lower = name.to_ascii_lowercase();
    Some(match lower.strip_prefix("rlimit_").unwrap_or(&lower) {
        "as" => Resource::As,
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return None,
    })
}

/// Sets a limit of this process. What is above its own hard limit is tried (`SYS_RESOURCE` may raise it) and else cut to it.
pub fn set(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    match setrlimit(resource, limit(soft.min(hard), hard)) {
        Err(rustix::io::Errno::PERM) => {
            let own = getrlimit(resource).maximum.unwrap_or(UNLIMITED);
            let hard = hard.min(own);
            Ok(setrlimit(resource, limit(soft.min(hard), hard))?)
        }
        result => Ok(result?),
    }
}

/// What [`raise_descriptors`] found.
static DESCRIPTORS: OnceLock<Rlimit> = OnceLock::new();

/// Raises this process's soft limit of open descriptors to the hard one; programs executed get back what there was by
/// [`lower_descriptors`].
pub fn raise_descriptors() -> io::Result<()> {
    let found = getrlimit(Resource::Nofile);
    let before = DESCRIPTORS.get_or_init(|| found);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum })?)
}

/// Undoes [`raise_descriptors`], of this process or the one it was forked from.
pub fn lower_descriptors() -> io::Result<()> {
    match DESCRIPTORS.get() {
        Some(before) => Ok(setrlimit(Resource::Nofile, *before)?),
        None => Ok(()),
    }
}

fn limit(soft: u64, hard: u64) -> Rlimit {
    let some = |value: u64| (value != UNLIMITED).then_some(value);
    Rlimit { current: some(soft), maximum: some(hard) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(matches!(resource("RLIMIT_NOFILE"), Some(Resource::Nofile)));
        assert!(matches!(resource("stack"), Some(Resource::Stack)));
        assert!(resource("nofiles").is_none());
    }
}
