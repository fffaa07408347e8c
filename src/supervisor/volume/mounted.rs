//! What is mounted for a claim: `volume.podman.io/device`, `type` and `mount-options`.
//!
//! Each pod has a mount of its own, which ends with its sandbox. Of a device that is the same file system for all; a tmpfs is each
//! pod's own.

use super::{VolumeCause, failed, is_mount_point};
use crate::model::ClaimMount;
use crate::sys::mount::{self, Attributes};
use rustix::fs::{CWD, Gid, Uid};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Mounts it on the directory at `path`, once.
pub(super) fn mount(path: &Path, claim: &ClaimMount) -> Result<(), VolumeCause> {
    if is_mount_point(path) {
        return Ok(());
    }
    let device = Path::new(&claim.device);
    let tree = tree(claim).map_err(failed("mount", device))?;
    mount::attach(tree, CWD, path).map_err(failed("mount the claim's device on", path))?;
    if claim.kind.is_some() && !claim.read_only && (claim.uid.is_some() || claim.gid.is_some()) {
        let (uid, gid) = (claim.uid.map(Uid::from_raw), claim.gid.map(Gid::from_raw));
        rustix::fs::chown(path, uid, gid).map_err(|error| failed("give to its owner", path)(error.into()))?;
    }
    Ok(())
}

fn tree(claim: &ClaimMount) -> io::Result<OwnedFd> {
    let ClaimMount { device, kind, recursive, read_only, options, parameters, uid: _, gid: _ } = claim;
    let attributes = Attributes {
        read_only: *read_only,
        no_suid: options.no_suid,
        no_dev: options.no_dev,
        no_exec: options.no_exec,
        recursive: *recursive,
    };
    let Some(kind) = kind else {
        let tree = mount::clone_tree(CWD, device.as_str(), *recursive)?;
        mount::set_attributes(&tree, attributes)?;
        return Ok(tree);
    };
    let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut all = vec![("source", device.as_str())];
    // The file system itself is read-only, too: a device may be one that cannot be written to.
    all.extend(read_only.then_some(("ro", "")));
    all.extend(parameters);
    mount::filesystem(kind, &all, attributes)
}
