//! The environment of a container, its command line and its sub-paths, computed when it starts.
//!
//! Kubernetes rules (reference: "Container" v1 core; "Define Environment Variables for a Container"): what the image declares is
//! lowest, then `envFrom` in order, then `env` in order. `$(NAME)` sees what the pod declares before it, never the image's
//! variables. Values of Secrets pass through here and must not be logged.

mod env_file;
mod expansion;
mod field;

pub use env_file::EnvFileError;
pub use expansion::{expand, references};
pub use field::{FieldPath, HostResources, PodFacts, downward_value};

use super::{ConfigMap, Container, EnvFrom, EnvFromSource, EnvValue, ObjectKind, Pod, Secret, VolumeMount};
use std::collections::BTreeMap;
use std::fmt;

/// The ConfigMaps and Secrets a pod may refer to, by name.
#[derive(Debug, Clone, Copy)]
pub struct Objects<'a> {
    pub config_maps: &'a BTreeMap<String, ConfigMap>,
    pub secrets: &'a BTreeMap<String, Secret>,
}

/// The variables of one container. Its `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// What the process gets: the image's variables, overridden and followed by the pod's.
    pub variables: Vec<(String, String)>,
    /// Keys of `envFrom` objects that cannot be a variable's name and were left out.
    pub skipped: Vec<SkippedKey>,
    declared: BTreeMap<String, String>,
}

/// A key that `envFrom` left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    pub kind: ObjectKind,
    pub object: String,
    pub key: String,
}

/// Why a container cannot get its environment. No variant holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    #[error("{kind} `{name}` does not exist")]
    MissingObject { kind: ObjectKind, name: String },
    #[error("{kind} `{name}` has no key `{key}`")]
    MissingKey { kind: ObjectKind, name: String, key: String },
    #[error("key `{key}` of {kind} `{name}` is not text and cannot be a variable")]
    NotText { kind: ObjectKind, name: String, key: String },
    #[error("volume `{volume}` has no file `{path}`")]
    MissingFile { volume: String, path: String },
    #[error("file `{path}` of volume `{volume}` has no variable `{key}`")]
    MissingVariable { volume: String, path: String, key: String },
    #[error("cannot read file `{path}` of volume `{volume}`: {reason}")]
    File { volume: String, path: String, reason: String },
    #[error("file `{path}` of volume `{volume}` is no file of variables")]
    EnvFile { volume: String, path: String, source: EnvFileError },
    #[error("no pod has a field `{path}`")]
    UnknownField { path: String },
    #[error("the pod has no container `{name}`")]
    UnknownContainer { name: String },
    #[error("`{divisor}` is not a quantity to divide by")]
    Divisor { divisor: String },
    #[error("`{variable}` in the sub-path `{sub_path}` is not defined")]
    UndefinedVariable { variable: String, sub_path: String },
    #[error("the sub-path `{sub_path}` leads out of its volume once its variables are known")]
    SubPathEscapes { sub_path: String },
}

/// Reads a file of a volume, given the names of both; `None` when it is not there, the reason when it cannot be read.
pub type ReadFile<'a> = &'a dyn Fn(&str, &str) -> Result<Option<String>, String>;

/// Computes the environment of `container` when it starts. `image_env` holds `NAME=value` entries.
pub fn resolve(
    container: &Container,
    pod: &Pod,
    image_env: &[String],
    objects: Objects<'_>,
    facts: &PodFacts,
    read: ReadFile<'_>,
) -> Result<Environment, EnvironmentError> {
    let mut env = Environment::default();
    for entry in image_env {
        if let Some((name, value)) = entry.split_once('=') {
            env.set(name, value.to_owned());
        }
    }
    for entry in &container.env_from {
        env.add_all(entry, objects)?;
    }
    for var in &container.env {
        let value = match &var.value {
            EnvValue::FileKey { volume, path, key, optional } => file_value(read, volume, path, key, *optional)?,
            value => env.value(value, container, pod, objects, facts)?,
        };
        if let Some(value) = value {
            env.declare(&var.name, value);
        }
    }
    Ok(env)
}

impl Environment {
    /// Replaces `$(NAME)` by what the pod declares; other names stay as written.
    pub fn expand(&self, text: &str) -> String {
        expand(text, |name| self.declared.get(name).cloned())
    }

    /// The arguments of the process: `command` replaces entrypoint and cmd of the image, `args` alone its cmd
    /// (Kubernetes, "Define a Command and Arguments for a Container"). Empty when neither says what to run.
    pub fn command_line(&self, container: &Container, entrypoint: &[String], cmd: &[String]) -> Vec<String> {
        let own = |words: &[String]| words.iter().map(|w| self.expand(w)).collect::<Vec<_>>();
        let (command, args) = (own(&container.command), own(&container.args));
        match (command.is_empty(), args.is_empty()) {
            (false, _) => [command, args].concat(),
            (true, false) => [entrypoint.to_vec(), args].concat(),
            (true, true) => [entrypoint, cmd].concat(),
        }
    }

    /// The path below the volume that a mount shows, when not the whole volume.
    pub fn sub_path(&self, mount: &VolumeMount) -> Result<Option<String>, EnvironmentError> {
        let Some(expression) = &mount.sub_path_expr else {
            return Ok(mount.sub_path.clone());
        };
        if let Some(name) = references(expression).find(|name| !self.declared.contains_key(*name)) {
            let (variable, sub_path) = (name.to_owned(), expression.clone());
            return Err(EnvironmentError::UndefinedVariable { variable, sub_path });
        }
        let path = self.expand(expression);
        if path.starts_with('/') || path.split('/').any(|step| step == "..") {
            return Err(EnvironmentError::SubPathEscapes { sub_path: expression.clone() });
        }
        Ok((!path.is_empty()).then_some(path))
    }

    fn set(&mut self, name: &str, value: String) {
        match self.variables.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    fn declare(&mut self, name: &str, value: String) {
        self.declared.insert(name.to_owned(), value.clone());
        self.set(name, value);
    }

    fn add_all(&mut self, from: &EnvFrom, objects: Objects<'_>) -> Result<(), EnvironmentError> {
        let (kind, name) = match &from.source {
            EnvFromSource::ConfigMap(name) => (ObjectKind::ConfigMap, name),
            EnvFromSource::Secret(name) => (ObjectKind::Secret, name),
        };
        let Some((data, binary)) = objects.data(kind, name) else {
            return missing(from.optional, EnvironmentError::MissingObject { kind, name: name.clone() }).map(|_| ());
        };
        for (key, value) in data.iter().filter(|(key, _)| !binary.contains(key)) {
            let variable = format!("{}{key}", from.prefix);
            if is_variable_name(&variable) {
                self.declare(&variable, text(kind, name, key, value)?);
            } else {
                self.skipped.push(SkippedKey { kind, object: name.clone(), key: key.clone() });
            }
        }
        Ok(())
    }

    fn value(
        &self,
        value: &EnvValue,
        container: &Container,
        pod: &Pod,
        objects: Objects<'_>,
        facts: &PodFacts,
    ) -> Result<Option<String>, EnvironmentError> {
        match value {
            EnvValue::Literal(literal) => Ok(Some(self.expand(literal))),
            EnvValue::ConfigMapKey { name, key, optional } => {
                objects.value(ObjectKind::ConfigMap, name, key, *optional)
            }
            EnvValue::SecretKey { name, key, optional } => objects.value(ObjectKind::Secret, name, key, *optional),
            EnvValue::Field(_) | EnvValue::Resource { .. } | EnvValue::FileKey { .. } => {
                downward_value(value, Some(container), pod, facts)
            }
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("Environment").field("names", &names).field("skipped", &self.skipped).finish_non_exhaustive()
    }
}

/// The data of an object, and which of its keys are binary by declaration.
pub(super) type ObjectData<'a> = (&'a BTreeMap<String, Vec<u8>>, &'a [String]);

impl<'a> Objects<'a> {
    pub(super) fn data(&self, kind: ObjectKind, name: &str) -> Option<ObjectData<'a>> {
        match kind {
            ObjectKind::ConfigMap => self.config_maps.get(name).map(|o| (&o.data, o.binary_keys.as_slice())),
            ObjectKind::Secret => self.secrets.get(name).map(|o| (&o.data, [].as_slice())),
        }
    }

    fn value(
        &self,
        kind: ObjectKind,
        name: &str,
        key: &str,
        optional: bool,
    ) -> Result<Option<String>, EnvironmentError> {
        let Some((data, _)) = self.data(kind, name) else {
            return missing(optional, EnvironmentError::MissingObject { kind, name: name.to_owned() });
        };
        match data.get(key) {
            Some(value) => text(kind, name, key, value).map(Some),
            None => {
                missing(optional, EnvironmentError::MissingKey { kind, name: name.to_owned(), key: key.to_owned() })
            }
        }
    }
}

fn file_value(
    read: ReadFile<'_>,
    volume: &str,
    path: &str,
    key: &str,
    optional: bool,
) -> Result<Option<String>, EnvironmentError> {
    let (volume, path, key) = (volume.to_owned(), path.to_owned(), key.to_owned());
    let text = match read(&volume, &path) {
        Ok(Some(text)) => text,
        Ok(None) => return missing(optional, EnvironmentError::MissingFile { volume, path }),
        Err(reason) => return Err(EnvironmentError::File { volume, path, reason }),
    };
    match env_file::find(&text, &key) {
        Ok(Some(value)) => Ok(Some(value)),
        Ok(None) => missing(optional, EnvironmentError::MissingVariable { volume, path, key }),
        Err(source) => Err(EnvironmentError::EnvFile { volume, path, source }),
    }
}

fn missing(optional: bool, error: EnvironmentError) -> Result<Option<String>, EnvironmentError> {
    if optional { Ok(None) } else { Err(error) }
}

/// A variable holds UTF-8 without NUL: the kernel ends it there.
fn text(kind: ObjectKind, name: &str, key: &str, value: &[u8]) -> Result<String, EnvironmentError> {
    let not_text = || EnvironmentError::NotText { kind, name: name.to_owned(), key: key.to_owned() };
    let text = std::str::from_utf8(value).map_err(|_| not_text())?;
    if text.contains('\0') { Err(not_text()) } else { Ok(text.to_owned()) }
}

/// Whether Kubernetes takes it as the name of a variable: printable ASCII without `=`.
pub fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'=')
}

#[cfg(test)]
mod tests;
