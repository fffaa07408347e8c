//! Kubernetes documents to the model.
//!
//! ```text
//! inputs --document--> objects with header --typed reader--> k8s-openapi types --lowering--> drafts --options, checks--> Application
//! ```
//!
//! Every struct of the API is taken apart by name, without `..`: a field is obeyed, refused with a reason (K302), or said to mean
//! nothing on one machine (K301). All problems of all inputs are found in one pass, each with its place. [`codes`] lists them.
//!
//! - `document`: files to objects: `List`, `apiVersion` and `kind`; `kinds`: which kinds there are;
//! - `spot`: where the lowering is in the text; `form`: names, labels, paths;
//! - `metadata`, `pod`, `container`, `env`, `port`, `probe`, `security`, `host_users`, `profile`, `sysctl`, `quantity`, `device`, `volume`, `mount`, `workload`, `object`:
//!   one part of the API each; `annotations`: what podman reads from them, for pods and for claims;
//! - `account`: ServiceAccounts and their tokens; `payload`: volumes whose files podkin writes;
//! - `persistent`: PersistentVolumes, StorageClasses, and the claims that get them;
//! - `loader`: one object after the other, then the checks that need all: `publish` (`--publish`) and `references` (ConfigMaps,
//!   Secrets and variables that must exist).

mod account;
mod annotations;
mod class;
pub mod codes;
mod container;
mod device;
mod document;
mod env;
pub mod fields;
mod form;
mod host_users;
mod huge_pages;
mod kinds;
mod loader;
mod metadata;
mod mount;
mod names;
mod nfs;
mod object;
mod payload;
mod persistent;
mod pod;
mod port;
mod probe;
mod profile;
mod publish;
mod quantity;
mod references;
mod resize;
mod restart;
pub(crate) mod security;
mod spot;
mod sysctl;
mod volume;
mod workload;

use super::diagnostic::{Diagnostic, Severity, Sources};
use super::{Application, NumberList};
use loader::Loader;
use references::{Reference, Target, Variables};
use spot::Mark;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A text to load.
#[derive(Clone)]
pub struct Input {
    /// Name as the user typed it: a path, a URL, or `-`.
    pub name: String,
    /// Absolute path when it is a file.
    pub path: Option<PathBuf>,
    pub text: String,
}

impl Input {
    /// Takes a file's content as it is: UTF-8 or UTF-16; what is neither is reported when it is loaded.
    pub fn from_bytes(name: impl Into<String>, path: Option<PathBuf>, bytes: &[u8]) -> Self {
        Self { name: name.into(), path, text: super::yaml::decode(bytes) }
    }
}

/// What to do about fields and kinds that are not known or not supported (`--validate`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Validation {
    /// An error.
    #[default]
    Strict,
    /// A warning; the rest is played.
    Warn,
    /// Passed over.
    Ignore,
}

impl Validation {
    /// What an unknown field or kind is; `None` passes over it in silence.
    fn severity_of_unknown(self) -> Option<Severity> {
        match self {
            Self::Strict => Some(Severity::Error),
            Self::Warn => Some(Severity::Warning),
            Self::Ignore => None,
        }
    }

    /// What a field is that is valid and not supported.
    fn severity_of_unsupported(self) -> Severity {
        self.severity_of_unknown().unwrap_or(Severity::Info)
    }
}

/// Options that change what the files ask for.
#[derive(Clone, Default)]
pub struct LoadOptions {
    pub validate: Validation,
    /// Values of `--publish`: `[[ip:]hostPort:]containerPort[/protocol]`, ranges too; without a host port, the container's.
    pub publish: Vec<String>,
    /// `--publish-all`: every container port on the same port of the host.
    pub publish_all: bool,
    /// Files of `--configmap`, which hold ConfigMaps only.
    pub config_maps: Vec<Input>,
    /// `--annotation`: added to every pod and claim.
    pub annotations: Vec<(String, String)>,
    /// `--userns`: the user namespace of every pod, before what they say themselves.
    pub user_namespace: Option<String>,
    /// `--no-pod-prefix`: containers are named as in the file, so that these names must be unique.
    pub no_pod_prefix: bool,
    /// `--no-hosts`.
    pub no_hosts: bool,
    /// `--seccomp-profile-root`: where `Localhost` profiles are, when not where the kubelet has them.
    pub seccomp_root: Option<PathBuf>,
    /// `--allowed-unsafe-sysctls`: names, or prefixes that end in `*`.
    pub unsafe_sysctls: Vec<String>,
    /// What this machine can do.
    pub machine: Machine,
    /// Where relative host paths of inputs start that are no files.
    pub base_dir: PathBuf,
}

/// What a machine has and another may lack, as far as files ask for it.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Names of the AppArmor profiles that are loaded; `None` without AppArmor.
    pub app_armor: Option<BTreeSet<String>>,
    /// SELinux is enabled.
    pub se_linux: bool,
    /// Processors that are online; `None` when that is not known.
    pub cpus: Option<NumberList>,
    /// Memory nodes that are online; `None` when that is not known.
    pub memory_nodes: Option<NumberList>,
    /// The program that mounts NFS is there.
    pub nfs: bool,
    /// Bytes that are reserved by size of huge page.
    pub huge_pages: BTreeMap<u64, u64>,
}

/// Objects that were played before, as far as references need them.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Keys by name.
    pub config_maps: BTreeMap<String, BTreeSet<String>>,
    /// Keys by name.
    pub secrets: BTreeMap<String, BTreeSet<String>>,
}

/// What came of the inputs.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// `None` when there was an error.
    pub application: Option<Application>,
    /// In the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// For rendering the diagnostics; values of Secrets are masked in it.
    pub sources: Sources,
}

/// Loads Kubernetes documents: reads, checks and lowers them to one application.
pub fn load(inputs: &[Input], options: &LoadOptions, known: &Known) -> Loaded {
    let session = Session {
        validate: options.validate,
        no_hosts: options.no_hosts,
        seccomp_root: options.seccomp_root.clone(),
        unsafe_sysctls: options.unsafe_sysctls.clone(),
        machine: options.machine.clone(),
        diagnostics: RefCell::default(),
        references: RefCell::default(),
        variables: RefCell::default(),
    };
    Loader::new(&session, known).load(inputs, options)
}

/// The objects that documents name, and nothing else of them: for taking down what was played, when the files no longer hold
/// together. Only text that is no YAML is an error.
pub fn names(inputs: &[Input]) -> Loaded {
    let session = Session {
        validate: Validation::Ignore,
        no_hosts: false,
        seccomp_root: None,
        unsafe_sysctls: Vec::new(),
        machine: Machine::default(),
        diagnostics: RefCell::default(),
        references: RefCell::default(),
        variables: RefCell::default(),
    };
    names::load(&session, inputs)
}

/// What is found while the inputs are walked.
struct Session {
    validate: Validation,
    no_hosts: bool,
    seccomp_root: Option<PathBuf>,
    unsafe_sysctls: Vec<String>,
    machine: Machine,
    diagnostics: RefCell<Vec<Diagnostic>>,
    references: RefCell<Vec<Reference>>,
    variables: RefCell<Vec<Variables>>,
}

impl Session {
    fn report(&self, diagnostic: Diagnostic) {
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    fn refer(&self, target: &Target, key: Option<&str>, mark: Mark) {
        let reference = Reference { target: target.clone(), key: key.map(str::to_owned), mark };
        self.references.borrow_mut().push(reference);
    }

    fn use_variables(&self, variables: Variables) {
        self.variables.borrow_mut().push(variables);
    }
}

/// The path of a mount in its one form; `None` for one that no volume can be mounted at.
pub fn mount_path(path: &str) -> Option<String> {
    let path = form::cleaned(&format!("/{path}"));
    (form::mount_path(&path).is_ok() && !mount::is_vital(&path)).then_some(path)
}

/// Whether a container may have that name: a DNS-1123 label.
pub fn is_container_name(name: &str) -> bool {
    form::dns_label(name).is_ok()
}

#[cfg(test)]
mod tests;
