//! The volumes of a pod on the host: made when the pod starts, before any container is.
//!
//! ```text
//! emptyDir            <root>/pods/<pod>/volumes/<v>          kept while the pod exists
//! emptyDir (Memory)   <run>/pods/<pod>/volumes/<v>           a tmpfs of its own
//! emptyDir (HugePages) <run>/pods/<pod>/volumes/<v>          a hugetlbfs of its own
//! configMap, secret,  <run>/pods/<pod>/volumes/<v>           see [`files`]; mounted read-only
//!   downwardAPI, projected
//! image               <run>/pods/<pod>/volumes/<v>           its layers, merged read-only
//! claim               <root>/volumes/<name>/_data
//! claim (mounted)     <run>/pods/<pod>/volumes/<v>           what its annotations have mounted
//! hostPath            where it says
//! nfs, bound to nfs   <run>/pods/<pod>/volumes/<v>           mounted by mount.nfs(8)
//! ```
//!
//! Runs in a launcher: it may block. Removal follows no link ([`crate::sys::dir`]).

mod env_file;
mod files;
mod host_path;
mod label;
mod mounted;
mod nfs;
mod ownership;
mod tokens;
mod tree;

use crate::account::KeyError;
use crate::model::environment::{EnvironmentError, Objects, PodFacts};
use crate::model::payload::payload;
use crate::model::{EmptyDirMedium, NfsExport, Pod, Volume, VolumeSource};
use crate::store::layout::Layout;
use crate::store::record::{PodObjects, PodRecord};
use crate::sys::{lsm, mount};
use ownership::Ownership;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokens::Issuer;

pub use env_file::env_file;
pub use files::FilesError;
pub use host_path::HostPathError;
pub use nfs::NfsError;

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
    #[error(transparent)]
    Nfs(#[from] NfsError),
    #[error("cannot issue a token")]
    Token(#[from] KeyError),
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> VolumeCause {
    let path = path.to_owned();
    move |source| VolumeCause::Io { action, path, source }
}

/// Where the volume is on the host, once it was made.
pub fn source_path(layout: &Layout, record: &PodRecord, volume: &Volume) -> PathBuf {
    let pod_id = &record.id;
    match &volume.source {
        VolumeSource::EmptyDir { medium: EmptyDirMedium::Disk, .. } => layout.pod_volume(pod_id, &volume.name),
        VolumeSource::HostPath { path, .. } => PathBuf::from(path),
        VolumeSource::Claim { .. } | VolumeSource::Ephemeral { .. } => {
            let name = volume.claim(&record.pod.name).unwrap_or_default();
            let claim = record.claim(&name);
            match (claim.and_then(|claim| claim.bound.as_ref()), claim.and_then(|claim| claim.mount.as_ref())) {
                (Some(bound), _) if bound.nfs.is_some() => layout.pod_run_volume(pod_id, &volume.name),
                (Some(bound), _) => PathBuf::from(&bound.path),
                (None, Some(_)) => layout.pod_run_volume(pod_id, &volume.name),
                (None, None) => layout.volume_data(&name),
            }
        }
        VolumeSource::EmptyDir { medium: EmptyDirMedium::Memory | EmptyDirMedium::HugePages(_), .. }
        | VolumeSource::ConfigMap { .. }
        | VolumeSource::Secret { .. }
        | VolumeSource::Nfs(_)
        | VolumeSource::Image { .. }
        | VolumeSource::DownwardApi { .. }
        | VolumeSource::Projected { .. } => layout.pod_run_volume(pod_id, &volume.name),
    }
}

/// Whether containers never write to it.
pub fn is_read_only(record: &PodRecord, volume: &Volume) -> bool {
    match &volume.source {
        VolumeSource::ConfigMap { .. }
        | VolumeSource::Secret { .. }
        | VolumeSource::Image { .. }
        | VolumeSource::DownwardApi { .. }
        | VolumeSource::Projected { .. } => true,
        VolumeSource::Claim { name, read_only } => {
            *read_only
                || record.claim(name).is_some_and(|claim| claim.read_only)
                || record.nfs(volume).is_some_and(|export| export.read_only)
        }
        VolumeSource::Nfs(export) => export.read_only,
        VolumeSource::EmptyDir { .. } | VolumeSource::HostPath { .. } | VolumeSource::Ephemeral { .. } => false,
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
        prepare(layout, record, volume, objects, facts, &mut issuer)
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
        let path = source_path(layout, record, volume);
        write_files(&path, &record.pod, volume, objects, facts, &mut issuer)
            .map_err(|cause| VolumeError { volume: volume.name.clone(), cause })?;
    }
    Ok(issuer.renewed_at)
}

fn prepare(
    layout: &Layout,
    record: &PodRecord,
    volume: &Volume,
    objects: &PodObjects,
    facts: &PodFacts,
    issuer: &mut Issuer<'_>,
) -> Result<(), VolumeCause> {
    let pod = &record.pod;
    let path = source_path(layout, record, volume);
    let fs_group = pod.security.fs_group.map(Ownership::writable);
    let label = pod.file_label(volume).filter(|_| lsm::is_se_linux_enabled());
    match &volume.source {
        VolumeSource::EmptyDir { medium, size_limit, mode } => {
            let mode = mode.unwrap_or(0o777);
            make_directory(&path, mode)?;
            match medium {
                EmptyDirMedium::Disk => {}
                EmptyDirMedium::Memory => mount_memory(&path, memory_size(pod, *size_limit), mode, label.as_deref())?,
                EmptyDirMedium::HugePages(page) => mount_huge_pages(&path, *page, *size_limit, mode)?,
            }
            if let Some(ownership) = fs_group {
                ownership.apply(&path, true).map_err(failed("give to the pod's group", &path))?;
            }
        }
        VolumeSource::HostPath { kind, .. } => host_path::check(&path, *kind)?,
        VolumeSource::Nfs(export) => mount_nfs(&path, record, export)?,
        VolumeSource::Claim { .. } | VolumeSource::Ephemeral { .. } => {
            if let Some(export) = record.nfs(volume) {
                return mount_nfs(&path, record, export);
            }
            let name = volume.claim(&pod.name).unwrap_or_default();
            let claim = record.claim(&name);
            let is_owned =
                match (claim.and_then(|claim| claim.bound.as_ref()), claim.and_then(|claim| claim.mount.as_ref())) {
                    (Some(bound), _) => {
                        host_path::check(&path, bound.kind)?;
                        bound.local && path.is_dir()
                    }
                    (None, Some(mount)) => {
                        make_directory(&path, 0o755)?;
                        mounted::mount(&path, mount)?;
                        mount.kind.is_some()
                    }
                    (None, None) => {
                        make_directory(&path, 0o777)?;
                        true
                    }
                };
            if let Some(ownership) = fs_group.filter(|_| is_owned && !is_read_only(record, volume)) {
                let only_on_mismatch = pod.security.fs_group_on_root_mismatch;
                ownership.apply(&path, only_on_mismatch).map_err(failed("give to the pod's group", &path))?;
            }
        }
        VolumeSource::Image { .. } => {
            make_directory(&path, 0o755)?;
            let image = record.image_volumes.iter().find(|found| found.volume == volume.name).map(|found| &found.image);
            // The engine has recorded one for each such volume.
            let chains = image.map(|image| image.layers.as_slice()).unwrap_or_default();
            let layers: Vec<PathBuf> = chains.iter().map(|chain| layout.layer_diff(chain)).collect();
            mount_image(&path, &layers, &layout.empty_layer())?;
        }
        VolumeSource::ConfigMap { .. }
        | VolumeSource::Secret { .. }
        | VolumeSource::DownwardApi { .. }
        | VolumeSource::Projected { .. } => {
            make_directory(&path, 0o755)?;
            write_files(&path, pod, volume, objects, facts, issuer)?;
        }
    }
    // A file system in memory has its label from its mount.
    let is_memory = matches!(&volume.source, VolumeSource::EmptyDir { medium: EmptyDirMedium::Memory, .. });
    match label.filter(|_| !is_memory) {
        Some(label) => Ok(label::apply(&path, &label).map_err(failed("label", &path))?),
        None => Ok(()),
    }
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

/// The lesser of a volume's limit and of what the pod's containers may use together, when all of them have a limit.
fn memory_size(pod: &Pod, limit: Option<u64>) -> Option<u64> {
    let of_pod = pod.containers.iter().map(|container| container.resources.memory_limit).sum::<Option<u64>>();
    let init = pod.init_containers.iter().filter_map(|container| container.resources.memory_limit).max();
    let of_pod = of_pod.map(|bytes| bytes.max(init.unwrap_or(0)));
    [limit, of_pod.filter(|bytes| *bytes > 0)].into_iter().flatten().min()
}

fn mount_memory(path: &Path, size: Option<u64>, mode: u32, label: Option<&str>) -> Result<(), VolumeCause> {
    mount_empty(path, |attributes| mount::labelled_tmpfs(size, mode, label, attributes))
}

fn mount_huge_pages(path: &Path, page: u64, size: Option<u64>, mode: u32) -> Result<(), VolumeCause> {
    let [page, mode] = [page.to_string(), format!("{mode:o}")];
    let size = size.map(|bytes| bytes.to_string());
    let mut options = vec![("pagesize", page.as_str()), ("mode", mode.as_str())];
    options.extend(size.as_deref().map(|size| ("size", size)));
    mount_empty(path, |attributes| mount::filesystem("hugetlbfs", &options, attributes))
}

/// Mounts a file system of a volume's own, once.
fn mount_empty(path: &Path, make: impl FnOnce(mount::Attributes) -> io::Result<OwnedFd>) -> Result<(), VolumeCause> {
    if is_mount_point(path) {
        return Ok(());
    }
    let attributes = mount::Attributes { no_suid: true, no_dev: true, ..mount::Attributes::default() };
    let tree = make(attributes).map_err(failed("make a file system for", path))?;
    mount::attach(tree, rustix::fs::CWD, path).map_err(failed("mount a file system on", path))
}

/// Nothing is copied: the layers are those that containers are made of.
fn mount_image(path: &Path, layers: &[PathBuf], empty: &Path) -> Result<(), VolumeCause> {
    if is_mount_point(path) {
        return Ok(());
    }
    std::fs::create_dir_all(empty).map_err(failed("make the directory", empty))?;
    let attached = mount::merged(layers, empty).and_then(|tree| mount::attach(tree, rustix::fs::CWD, path));
    attached.map_err(failed("mount the image on", path))
}

/// Who may do what is for the server to say: nothing is given to the pod's group, as under a kubelet.
fn mount_nfs(path: &Path, record: &PodRecord, export: &NfsExport) -> Result<(), VolumeCause> {
    make_directory(path, 0o755)?;
    if !is_mount_point(path) {
        nfs::mount(record.mount_nfs.as_deref(), export, path)?;
    }
    Ok(())
}

fn is_mount_point(path: &Path) -> bool {
    mount::is_root(path).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Container, container::Resources};

    #[test]
    fn memory_volumes_have_the_lesser_of_their_own_and_the_pods_limit() {
        let container = |limit| Container {
            resources: Resources { memory_limit: limit, ..Resources::default() },
            ..Container::default()
        };
        let mut pod = Pod { containers: vec![container(Some(10)), container(Some(20))], ..Pod::default() };
        assert_eq!(memory_size(&pod, None), Some(30));
        assert_eq!(memory_size(&pod, Some(25)), Some(25));
        pod.init_containers.push(container(Some(50)));
        assert_eq!(memory_size(&pod, Some(100)), Some(50));
        pod.containers.push(container(None));
        assert_eq!(memory_size(&pod, None), None, "one that may use any amount");
        assert_eq!(memory_size(&pod, Some(25)), Some(25));
    }
}
