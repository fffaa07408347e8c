//! Devices: what a container asks for, and what they add to it (Container Device Interface specification).

use super::container::{MountOptions, Propagation};
use serde::{Deserialize, Serialize};

/// A device, or several, that a container is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceRequest {
    /// The CDI device with that name: `vendor.com/class=name`.
    Named(String),
    /// So many CDI devices of a kind, `vendor.com/class`, which no other running pod holds (Kubernetes, "Extended resources").
    Counted { kind: String, count: u32 },
    /// A node of the machine, or the nodes below a directory.
    Path { host: String, container: String, access: Access },
}

/// What a container may do with a device; `rwm` as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Access {
    read: bool,
    write: bool,
    /// Make further nodes of it (`mknod`).
    make: bool,
}

/// The devices of one container as they were found when its pod was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerDevices {
    pub held: Vec<HeldDevice>,
    pub edits: ContainerEdits,
}

/// A CDI device of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDevice {
    /// `vendor.com/class=name`.
    pub name: String,
    /// It was counted out, so that nobody else gets it as long as the pod runs.
    pub exclusive: bool,
}

/// What devices add to a container (Container Device Interface specification, "Container edits").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerEdits {
    pub env: Vec<(String, String)>,
    pub nodes: Vec<DeviceNode>,
    pub mounts: Vec<DeviceMount>,
    pub additional_gids: Vec<u32>,
    /// Programs of the machine that are run while the container is made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<DeviceHook>,
}

/// A `createContainer` hook (OCI runtime specification, "POSIX-platform Hooks").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceHook {
    /// Absolute path on the machine.
    pub path: String,
    /// The first is the name it is called by.
    pub args: Vec<String>,
    /// All of its environment.
    pub env: Vec<(String, String)>,
    pub timeout_seconds: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// Absolute path in the container.
    pub path: String,
    /// Absolute path on the machine, from where everything is taken that is not said.
    pub host: String,
    pub number: Option<DeviceNumber>,
    pub access: Access,
    /// Permission bits.
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNumber {
    /// A block device, else a character device.
    pub block: bool,
    pub major: u32,
    pub minor: u32,
}

/// A bind mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceMount {
    pub host: String,
    /// Absolute, cleaned path in the container.
    pub path: String,
    pub read_only: bool,
    pub options: MountOptions,
    pub propagation: Propagation,
}

impl Access {
    pub const ALL: Self = Self { read: true, write: true, make: true };
    pub const READ_ONLY: Self = Self { read: true, write: false, make: true };

    /// Reads letters of `rwm` in any order, each once.
    pub fn parse(text: &str) -> Option<Self> {
        let once = |letter: char| text.chars().filter(|c| *c == letter).count();
        let (read, write, make) = (once('r'), once('w'), once('m'));
        let is_whole = read + write + make == text.chars().count() && !text.is_empty();
        (is_whole && [read, write, make].iter().all(|n| *n <= 1)).then_some(Self {
            read: read == 1,
            write: write == 1,
            make: make == 1,
        })
    }

    pub fn as_str(self) -> &'static str {
        match (self.read, self.write, self.make) {
            (true, true, true) => "rwm",
            (true, true, false) => "rw",
            (true, false, true) => "rm",
            (true, false, false) => "r",
            (false, true, true) => "wm",
            (false, true, false) => "w",
            (false, false, true) => "m",
            (false, false, false) => "",
        }
    }
}

impl TryFrom<String> for Access {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is no access to a device"))
    }
}

impl From<Access> for String {
    fn from(access: Access) -> Self {
        access.as_str().to_owned()
    }
}

impl ContainerEdits {
    /// Adds those of another device: its variables win, what is there already is not repeated.
    pub fn add(&mut self, other: &Self) {
        let Self { env, nodes, mounts, additional_gids, hooks } = other;
        self.env.retain(|(name, _)| !env.iter().any(|(new, _)| new == name));
        self.env.extend(env.iter().cloned());
        self.nodes.retain(|node| !nodes.iter().any(|new| new.path == node.path));
        self.nodes.extend(nodes.iter().cloned());
        self.mounts.retain(|mount| !mounts.iter().any(|new| new.path == mount.path));
        self.mounts.extend(mounts.iter().cloned());
        self.additional_gids.retain(|gid| !additional_gids.contains(gid));
        self.additional_gids.extend(additional_gids);
        self.hooks.retain(|hook| !hooks.contains(hook));
        self.hooks.extend(hooks.iter().cloned());
    }
}

impl ContainerDevices {
    /// Whether the container has no devices.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `vendor.com/class` (Container Device Interface specification, "Kind").
pub fn check_kind(text: &str) -> Result<(), &'static str> {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let parts = text.split_once('/').filter(|(vendor, class)| is_part(vendor) && is_part(class));
    match parts.is_some() && text.len() <= LONGEST {
        true => Ok(()),
        false => Err("it is `vendor.com/class`: letters, digits, `-`, `_` and `.`, a letter first"),
    }
}

/// The part of a device's name behind the `=`.
pub fn check_device_name(text: &str) -> Result<(), &'static str> {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'));
    match is_name && text.len() <= LONGEST {
        true => Ok(()),
        false => Err("a device's name has letters, digits, `-`, `_`, `.` and `:`, a letter or digit first and last"),
    }
}

/// `vendor.com/class=name` (Container Device Interface specification, "Fully qualified device name").
pub fn check_qualified(text: &str) -> Result<(), &'static str> {
    let (kind, name) = text.split_once('=').ok_or("it is `vendor.com/class=name`")?;
    check_kind(kind)?;
    check_device_name(name)
}

/// Bytes; the specification has no end.
const LONGEST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        for good in ["nvidia.com/gpu=0", "a/b=c", "vendor.com/my-class_1=GPU-3:1.2"] {
            assert_eq!(check_qualified(good), Ok(()), "{good}");
        }
        let long = format!("a/b={}", "c".repeat(300));
        for bad in ["a/b", "a=b", "a/b=", "/b=c", "a/b/c=d", "1a/b=c", "a./b=c", "a/b=../x", "a/b=c=d", "a/b= c", &long]
        {
            assert!(check_qualified(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn access_is_read_in_any_order() {
        assert_eq!(Access::parse("mr").map(Access::as_str), Some("rm"));
        assert_eq!(Access::parse("rwm"), Some(Access::ALL));
        for bad in ["", "x", "rr", "rwx"] {
            assert_eq!(Access::parse(bad), None, "{bad}");
        }
        assert_eq!(serde_json::to_string(&Access::READ_ONLY).unwrap(), "\"rm\"");
        assert!(serde_json::from_str::<Access>("\"q\"").is_err());
    }

    #[test]
    fn edits_of_several_devices() {
        let edits = |value: &str, gid| ContainerEdits {
            env: vec![("A".into(), value.into())],
            additional_gids: vec![gid],
            ..ContainerEdits::default()
        };
        let mut all = edits("1", 5);
        all.add(&edits("2", 6));
        all.add(&edits("2", 6));
        assert_eq!(all, ContainerEdits { additional_gids: vec![5, 6], ..edits("2", 5) });
    }
}
