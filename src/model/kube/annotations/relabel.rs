//! SELinux labels of what the machine has: `bind-mount-options: PATH:z|Z`, and `z` and `Z` of `volumes-from`.

use super::super::codes;
use super::super::form;
use super::super::spot::{Spot, did_you_mean, shown};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Pod, Relabel, VolumeSource};

/// Directories that the whole machine needs as they are.
const VITAL: [&str; 17] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp",
    "/usr", "/var", "/var/lib",
];
const NO_SELINUX: &str = "this machine has no SELinux";

/// Has the files at a path relabelled, which must be that of a `hostPath` of the pod.
pub(super) fn apply(at: &Spot<'_>, pod: &mut Pod, value: &str) {
    let Some((path, option)) = value.rsplit_once(':') else {
        let message = format!("`{}` is no path with an option", shown(value));
        return at.wrong_hint(codes::FORM, message, "write PATH:z, or PATH:Z for the pod alone");
    };
    let Some(relabel) = at.one_of("option of a bind mount", option, &[("z", Relabel::Shared), ("Z", Relabel::Private)])
    else {
        return;
    };
    let path = form::cleaned(path);
    let paths: Vec<&str> = pod.volumes.iter().filter_map(|volume| host_path(&volume.source)).collect();
    if !paths.contains(&path.as_str()) {
        let error =
            Diagnostic::error(codes::TARGET, format!("no `hostPath` volume of the pod is at `{}`", shown(&path)));
        return at.on_value(error, did_you_mean(&path, paths.into_iter()).unwrap_or_default());
    }
    if VITAL.contains(&path.as_str()) {
        let message = format!("`{path}` is not relabelled: the machine needs its labels");
        return at.wrong_hint(codes::UNSAFE, message, "mount a directory below it");
    }
    if !at.session.machine.se_linux {
        return at.no_effect(true, NO_SELINUX);
    }
    let volumes = pod.volumes.iter().filter(|volume| host_path(&volume.source) == Some(&path));
    let names: Vec<String> = volumes.map(|volume| volume.name.clone()).collect();
    pod.relabelled.extend(names.into_iter().map(|name| (name, relabel)));
}

/// Says what becomes of `z` and `Z` where a container gets the mounts of another: volumes are relabelled for the pod, not for a mount.
pub(super) fn tell_of_mounts(at: &Spot<'_>) {
    let reason = "what is at a `hostPath` is relabelled by `bind-mount-options`, and what is made for the pod by `seLinuxOptions`";
    at.no_effect(true, if at.session.machine.se_linux { reason } else { NO_SELINUX });
}

fn host_path(source: &VolumeSource) -> Option<&str> {
    match source {
        VolumeSource::HostPath { path, .. } => Some(path),
        _ => None,
    }
}
