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

use super::RuntimeError;
use super::config::ContainerConfig;
use crate::sys::mount::{self, Attributes};
use rustix::fs::CWD;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A mounted tree, ready for libcontainer to make it the root.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub merged: PathBuf,
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
    let volumes = config.mounts.iter().map(volume::open).collect::<Result<Vec<_>, _>>()?;
    mount::set_all_propagation(mount::Propagation::Slave)
        .map_err(|source| RuntimeError::System { action: "make the mount namespace a slave of the host's", source })?;

    let merged = mount_overlay(config)?;
    let tree = Tree::open(&merged)?;
    dev::mount(&tree, devices, !config.mounts.iter().any(|mount| mount.target == "/dev/shm"))?;
    let terminal = if terminal { Some(dev::open_terminal(&tree)?) } else { None };
    mount_sys(config, &tree)?;
    let late = volume::attach_all(&tree, &config.mounts, volumes)?;
    tree.make_directory(&config.process.cwd, 0o755)
        .map_err(|source| RuntimeError::WorkingDirectory { path: config.process.cwd.clone(), source })?;
    Ok(Assembled { merged, tree, late, terminal })
}

fn mount_overlay(config: &ContainerConfig) -> Result<PathBuf, RuntimeError> {
    let rootfs = &config.rootfs;
    init_layer::check_image(&rootfs.layers)?;
    let init = init_layer::shared(&rootfs.init_layers, &config.mounts)?;
    init_layer::make_upper(rootfs)?;
    let merged = config.run_dir.join("merged");
    make_host_directory(&merged)?;
    let mut layers = rootfs.layers.clone();
    layers.push(init);
    let fail = |source| RuntimeError::Path { action: "mount the root file system at", path: merged.clone(), source };
    let overlay = mount::overlay(&layers, Some((&rootfs.upper, &rootfs.work))).map_err(fail)?;
    mount::attach(&overlay, CWD, &merged).map_err(fail)?;
    Ok(merged)
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
