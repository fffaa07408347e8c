//! Capabilities by name, as sets of bits, and cutting a process down to some of them (capabilities(7)).

use rustix::thread::{CapabilitySet, CapabilitySets};
use std::io;

/// Names without `CAP_`, at the index of their number.
pub const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// A set of capabilities, bit n for capability number n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    pub const NONE: Self = Self(0);
    /// `CAP_KILL` alone.
    pub const KILL: Self = Self(1 << 5);

    /// Every capability podkin knows by name.
    pub fn all() -> Self {
        Self((1 << NAMES.len()) - 1)
    }

    /// From names with or without `CAP_`, in any case, `ALL` for all; the error is the first unknown name.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut set = Self::NONE;
        for name in names {
            let upper = name.to_ascii_uppercase();
            let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
            match NAMES.iter().position(|known| *known == short) {
                Some(number) => set.0 |= 1 << number,
                None if short == "ALL" => set = Self::all(),
                None => return Err(name.to_owned()),
            }
        }
        Ok(set)
    }

    /// Names without `CAP_`, in the order of their numbers.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().enumerate().filter(move |(number, _)| self.0 & (1 << number) != 0).map(|(_, name)| *name)
    }

    pub fn contains(self, name: &str) -> bool {
        NAMES.iter().position(|known| *known == name).is_some_and(|number| self.0 & (1 << number) != 0)
    }

    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What this process may make effective.
pub fn permitted() -> io::Result<Capabilities> {
    Ok(Capabilities(rustix::thread::capabilities(None)?.permitted.bits()))
}

/// Takes everything but `keep` out of the bounding set; needs `SETPCAP`.
pub fn limit_bounding(keep: Capabilities) -> io::Result<()> {
    for number in 0..=u64::BITS - 1 {
        if keep.0 & (1 << number) != 0 {
            continue;
        }
        // SAFETY: prctl with integer arguments only.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
        if result != 0 {
            match io::Error::last_os_error() {
                // Beyond the last capability of this kernel.
                error if error.raw_os_error() == Some(libc::EINVAL) => break,
                error => return Err(error),
            }
        }
    }
    Ok(())
}

/// Sets permitted and effective to `keep` (effective only for a process of uid 0, as exec would), inheritable and ambient to
/// nothing.
pub fn set(keep: Capabilities) -> io::Result<()> {
    rustix::thread::clear_ambient_capability_set()?;
    let keep = CapabilitySet::from_bits_retain(keep.0);
    let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// Makes effective all that is permitted.
pub fn raise_effective() -> io::Result<()> {
    let mut sets = rustix::thread::capabilities(None)?;
    sets.effective = sets.permitted;
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// Changes to a user without losing permitted capabilities, which exec or [`set`] takes away later.
///
/// All of real, effective and saved ids change, and the supplementary groups are replaced.
pub fn change_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    rustix::thread::set_keep_capabilities(true)?;
    // SAFETY: setgroups reads `groups.len()` ids of the slice; the others take integers. The system calls are made directly: the
    // process has one thread, so nobody needs the C library to repeat them.
    let failed = unsafe {
        libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) != 0
            || libc::syscall(libc::SYS_setresgid, gid, gid, gid) != 0
            || libc::syscall(libc::SYS_setresuid, uid, uid, uid) != 0
    };
    if failed {
        return Err(io::Error::last_os_error());
    }
    raise_effective()?;
    Ok(rustix::thread::set_keep_capabilities(false)?)
}

/// This process has the effective ids of another user, whose its files and parameters of namespaces are, and all its capabilities;
/// dropping it brings the old ids back.
#[derive(Debug)]
pub struct ActingAs {
    uid: u32,
    gid: u32,
    parent: Option<rustix::process::Pid>,
    death_signal: Option<rustix::process::Signal>,
}

impl ActingAs {
    /// User and group are both `id`.
    pub fn user(id: u32) -> io::Result<Self> {
        let acting = Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            parent: rustix::process::getppid(),
            death_signal: rustix::process::parent_process_death_signal()?,
        };
        // Else the kernel takes the effective capabilities away with the id.
        let bits = rustix::thread::CapabilitiesSecureBits::NO_SETUID_FIXUP;
        rustix::thread::set_capabilities_secure_bits(bits)?;
        set_effective(id, id)?;
        acting.restore_death_signal();
        Ok(acting)
    }

    /// It is cleared with every change of ids; the parent may have died meanwhile.
    fn restore_death_signal(&self) {
        let Some(signal) = self.death_signal else { return };
        let set = rustix::process::set_parent_process_death_signal(Some(signal));
        if set.is_err() || rustix::process::getppid() != self.parent {
            super::process::exit_now(1);
        }
    }
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        let restored = set_effective(self.uid, self.gid).is_ok();
        let bits = rustix::thread::CapabilitiesSecureBits::empty();
        // As somebody else this process could do too little, or too much.
        if !restored || rustix::thread::set_capabilities_secure_bits(bits).is_err() {
            super::process::exit_now(1);
        }
        self.restore_death_signal();
    }
}

fn set_effective(uid: u32, gid: u32) -> io::Result<()> {
    const SAME: u32 = u32::MAX;
    // SAFETY: both take integers; made directly, as in `change_user`.
    let failed = unsafe {
        libc::syscall(libc::SYS_setresgid, SAME, gid, SAME) != 0
            || libc::syscall(libc::SYS_setresuid, SAME, uid, SAME) != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Replaces the supplementary groups of this process.
pub fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the kernel reads `groups.len()` ids of the slice.
    let result = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// From now on exec gives no privileges that the caller does not have.
pub fn set_no_new_privileges() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits() {
        let set = Capabilities::from_names(["chown", "CAP_NET_RAW"]).unwrap();
        assert_eq!(set, Capabilities(1 | 1 << 13));
        assert_eq!(set.names().collect::<Vec<_>>(), ["CHOWN", "NET_RAW"]);
        assert_eq!(Capabilities::from_names(["NOPE"]), Err("NOPE".to_owned()));
        assert_eq!(Capabilities::from_names(["ALL"]).unwrap(), Capabilities::all());
        assert!(Capabilities::all().contains("CHECKPOINT_RESTORE"));
        assert_eq!(set.intersection(Capabilities(1)), Capabilities(1));
    }
}
