//! The score: how many statements of Kubernetes' node conformance are shown by a case.
//!
//! `conformance/statements.yaml` names all of them; a case (or a step of one) says which it shows. `--score` prints the table and
//! writes docs/CONFORMANCE.md and the line of README.md; the ordinary run fails when they say anything else than the cases do.

use crate::case::Case;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// An area of the statements: a file of Kubernetes' end-to-end tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Area {
    area: String,
    statements: Vec<Statement>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Statement {
    Shown(String),
    Open(Open),
}

/// A statement no case shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    name: String,
    /// Why not.
    open: String,
}

impl Statement {
    fn name(&self) -> &str {
        match self {
            Statement::Shown(name) | Statement::Open(Open { name, .. }) => name,
        }
    }
}

/// All statements, and the names of the cases that show each.
pub struct Score {
    areas: Vec<Area>,
    shown: BTreeMap<String, BTreeSet<String>>,
}

/// What begins the line of the README.
const README_LINE: &str = "Node conformance: ";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> Result<String, String> {
    std::fs::read_to_string(path(name)).map_err(|e| format!("{name}: {e}"))
}

impl Score {
    /// Reads the statements and what the cases say about them; every contradiction of the two is told.
    pub fn load(all: &[Case]) -> Result<Self, String> {
        let areas: Vec<Area> = serde_yaml::from_str(&read("conformance/statements.yaml")?)
            .map_err(|e| format!("conformance/statements.yaml: {e}"))?;
        let mut shown = BTreeMap::<String, BTreeSet<String>>::new();
        for case in all {
            for statement in case.statements() {
                shown.entry(statement.to_owned()).or_default().insert(case.name.clone());
            }
        }
        let score = Self { areas, shown };
        let problems = score.problems();
        if problems.is_empty() { Ok(score) } else { Err(problems.join("\n")) }
    }

    fn problems(&self) -> Vec<String> {
        let mut known = BTreeSet::new();
        let mut problems = Vec::new();
        for statement in self.areas.iter().flat_map(|area| &area.statements) {
            let name = statement.name();
            if !known.insert(name) {
                problems.push(format!("`{name}` stands twice in conformance/statements.yaml"));
            }
            match (statement, self.shown.contains_key(name)) {
                (Statement::Shown(_), false) => problems.push(format!("`{name}` has neither a case nor a reason")),
                (Statement::Open(_), true) => {
                    problems.push(format!("`{name}` has a case and a reason why it has none"))
                }
                (Statement::Shown(_), true) | (Statement::Open(_), false) => {}
            }
        }
        for (name, cases) in self.shown.iter().filter(|(name, _)| !known.contains(name.as_str())) {
            problems.push(format!("`{name}` of {cases:?} is not in conformance/statements.yaml"));
        }
        problems
    }

    fn passed(area: &Area) -> usize {
        area.statements.iter().filter(|s| matches!(s, Statement::Shown(_))).count()
    }

    fn sums(&self) -> (usize, usize) {
        (self.areas.iter().map(Self::passed).sum(), self.areas.iter().map(|a| a.statements.len()).sum())
    }

    /// Table of areas, and what is open, for a terminal.
    pub fn print(&self) {
        for area in &self.areas {
            println!("{:28} {:3} of {:3}", area.area, Self::passed(area), area.statements.len());
        }
        let (passed, total) = self.sums();
        println!("{:28} {passed:3} of {total:3}", "node conformance");
        for Open { name, open } in self.open() {
            println!("open    {name}: {open}");
        }
    }

    fn open(&self) -> impl Iterator<Item = &Open> {
        self.areas.iter().flat_map(|area| &area.statements).filter_map(|statement| match statement {
            Statement::Shown(_) => None,
            Statement::Open(open) => Some(open),
        })
    }

    fn readme_line(&self) -> String {
        let (passed, total) = self.sums();
        format!(
            "{README_LINE}{passed} of the {total} statements that need no API server ([docs/CONFORMANCE.md](docs/CONFORMANCE.md))."
        )
    }

    fn document(&self) -> String {
        let (passed, total) = self.sums();
        let mut out = format!(
            "# Node conformance: {passed} of {total}\n\nThe statements of Kubernetes' conformance that one node can keep without an API server, by the \
             file of\nkubernetes/kubernetes:test/e2e that makes them. A statement counts when a case of ours shows it; the cases run with the test \
             suite.\nWritten by `make score`; not edited by hand.\n\n| area | shown | of |\n|---|---|---|\n"
        );
        for area in &self.areas {
            let _ = writeln!(out, "| {} | {} | {} |", area.area, Self::passed(area), area.statements.len());
        }
        for area in &self.areas {
            let _ = writeln!(out, "\n## {}\n\n| statement | shown by |\n|---|---|", area.area);
            for statement in &area.statements {
                let by = match statement {
                    Statement::Shown(name) => {
                        let link = |case: &String| format!("[{case}](../conformance/kube/{case}.yaml)");
                        let cases: Vec<_> = self.shown.get(name).into_iter().flatten().map(link).collect();
                        cases.join(", ")
                    }
                    Statement::Open(Open { open, .. }) => format!("open: {open}"),
                };
                let _ = writeln!(out, "| {} | {by} |", statement.name());
            }
        }
        out
    }

    /// Writes docs/CONFORMANCE.md and the line of README.md.
    pub fn write(&self) -> Result<(), String> {
        let mut lines = String::new();
        for line in read("README.md")?.lines() {
            let line = if line.starts_with(README_LINE) { &self.readme_line() } else { line };
            lines.push_str(line);
            lines.push('\n');
        }
        for (name, text) in [("README.md", lines), ("docs/CONFORMANCE.md", self.document())] {
            std::fs::write(path(name), text).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(())
    }

    /// Fails when docs/CONFORMANCE.md or README.md says something else.
    pub fn check(&self) -> Result<(), String> {
        let readme = read("README.md")?;
        if !readme.lines().any(|line| line == self.readme_line()) || read("docs/CONFORMANCE.md")? != self.document() {
            return Err("README.md or docs/CONFORMANCE.md is out of date: run `make score`".into());
        }
        Ok(())
    }
}
