//! An application: what one `kube play` (later: one Compose project) asks for, as a whole.

use super::{ClaimTemplate, ConfigMap, Pod, Secret, ServiceAccount};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything one set of input files asks for, lowered and validated.
///
/// Names are unique per kind. Pods are in file order; the pods of a workload stand where the workload stood.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Application {
    /// Name of the first workload or pod of the files; for input without one, of the first object.
    pub name: String,
    /// The files as they were read, in order: what `kube generate` gives back.
    pub sources: Vec<Source>,
    /// Workload objects (Deployment now), whose pods are among `pods`.
    pub workloads: Vec<Workload>,
    pub pods: Vec<Pod>,
    pub config_maps: Vec<ConfigMap>,
    pub secrets: Vec<Secret>,
    pub claims: Vec<ClaimTemplate>,
    #[serde(default)]
    pub service_accounts: Vec<ServiceAccount>,
}

/// One input file as it was read. Its `Debug` does not show the text, which may hold Secrets.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Path as the user typed it, a URL, or `-` for standard input.
    pub name: String,
    /// Absolute path when the source is a file.
    pub path: Option<std::path::PathBuf>,
    /// The whole text, unchanged.
    pub text: String,
    /// Each object of the file in order: kind, name, and the byte range of its document in `text`.
    pub documents: Vec<DocumentRange>,
}

impl Application {
    /// `file:line:column` where an object's document begins, if it came from one of the sources.
    pub fn place(&self, kind: &str, name: &str) -> Option<String> {
        let documents = self.sources.iter().flat_map(|source| source.documents.iter().map(move |d| (source, d)));
        let (source, document) = documents.into_iter().find(|(_, d)| d.kind == kind && d.name == name)?;
        let text = source.text.get(..document.start)?;
        // What lies between the documents is no part of the object.
        let blank = source.text[document.start..].find(|c: char| !c.is_whitespace()).unwrap_or(0);
        let before = &source.text[..text.len() + blank];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some(format!("{}:{line}:{column}", source.name))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("documents", &self.documents).finish_non_exhaustive()
    }
}

/// Where one object stands in its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRange {
    pub kind: String,
    pub name: String,
    /// Byte range in the source's text: the YAML document without its `---` line; an item of a `List` has the range of the item.
    pub start: usize,
    pub end: usize,
}

/// A controller object that owns pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    pub kind: WorkloadKind,
    pub name: String,
    /// Wanted number of pods.
    pub replicas: u32,
    /// Names of its pods in `Application::pods`, in ordinal order.
    pub pods: Vec<String>,
}

/// Kinds of controller objects (Kubernetes API reference, "Workload Resources").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkloadKind {
    Deployment,
}

impl WorkloadKind {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_where_they_begin() {
        let text = "kind: Pod\n---\n\n  kind: ConfigMap\n".to_owned();
        let range = |kind: &str, start, end| DocumentRange { kind: kind.into(), name: "a".into(), start, end };
        let documents = vec![range("Pod", 0, 10), range("ConfigMap", 14, text.len())];
        let sources = vec![Source { name: "app.yaml".into(), path: None, text, documents }];
        let application = Application { sources, ..Application::default() };
        assert_eq!(application.place("Pod", "a").as_deref(), Some("app.yaml:1:1"));
        assert_eq!(application.place("ConfigMap", "a").as_deref(), Some("app.yaml:4:3"));
        assert_eq!(application.place("Secret", "a"), None);
    }
}
