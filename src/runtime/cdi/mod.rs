//! The devices that CDI specs describe (Container Device Interface specification, 0.3 to 1.0).
//!
//! A spec is a JSON or YAML file that whoever administers the machine, or a vendor's tool, puts into one of a few directories. What
//! it says of a device is resolved when a pod is made and recorded with it: nothing is read while a container starts.

mod spec;
#[cfg(test)]
mod tests;

use crate::model::device::ContainerEdits;
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where specs are: for the machine, and those that a reboot takes. A later directory wins.
pub const DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// Bytes of a spec; those with hundreds of mounts have a tenth of it.
const MOST_BYTES: u64 = 1 << 20;
/// Files of a directory that are looked at.
const MOST_FILES: usize = 1000;

/// All devices of the specs there are.
#[derive(Debug, Default)]
pub struct Registry {
    /// By `vendor.com/class`, then by name.
    kinds: BTreeMap<String, BTreeMap<String, Device>>,
    errors: Vec<SpecError>,
    directories: Vec<PathBuf>,
}

/// One device, or why it cannot be given to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    spec: PathBuf,
    edits: Result<ContainerEdits, String>,
}

/// A spec whose devices are not known.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is no CDI spec: it is larger than {MOST_BYTES} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("`{}` has more than {MOST_FILES} files", path.display())]
    TooMany { path: PathBuf },
    #[error("`{}` is no CDI spec", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("`{}` is no CDI spec", path.display())]
    Yaml { path: PathBuf, source: serde_yaml::Error },
    #[error("`{}` is no CDI spec: {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
}

impl Registry {
    /// Reads the specs in these directories; a directory that is not there has none.
    pub fn read(directories: &[PathBuf]) -> Self {
        let mut registry = Self { directories: directories.to_vec(), ..Self::default() };
        for directory in directories {
            let files = match files(directory) {
                Ok(files) => files,
                Err(error) => {
                    registry.errors.push(error);
                    continue;
                }
            };
            for path in files {
                match read(&path) {
                    Ok(spec) => registry.add(&path, spec),
                    Err(error) => registry.errors.push(error),
                }
            }
        }
        registry
    }

    /// The directories it was read from.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Specs that could not be used.
    pub fn errors(&self) -> &[SpecError] {
        &self.errors
    }

    /// The device called `vendor.com/class=name`.
    pub fn get(&self, qualified: &str) -> Option<&Device> {
        let (kind, name) = qualified.split_once('=')?;
        self.kinds.get(kind)?.get(name)
    }

    /// The single devices of a kind in the order of their names, numbers by their value; `all` stands for the others and is none.
    pub fn of_kind(&self, kind: &str) -> Vec<(String, &Device)> {
        let devices = self.kinds.get(kind).into_iter().flatten().filter(|(name, _)| *name != "all");
        let mut devices: Vec<_> = devices.collect();
        devices.sort_by_key(|(name, _)| (name.parse::<u64>().unwrap_or(u64::MAX), *name));
        devices.into_iter().map(|(name, device)| (format!("{kind}={name}"), device)).collect()
    }

    /// Names of all devices.
    pub fn names(&self) -> Vec<String> {
        let of_kind = |(kind, devices): (&String, &BTreeMap<String, Device>)| {
            devices.keys().map(|name| format!("{kind}={name}")).collect::<Vec<_>>()
        };
        self.kinds.iter().flat_map(of_kind).collect()
    }

    fn add(&mut self, path: &Path, spec: spec::Spec) {
        let kind = self.kinds.entry(spec.kind).or_default();
        for (name, edits) in spec.devices {
            let edits = match kind.get(&name) {
                // Of one directory none is the later one.
                Some(other) if other.spec.parent() == path.parent() => {
                    Err(format!("both `{}` and `{}` have it", other.spec.display(), path.display()))
                }
                _ => edits,
            };
            kind.insert(name, Device { spec: path.to_owned(), edits });
        }
    }
}

impl Device {
    /// What it adds to a container.
    ///
    /// # Errors
    /// Why it cannot be had here.
    pub fn edits(&self) -> Result<&ContainerEdits, &str> {
        self.edits.as_ref().map_err(String::as_str)
    }

    /// Whether both are one thing under two names, as those of GPUs by number and by serial number are.
    pub fn is_same(&self, other: &Self) -> bool {
        let hosts = |device: &Self| {
            let nodes = device.edits.iter().flat_map(|edits| &edits.nodes);
            let mut hosts: Vec<String> = nodes.map(|node| format!("{}={}", node.path, node.host)).collect();
            hosts.sort();
            hosts
        };
        self == other || (self.spec == other.spec && !hosts(self).is_empty() && hosts(self) == hosts(other))
    }
}

/// The specs of a directory in the order of their names.
fn files(directory: &Path) -> Result<Vec<PathBuf>, SpecError> {
    let fail = |source| SpecError::Read { path: directory.to_owned(), source };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fail)?,
    };
    let mut files = Vec::new();
    for entry in entries.take(MOST_FILES + 1) {
        files.push(entry.map_err(fail)?.path());
    }
    if files.len() > MOST_FILES {
        return Err(SpecError::TooMany { path: directory.to_owned() });
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json" || extension == "yaml"));
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<spec::Spec, SpecError> {
    let fail = |source| SpecError::Read { path: path.to_owned(), source };
    // Looked at before it is opened, which would wait for the other end of a FIFO.
    if !std::fs::metadata(path).map_err(fail)?.is_file() {
        return Err(SpecError::Invalid { path: path.to_owned(), reason: "it is no file".to_owned() });
    }
    let mut text = Vec::new();
    let opened = File::open(path).map_err(fail)?;
    let metadata = opened.metadata().map_err(fail)?;
    opened.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(fail)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(SpecError::TooLarge { path: path.to_owned() });
    }
    let file = match path.extension().is_some_and(|extension| extension == "json") {
        true => serde_json::from_slice(&text).map_err(|source| SpecError::Json { path: path.to_owned(), source })?,
        false => serde_yaml::from_slice(&text).map_err(|source| SpecError::Yaml { path: path.to_owned(), source })?,
    };
    let mut spec = spec::validate(file).map_err(|reason| SpecError::Invalid { path: path.to_owned(), reason })?;
    if !is_of_administrator(&metadata) {
        for edits in spec.devices.values_mut().filter(|edits| edits.as_ref().is_ok_and(|edits| !edits.hooks.is_empty()))
        {
            *edits = Err(format!("it has hooks, and others than root can write to `{}`", path.display()));
        }
    }
    Ok(spec)
}

/// Whether nobody else could have written what is in the file, so that programs it names may be run.
fn is_of_administrator(metadata: &Metadata) -> bool {
    let own = rustix::process::geteuid().as_raw();
    (metadata.uid() == 0 || metadata.uid() == own) && metadata.mode() & 0o022 == 0
}
