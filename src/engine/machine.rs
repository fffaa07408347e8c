//! What the machine tells: randomness for ids, the boot, its processors and memory nodes.

use super::{Engine, EngineError};
use crate::model::NumberList;
use crate::sys::program;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

const RANDOM: &str = "/dev/urandom";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Digits of the ids of applications and secrets.
pub const SHORT_ID: usize = 12;
/// Digits of the ids of pods and containers.
pub const LONG_ID: usize = 64;

/// That many random hexadecimal digits (an even number).
pub fn random_id(digits: usize) -> Result<String, EngineError> {
    let fail = |source| EngineError::File { attempt: "read", path: RANDOM.into(), source };
    let mut bytes = vec![0; digits / 2];
    File::open(RANDOM).and_then(|mut file| file.read_exact(&mut bytes)).map_err(fail)?;
    Ok(bytes.iter().fold(String::with_capacity(digits), |mut hex, byte| {
        hex.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        hex.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        hex
    }))
}

impl Engine {
    /// The program that mounts NFS (mount.nfs(8)).
    pub(super) fn mount_nfs(&self) -> Option<PathBuf> {
        program::find("mount.nfs", &self.config.program_directories)
    }
}

/// The kernel's id of this boot.
pub fn boot_id() -> Result<String, EngineError> {
    let fail = |source| EngineError::File { attempt: "read", path: PathBuf::from(BOOT_ID), source };
    Ok(std::fs::read_to_string(BOOT_ID).map_err(fail)?.trim().to_owned())
}

/// The processors that are online; `None` when the kernel does not say.
pub fn online_cpus() -> Option<NumberList> {
    list("/sys/devices/system/cpu/online")
}

/// The memory nodes that are online; `None` when the kernel does not say, or knows of none.
pub fn online_memory_nodes() -> Option<NumberList> {
    list("/sys/devices/system/node/online")
}

fn list(path: &str) -> Option<NumberList> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_long_enough_and_different() {
        let id = random_id(LONG_ID).unwrap();
        assert_eq!(id.len(), 64);
        assert!(id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        assert_ne!(id, random_id(LONG_ID).unwrap());
    }
}
