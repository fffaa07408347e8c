//! `volumeMounts` of a container.

use super::spot::{Spot, did_you_mean, list};
use super::{codes, form};
use crate::model::container::VolumeDevice;
use crate::model::container::{MountOptions, Propagation};
use crate::model::diagnostic::Diagnostic;
use crate::model::{HostPathType, Volume, VolumeMount, VolumeSource};
use k8s_openapi::api::core::v1 as core;
use std::collections::BTreeMap;

/// Lowers the mounts of a container; `volumes` are the names that the pod declares.
pub(super) fn lower_all(
    at: &Spot<'_>,
    mounts: Vec<core::VolumeMount>,
    volumes: &[String],
    privileged: bool,
) -> Vec<VolumeMount> {
    let mut paths = BTreeMap::new();
    let mut lowered = Vec::new();
    for (i, mount) in mounts.into_iter().enumerate() {
        let at = at.index(i);
        check_volume(&at, &mount.name, volumes);
        let Some(mount) = lower(&at, mount, privileged) else { continue };
        let at = at.field("mountPath");
        if let Some(first) = paths.insert(mount.path.clone(), at.mark()) {
            let error = Diagnostic::error(codes::DUPLICATE, format!("two volumes are mounted at `{}`", mount.path));
            at.on_value(error.also(first.span, "first here"), "");
        }
        lowered.push(mount);
    }
    lowered
}

/// Lowers the devices of a container, which has `mounts` already.
pub(super) fn lower_devices(
    at: &Spot<'_>,
    devices: Vec<core::VolumeDevice>,
    volumes: &[String],
    mounts: &[VolumeMount],
) -> Vec<VolumeDevice> {
    let mut paths = BTreeMap::new();
    let mut lowered = Vec::new();
    for (i, core::VolumeDevice { device_path, name }) in devices.into_iter().enumerate() {
        let at = at.index(i);
        check_volume(&at, &name, volumes);
        if device_path.is_empty() {
            at.missing("devicePath");
            continue;
        }
        let at = at.field("devicePath");
        if !at.check("device path", &device_path, form::mount_path) {
            continue;
        }
        let path = form::cleaned(&device_path);
        if let Some(first) = paths.insert(path.clone(), at.mark()) {
            let error = Diagnostic::error(codes::DUPLICATE, format!("two devices are at `{path}`"));
            at.on_value(error.also(first.span, "first here"), "");
        }
        if mounts.iter().any(|mount| mount.path == path) {
            at.wrong(codes::DUPLICATE, format!("a volume is mounted at `{path}`, too"));
        }
        lowered.push(VolumeDevice { volume: name, path });
    }
    lowered
}

/// Reports devices of a container whose volumes are none; `at` is its `volumeDevices`.
pub(super) fn check_devices(at: &Spot<'_>, devices: &[VolumeDevice], volumes: &[Volume]) {
    for (i, device) in devices.iter().enumerate() {
        let volume = volumes.iter().find(|volume| volume.name == device.volume);
        let is_device = volume.is_none_or(|volume| {
            matches!(
                volume.source,
                VolumeSource::Claim { .. } | VolumeSource::HostPath { kind: HostPathType::BlockDevice, .. }
            )
        });
        if !is_device {
            let message = format!("volume `{}` is no block device", device.volume);
            let hint = "use a claim with `volumeMode: Block`, or a `hostPath` of type BlockDevice";
            at.index(i).field("name").wrong_hint(codes::CONFLICT, message, hint);
        }
    }
}

fn check_volume(at: &Spot<'_>, name: &str, volumes: &[String]) {
    if name.is_empty() {
        return at.missing("name");
    }
    if volumes.iter().any(|v| v == name) {
        return;
    }
    let error = Diagnostic::error(codes::VOLUME, format!("the pod declares no volume `{name}`"));
    let hint = match volumes {
        [] => "declare it below `spec.volumes`".to_owned(),
        names => format!("declared volumes: {}", list(names)),
    };
    let label = did_you_mean(name, volumes.iter().map(String::as_str)).unwrap_or_default();
    at.field("name").on_value(error.hint(hint), label);
}

fn lower(at: &Spot<'_>, mount: core::VolumeMount, privileged: bool) -> Option<VolumeMount> {
    let core::VolumeMount {
        bind_mount_options,
        mount_path,
        mount_propagation,
        name,
        read_only,
        recursive_read_only,
        sub_path,
        sub_path_expr,
    } = mount;
    let options = options(&at.field("bindMountOptions"), bind_mount_options.unwrap_or_default());
    let read_only = read_only.unwrap_or_default();
    let propagation = propagation(&at.field("mountPropagation"), mount_propagation, privileged);
    let recursive_read_only = recursive(at, recursive_read_only, read_only, propagation);
    let (sub_path, sub_path_expr) = sub_paths(at, sub_path, sub_path_expr);
    let path = check_path(at, &mount_path)?;
    Some(VolumeMount {
        volume: name,
        path,
        read_only,
        recursive_read_only,
        sub_path,
        sub_path_expr,
        propagation,
        options,
    })
}

fn check_path(at: &Spot<'_>, path: &str) -> Option<String> {
    if path.is_empty() {
        at.missing("mountPath");
        return None;
    }
    let at = at.field("mountPath");
    if let Some((plain, options)) = path.split_once(':').filter(|(plain, _)| form::mount_path(plain).is_ok()) {
        let message = format!("mount path `{path}` must not contain `:`");
        let hint = match options {
            "ro" => format!("write `mountPath: {plain}` and `readOnly: true`"),
            _ => format!("write `mountPath: {plain}`; options have fields of their own"),
        };
        at.wrong_hint(codes::FORM, message, hint);
        return None;
    }
    if !at.check("mount path", path, form::mount_path) {
        return None;
    }
    let path = form::cleaned(path);
    if is_vital(&path) {
        let message = format!("a volume at `{path}` would replace what the container runs on");
        at.on_value(Diagnostic::error(codes::UNSAFE, message).hint("mount it at another path"), "");
        return None;
    }
    Some(path)
}

/// Whether a container could not do without what it has at that path.
pub(super) fn is_vital(path: &str) -> bool {
    path == "/" || path == "/proc" || path.starts_with("/proc/")
}

fn options(at: &Spot<'_>, names: Vec<String>) -> MountOptions {
    let (mut options, mut seen) = (MountOptions::default(), BTreeMap::new());
    for (i, name) in names.iter().enumerate() {
        let at = at.index(i);
        let known = [("noexec", 0), ("nodev", 1), ("nosuid", 2)];
        let Some(which) = at.one_of("bind mount option", name, &known) else { continue };
        if let Some(first) = seen.insert(which, at.mark()) {
            let error = Diagnostic::error(codes::DUPLICATE, format!("bind mount option `{name}` is there twice"));
            at.on_value(error.also(first.span, "first here"), "");
        }
        match which {
            0 => options.no_exec = true,
            1 => options.no_dev = true,
            _ => options.no_suid = true,
        }
    }
    options
}

fn propagation(at: &Spot<'_>, value: Option<String>, privileged: bool) -> Propagation {
    let options = [
        ("None", Propagation::None),
        ("HostToContainer", Propagation::HostToContainer),
        ("Bidirectional", Propagation::Bidirectional),
    ];
    let propagation = value.and_then(|v| at.one_of("mount propagation", &v, &options)).unwrap_or_default();
    if propagation == Propagation::Bidirectional && !privileged {
        let message = "`Bidirectional` mounts reach the machine and need a privileged container";
        at.wrong_hint(codes::CONFLICT, message, "set `privileged: true`, or use `HostToContainer`");
    }
    propagation
}

fn recursive(at: &Spot<'_>, value: Option<String>, read_only: bool, propagation: Propagation) -> bool {
    let at = at.field("recursiveReadOnly");
    let options = [("Disabled", false), ("IfPossible", true), ("Enabled", true)];
    let wanted = value.and_then(|v| at.one_of("way of mounting", &v, &options)).unwrap_or_default();
    if wanted && !read_only {
        at.wrong_hint(codes::CONFLICT, "`recursiveReadOnly` needs `readOnly`", "set `readOnly: true`");
    }
    if wanted && propagation != Propagation::None {
        at.wrong(codes::CONFLICT, "`recursiveReadOnly` excludes `mountPropagation`");
    }
    wanted
}

fn sub_paths(at: &Spot<'_>, plain: Option<String>, expression: Option<String>) -> (Option<String>, Option<String>) {
    let (plain, expression) = (plain.filter(|p| !p.is_empty()), expression.filter(|p| !p.is_empty()));
    if let Some(path) = &plain {
        at.field("subPath").check("path below a volume", path, form::path_below);
    }
    if let Some(path) = &expression {
        at.field("subPathExpr").check("path below a volume", path, form::path_below);
    }
    if plain.is_some() && expression.is_some() {
        let first = at.field("subPath").key_mark();
        let error = Diagnostic::error(codes::CONFLICT, "`subPath` and `subPathExpr` exclude each other");
        at.field("subPathExpr").on_key(error.also(first.span, "the other"), "");
    }
    (plain.map(|p| form::cleaned(&p)).filter(|p| !p.is_empty()), expression)
}
