//! One spec: its text, and what of it is used (Container Device Interface specification, "CDI JSON Specification").

use crate::model::container::{MountOptions, Propagation};
use crate::model::device::{
    Access, ContainerEdits, DeviceHook, DeviceMount, DeviceNode, DeviceNumber, check_device_name, check_kind,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// A valid spec.
#[derive(Debug)]
pub(super) struct Spec {
    pub kind: String,
    /// By name, with what the spec says for all; or why a device cannot be had here.
    pub devices: BTreeMap<String, Result<ContainerEdits, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SpecFile {
    cdi_version: String,
    kind: String,
    /// Say nothing to a runtime.
    #[serde(rename = "annotations")]
    _annotations: Option<BTreeMap<String, String>>,
    devices: Option<Vec<FileDevice>>,
    container_edits: Option<FileEdits>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileDevice {
    name: String,
    /// Say nothing to a runtime.
    #[serde(rename = "annotations")]
    _annotations: Option<BTreeMap<String, String>>,
    container_edits: Option<FileEdits>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileEdits {
    env: Option<Vec<String>>,
    device_nodes: Option<Vec<FileNode>>,
    mounts: Option<Vec<FileMount>>,
    hooks: Option<Vec<FileHook>>,
    additional_gids: Option<Vec<u32>>,
    intel_rdt: Option<IgnoredAny>,
    net_devices: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileNode {
    path: String,
    host_path: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    major: Option<u32>,
    minor: Option<u32>,
    file_mode: Option<u32>,
    permissions: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileMount {
    host_path: String,
    container_path: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    options: Option<Vec<String>>,
}

/// A program that the runtime is to run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileHook {
    hook_name: String,
    path: String,
    args: Option<Vec<String>>,
    env: Option<Vec<String>>,
    timeout: Option<u32>,
}

/// The hooks that are run: before the container has its root.
const HOOK: &str = "createContainer";
/// Seconds a hook has unless its spec says it, and at most.
const HOOK_SECONDS: (u32, u32) = (30, 300);

/// What is not possible here is said of the devices that need it; what is no spec at all is an error.
pub(super) fn validate(file: SpecFile) -> Result<Spec, String> {
    let SpecFile { cdi_version, kind, _annotations: _, devices, container_edits } = file;
    check_version(&cdi_version)?;
    check_kind(&kind).map_err(|reason| format!("kind `{kind}`: {reason}"))?;
    let shared = container_edits.unwrap_or_default();
    let shared_trouble = unsupported(&shared);
    let shared = edits(shared)?;
    let mut found = BTreeMap::new();
    for FileDevice { name, _annotations: _, container_edits } in devices.unwrap_or_default() {
        check_device_name(&name).map_err(|reason| format!("device `{name}`: {reason}"))?;
        let own = container_edits.unwrap_or_default();
        let trouble = unsupported(&own).or_else(|| shared_trouble.clone());
        let own = edits(own).map_err(|reason| format!("device `{name}`: {reason}"))?;
        let mut all = shared.clone();
        all.add(&own);
        if found.insert(name.clone(), trouble.map_or(Ok(all), Err)).is_some() {
            return Err(format!("device `{name}` stands there twice"));
        }
    }
    match found.is_empty() {
        true => Err("it has no devices".to_owned()),
        false => Ok(Spec { kind, devices: found }),
    }
}

fn check_version(text: &str) -> Result<(), String> {
    const KNOWN: [&str; 7] = ["0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "1.0"];
    let known = KNOWN.iter().any(|known| text == *known || text.strip_prefix(known) == Some(".0"));
    if known { Ok(()) } else { Err(format!("`cdiVersion` is `{text}`, and 0.3.0 to 1.0.0 are known")) }
}

/// What no container gets here.
fn unsupported(edits: &FileEdits) -> Option<String> {
    if let Some(other) = edits.hooks.iter().flatten().find(|hook| hook.hook_name != HOOK) {
        let FileHook { hook_name, path, .. } = other;
        return Some(format!("it needs its {hook_name} hook `{path}`, and only {HOOK} hooks are run"));
    }
    if edits.intel_rdt.is_some() {
        return Some("it needs `intelRdt`, and there are no resource control groups here".to_owned());
    }
    let moves = edits.net_devices.as_ref().is_some_and(|devices| !devices.is_empty());
    moves.then(|| "it needs `netDevices`, and network interfaces are not moved into pods".to_owned())
}

fn edits(edits: FileEdits) -> Result<ContainerEdits, String> {
    let FileEdits { env, device_nodes, mounts, hooks, additional_gids, intel_rdt: _, net_devices: _ } = edits;
    let lists = (env.unwrap_or_default(), device_nodes.unwrap_or_default(), mounts.unwrap_or_default());
    let mut gids = additional_gids.unwrap_or_default();
    gids.retain(|gid| *gid != 0); // as the specification has it
    Ok(ContainerEdits {
        env: lists.0.into_iter().map(variable).collect::<Result<_, _>>()?,
        nodes: lists.1.into_iter().map(node).collect::<Result<_, _>>()?,
        mounts: lists.2.into_iter().map(mount).collect::<Result<_, _>>()?,
        additional_gids: gids,
        hooks: hooks.unwrap_or_default().into_iter().map(hook).collect::<Result<_, _>>()?,
    })
}

fn variable(entry: String) -> Result<(String, String), String> {
    match entry.split_once('=') {
        Some((name, value)) if !name.is_empty() && !entry.contains('\0') => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("variable `{}` is not `NAME=value`", entry.escape_debug())),
    }
}

fn hook(hook: FileHook) -> Result<DeviceHook, String> {
    let FileHook { hook_name: _, path, args, env, timeout } = hook;
    let (usual, most) = HOOK_SECONDS;
    let args = args.unwrap_or_default();
    if args.iter().any(|argument| argument.contains('\0')) {
        return Err(format!("an argument of hook `{path}` has a NUL character"));
    }
    Ok(DeviceHook {
        path: absolute(&path)?,
        args,
        env: env.unwrap_or_default().into_iter().map(variable).collect::<Result<_, _>>()?,
        timeout_seconds: timeout.filter(|seconds| *seconds > 0).map_or(usual, |seconds| seconds.min(most)),
    })
}

fn node(node: FileNode) -> Result<DeviceNode, String> {
    let FileNode { path, host_path, kind, major, minor, file_mode, permissions, uid, gid } = node;
    let block = match kind.as_deref() {
        None | Some("") => None,
        Some("b") => Some(true),
        Some("c" | "u") => Some(false),
        Some(other) => return Err(format!("`{path}` has type `{other}`, which is no device")),
    };
    // Without a type or a major number the machine's own node has both.
    let number = block.zip(major.filter(|major| *major != 0));
    let permissions = permissions.filter(|text| !text.is_empty());
    let access = match &permissions {
        None => Access::ALL,
        Some(text) => Access::parse(text).ok_or_else(|| format!("`{path}` has permissions `{text}`"))?,
    };
    let host = host_path.filter(|host| !host.is_empty()).unwrap_or_else(|| path.clone());
    Ok(DeviceNode {
        path: absolute(&path)?,
        host: absolute(&host)?,
        number: number.map(|(block, major)| DeviceNumber { block, major, minor: minor.unwrap_or_default() }),
        access,
        mode: file_mode.map(|mode| mode & 0o777),
        uid,
        gid,
    })
}

fn mount(mount: FileMount) -> Result<DeviceMount, String> {
    let FileMount { host_path, container_path, kind, options } = mount;
    if let Some(kind) = kind.filter(|kind| !matches!(kind.as_str(), "" | "bind" | "none")) {
        return Err(format!("mount `{container_path}` has type `{kind}`: only `bind` is known"));
    }
    let mut lowered =
        DeviceMount { host: absolute(&host_path)?, path: absolute(&container_path)?, ..DeviceMount::default() };
    if lowered.path == "/" {
        return Err("a mount comes over the whole container".to_owned());
    }
    let MountOptions { no_exec, no_dev, no_suid } = &mut lowered.options;
    for option in options.unwrap_or_default() {
        match option.as_str() {
            "ro" => lowered.read_only = true,
            "rw" => lowered.read_only = false,
            "noexec" => *no_exec = true,
            "nodev" => *no_dev = true,
            "nosuid" => *no_suid = true,
            "exec" | "dev" | "suid" | "bind" | "rbind" | "private" | "rprivate" => {}
            "slave" | "rslave" => lowered.propagation = Propagation::HostToContainer,
            "shared" | "rshared" => lowered.propagation = Propagation::Bidirectional,
            other => return Err(format!("mount `{container_path}` has option `{other}`, which is not known")),
        }
    }
    Ok(lowered)
}

/// The cleaned path.
fn absolute(path: &str) -> Result<String, String> {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty() && *step != ".").collect();
    if !path.starts_with('/') || steps.contains(&"..") || path.contains('\0') {
        return Err(format!("path `{}` is not absolute, or has `..`", path.escape_debug()));
    }
    Ok(format!("/{}", steps.join("/")))
}
