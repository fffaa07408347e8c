//! Seccomp filters: a profile is compiled once for a set of capabilities and kept as a file of a few kilobytes, because
//! compiling takes ten times as long as everything else in making a container.

mod compile;
mod guard;
mod profile;

use super::RuntimeError;
use super::config::Seccomp;
use crate::sys::capability::Capabilities;
use profile::Profile;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write as _};
use std::path::Path;

const DEFAULT_PROFILE: &str = include_str!("default.txt");

/// Largest profile, and compiled filter, that is read.
const LIMIT: u64 = 4 << 20;

/// Identifies the built-in profile's text in file names of the cache.
const DEFAULT_FINGERPRINT: u64 = fingerprint(DEFAULT_PROFILE.as_bytes());

/// FNV-1a, computed when podkin is compiled: tells versions of the profile apart, nothing more.
const fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

/// The compiled filter for a container with those capabilities, from `cache` or put there; `None` for an unconfined one.
///
/// Which system calls a profile allows depends on the capabilities, so each set of those it asks about has its own file. Several
/// processes may do this at once: the last one wins with the same content.
pub(crate) fn filter(
    cache: &Path,
    seccomp: &Seccomp,
    capabilities: Capabilities,
) -> Result<Option<Vec<u8>>, RuntimeError> {
    let arch = std::env::consts::ARCH;
    match seccomp {
        Seccomp::Unconfined => Ok(None),
        Seccomp::Default => {
            let capabilities = capabilities.intersection(profile_capabilities());
            let names = capabilities.names().collect::<Vec<_>>().join("+");
            let file = cache.join(format!("default-{DEFAULT_FINGERPRINT:016x}-{arch}-{names}.bpf"));
            cached(&file, "RuntimeDefault", capabilities, || profile::parse_text(DEFAULT_PROFILE)).map(Some)
        }
        Seccomp::Profile(path) => {
            let name = path.display().to_string();
            let text = read_limited(path)
                .map_err(|error| RuntimeError::Seccomp { profile: name.clone(), reason: error.to_string() })?;
            let names = capabilities.names().collect::<Vec<_>>().join("+");
            let file = cache.join(format!("{}.bpf", sha256_hex(&[&text, arch.as_bytes(), names.as_bytes()])));
            cached(&file, &name, capabilities, || profile::parse_json(&text)).map(Some)
        }
    }
}

/// The capabilities the built-in profile asks about; others make no difference.
fn profile_capabilities() -> Capabilities {
    let names = DEFAULT_PROFILE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_ascii_whitespace)
        .filter_map(|word| word.strip_prefix("cap=").or_else(|| word.strip_prefix("nocap=")));
    // An unknown name would be found by the profile's own test.
    Capabilities::from_names(names).unwrap_or(Capabilities::all())
}

fn cached(
    file: &Path,
    name: &str,
    capabilities: Capabilities,
    load: impl FnOnce() -> Result<Profile, String>,
) -> Result<Vec<u8>, RuntimeError> {
    let fail = |reason: String| RuntimeError::Seccomp { profile: name.to_owned(), reason };
    match read_limited(file) {
        Ok(filter) if !filter.is_empty() => return Ok(filter),
        _ => {}
    }
    let filter = compile::compile(&load().map_err(fail)?, capabilities).map_err(fail)?;
    // Without the file the next container compiles again.
    if let Err(error) = store(file, &filter) {
        tracing::warn!(%error, file = %file.display(), "cannot keep the compiled seccomp filter");
    }
    Ok(filter)
}

/// Whole or not at all, also after a loss of power: half a filter would be taken for one.
fn store(file: &Path, filter: &[u8]) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::File::create(&temporary).and_then(|mut out| {
        out.write_all(filter)?;
        out.sync_data()?;
        fs::rename(&temporary, file)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?.take(LIMIT + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than a seccomp profile can be"));
    }
    Ok(content)
}

fn sha256_hex(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_compiled_once_for_each_set_of_capabilities() {
        let cache = std::env::temp_dir().join(format!("podkin-seccomp-{}", std::process::id()));
        let few = Capabilities::from_names(["CHOWN", "SYS_CHROOT"]).unwrap();
        let first = filter(&cache, &Seccomp::Default, few).unwrap().unwrap();
        assert_eq!(filter(&cache, &Seccomp::Default, few).unwrap().unwrap(), first);
        let many = filter(&cache, &Seccomp::Default, Capabilities::all()).unwrap().unwrap();
        assert_ne!(many, first);
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 2);
        // CHOWN is nothing the profile asks about.
        let other = Capabilities::from_names(["SYS_CHROOT"]).unwrap();
        filter(&cache, &Seccomp::Default, other).unwrap();
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 2);
        fs::remove_dir_all(&cache).unwrap();
    }

    #[test]
    fn a_profile_that_cannot_be_used_is_an_error_and_not_unconfined() {
        let path = std::env::temp_dir().join(format!("podkin-profile-{}.json", std::process::id()));
        for content in ["", "{}", "{\"defaultAction\": \"SCMP_ACT_NONSENSE\"}"] {
            fs::write(&path, content).unwrap();
            let result = filter(Path::new("/nonexistent"), &Seccomp::Profile(path.clone()), Capabilities::NONE);
            assert!(result.is_err(), "{content:?}");
        }
        fs::remove_file(&path).unwrap();
        assert!(filter(Path::new("/nonexistent"), &Seccomp::Profile(path), Capabilities::NONE).is_err());
    }
}
