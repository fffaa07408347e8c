//! docs/SUPPORT.md: which fields work, and which case shows it; written from what `--prove` found, never by hand.

use crate::case::Case;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Fields whose absence makes a case fail; `conformance/proven.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Proven(BTreeMap<String, BTreeSet<String>>);

fn proven_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance/proven.json")
}

fn table_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/SUPPORT.md")
}

impl Proven {
    pub fn load() -> Self {
        std::fs::read(proven_path()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    pub fn save(&self) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        std::fs::write(proven_path(), text + "\n").map_err(|e| e.to_string())
    }

    pub fn insert(&mut self, field: &str, case: &str) {
        self.0.entry(field.to_owned()).or_default().insert(case.to_owned());
    }

    pub fn remove(&mut self, field: &str, case: &str) {
        if let Some(cases) = self.0.get_mut(field) {
            cases.remove(case);
        }
    }

    /// Forgets what no case claims any more.
    pub fn retain_claimed(&mut self, all: &[Case]) {
        let claims = claims(all);
        for (field, cases) in &mut self.0 {
            cases.retain(|case| claims.contains(&(field.clone(), case.clone())));
        }
        self.0.retain(|_, cases| !cases.is_empty());
    }
}

fn claims(all: &[Case]) -> BTreeSet<(String, String)> {
    all.iter().flat_map(|c| c.proves.iter().map(|p| (p.field.clone(), c.name.clone()))).collect()
}

/// Text of the table.
fn table(all: &[Case], proven: &Proven) -> String {
    let titles: BTreeMap<&str, &Case> = all.iter().map(|c| (c.name.as_str(), c)).collect();
    let mut out = String::from(
        "# What works\n\nWritten by `make support` from the conformance cases; not edited by hand. A field stands here when a case passes with it\n\
         and fails when it is taken out of the case's file (`conformance/proven.json`).\n\n| field | shown by | specification |\n|---|---|---|\n",
    );
    for (field, cases) in &proven.0 {
        let shown: Vec<_> = cases.iter().map(|c| format!("[{c}](../conformance/kube/{c}.yaml)")).collect();
        let spec = cases.iter().find_map(|c| titles.get(c.as_str())).map_or("", |c| c.spec.as_str());
        let _ = writeln!(out, "| `{field}` | {} | {spec} |", shown.join(", "));
    }
    let _ = writeln!(
        out,
        "\n{} fields by {} cases.\n\n## All cases\n\n| case | what it shows |\n|---|---|",
        proven.0.len(),
        all.len()
    );
    for case in all {
        let _ = writeln!(out, "| [{0}](../conformance/kube/{0}.yaml) | {1} |", case.name, case.title);
    }
    out
}

pub fn write(all: &[Case]) -> Result<(), String> {
    let path = table_path();
    let directory = path.parent().unwrap_or(&path);
    let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, table(all, &Proven::load())));
    written.map_err(|e| format!("{}: {e}", path.display()))
}

/// Fails when a claim was never proven, or the table is not what the cases say.
pub fn check(all: &[Case]) -> Result<(), String> {
    let proven = Proven::load();
    let has = |(field, case): &(String, String)| proven.0.get(field).is_some_and(|cases| cases.contains(case));
    let open: Vec<_> =
        claims(all).into_iter().filter(|claim| !has(claim)).map(|(f, c)| format!("{f} by {c}")).collect();
    if !open.is_empty() {
        return Err(format!("claimed but not proven (run `make support`):\n{}", open.join("\n")));
    }
    let current = std::fs::read_to_string(table_path()).unwrap_or_default();
    if current == table(all, &proven) { Ok(()) } else { Err("out of date: run `make support`".into()) }
}
