//! Annotations of claims: `volume.podman.io/*`.

use super::super::codes;
use super::super::spot::{Spot, did_you_mean, shown};
use crate::model::diagnostic::Diagnostic;
use std::collections::BTreeMap;

const PREFIX: &str = "volume.podman.io/";

/// What becomes of an annotation.
enum Use {
    /// A user or group id: the owner of the volume's directory.
    Id,
    /// `local`.
    Driver,
    /// Refused, with reason and hint: the volume would be another one without it.
    Refused(&'static str, &'static str),
}

const MOUNTED: &str = "claims are directories, which are not mounted";
const HOST_PATH: &str = "mount it on the machine and use a `hostPath` volume";
const EMPTY: &str = "claims start empty";

const KNOWN: &[(&str, Use)] = &[
    ("device", Use::Refused(MOUNTED, HOST_PATH)),
    ("driver", Use::Driver),
    ("gid", Use::Id),
    ("image", Use::Refused(EMPTY, "mount the image with a volume of source `image`")),
    ("import-source", Use::Refused(EMPTY, "fill the volume with an init container")),
    ("mount-options", Use::Refused(MOUNTED, HOST_PATH)),
    ("type", Use::Refused(MOUNTED, HOST_PATH)),
    ("uid", Use::Id),
];

/// Checks the annotations of a claim; `at` is its `metadata.annotations`.
pub(crate) fn check(at: &Spot<'_>, annotations: &BTreeMap<String, String>) {
    for (key, value) in annotations {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        let at = at.field(key);
        match KNOWN.iter().find(|(known, _)| *known == name).map(|(_, use_)| use_) {
            Some(Use::Id) => check_id(&at, value),
            Some(Use::Driver) => drop(at.one_of("driver of volumes here", value, &[("local", ())])),
            Some(Use::Refused(reason, hint)) => at.refused(true, reason, hint),
            None => {
                let message = format!("podman has no annotation `{key}`");
                let label = did_you_mean(name, KNOWN.iter().map(|(known, _)| *known)).unwrap_or_default();
                at.on_key(Diagnostic::warning(codes::SUSPICIOUS, message), label);
            }
        }
    }
}

fn check_id(at: &Spot<'_>, value: &str) {
    if value.parse::<u32>().ok().is_none_or(|id| id > i32::MAX as u32) {
        let message = format!("a user or group id is a number from 0 to {}, not `{}`", i32::MAX, shown(value));
        at.wrong(codes::VALUE, message);
    }
}
