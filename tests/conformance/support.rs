//! docs/SUPPORT.md: what becomes of every field of the API; written from what `--prove` found and the loader says, never by hand.

use crate::case::Case;
use podkin::model::kube::fields::{self, Row, Support};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Fields whose absence makes a case fail; `conformance/proven.json`.
#[derive(Debug, Default)]
pub struct Proven(fields::Proven);

fn proven_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance/proven.json")
}

fn table_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/SUPPORT.md")
}

impl Proven {
    pub fn load() -> Self {
        let read = std::fs::read(proven_path()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self(read.unwrap_or_default())
    }

    pub fn save(&self) -> Result<(), String> {
        let text = serde_json::to_string_pretty(&self.0).map_err(|e| e.to_string())?;
        std::fs::write(proven_path(), text + "\n").map_err(|e| e.to_string())
    }

    pub fn insert(&mut self, field: &str, case: &str) {
        self.0.0.entry(field.to_owned()).or_default().insert(case.to_owned());
    }

    pub fn remove(&mut self, field: &str, case: &str) {
        if let Some(cases) = self.0.0.get_mut(field) {
            cases.remove(case);
        }
    }

    /// Forgets what no case claims any more.
    pub fn retain_claimed(&mut self, all: &[Case]) {
        let claims = claims(all);
        for (field, cases) in &mut self.0.0 {
            cases.retain(|case| claims.contains(&(field.clone(), case.clone())));
        }
        self.0.0.retain(|_, cases| !cases.is_empty());
    }
}

fn claims(all: &[Case]) -> BTreeSet<(String, String)> {
    all.iter().flat_map(|c| c.proves.iter().map(|p| (p.field.clone(), c.name.clone()))).collect()
}

/// Text of the table.
fn table(all: &[Case], proven: &Proven) -> String {
    let rows = fields::table(&proven.0);
    let is_field = |claim: &str| rows.iter().any(|row| row.field.id() == claim);
    let others: Vec<_> = proven.0.0.iter().filter(|(claim, _)| !is_field(claim)).collect();
    // What stands below a field without effect or refused is told by that field.
    let (inherited, own): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.field.inherited);
    let select = |group: fn(&Support) -> bool| own.iter().filter(|row| group(&row.field.support)).copied().collect();
    let shown: Vec<&Row> = select(|s| matches!(s, Support::Works { cases } if !cases.is_empty()));
    let open: Vec<&Row> = select(|s| matches!(s, Support::Works { cases } if cases.is_empty()));
    let no_effect: Vec<&Row> = select(|s| matches!(s, Support::NoEffect { .. }));
    let refused: Vec<&Row> = select(|s| matches!(s, Support::Refused { .. }));
    let mut out = String::from(
        "# What works\n\nWritten by `make support`; not edited by hand. The fields come from the types of the Kubernetes API, what becomes of them \
         from the loader; `podkin kube explain FIELD` says the same of one.\n\n",
    );
    let counts = [
        ("[work](#fields-that-work), shown by a case that fails without them", shown.len()),
        ("[work](#fields-that-work), not shown by a case yet", open.len()),
        (
            "[mean nothing on one machine](#fields-that-mean-nothing-on-one-machine): kept, and reported at level info",
            no_effect.len(),
        ),
        ("[are refused](#fields-that-are-refused): an error with its reason", refused.len()),
        ("stand below one of the last two", inherited.len()),
    ];
    out += "| fields that | |\n|---|---|\n";
    counts.iter().for_each(|(what, count)| out += &format!("| {what} | {count} |\n"));
    let titles: BTreeMap<&str, &Case> = all.iter().map(|c| (c.name.as_str(), c)).collect();
    let specification =
        |case: Option<&String>| case.and_then(|case| titles.get(case.as_str())).map_or("", |case| case.spec.as_str());
    out += "\n## Fields that work\n\n| field | type | shown by | specification |\n|---|---|---|---|\n";
    for row in shown.iter().chain(&open) {
        let Support::Works { cases } = &row.field.support else { continue };
        let by = if cases.is_empty() { "no case yet".to_owned() } else { links(cases.iter()) };
        let but = exceptions(row);
        let spec = specification(cases.iter().next());
        let _ = writeln!(out, "| `{}` | `{}` | {by}{but} | {spec} |", row.field.id(), row.field.shape);
    }
    out += "\n## Fields that mean nothing on one machine\n\n| field | type | reason |\n|---|---|---|\n";
    for row in no_effect {
        let Support::NoEffect { reason } = &row.field.support else { continue };
        let _ = writeln!(out, "| `{}` | `{}` | {reason}{} |", row.field.id(), row.field.shape, exceptions(row));
    }
    out += "\n## Fields that are refused\n\n| field | type | reason | instead |\n|---|---|---|---|\n";
    for row in refused {
        let Support::Refused { reason, hint } = &row.field.support else { continue };
        let hint = hint.as_deref().unwrap_or_default();
        let _ = writeln!(out, "| `{}` | `{}` | {reason} | {hint} |", row.field.id(), row.field.shape);
    }
    out += "\n## Commands and options\n\n| what | shown by | specification |\n|---|---|---|\n";
    for (what, cases) in others {
        let _ = writeln!(out, "| `{what}` | {} | {} |", links(cases.iter()), specification(cases.iter().next()));
    }
    let _ = writeln!(out, "\n## All cases\n\n{} cases.\n\n| case | what it shows |\n|---|---|", all.len());
    for case in all {
        let _ = writeln!(out, "| [{0}](../conformance/kube/{0}.yaml) | {1} |", case.name, case.title);
    }
    out
}

fn links<'c>(cases: impl Iterator<Item = &'c String>) -> String {
    // Of a field that holds many, some are enough.
    const MOST: usize = 5;
    let mut links: Vec<_> = cases.map(|case| format!("[{case}](../conformance/kube/{case}.yaml)")).collect();
    let more = links.len().saturating_sub(MOST);
    links.truncate(MOST);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    links.join(", ") + &tail
}

/// Values and places where less becomes of a field.
fn exceptions(row: &Row) -> String {
    let said = |support: &Support| match support {
        Support::Works { .. } => "works".to_owned(),
        Support::NoEffect { reason } => format!("has no effect: {reason}"),
        Support::Refused { reason, .. } => format!("is refused: {reason}"),
    };
    let values = row.field.exceptions.iter().map(|e| format!("; `{}` {}", e.value, said(&e.support)));
    let places = row.elsewhere.iter().map(|(holder, support)| format!("; in `{holder}` it {}", said(support)));
    values.chain(places).collect()
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
    let has = |(field, case): &(String, String)| proven.0.0.get(field).is_some_and(|cases| cases.contains(case));
    let open: Vec<_> =
        claims(all).into_iter().filter(|claim| !has(claim)).map(|(f, c)| format!("{f} by {c}")).collect();
    if !open.is_empty() {
        return Err(format!("claimed but not proven (run `make support`):\n{}", open.join("\n")));
    }
    let current = std::fs::read_to_string(table_path()).unwrap_or_default();
    if current == table(all, &proven) { Ok(()) } else { Err("out of date: run `make support`".into()) }
}
