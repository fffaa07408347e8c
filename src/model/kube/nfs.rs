//! `nfs` of volumes and PersistentVolumes.

use super::spot::Spot;
use super::{codes, form};
use crate::model::NfsExport;
use k8s_openapi::api::core::v1 as core;

/// Lowers a source; refused where the program that mounts it is not there.
pub(super) fn source(at: &Spot<'_>, source: core::NFSVolumeSource) -> Option<NfsExport> {
    let core::NFSVolumeSource { path, read_only, server } = source;
    for (name, value) in [("server", &server), ("path", &path)] {
        if value.is_empty() {
            at.missing(name);
        }
    }
    if path.is_empty() || server.is_empty() {
        return None;
    }
    let server_is_valid = at.field("server").check("server", &server, form::host);
    let path_is_valid = at.field("path").check("path of an NFS server", &path, form::mount_path);
    if !at.session.machine.nfs {
        let reason = "this machine has no program `mount.nfs`";
        at.refused(true, reason, "install it: `apt-get install nfs-common` (Debian), `dnf install nfs-utils` (Fedora)");
        return None;
    }
    (server_is_valid && path_is_valid).then(|| NfsExport {
        server,
        path,
        read_only: read_only.unwrap_or_default(),
        mount_options: Vec::new(),
    })
}

/// Options as nfs(5) has them, each an element of its own.
pub(super) fn mount_options(at: &Spot<'_>, options: Vec<String>) -> Vec<String> {
    for (i, option) in options.iter().enumerate() {
        if option.is_empty() || option.contains([',', '\0']) || option.chars().any(char::is_whitespace) {
            let message = format!("`{option}` is not one mount option");
            at.index(i).wrong_hint(codes::FORM, message, "give each option as an element of the list");
        }
    }
    options
}
