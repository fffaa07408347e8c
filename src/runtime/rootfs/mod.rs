//! The container's file tree: image layers, the init layer, `/dev`, volumes; assembled before anything of the container runs.
//!
//! Every step names files by descriptors that were opened below the tree without leaving it (`tree`), because everything in
//! an image or a shared volume may be a link that points out of it.

mod dev;
mod identity;
mod init_layer;
mod tree;
mod volume;

pub(crate) use dev::{Devices, devices_of, open_pair};
pub(crate) use identity::{Identity, resolve};
pub(crate) use tree::Tree;
pub(crate) use volume::LateMount;

use super::config::{ContainerConfig, PidNamespace, Users};
use super::{RuntimeError, confinement, users};
use crate::sys::mount::{self, Attributes};
use crate::sys::namespace;
use rustix::fs::{CWD, FileType};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A mounted tree, ready for libcontainer to make it the root.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub merged: PathBuf,
    /// Where libcontainer finds the pid namespace to join, when not where the configuration says.
    pub pid_namespace: Option<PathBuf>,
    pub tree: Tree,
    /// Volumes to attach only when the container's own mount namespace stands.
    pub late: Vec<LateMount>,
    /// Both sides of a pseudo-terminal of the container's devpts, controlling side first.
    pub terminal: Option<(OwnedFd, OwnedFd)>,
}

/// Mounts everything but `/proc`, which needs the container's pid namespace, in the calling process's mount namespace.
///
/// The caller has joined the container's network and ipc namespaces and cgroups: `/sys` and `/dev/mqueue` show those.
pub(crate) fn assemble(config: &ContainerConfig, devices: &Devices, terminal: bool) -> Result<Assembled, RuntimeError> {
    // Cloned first: a clone made later would not be in its source's peer group any more.
    let users = config.users.as_ref().map(open_users).transpose()?;
    let open = |mount| volume::open(mount, users.as_ref());
    let volumes = config.mounts.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    mount::set_all_propagation(mount::Propagation::Slave)
        .map_err(|source| RuntimeError::System { action: "make the mount namespace a slave of the host's", source })?;

    let stage = config.users.as_ref().map(|_| mount_stage(&config.run_dir)).transpose()?;
    let merged = stage.as_ref().unwrap_or(&config.run_dir).join("merged");
    mount_overlay(config, &merged, users.as_ref())?;
    let pid_namespace = match (&stage, &config.namespaces.pid) {
        (Some(stage), PidNamespace::Join(pin)) => Some(show_namespace(pin, stage.join("pid"))?),
        _ => None,
    };
    users::as_root_of(config.users.as_ref(), || {
        let tree = Tree::open(&merged)?;
        let own_shm = !config.mounts.iter().any(|mount| mount.target == "/dev/shm");
        dev::mount(&tree, devices, own_shm, config)?;
        let terminal = if terminal { Some(dev::open_terminal(&tree)?) } else { None };
        mount_sys(config, &tree)?;
        let late = volume::attach_all(&tree, &config.mounts, volumes)?;
        tree.make_directory(&config.process.cwd, 0o755)
            .map_err(|source| RuntimeError::WorkingDirectory { path: config.process.cwd.clone(), source })?;
        Ok(Assembled { merged, pid_namespace, tree, late, terminal })
    })
}

fn open_users(users: &Users) -> Result<OwnedFd, RuntimeError> {
    let fail =
        |source| RuntimeError::Path { action: "open the user namespace at", path: users.namespace.clone(), source };
    File::open(&users.namespace).map(OwnedFd::from).map_err(fail)
}

fn mount_overlay(config: &ContainerConfig, merged: &Path, users: Option<&OwnedFd>) -> Result<(), RuntimeError> {
    let rootfs = &config.rootfs;
    init_layer::check_image(&rootfs.layers)?;
    let init = init_layer::shared(&rootfs.init_layers, &config.mounts)?;
    init_layer::make_upper(rootfs)?;
    let mut layers = rootfs.layers.clone();
    layers.push(init);
    if let Some(users) = users {
        layers.iter().try_for_each(|layer| map_in_place(layer, users))?;
        rootfs.upper.parent().map_or(Ok(()), |own| map_in_place(own, users))?;
    }
    make_host_directory(merged)?;
    let fail = |source| RuntimeError::Path { action: "mount the root file system at", path: merged.to_owned(), source };
    // The overlay makes files as whoever mounted it, in its work directory at once.
    let overlay = users::as_root_of(config.users.as_ref(), || {
        let label = confinement::mount_label(config);
        mount::overlay(&layers, Some((&rootfs.upper, &rootfs.work)), label).map_err(fail)
    })?;
    mount::attach(&overlay, CWD, merged).map_err(fail)
}

/// Covers a directory of the host, in the launcher's mount namespace, with itself as a user namespace is to see it.
fn map_in_place(path: &Path, users: &OwnedFd) -> Result<(), RuntimeError> {
    let mapped = || {
        let tree = mount::clone_tree(CWD, path, false)?;
        mount::map_ids(&tree, users, false)?;
        mount::attach(&tree, CWD, path)
    };
    mapped().map_err(|source| RuntimeError::Path {
        action: "map the user ids of the root file system at",
        path: path.to_owned(),
        source,
    })
}

/// Mounts an empty directory for what the root of a user namespace has to find by its path: podkin's own directories are closed to
/// it. Nobody sees the mount but the launcher, whose volumes are open already.
fn mount_stage(run_dir: &Path) -> Result<PathBuf, RuntimeError> {
    let place = passable_mount_point(run_dir)?;
    let mounted = mount::tmpfs(Some(1 << 20), 0o755, Attributes { no_dev: true, ..Attributes::default() })
        .and_then(|tree| mount::attach(tree, CWD, &place));
    match mounted {
        Ok(()) => Ok(place),
        Err(source) => Err(RuntimeError::Path { action: "mount a tmpfs on", path: place, source }),
    }
}

fn show_namespace(pin: &Path, place: PathBuf) -> Result<PathBuf, RuntimeError> {
    match namespace::pin(pin, &place) {
        Ok(()) => Ok(place),
        Err(source) => Err(RuntimeError::Path { action: "mount a namespace on", path: place, source }),
    }
}

fn passable_mount_point(run_dir: &Path) -> Result<PathBuf, RuntimeError> {
    const SEARCH: u32 = 0o001;
    let is_passable = |path: &&Path| {
        let stat = rustix::fs::lstat(*path).ok();
        let mode = stat.filter(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory).map_or(0, |s| s.st_mode);
        mode & SEARCH != 0 && !run_dir.starts_with(path)
    };
    let candidates = ["/mnt", "/media", "/srv", "/opt", "/tmp"].map(Path::new);
    let found = candidates.iter().copied().find(|path| is_passable(path)).map(Path::to_owned);
    found.ok_or_else(|| {
        RuntimeError::Refused("`hostUsers: false` needs a directory `/mnt` that all may enter".to_owned())
    })
}

fn mount_sys(config: &ContainerConfig, tree: &Tree) -> Result<(), RuntimeError> {
    let fail = |source| RuntimeError::System { action: "mount `/sys`", source };
    let attributes =
        Attributes { read_only: !config.privileged, no_suid: true, no_dev: true, no_exec: true, recursive: false };
    let sysfs = mount::filesystem("sysfs", &[], attributes).map_err(fail)?;
    tree.attach(&sysfs, "/sys").map_err(fail)?;
    super::cgroup::mount_view(tree, &config.cgroup_path, !config.privileged)
}

/// Makes a directory of podkin's own outside the container, with its parents.
pub(crate) fn make_host_directory(path: &Path) -> Result<(), RuntimeError> {
    std::fs::create_dir_all(path).map_err(|source| RuntimeError::Path {
        action: "create directory",
        path: path.to_owned(),
        source,
    })
}
