//! `/dev`: the file systems on it, and the nodes beyond those every container gets from libcontainer (`null`, `zero`, `full`,
//! `random`, `urandom`, `tty`, and the usual links).

use super::tree::Tree;
use crate::model::device::DeviceNumber;
use crate::runtime::RuntimeError;
use crate::runtime::cgroup::{DeviceAccess, DeviceRule};
use crate::runtime::config::{ContainerConfig, Device, Users};
use crate::sys::mount::{self, Attributes};
use crate::sys::terminal;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Names in `/dev` that are made for every container, so that a host's own are not.
const STANDARD: [&str; 17] = [
    "null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm", "mqueue", "fd", "stdin",
    "stdout", "stderr", "kcore", "core",
];

/// Group of terminals, on every Linux.
const TTY_GROUP: u32 = 5;

/// The additional devices of a container, and what it may do with any.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Devices {
    nodes: Vec<Node>,
    pub access: DeviceAccess,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    path: PathBuf,
    kind: FileType,
    number: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    /// What the container may do with it: `r`, `w`, `m` for mknod.
    access: &'static str,
}

/// Looks up the host's devices that the configuration names; all of them for a privileged container.
pub(crate) fn devices_of(config: &ContainerConfig) -> Result<Devices, RuntimeError> {
    let mut nodes = Vec::new();
    for device in &config.devices {
        let found = nodes_of(device).map_err(|source| RuntimeError::Path {
            action: "use device",
            path: device.host.clone(),
            source,
        })?;
        if found.is_empty() {
            return Err(RuntimeError::Refused(format!("`{}` is not a device", device.host.display())));
        }
        nodes.extend(found.into_iter().map(|node| Node {
            access: device.access.as_str(),
            mode: device.mode.unwrap_or(node.mode),
            uid: device.uid.unwrap_or(node.uid),
            gid: device.gid.unwrap_or(node.gid),
            ..node
        }));
    }
    if config.privileged {
        nodes.extend(host_nodes());
        return Ok(Devices { nodes, access: DeviceAccess::All });
    }
    let access = DeviceAccess::with_defaults(nodes.iter().map(Node::rule));
    Ok(Devices { nodes, access })
}

impl Node {
    fn rule(&self) -> DeviceRule {
        DeviceRule {
            kind: if self.kind == FileType::BlockDevice { 'b' } else { 'c' },
            major: Some(rustix::fs::major(self.number)),
            minor: Some(rustix::fs::minor(self.number)),
            access: self.access,
        }
    }
}

fn nodes_of(device: &Device) -> io::Result<Vec<Node>> {
    let path = PathBuf::from(&device.container);
    let Some(DeviceNumber { block, major, minor }) = device.number else { return nodes_at(&device.host, &path) };
    Ok(vec![Node {
        path,
        kind: if block { FileType::BlockDevice } else { FileType::CharacterDevice },
        number: rustix::fs::makedev(major, minor),
        mode: 0o666,
        uid: 0,
        gid: 0,
        access: "rwm",
    }])
}

/// The device at `host` as `target`, or those below it when it is a directory.
fn nodes_at(host: &Path, target: &Path) -> io::Result<Vec<Node>> {
    let stat = rustix::fs::stat(host)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    match kind {
        FileType::CharacterDevice | FileType::BlockDevice => Ok(vec![Node {
            path: target.to_owned(),
            kind,
            number: stat.st_rdev,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            access: "rwm",
        }]),
        FileType::Directory => {
            let mut nodes = Vec::new();
            for entry in std::fs::read_dir(host)? {
                let entry = entry?;
                // Links are left to whoever made them; a device that vanishes meanwhile is no device.
                if !entry.file_type()?.is_symlink() {
                    nodes.extend(nodes_at(&entry.path(), &target.join(entry.file_name())).unwrap_or_default());
                }
            }
            Ok(nodes)
        }
        _ => Ok(Vec::new()),
    }
}

fn host_nodes() -> Vec<Node> {
    let Ok(entries) = std::fs::read_dir("/dev") else { return Vec::new() };
    entries
        .flatten()
        .filter(|e| !e.file_type().is_ok_and(|t| t.is_symlink()))
        .filter(|e| !STANDARD.iter().any(|name| e.file_name() == *name))
        .flat_map(|e| nodes_at(&e.path(), &e.path()).unwrap_or_default())
        .collect()
}

/// Mounts `/dev` with `pts`, `shm` and `mqueue`, and makes the additional nodes. `own_shm` is false when a volume comes there.
pub(super) fn mount(tree: &Tree, devices: &Devices, own_shm: bool, users: Option<&Users>) -> Result<(), RuntimeError> {
    let fail = |source| RuntimeError::System { action: "mount `/dev`", source };
    let no_suid = Attributes { no_suid: true, ..Attributes::default() };
    let no_exec = Attributes { no_suid: true, no_exec: true, ..Attributes::default() };
    let plain = Attributes { no_dev: true, ..no_exec };
    let attach = |mount: io::Result<OwnedFd>, path: &str| tree.attach(mount?, path);

    attach(mount::tmpfs(Some(64 << 20), 0o755, no_suid), "/dev").map_err(fail)?;
    for (name, mode) in [("/dev/pts", 0o755), ("/dev/shm", 0o755), ("/dev/mqueue", 0o755)] {
        tree.make_directory(name, mode).map_err(fail)?;
    }
    // A small user namespace has no such group.
    let group = host_id(users, TTY_GROUP).ok().map(|group| group.to_string());
    let group = group.as_ref().map(|group| ("gid", group.as_str()));
    let options: Vec<_> =
        [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")].into_iter().chain(group).collect();
    attach(mount::filesystem("devpts", &options, no_exec), "/dev/pts").map_err(fail)?;
    if own_shm {
        attach(mount::tmpfs(Some(64 << 20), 0o1777, plain), "/dev/shm").map_err(fail)?;
    }
    attach(mount::filesystem("mqueue", &[], plain), "/dev/mqueue").map_err(fail)?;
    devices.nodes.iter().try_for_each(|node| {
        // A device of somebody the namespace does not know stays its own nobody's.
        let owner = (host_id(users, node.uid).unwrap_or(node.uid), host_id(users, node.gid).unwrap_or(node.gid));
        make_node(tree, node, owner).map_err(fail)
    })
}

fn host_id(users: Option<&Users>, id: u32) -> Result<u32, RuntimeError> {
    users.map_or(Ok(id), |users| users.host_id(id))
}

fn make_node(tree: &Tree, node: &Node, (uid, gid): (u32, u32)) -> io::Result<()> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "device path names no file");
    let name = node.path.file_name().ok_or_else(invalid)?;
    let parent = tree.make_directory(node.path.parent().ok_or_else(invalid)?, 0o755)?;
    match rustix::fs::mknodat(&parent, name, node.kind, Mode::from_raw_mode(node.mode), node.number) {
        // Named twice, or present in the image at a place outside `/dev`: the first stays.
        Err(rustix::io::Errno::EXIST) => return Ok(()),
        result => result?,
    }
    rustix::fs::chmodat(&parent, name, Mode::from_raw_mode(node.mode), AtFlags::empty())?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    Ok(rustix::fs::chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// A pseudo-terminal of the tree's devpts, its near side also mounted at `/dev/console`.
pub(super) fn open_terminal(tree: &Tree) -> Result<(OwnedFd, OwnedFd), RuntimeError> {
    let fail = |source| RuntimeError::System { action: "open a terminal for the container", source };
    let pair = open_pair(tree).map_err(fail)?;
    let console = tree.make_file("/dev/console").map_err(fail)?;
    let clone = mount::clone_tree(pair.1.as_fd(), "", false).map_err(fail)?;
    mount::attach_to(&clone, &console).map_err(fail)?;
    Ok(pair)
}

/// Controlling and near side of a new pseudo-terminal of the tree's own devpts.
pub(crate) fn open_pair(tree: &Tree) -> io::Result<(OwnedFd, OwnedFd)> {
    let multiplexer = tree.open_at("/dev/pts/ptmx", OFlags::RDWR | OFlags::NOCTTY)?;
    terminal::check_multiplexer(&multiplexer)?;
    let near = terminal::open_peer(&multiplexer)?;
    Ok((multiplexer, near))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::Access;

    #[test]
    fn a_device_is_copied_with_its_numbers() {
        let nodes = nodes_at(Path::new("/dev/null"), Path::new("/dev/nothing")).unwrap();
        let [node] = nodes.as_slice() else { panic!("one device") };
        assert_eq!(node.path, Path::new("/dev/nothing"));
        assert_eq!(node.rule(), DeviceRule { kind: 'c', major: Some(1), minor: Some(3), access: "rwm" });
        let number = DeviceNumber { block: false, major: 1, minor: 5 };
        let device = Device { number: Some(number), ..Device::of_host("/dev/no-such", "/dev/x", Access::ALL) };
        let [node] = nodes_of(&device).unwrap().try_into().unwrap();
        assert_eq!(
            (node.rule().minor, node.kind),
            (Some(5), FileType::CharacterDevice),
            "no node of the host is needed"
        );
        assert!(nodes_at(Path::new("/etc/passwd"), Path::new("/x")).unwrap().is_empty());
    }
}
