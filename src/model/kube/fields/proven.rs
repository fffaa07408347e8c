//! Which fields are shown to work, and by which conformance cases.

use super::tree::Tree;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Names of cases by `Type.field`: `conformance/proven.json`, which `make support` writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven(pub BTreeMap<String, BTreeSet<String>>);

impl Proven {
    /// What was proven when this binary was built.
    pub fn built_in() -> Self {
        serde_json::from_str(include_str!("../../../../conformance/proven.json")).unwrap_or_default()
    }

    /// The cases of a field; of one that only holds others, those of its parts.
    pub(super) fn cases(&self, tree: &Tree, path: &[&'static str]) -> Vec<String> {
        let mut cases = BTreeSet::new();
        self.collect(tree, path, &mut cases);
        cases.into_iter().collect()
    }

    fn collect(&self, tree: &Tree, path: &[&'static str], cases: &mut BTreeSet<String>) {
        let Some((name, _)) = path.split_last() else { return };
        let owner = match tree.shape(path) {
            _ if path.len() == 1 && matches!(*name, "apiVersion" | "kind") => "TypeMeta",
            Some((owner, _)) => owner,
            None => return,
        };
        if let Some(own) = self.0.get(&format!("{owner}.{name}")) {
            cases.extend(own.iter().cloned());
            return;
        }
        for part in tree.level(path).map(|level| level.fields).unwrap_or_default() {
            self.collect(tree, &[path, &[*part]].concat(), cases);
        }
    }
}
