//! The volumes of a container: sources opened once, targets made and mounted by descriptor.

use super::tree::{Tree, file_type};
use crate::runtime::RuntimeError;
use crate::runtime::config::{Mount, MountKind, MountOptions, MountPropagation};
use crate::sys::mount::{self, Attributes, Propagation};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A detached mount that has to wait for the container's own mount namespace.
#[derive(Debug)]
pub(crate) struct LateMount {
    pub target: String,
    pub tree: OwnedFd,
    is_directory: bool,
}

impl LateMount {
    fn new(volume: &Mount, opened: Opened) -> Self {
        let Opened { tree, is_directory, is_device: _ } = opened;
        Self { target: volume.target.clone(), tree, is_directory }
    }

    /// Attaches the mount; the calling process has the container's root.
    pub(crate) fn attach(&self) -> io::Result<()> {
        let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let root = Tree::of(root);
        // It may lie in a volume that was attached just before.
        let place =
            if self.is_directory { root.make_directory(&self.target, 0o755) } else { root.make_file(&self.target) };
        mount::attach_to(&self.tree, place?)
    }
}

/// A volume as a detached mount, with its attributes set.
#[derive(Debug)]
pub(super) struct Opened {
    tree: OwnedFd,
    is_directory: bool,
    is_device: bool,
}

/// Clones or makes what is to be mounted; nothing is attached yet.
///
/// With a user namespace the ids of its files are mapped; a device's are not, its file system does not support it.
pub(super) fn open(volume: &Mount, users: Option<&OwnedFd>) -> Result<Opened, RuntimeError> {
    check_target(&volume.target)?;
    let opened = match &volume.kind {
        MountKind::Bind { source, sub_path } => open_bind(source, sub_path.as_deref(), volume.propagation)?,
        MountKind::Tmpfs { size, mode } => {
            let attributes = Attributes { no_suid: true, no_dev: true, ..Attributes::default() };
            let tree = mount::tmpfs(*size, *mode, attributes)
                .map_err(|source| RuntimeError::System { action: "make a tmpfs", source })?;
            Opened { tree, is_directory: true, is_device: false }
        }
    };
    if let Some(users) = users.filter(|_| !opened.is_device) {
        map_ids(&opened, volume, users)?;
    }
    configure(&opened.tree, volume).map_err(|source| RuntimeError::Path {
        action: "prepare the mount of",
        path: volume.target.clone().into(),
        source,
    })?;
    Ok(opened)
}

fn map_ids(opened: &Opened, volume: &Mount, users: &OwnedFd) -> Result<(), RuntimeError> {
    mount::map_ids(&opened.tree, users, opened.is_directory).map_err(|source| match source.raw_os_error() {
        Some(libc::EINVAL | libc::EOPNOTSUPP) => {
            let target = &volume.target;
            let why = "its file system, or one mounted below it, does not map user ids, as `hostUsers: false` needs";
            RuntimeError::Refused(format!("cannot mount a volume at `{target}`: {why}"))
        }
        _ => RuntimeError::Path { action: "map the user ids of", path: volume.target.clone().into(), source },
    })
}

/// A mount over the root or over procfs would undo what guards the container (CVE-2019-16884, CVE-2023-27561).
fn check_target(target: &str) -> Result<(), RuntimeError> {
    let path = Path::new(target);
    let refuse = |why: &str| Err(RuntimeError::Refused(format!("cannot mount a volume at `{target}`: {why}")));
    if !path.is_absolute() || path.components().any(|c| c == std::path::Component::ParentDir) {
        return refuse("the path must be absolute, without `..`");
    }
    if path == Path::new("/") {
        return refuse("it is the root of the container");
    }
    if path.starts_with("/proc") {
        return refuse("`/proc` belongs to the runtime");
    }
    Ok(())
}

fn open_bind(source: &Path, sub_path: Option<&str>, propagation: MountPropagation) -> Result<Opened, RuntimeError> {
    let fail =
        |source_error| RuntimeError::Path { action: "open volume", path: source.to_owned(), source: source_error };
    let mut fd = rustix::fs::openat(CWD, source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| fail(error.into()))?;
    if let Some(sub_path) = sub_path {
        fd = open_sub_path(fd, sub_path).map_err(|error| match error.raw_os_error() {
            Some(libc::EXDEV) => RuntimeError::Refused(format!("`subPath` `{sub_path}` leads out of its volume")),
            _ => RuntimeError::Path { action: "open `subPath`", path: sub_path.into(), source: error },
        })?;
    }
    check_peers(&fd, source, propagation)?;
    let kind = file_type(&fd).map_err(fail)?;
    let is_directory = kind == FileType::Directory;
    let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
    // The descriptor is what is mounted: what happens to its name from now on is of no concern (CVE-2021-25741).
    let tree = mount::clone_tree(&fd, "", is_directory).map_err(fail)?;
    Ok(Opened { tree, is_directory, is_device })
}

/// Nothing would come of propagation from a mount without peers (Kubernetes, "Mount propagation": the volume must be shared).
fn check_peers(fd: &OwnedFd, source: &Path, propagation: MountPropagation) -> Result<(), RuntimeError> {
    if propagation == MountPropagation::Private {
        return Ok(());
    }
    let peers = mount::peers(fd).map_err(|error| RuntimeError::Path {
        action: "look for the mount of",
        path: source.to_owned(),
        source: error,
    })?;
    let refuse = |name: &str, kind: &str| {
        let path = source.display();
        let way = "`mount --make-rshared` on its mount point, or `/`, makes it one";
        Err(RuntimeError::Refused(format!("`{path}` is not on a {kind} mount, as `{name}` needs; {way}")))
    };
    match propagation {
        MountPropagation::Bidirectional if !peers.shared => refuse("Bidirectional", "shared"),
        MountPropagation::HostToContainer if !peers.shared && !peers.slave => {
            refuse("HostToContainer", "shared or slave")
        }
        _ => Ok(()),
    }
}

/// Resolved below the volume and never outside; a directory with the mode of the volume is made when nothing is there, as the kubelet
/// does.
fn open_sub_path(volume: OwnedFd, sub_path: &str) -> io::Result<OwnedFd> {
    let mode = rustix::fs::fstat(&volume)?.st_mode & (0o777 | Mode::SGID.bits());
    let tree = Tree::strict(volume);
    match tree.open_at(sub_path, OFlags::PATH) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = tree.make_directory(sub_path, mode)?;
            // Who may write to the volume may do so here, whatever the umask.
            let opened = rustix::fs::openat(&made, ".", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::fs::fchmod(&opened, Mode::from_raw_mode(mode))?;
            Ok(made)
        }
        result => result,
    }
}

fn configure(tree: &OwnedFd, volume: &Mount) -> io::Result<()> {
    let propagation = match volume.propagation {
        MountPropagation::Private => Some(Propagation::Private),
        MountPropagation::HostToContainer => Some(Propagation::Slave),
        // The clone is a peer of its source already.
        MountPropagation::Bidirectional => None,
    };
    if let Some(propagation) = propagation {
        mount::set_propagation(tree, propagation, true)?;
    }
    let MountOptions { no_exec, no_dev, no_suid } = volume.options;
    let own = Attributes { no_exec, no_dev, no_suid, read_only: volume.read_only, recursive: false };
    if own != Attributes::default() {
        mount::set_attributes(tree, own)?;
    }
    if volume.read_only && volume.recursive_read_only {
        mount::set_attributes(tree, Attributes { read_only: true, recursive: true, ..Attributes::default() })?;
    }
    Ok(())
}

/// Attaches the volumes in order, and gives back those that must wait.
///
/// libcontainer changes the propagation of all it finds mounted, and fills `/dev`: a shared volume, one at `/dev`, and whatever
/// lies below such a one, must come after it.
pub(super) fn attach_all(tree: &Tree, volumes: &[Mount], opened: Vec<Opened>) -> Result<Vec<LateMount>, RuntimeError> {
    let mut late: Vec<LateMount> = Vec::new();
    for (volume, opened) in volumes.iter().zip(opened) {
        let fail =
            |source| RuntimeError::Path { action: "mount a volume at", path: volume.target.clone().into(), source };
        let target = Path::new(&volume.target);
        let below_late = late.iter().any(|l| target.starts_with(&l.target));
        let must_wait =
            below_late || target == Path::new("/dev") || volume.propagation == MountPropagation::Bidirectional;
        if below_late {
            // Its target is part of the volume it lies in, which is where it is made then.
            late.push(LateMount::new(volume, opened));
            continue;
        }
        let place = if opened.is_directory { tree.make_directory(target, 0o755) } else { tree.make_file(target) };
        let place = place.map_err(fail)?;
        if must_wait {
            late.push(LateMount::new(volume, opened));
        } else {
            mount::attach_to(&opened.tree, &place).map_err(fail)?;
        }
    }
    Ok(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_guard_the_container_are_refused() {
        for target in ["/", "/proc", "/proc/sys", "relative", "/a/../proc"] {
            assert!(check_target(target).is_err(), "{target}");
        }
        for target in ["/data", "/dev/shm", "/sys/fs/bpf", "/processes"] {
            assert!(check_target(target).is_ok(), "{target}");
        }
    }
}
