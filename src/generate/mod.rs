//! Running pods back to Kubernetes: as YAML, as objects with their status, as kubectl's tables.
//!
//! ```text
//! from_sources     what was played, as it went in, comments and order included
//! played           the same, read again as typed objects
//! status           what is known now, as a kubelet reports it
//! object, columns  both together, and what a listing shows of it
//! events           what happened, the same thing once
//! describe         all of it for reading
//! ```
//!
//! Pure. What is asked for comes from the sources that the application keeps; what was changed after the play is not in it.

pub mod age;
pub mod columns;
pub mod describe;
pub mod events;
pub mod object;
pub mod played;
pub mod status;

use crate::model::Source;
use crate::model::application::DocumentRange;
use std::collections::BTreeMap;

/// Why nothing can be given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    #[error("the application has no object `{name}`")]
    Unknown {
        name: String,
        /// What it has: `Pod/web`.
        objects: Vec<String>,
    },
}

/// The YAML of the objects of those names, in the order of the files; of everything when `names` is empty.
///
/// A name is `web`, `pod/web` (kind in any case), or the name of a Deployment's pod (`web-pod`, `web-pod-2`). Each object comes
/// once, with the comments of its document; an item of a `List` becomes a document of its own.
pub fn from_sources(sources: &[Source], names: &[String]) -> Result<String, GenerateError> {
    if names.is_empty() {
        return Ok(join(sources.iter().map(|s| s.text.clone())));
    }
    let all = || sources.iter().flat_map(|s| s.documents.iter().map(move |d| (s, d)));
    if let Some(name) = names.iter().find(|name| !all().any(|(_, d)| is_named(d, name))) {
        let objects = all().map(|(_, d)| format!("{}/{}", d.kind, d.name)).collect();
        return Err(GenerateError::Unknown { name: name.clone(), objects });
    }
    // A later file may speak of the same object again.
    let is_last =
        |at: usize, d: &DocumentRange| !all().skip(at + 1).any(|(_, o)| (&o.kind, &o.name) == (&d.kind, &d.name));
    let wanted = all().enumerate().filter(|(at, (_, d))| names.iter().any(|n| is_named(d, n)) && is_last(*at, d));
    Ok(join(wanted.map(|(_, (source, document))| cut(&source.text, document))))
}

/// A PersistentVolumeClaim for a volume that no file describes; the size is a formality, as nothing limits it here.
pub fn claim(name: &str, labels: &BTreeMap<String, String>) -> String {
    let mut metadata = serde_json::json!({ "name": name });
    if !labels.is_empty() {
        metadata["labels"] = serde_json::json!(labels);
    }
    crate::model::yaml::write(&serde_json::json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    }))
}

/// Adds documents to a stream.
pub fn append(stream: &mut String, documents: &str) {
    if !stream.is_empty() && !documents.starts_with("---") {
        stream.push_str("---\n");
    }
    stream.push_str(documents);
}

fn is_named(document: &DocumentRange, name: &str) -> bool {
    if let Some((kind, name)) = name.split_once('/') {
        return document.kind.eq_ignore_ascii_case(kind) && document.name == name;
    }
    document.name == name || (document.kind == "Deployment" && is_pod_of(&document.name, name))
}

/// Whether a pod's name is that of a workload's pod: `<workload>-pod` or `<workload>-pod-<n>`.
fn is_pod_of(workload: &str, pod: &str) -> bool {
    let rest = pod.strip_prefix(workload).and_then(|rest| rest.strip_prefix("-pod"));
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| n.parse::<u32>().is_ok()))
}

/// The text of one object, moved to the first column.
fn cut(text: &str, document: &DocumentRange) -> String {
    let line_start = text[..document.start].rfind('\n').map_or(0, |i| i + 1);
    let indent = text[line_start..document.start].chars().count();
    let mut cut = String::new();
    for (i, line) in text[document.start..document.end].lines().enumerate() {
        // The first line starts at the object; of the others only the blanks of its column go.
        let blanks = if i == 0 { 0 } else { line.bytes().take(indent).take_while(|b| *b == b' ').count() };
        cut.push_str(&line[blanks..]);
        cut.push('\n');
    }
    cut
}

/// Texts as documents of one stream.
fn join(texts: impl Iterator<Item = String>) -> String {
    let mut joined = String::new();
    for text in texts.filter(|t| !t.trim().is_empty()) {
        let text = text.trim_start_matches('\n').trim_start_matches('\u{feff}');
        let is_marked = text.starts_with("---") || text.starts_with('%');
        if !joined.is_empty() && !is_marked {
            joined.push_str("---\n");
        }
        joined.push_str(text);
        if !joined.ends_with('\n') {
            joined.push('\n');
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kube::{Input, Known, LoadOptions, load};

    const FILE: &str = "# settings\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m} # here\ndata: {a: b}\n---\n# the pod\napiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n    - {name: c, image: i, command: [a]}\n";
    const LIST: &str = "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: x}\n    data:\n      text: |\n        one\n          two\n  - apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: d}\n    spec:\n      selector: {matchLabels: {a: b}}\n      template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}";

    fn sources(texts: &[&str]) -> Vec<Source> {
        let input =
            |(i, text): (usize, &&str)| Input { name: format!("{i}.yaml"), path: None, text: (*text).to_owned() };
        let inputs: Vec<_> = texts.iter().enumerate().map(input).collect();
        let loaded = load(&inputs, &LoadOptions::default(), &Known::default());
        loaded.application.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics)).sources
    }

    fn generate(texts: &[&str], names: &[&str]) -> Result<String, GenerateError> {
        from_sources(&sources(texts), &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn everything_comes_back_as_it_went_in() {
        assert_eq!(generate(&[FILE], &[]).unwrap(), FILE);
        let both = generate(&[FILE, LIST], &[]).unwrap();
        assert_eq!(both, format!("{FILE}---\n{LIST}\n"));
        let marked = format!("---\n{LIST}\n");
        assert_eq!(generate(&[FILE, &marked], &[]).unwrap(), both);
    }

    #[test]
    fn objects_come_back_by_name() {
        let pod = &FILE[FILE.find("# the pod").unwrap()..];
        assert_eq!(generate(&[FILE], &["web"]).unwrap(), pod);
        assert_eq!(generate(&[FILE], &["pod/web"]).unwrap(), pod);
        assert_eq!(generate(&[FILE], &["web", "m"]).unwrap(), FILE, "in the order of the file");
        let item = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  text: |\n    one\n      two\n";
        assert_eq!(generate(&[LIST], &["x"]).unwrap(), item);
        let deployment = generate(&[LIST], &["d"]).unwrap();
        assert!(deployment.starts_with("apiVersion: apps/v1\nkind: Deployment\n"), "{deployment}");
        assert_eq!(generate(&[LIST], &["d-pod"]).unwrap(), deployment);
        assert_eq!(generate(&[LIST], &["d-pod-2"]).unwrap(), deployment);
        for name in ["d-pod-x", "d-podx", "configmap/d"] {
            let objects = vec!["ConfigMap/x".to_owned(), "Deployment/d".to_owned()];
            assert_eq!(generate(&[LIST], &[name]), Err(GenerateError::Unknown { name: name.into(), objects }));
        }
    }

    #[test]
    fn what_comes_back_loads_to_the_same_model() {
        let again =
            |text: &str| sources(&[text]).remove(0).documents.into_iter().map(|d| (d.kind, d.name)).collect::<Vec<_>>();
        let out = generate(&[FILE, LIST], &["web", "m", "x", "d"]).unwrap();
        let names = ["ConfigMap/m", "Pod/web", "ConfigMap/x", "Deployment/d"];
        assert_eq!(again(&out).into_iter().map(|(k, n)| format!("{k}/{n}")).collect::<Vec<_>>(), names);
    }
}
