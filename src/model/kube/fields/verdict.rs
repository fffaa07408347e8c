//! What becomes of a field: the loader is given an object that has it, and what it says is read.

use super::super::spot::reason_of;
use super::super::{Input, Known, LoadOptions, Machine, codes, load};
use super::sample::{Sample, sample};
use super::tree::Tree;
use super::{Exception, Proven, Support, values};
use crate::model::AppArmorProfile;
use crate::model::diagnostic::{Diagnostic, Severity};
use std::collections::BTreeMap;

/// What becomes of a field.
pub(super) struct Verdict {
    pub support: Support,
    /// Whether what holds the field decides it.
    pub inherited: bool,
    pub exceptions: Vec<Exception>,
}

/// What is said of one value of a field.
struct Said {
    value: String,
    place: String,
    /// `None`: nothing, it is obeyed.
    finding: Option<Diagnostic>,
}

impl Said {
    fn rank(&self) -> u8 {
        rank(self.finding.as_ref())
    }

    fn is_inherited(&self) -> bool {
        self.finding.as_ref().is_some_and(|f| is_at_or_above(f, &self.place) && f.path.as_ref() != Some(&self.place))
    }
}

/// What becomes of the field at a path, and of those of its values that fare worse.
pub(super) fn of(tree: &Tree, path: &[&'static str], proven: &Proven) -> Verdict {
    let support = |said: &Said| match &said.finding {
        None => Support::Works { cases: proven.cases(tree, path) },
        Some(finding) => support(finding),
    };
    let all = try_values(tree, path);
    let Some(best) = all.iter().min_by_key(|said| said.rank()) else {
        return Verdict { support: Support::Works { cases: Vec::new() }, inherited: false, exceptions: Vec::new() };
    };
    let worse = all.iter().filter(|said| said.rank() > best.rank());
    let exceptions = worse.map(|said| Exception { value: said.value.clone(), support: support(said) });
    Verdict { support: support(best), inherited: best.is_inherited(), exceptions: exceptions.collect() }
}

fn try_values(tree: &Tree, path: &[&'static str]) -> Vec<Said> {
    let Some((owner, shape)) = tree.shape(path) else { return Vec::new() };
    let values = values::of(tree, path, owner, path[path.len() - 1], shape).into_iter();
    let said = values.map(|value| {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let made = sample(tree, path, value);
        Said { value: shown, finding: finding(&made), place: made.place }
    });
    said.collect()
}

fn support(finding: &Diagnostic) -> Support {
    let reason = reason_of(&finding.message).to_owned();
    match finding.severity {
        Severity::Error | Severity::Warning => Support::Refused { reason, hint: finding.hint.clone() },
        Severity::Info => Support::NoEffect { reason },
    }
}

fn rank(finding: Option<&Diagnostic>) -> u8 {
    match finding.map(|f| f.severity) {
        None => 0,
        Some(Severity::Info) => 1,
        Some(Severity::Warning | Severity::Error) => 2,
    }
}

/// The worst that is said of a sample: any error, and that the field, or what holds it, has no effect.
fn finding(sample: &Sample) -> Option<Diagnostic> {
    let input = Input { name: "sample".to_owned(), path: None, text: sample.text.clone() };
    let objects = BTreeMap::from([(values::OBJECT.to_owned(), [values::KEY.to_owned()].into())]);
    let known = Known { config_maps: objects.clone(), secrets: objects };
    let options = LoadOptions { machine: able_machine(), ..LoadOptions::default() };
    let loaded = load(&[input], &options, &known);
    let concerns = |finding: &Diagnostic| match finding.severity {
        Severity::Error => true,
        Severity::Info => finding.code == codes::NO_EFFECT && is_at_or_above(finding, &sample.place),
        Severity::Warning => false,
    };
    let all = loaded.diagnostics.into_iter().filter(concerns);
    // What is said of the field itself comes before what is said of others.
    all.max_by_key(|finding| (rank(Some(finding)), is_at_or_above(finding, &sample.place)))
}

/// A machine on which all works that works on some.
fn able_machine() -> Machine {
    let profiles = [values::OBJECT, AppArmorProfile::DEFAULT].map(str::to_owned);
    Machine {
        app_armor: Some(profiles.into()),
        se_linux: true,
        nfs: true,
        huge_pages: BTreeMap::from([(2 << 20, 1 << 30)]),
        cpus: None,
        memory_nodes: None,
    }
}

/// Whether a finding is about the place or about what holds it.
fn is_at_or_above(finding: &Diagnostic, place: &str) -> bool {
    let rest = finding.path.as_ref().and_then(|at| place.strip_prefix(at.as_str()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// How a sample comes out.
#[cfg(test)]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Each value is taken, or refused for what it is.
    Fits,
    /// What holds the field is refused or without effect, so that nothing is known of the field itself.
    Unknown,
    /// The sample is wrong in another way; says how.
    Misfit(String),
}

#[cfg(test)]
pub(super) fn fit(tree: &Tree, path: &[&'static str]) -> Fit {
    let refusals = [codes::UNSUPPORTED, codes::UNSAFE, codes::NO_EFFECT];
    for said in try_values(tree, path) {
        let Some(found) = &said.finding else { continue };
        if !refusals.contains(&found.code) || !is_at_or_above(found, &said.place) {
            return Fit::Misfit(format!("{} with `{}`: {} ({:?})", said.place, said.value, found.message, found.path));
        } else if said.is_inherited() {
            return Fit::Unknown;
        }
    }
    Fit::Fits
}
