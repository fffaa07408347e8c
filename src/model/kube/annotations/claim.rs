//! Annotations of claims: `volume.podman.io/*`.

use super::super::codes;
use super::super::container::check_image;
use super::super::form;
use super::super::spot::{Spot, did_you_mean, shown};
use crate::model::diagnostic::Diagnostic;
use crate::model::{ClaimContent, ClaimMount, ClaimTemplate};
use std::path::Path;

const PREFIX: &str = "volume.podman.io/";
const KNOWN: [&str; 8] = ["device", "driver", "gid", "image", "import-source", "mount-options", "type", "uid"];

/// What is mounted by a program of the machine, or cannot be mounted twice, with what to do instead.
const NOT_MOUNTED: [&str; 6] = ["cifs", "smb3", "fuse", "overlay", "ceph", "9p"];
const BY_HAND: &str = "mount it on the machine and use a `hostPath` volume";

/// Puts into a claim what its annotations ask for; `at` is its `metadata.annotations`, and relative paths start at `base`.
pub(crate) fn apply(at: &Spot<'_>, claim: &mut ClaimTemplate, base: &Path) {
    let annotations = claim.annotations.clone();
    let value = |name: &str| annotations.get(&format!("{PREFIX}{name}")).map(String::as_str);
    let of = |name: &str| Key { at, key: format!("{PREFIX}{name}") };
    for key in annotations.keys() {
        let Some(name) = key.strip_prefix(PREFIX).filter(|name| !KNOWN.contains(name)) else { continue };
        let message = format!("podman has no annotation `{key}`");
        let label = did_you_mean(name, KNOWN.into_iter()).unwrap_or_default();
        at.field(key).on_key(Diagnostic::warning(codes::SUSPICIOUS, message), label);
    }
    let [uid, gid] = ["uid", "gid"].map(|name| value(name).and_then(|value| of(name).with(|at| id(at, value))));
    let driver = value("driver");
    let drivers = [("local", false), ("image", true)];
    let by_image = driver.and_then(|name| of("driver").with(|at| at.one_of("driver of volumes here", name, &drivers)));
    let image = value("image");
    match (by_image, image) {
        (Some(true), None) => {
            of("driver").with(|at| at.wrong(codes::CONFLICT, format!("driver `image` needs `{PREFIX}image`")));
        }
        (Some(false), Some(_)) => {
            let message = "a volume of an image has driver `image`";
            of("driver").with(|at| at.wrong_hint(codes::CONFLICT, message, "remove the annotation of the driver"));
        }
        _ => {}
    }
    let archive = value("import-source").map(|path| absolute(path, base));
    if let Some(reference) = image {
        of("image").with(|at| check_image(at, reference));
    }
    claim.mount = mount(&of, value, (uid, gid), base);
    let given = [("image", image.is_some()), ("import-source", archive.is_some()), ("device", claim.mount.is_some())];
    let mut given = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name);
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        let mark = of(first).with(|at| at.key_mark());
        let error =
            Diagnostic::error(codes::CONFLICT, format!("`{PREFIX}{first}` and `{PREFIX}{second}` exclude each other"));
        of(second).with(|at| at.on_key(error.also(mark.span, "the other"), ""));
    }
    claim.content = match (image, archive) {
        (Some(reference), _) => Some(ClaimContent::Image(reference.to_owned())),
        (None, archive) => archive.map(ClaimContent::Archive),
    };
}

/// An annotation, which may not be there.
struct Key<'a> {
    at: &'a Spot<'a>,
    key: String,
}

impl Key<'_> {
    fn with<T>(&self, body: impl FnOnce(&Spot<'_>) -> T) -> T {
        body(&self.at.field(&self.key))
    }
}

fn absolute(path: &str, base: &Path) -> String {
    form::cleaned(&base.join(path).display().to_string())
}

/// What `device`, `type` and `mount-options` ask for, as mount(8) takes them.
fn mount<'a>(
    of: &dyn Fn(&str) -> Key<'a>,
    value: impl Fn(&str) -> Option<&'a str>,
    (uid, gid): (Option<u32>, Option<u32>),
    base: &Path,
) -> Option<ClaimMount> {
    let (device, kind, options) = (value("device"), value("type"), value("mount-options"));
    let Some(device) = device.filter(|device| !device.is_empty()) else {
        for name in ["type", "mount-options"].into_iter().filter(|name| value(name).is_some()) {
            of(name).with(|at| at.wrong(codes::CONFLICT, format!("`{PREFIX}{name}` needs `{PREFIX}device`")));
        }
        return None;
    };
    let mut mount = ClaimMount { device: device.to_owned(), uid, gid, ..ClaimMount::default() };
    let options = options.unwrap_or_default().split(',').map(str::trim).filter(|option| !option.is_empty());
    let mut binds = matches!(kind, Some("bind" | "none"));
    for option in options {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "bind" => binds = true,
            "rbind" => (binds, mount.recursive) = (true, true),
            "ro" => mount.read_only = true,
            "nosuid" => mount.options.no_suid = true,
            "nodev" => mount.options.no_dev = true,
            "noexec" => mount.options.no_exec = true,
            "rw" | "suid" | "dev" | "exec" | "defaults" => {}
            "noatime" | "nodiratime" | "relatime" | "strictatime" | "lazytime" => {
                of("mount-options").with(|at| at.no_effect(true, "times of access are kept as the machine does"));
            }
            "loop" => {
                let message = "option `loop` is not supported: files are not made devices";
                of("mount-options").with(|at| at.wrong_hint(codes::UNSUPPORTED, message, BY_HAND));
            }
            _ => mount.parameters.push((name.to_owned(), value.to_owned())),
        }
    }
    match kind.filter(|kind| !kind.is_empty() && !binds) {
        Some(kind @ ("nfs" | "nfs4")) => {
            let message = format!("file systems of type `{kind}` are not mounted so");
            let hint = "use a volume with an `nfs` source, or a PersistentVolume with one";
            of("type").with(|at| at.wrong_hint(codes::UNSUPPORTED, message, hint));
        }
        Some(kind) if NOT_MOUNTED.contains(&kind) || kind.starts_with("fuse.") => {
            let message = format!("file systems of type `{}` are not mounted here", shown(kind));
            of("type").with(|at| at.wrong_hint(codes::UNSUPPORTED, message, BY_HAND));
        }
        Some(kind) => mount.kind = Some(kind.to_owned()),
        None if binds => mount.device = absolute(device, base),
        None => {
            let message = format!("`{PREFIX}device` needs `{PREFIX}type`");
            let hint = "as in `ext4`, `tmpfs`, or `none` with the mount option `bind`";
            of("device").with(|at| at.wrong_hint(codes::CONFLICT, message, hint));
        }
    }
    if binds && !mount.parameters.is_empty() {
        let message = format!("a directory that is bound has no option `{}`", shown(&mount.parameters[0].0));
        of("mount-options").with(|at| at.wrong(codes::VALUE, message));
    }
    Some(mount)
}

fn id(at: &Spot<'_>, value: &str) -> Option<u32> {
    let id = value.parse::<u32>().ok().filter(|id| *id <= i32::MAX as u32);
    if id.is_none() {
        let message = format!("a user or group id is a number from 0 to {}, not `{}`", i32::MAX, shown(value));
        at.wrong(codes::VALUE, message);
    }
    id
}
