//! Mounts of other containers: `io.podman.annotations.volumes-from/CONTAINER: source[:options];source...`.

use super::super::codes;
use super::super::spot::{Spot, did_you_mean, shown};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Pod, VolumeMount};

/// What one container is to have.
pub(super) struct VolumesFrom {
    /// A container of the pod.
    pub target: String,
    /// The annotation.
    pub key: String,
    pub sources: String,
}

/// Gives containers the mounts of others, in the order in which the pod lists them: what one of them has got, the next ones get
/// from it. A path that a container has a volume at stays as it is.
pub(super) fn apply(at: &Spot<'_>, mut wanted: Vec<VolumesFrom>, pod: &mut Pod) {
    let order: Vec<String> = pod.all_containers().map(|c| c.name.clone()).collect();
    wanted.sort_by_key(|w| order.iter().position(|name| *name == w.target));
    for VolumesFrom { target, key, sources } in wanted {
        let at = at.field(&key);
        for source in sources.split(';').map(str::trim).filter(|source| !source.is_empty()) {
            let mounts = mounts_of(&at, source, &target, pod, &order);
            let containers = pod.init_containers.iter_mut().chain(&mut pod.containers);
            for container in containers.filter(|c| c.name == target) {
                let taken = |mount: &VolumeMount| container.mounts.iter().any(|own| own.path == mount.path);
                let new: Vec<_> = mounts.iter().filter(|mount| !taken(mount)).cloned().collect();
                container.mounts.extend(new);
            }
        }
    }
}

/// The mounts that `name[:options]` stands for.
fn mounts_of(at: &Spot<'_>, source: &str, target: &str, pod: &Pod, order: &[String]) -> Vec<VolumeMount> {
    let (name, options) = source.split_once(':').unwrap_or((source, ""));
    let Some(container) = pod.all_containers().find(|c| c.name == name && name != target) else {
        let error = Diagnostic::error(codes::TARGET, format!("the pod has no other container `{}`", shown(name)));
        at.on_value(error, did_you_mean(name, order.iter().map(String::as_str)).unwrap_or_default());
        return Vec::new();
    };
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let known = [("ro", (true, false)), ("rw", (false, false)), ("z", (false, true)), ("Z", (false, true))];
        let Some((forbids_writing, relabels)) = at.one_of("option of a mount", option, &known) else { continue };
        read_only |= forbids_writing;
        if relabels {
            super::relabel::tell_of_mounts(at);
        }
    }
    let mounts = container.mounts.iter().cloned();
    mounts.map(|mount| VolumeMount { read_only: mount.read_only || read_only, ..mount }).collect()
}
