//! Platforms: which manifest of an index is for this machine, or for the one that was asked for.

use super::config::{Descriptor, Platform};
use std::fmt;
use std::str::FromStr;

/// The platform that is wanted of an index (OCI image specification, "Image Index").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPlatform {
    pub os: String,
    pub architecture: String,
    /// `v8`; any that runs where it is not given.
    pub variant: Option<String>,
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `os/architecture` or `os/architecture/variant`")]
pub struct PlatformError(String);

impl WantedPlatform {
    /// This machine's.
    pub fn host() -> Self {
        Self { os: "linux".to_owned(), architecture: host_architecture().to_owned(), variant: None }
    }

    /// The best of these manifests; `None` when there is none for it.
    pub fn choose<'d>(&self, descriptors: &'d [Descriptor]) -> Option<&'d Descriptor> {
        // The first of equal ones.
        let ranked = descriptors.iter().filter_map(|descriptor| Some((self.rank(descriptor)?, descriptor)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, descriptor)| descriptor)
    }

    /// How far a manifest is from what is wanted; `None` when it is for something else.
    fn rank(&self, descriptor: &Descriptor) -> Option<usize> {
        // Only when nothing says more.
        let Some(platform) = &descriptor.platform else { return Some(usize::MAX) };
        let Platform { architecture, os, variant, os_version: _, os_features: _, features: _ } = platform;
        if *os != self.os || *architecture != self.architecture {
            return None;
        }
        let has = variant.as_deref().filter(|variant| !variant.is_empty());
        let runs = variants(&self.architecture, self.variant.as_deref());
        match runs.iter().position(|variant| Some(*variant) == has) {
            Some(rank) => Some(rank),
            None if has.is_none() => Some(runs.len()),
            // Of an architecture without known variants, or one that was not asked for: better than nothing on this machine.
            None if self.variant.is_none() => Some(runs.len() + 1),
            None => None,
        }
    }
}

/// Variants that run where `variant` does, the best first; a machine is taken for the plain one of its architecture.
fn variants<'v>(architecture: &str, variant: Option<&'v str>) -> Vec<&'v str> {
    match (architecture, variant) {
        ("arm64", None | Some("v8")) => vec!["v8"],
        ("arm", None) => vec!["v7", "v6", "v5"],
        ("arm", Some("v8")) => vec!["v8", "v7", "v6", "v5"],
        ("arm", Some("v7")) => vec!["v7", "v6", "v5"],
        ("arm", Some("v6")) => vec!["v6", "v5"],
        ("amd64", None) => vec!["v1"],
        ("amd64", Some("v4")) => vec!["v4", "v3", "v2", "v1"],
        ("amd64", Some("v3")) => vec!["v3", "v2", "v1"],
        ("amd64", Some("v2")) => vec!["v2", "v1"],
        (_, Some(variant)) => vec![variant],
        (_, None) => Vec::new(),
    }
}

impl FromStr for WantedPlatform {
    type Err = PlatformError;

    /// `linux/arm64`, `linux/arm/v7`, or an architecture alone.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [architecture] => ("linux", architecture, None),
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(PlatformError(text.to_owned())),
        };
        if os.is_empty() || architecture.is_empty() || variant.is_some_and(str::is_empty) {
            return Err(PlatformError(text.to_owned()));
        }
        let architecture = match architecture {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) })
    }
}

impl fmt::Display for WantedPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// The architecture of this machine as images name it.
pub fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::Digest;
    use std::collections::BTreeMap;

    fn of(platform: &str) -> Descriptor {
        let wanted: Option<WantedPlatform> = platform.parse().ok();
        Descriptor {
            media_type: String::new(),
            digest: Digest::of(platform.as_bytes()),
            size: 1,
            annotations: BTreeMap::new(),
            platform: wanted.map(|WantedPlatform { os, architecture, variant }| Platform {
                os,
                architecture,
                variant,
                ..Platform::default()
            }),
        }
    }

    fn chosen(wanted: &str, of_these: &[&str]) -> Option<usize> {
        let descriptors: Vec<Descriptor> = of_these.iter().map(|platform| of(platform)).collect();
        let wanted: WantedPlatform = wanted.parse().unwrap();
        let found = wanted.choose(&descriptors)?;
        descriptors.iter().position(|descriptor| descriptor.digest == found.digest)
    }

    #[test]
    fn the_nearest_variant_is_chosen() {
        assert_eq!(
            chosen("linux/amd64", &["unknown/unknown", "windows/amd64", "linux/amd64/v3", "linux/amd64"]),
            Some(3)
        );
        assert_eq!(chosen("linux/amd64", &["linux/amd64/v3"]), Some(0));
        assert_eq!(chosen("linux/amd64/v2", &["linux/amd64/v3", "linux/amd64", "linux/amd64/v2"]), Some(2));
        assert_eq!(chosen("linux/amd64/v2", &["linux/amd64/v3", "linux/amd64"]), Some(1));
        assert_eq!(chosen("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6", "linux/arm64"]), Some(1));
        assert_eq!(chosen("linux/arm/v5", &["linux/arm/v7"]), None);
        assert_eq!(chosen("linux/arm64", &["linux/arm", "linux/arm64/v8"]), Some(1));
        assert_eq!(chosen("linux/s390x", &["linux/amd64", "windows/s390x"]), None);
        // Nothing said of the platform: taken when there is nothing better.
        assert_eq!(chosen("linux/s390x", &["linux/amd64", "/"]), Some(1));
    }

    #[test]
    fn platforms_are_read_as_typed() {
        for (text, shown) in
            [("arm64", "linux/arm64"), ("linux/aarch64/v8", "linux/arm64/v8"), ("linux/x86_64", "linux/amd64")]
        {
            assert_eq!(text.parse::<WantedPlatform>().unwrap().to_string(), shown);
        }
        for bad in ["", "linux/", "/amd64", "linux/arm/", "a/b/c/d"] {
            assert!(bad.parse::<WantedPlatform>().is_err(), "{bad}");
        }
    }
}
