//! What the container, and libcontainer, see at `/sys/fs/cgroup`.

use super::{CGROUP2_MAGIC, CPUSET, Hierarchies, ROOT};
use crate::runtime::RuntimeError;
use crate::runtime::rootfs::Tree;
use crate::sys::mount::{self, Attributes};
use rustix::fs::CWD;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

const PLAIN: Attributes = Attributes { read_only: false, no_suid: true, no_dev: true, no_exec: true, recursive: false };

/// Mounts the container's own groups at `/sys/fs/cgroup` of its tree, where `/sys` is mounted already.
///
/// Bind mounts of the group's directories rather than mounts of the controllers: read-only holds for them, and the container
/// sees nothing above its group.
pub(crate) fn mount_view(tree: &Tree, path: &str, read_only: bool) -> Result<(), RuntimeError> {
    let fail = |source| RuntimeError::System { action: "mount `/sys/fs/cgroup`", source };
    let hierarchies = Hierarchies::detect().map_err(fail)?;
    let attributes = Attributes { read_only, ..PLAIN };
    match &hierarchies {
        Hierarchies::V2 => attach_clone(tree, &Path::new(ROOT).join(path), ROOT, attributes).map_err(fail),
        Hierarchies::V1(controllers) => {
            let root = mount::tmpfs(Some(0), 0o755, PLAIN).map_err(fail)?;
            tree.attach(&root, ROOT).map_err(fail)?;
            for controller in controllers {
                let group = controller.mount.join(path);
                if controller.name == CPUSET && !group.exists() {
                    continue;
                }
                let target = Path::new(ROOT).join(controller.name);
                tree.make_directory(&target, 0o755).map_err(fail)?;
                attach_clone(tree, &group, &target, attributes).map_err(fail)?;
            }
            mount::set_attributes(&root, attributes).map_err(fail)
        }
    }
}

fn attach_clone(tree: &Tree, source: &Path, target: impl AsRef<Path>, attributes: Attributes) -> io::Result<()> {
    let clone = mount::clone_tree(CWD, source, false)?;
    mount::set_attributes(&clone, attributes)?;
    tree.attach(&clone, target)
}

/// Makes libcontainer's cgroup handling a matter of one write that means nothing; gives the `cgroupsPath` for its configuration.
///
/// The calling process is in its groups already, and its descendants inherit them; libcontainer would attach its processes
/// again, one global lock each, after reading the mount table two dozen times. It gets a directory below `run_dir` for a v2
/// group, with a `cgroup.procs` that leads to `/dev/null`; for it to expect v2, such a file system is mounted over the cgroup root
/// in this process's own mount namespace where the machine has v1.
pub(crate) fn stand_in(run_dir: &Path) -> Result<PathBuf, RuntimeError> {
    let fail = |source| RuntimeError::System { action: "prepare the cgroup file system", source };
    if Hierarchies::detect().map_err(fail)? != Hierarchies::V2 {
        let root = empty_v2_tree().map_err(fail)?;
        mount::attach(&root, CWD, ROOT).map_err(fail)?;
    }
    let group = run_dir.join("cgroup");
    fs::create_dir_all(&group).map_err(fail)?;
    match std::os::unix::fs::symlink("/dev/null", group.join("cgroup.procs")) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail(error)),
        _ => {}
    }
    // Taken relative to the cgroup root, which is three levels deep.
    let absolute = group.strip_prefix("/").unwrap_or(&group);
    Ok(Path::new("../../..").join(absolute))
}

/// The machine's own v2 tree where it has one beside v1: making another mount of it would wait for everybody who changes cgroups.
fn empty_v2_tree() -> io::Result<OwnedFd> {
    let beside = Path::new(ROOT).join("unified");
    match rustix::fs::statfs(&beside) {
        Ok(stat) if stat.f_type as u64 == CGROUP2_MAGIC => mount::clone_tree(CWD, &beside, false),
        _ => mount::filesystem("cgroup2", &[], PLAIN),
    }
}
