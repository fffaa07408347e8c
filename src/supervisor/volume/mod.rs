//! The volumes of a pod on the host: made when the pod starts, before any container is.
//!
//! ```text
//! emptyDir            <root>/pods/<pod>/volumes/<v>          kept while the pod exists
//! emptyDir (Memory)   <run>/pods/<pod>/volumes/<v>           a tmpfs of its own
//! configMap, secret,  <run>/pods/<pod>/volumes/<v>           see [`files`]; mounted read-only
//!   downwardAPI, projected
//! claim               <root>/volumes/<name>/_data
//! hostPath            where it says
//! ```
//!
//! Runs in a launcher: it may block. Removal follows no link ([`crate::sys::dir`]).

mod files;
mod host_path;
mod ownership;
mod tokens;

use crate::account::KeyError;
use crate::model::environment::{EnvironmentError, Objects, PodFacts};
use crate::model::payload::payload;
use crate::model::{EmptyDirMedium, Pod, Volume, VolumeSource};
use crate::store::layout::Layout;
use crate::store::record::{PodObjects, PodRecord};
use crate::sys::mount;
use ownership::Ownership;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokens::Issuer;

pub use files::FilesError;
pub use host_path::HostPathError;

#[derive(Debug, thiserror::Error)]
#[error("cannot make volume `{volume}`")]
pub struct VolumeError {
    pub volume: String,
    #[source]
    pub cause: VolumeCause,
}

#[derive(Debug, thiserror::Error)]
pub enum VolumeCause {
    #[error("cannot {action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Content(#[from] EnvironmentError),
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    HostPath(#[from] HostPathError),
    #[error("cannot issue a token")]
    Token(#[from] KeyError),
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> VolumeCause {
    let path = path.to_owned();
    move |source| VolumeCause::Io { action, path, source }
}

/// Where the volume is on the host, once it was made.
pub fn source_path(layout: &Layout, pod_id: &str, volume: &Volume) -> PathBuf {
    match &volume.source {
        VolumeSource::EmptyDir { medium: EmptyDirMedium::Disk, .. } => layout.pod_volume(pod_id, &volume.name),
        VolumeSource::HostPath { path, .. } => PathBuf::from(path),
        VolumeSource::Claim { name, .. } => layout.volume_data(name),
        VolumeSource::EmptyDir { medium: EmptyDirMedium::Memory, .. }
        | VolumeSource::ConfigMap { .. }
        | VolumeSource::Secret { .. }
        | VolumeSource::DownwardApi { .. }
        | VolumeSource::Projected { .. } => layout.pod_run_volume(pod_id, &volume.name),
    }
}

/// Whether containers never write to it.
pub fn is_read_only(volume: &Volume) -> bool {
    match &volume.source {
        VolumeSource::ConfigMap { .. }
        | VolumeSource::Secret { .. }
        | VolumeSource::DownwardApi { .. }
        | VolumeSource::Projected { .. } => true,
        VolumeSource::Claim { read_only, .. } => *read_only,
        VolumeSource::EmptyDir { .. } | VolumeSource::HostPath { .. } => false,
    }
}

/// Makes every volume of the pod; what exists is kept, files of objects are brought up to date. Returns when the first of its
/// tokens is to be renewed, in seconds since the epoch.
pub fn prepare_all(
    layout: &Layout,
    record: &PodRecord,
    objects: &PodObjects,
    facts: &PodFacts,
) -> Result<Option<u64>, VolumeError> {
    let mut issuer = Issuer::new(layout, &record.pod, facts);
    for volume in &record.pod.volumes {
        prepare(layout, &record.id, &record.pod, volume, objects, facts, &mut issuer)
            .map_err(|cause| VolumeError { volume: volume.name.clone(), cause })?;
    }
    Ok(issuer.renewed_at)
}

/// Swaps the files of the pod's volumes that are made of objects or tokens; the rest is left alone. Returns when the first of its
/// tokens is to be renewed, in seconds since the epoch.
pub fn refresh(
    layout: &Layout,
    record: &PodRecord,
    objects: &PodObjects,
    facts: &PodFacts,
) -> Result<Option<u64>, VolumeError> {
    let mut issuer = Issuer::new(layout, &record.pod, facts);
    for volume in &record.pod.volumes {
        let path = source_path(layout, &record.id, volume);
        write_files(&path, &record.pod, volume, objects, facts, &mut issuer)
            .map_err(|cause| VolumeError { volume: volume.name.clone(), cause })?;
    }
    Ok(issuer.renewed_at)
}

fn prepare(
    layout: &Layout,
    pod_id: &str,
    pod: &Pod,
    volume: &Volume,
    objects: &PodObjects,
    facts: &PodFacts,
    issuer: &mut Issuer<'_>,
) -> Result<(), VolumeCause> {
    let path = source_path(layout, pod_id, volume);
    let fs_group = pod.security.fs_group.map(Ownership::writable);
    match &volume.source {
        VolumeSource::EmptyDir { medium, size_limit } => {
            make_directory(&path, 0o777)?;
            if *medium == EmptyDirMedium::Memory {
                mount_memory(&path, *size_limit)?;
            }
            if let Some(ownership) = fs_group {
                ownership.apply(&path, true).map_err(failed("give to the pod's group", &path))?;
            }
        }
        VolumeSource::HostPath { kind, .. } => host_path::check(&path, *kind)?,
        VolumeSource::Claim { read_only, .. } => {
            make_directory(&path, 0o777)?;
            if let Some(ownership) = fs_group.filter(|_| !read_only) {
                let only_on_mismatch = pod.security.fs_group_on_root_mismatch;
                ownership.apply(&path, only_on_mismatch).map_err(failed("give to the pod's group", &path))?;
            }
        }
        VolumeSource::ConfigMap { .. }
        | VolumeSource::Secret { .. }
        | VolumeSource::DownwardApi { .. }
        | VolumeSource::Projected { .. } => {
            make_directory(&path, 0o755)?;
            write_files(&path, pod, volume, objects, facts, issuer)?;
        }
    }
    Ok(())
}

/// Does nothing to a volume that is not made of objects.
fn write_files(
    path: &Path,
    pod: &Pod,
    volume: &Volume,
    objects: &PodObjects,
    facts: &PodFacts,
    issuer: &mut Issuer<'_>,
) -> Result<(), VolumeCause> {
    let objects = Objects { config_maps: &objects.config_maps, secrets: &objects.secrets };
    let tokens = issuer.tokens(path, &volume.source)?;
    if let Some(files) = payload(&volume.source, pod, objects, facts, &tokens)? {
        files::write(path, &files, pod.security.fs_group)?;
    }
    Ok(())
}

/// Makes a directory with that mode whatever the umask; one that exists is left as it is.
fn make_directory(path: &Path, mode: u32) -> Result<(), VolumeCause> {
    if let Some(parent) = path.parent() {
        let result = std::fs::DirBuilder::new().recursive(true).mode(0o711).create(parent);
        result.map_err(failed("make the directory", parent))?;
    }
    match std::fs::create_dir(path) {
        Ok(()) => {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).map_err(failed("set the mode of", path))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("make the directory", path)(error)),
    }
}

fn mount_memory(path: &Path, size: Option<u64>) -> Result<(), VolumeCause> {
    if is_mount_point(path) {
        return Ok(());
    }
    let attributes = mount::Attributes { no_suid: true, no_dev: true, ..mount::Attributes::default() };
    let tree = mount::tmpfs(size, 0o777, attributes).map_err(failed("make a tmpfs for", path))?;
    mount::attach(tree, rustix::fs::CWD, path).map_err(failed("mount a tmpfs on", path))
}

fn is_mount_point(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| std::fs::symlink_metadata(path).map(|m| m.dev());
    match (device(path), path.parent().map(device)) {
        (Ok(own), Some(Ok(outer))) => own != outer,
        _ => false,
    }
}
