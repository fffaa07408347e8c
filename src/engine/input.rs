//! Reading what the user wants to be played.

use crate::model::Application;
use crate::model::diagnostic::{Diagnostic, Severity, Sources};
use std::path::PathBuf;

/// One input of `kube play`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A path as typed, relative to the working directory.
    File(PathBuf),
    /// An `http` or `https` address.
    Url(String),
    /// Standard input, already read by the caller.
    Stdin(String),
}

/// How much a file may say that podkin does not obey (`--validate`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Validation {
    #[default]
    Strict,
    Warn,
    Ignore,
}

/// What shapes the application beside the files themselves.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    pub inputs: Vec<Input>,
    /// `--configmap`: files with ConfigMap documents.
    pub config_maps: Vec<PathBuf>,
    /// `--annotation`: set on every pod.
    pub annotations: Vec<(String, String)>,
    /// `--publish`, each as typed: `[[ip:]hostPort:]containerPort[/protocol]`.
    pub publish: Vec<String>,
    pub publish_all: bool,
    pub validation: Validation,
}

/// Input that was read: the application when there is no error among the diagnostics.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub application: Option<Application>,
    /// In order of place.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts the diagnostics point into.
    pub sources: Sources,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}
