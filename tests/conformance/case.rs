//! The format of a case.
//!
//! ```yaml
//! title: init containers run in order, each to its end
//! spec: https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#understanding-init-containers
//! proves:                                  # fields that make this case fail when they are taken out of a file
//!   - field: PodSpec.initContainers
//!     remove: pod.yaml#spec.initContainers # FILE#PATH, or FILE@N#PATH for the N-th document (0 is the first)
//!     set: 5                               # optional: another value instead of none
//! statement: Pods, update                  # optional: the statement of conformance/statements.yaml that the case shows
//! podman: reason                           # optional: why the case is not run against podman
//! registry: open                           # optional: a registry at ${REGISTRY} whose `demo:1` and `demo:latest` say `first`;
//!                                          # `password`: only who has ${REGISTRY_LOGINS}, a .dockerconfigjson in base64
//! mounts: {DIR: shared}                    # optional: directories in ${DIR} that are mounts of their own, `shared` or `private`
//! files:
//!   pod.yaml: |
//!     ...                                  # ${PORT}, ${PORT2}, ${PORT3}: free host ports; ${DIR}: directory of the files;
//!                                          # ${DEMO_LAYER}: the demo image's layer
//!     - name-${1..50}                      # a line fifty times, with the numbers in their place
//!   sbin/name: |                           # a program that the engine finds before those of the machine
//!     #!/bin/sh
//! steps:
//!   - run: kube play pod.yaml              # the engine's command line, in ${DIR}
//!     exit: 0                              # default
//!     stdout: [regular, expressions]       # each must match somewhere (multi-line mode); one may stand alone
//!     stderr: ...
//!     absent: ...                          # must match neither
//!     within: 10                           # seconds during which the step is tried again until it holds; default 0
//!     input: text                          # standard input
//!     statement: Pods, update              # what this step shows, in a case that shows several statements
//!   - http: http://127.0.0.1:${PORT}/path  # GET from the host
//!     status: 200                          # default; 0: no answer is expected
//!     body: ...
//!   - file: name-in-DIR
//!     content: ...                         # default: it exists
//!   - copy: one.yaml other.yaml          # one file over another, both in ${DIR}
//!   - edit: pod.yaml                       # another text in a file in ${DIR}, wherever it stands
//!     change: {old: new}
//!   - mount: name-in-DIR                   # an empty file system on a directory, until the case is over
//!   - sleep: 0.5
//! ```
//!
//! Afterwards every pod is removed, and nothing may be left behind on the machine.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    #[serde(skip)]
    pub name: String,
    pub title: String,
    /// Where the expectation comes from.
    pub spec: String,
    #[serde(default)]
    pub proves: Vec<Claim>,
    pub statement: Option<String>,
    pub podman: Option<String>,
    pub registry: Option<RegistryKind>,
    #[serde(default)]
    pub mounts: BTreeMap<String, MountKind>,
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    pub steps: Vec<Step>,
}

/// Whom the registry of a case lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistryKind {
    Open,
    Password,
}

/// Whether what is mounted below a mount reaches its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    Shared,
    Private,
}

/// A field, and how to take it away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// `Type.field` of the Kubernetes API reference, or an option or command of the command line.
    pub field: String,
    pub remove: String,
    pub set: Option<serde_yaml::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub run: Option<String>,
    pub http: Option<String>,
    pub file: Option<String>,
    pub copy: Option<String>,
    pub edit: Option<String>,
    #[serde(default)]
    pub change: BTreeMap<String, String>,
    pub mount: Option<String>,
    pub sleep: Option<f64>,
    #[serde(default)]
    pub exit: i32,
    #[serde(default = "ok_status")]
    pub status: u16,
    #[serde(default)]
    pub stdout: Patterns,
    #[serde(default)]
    pub stderr: Patterns,
    #[serde(default)]
    pub absent: Patterns,
    #[serde(default)]
    pub body: Patterns,
    #[serde(default)]
    pub content: Patterns,
    #[serde(default)]
    pub within: f64,
    pub input: Option<String>,
    pub statement: Option<String>,
}

fn ok_status() -> u16 {
    200
}

/// One pattern or a list of them.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum Patterns {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Patterns {
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let slice: &[String] = match self {
            Patterns::None => &[],
            Patterns::One(one) => std::slice::from_ref(one),
            Patterns::Many(many) => many,
        };
        slice.iter().map(String::as_str)
    }
}

impl Case {
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut case: Case = serde_yaml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        case.name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(case)
    }

    /// The statements of Kubernetes' node conformance that the case shows.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        let steps = self.steps.iter().filter_map(|step| step.statement.as_deref());
        self.statement.as_deref().into_iter().chain(steps)
    }

    /// The files, with a claimed field taken out.
    pub fn files_without(&self, claim: Option<&Claim>) -> Result<BTreeMap<String, String>, String> {
        let mut files = self.files.clone();
        if let Some(claim) = claim {
            let (file, path) = claim.remove.split_once('#').ok_or_else(|| format!("{}: no `#`", claim.remove))?;
            let (file, document) = match file.split_once('@') {
                Some((file, n)) => (file, n.parse().map_err(|_| format!("{}: not a number", claim.remove))?),
                None => (file, 0),
            };
            let text = files.get(file).ok_or_else(|| format!("{}: no such file in the case", claim.remove))?;
            let changed = without(text, document, path, claim.set.as_ref())?;
            files.insert(file.to_owned(), changed);
        }
        Ok(files)
    }
}

/// The YAML stream with one value taken out of (or replaced in) one of its documents.
fn without(text: &str, document: usize, path: &str, set: Option<&serde_yaml::Value>) -> Result<String, String> {
    let mut documents = Vec::new();
    for part in serde_yaml::Deserializer::from_str(text) {
        documents.push(serde_yaml::Value::deserialize(part).map_err(|e| e.to_string())?);
    }
    let mut node = documents.get_mut(document).ok_or("no such document")?;
    let steps: Vec<&str> = path.split('.').collect();
    let (last, way) = steps.split_last().ok_or("an empty path")?;
    for step in way {
        node = child(node, step).ok_or_else(|| format!("{path}: nothing at `{step}`"))?;
    }
    match (set, node) {
        (Some(value), node) => {
            *child(node, last).ok_or_else(|| format!("{path}: nothing at `{last}`"))? = value.clone()
        }
        (None, serde_yaml::Value::Sequence(items)) => {
            let index: usize = last.parse().map_err(|_| format!("{path}: `{last}` is no index"))?;
            if index >= items.len() {
                return Err(format!("{path}: nothing at `{last}`"));
            }
            items.remove(index);
        }
        (None, serde_yaml::Value::Mapping(map)) => {
            map.remove(last.replace('~', ".").as_str()).ok_or_else(|| format!("{path}: nothing at `{last}`"))?;
        }
        _ => return Err(format!("{path}: nothing at `{last}`")),
    }
    let texts: Result<Vec<_>, _> = documents.iter().map(serde_yaml::to_string).collect();
    Ok(texts.map_err(|e| e.to_string())?.join("---\n"))
}

/// A member by key (in which `~` stands for a dot) or by index.
fn child<'a>(node: &'a mut serde_yaml::Value, step: &str) -> Option<&'a mut serde_yaml::Value> {
    match node {
        serde_yaml::Value::Sequence(items) => items.get_mut(step.parse::<usize>().ok()?),
        serde_yaml::Value::Mapping(map) => map.get_mut(step.replace('~', ".").as_str()),
        _ => None,
    }
}
