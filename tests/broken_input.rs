//! Broken files and what is said about them, word for word.
//!
//! `broken/NNN-name.yaml` is loaded as `kube play` loads it; the findings, as people see them, must be `broken/NNN-name.txt`.
//! 0xx are broken as YAML, 1xx against the schema, 2xx in what they refer to, 3xx ask for what one machine cannot give.
//! `PODKIN_BLESS=1 cargo test --test broken_input` writes the texts anew: read the difference before committing it.

use podkin::model::diagnostic::{Diagnostic, Format, Severity, codes, explain, render};
use podkin::model::kube::{Input, Known, LoadOptions, Loaded, load};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

/// Files of the corpus with this extension, by name.
fn files(extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(corpus()).expect("the corpus is there");
    let paths = entries.map(|entry| entry.expect("is readable").path());
    let mut files: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

fn play(path: &Path) -> Loaded {
    let bytes = std::fs::read(path).expect("is readable");
    let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
    let input = Input::from_bytes(name, Some(path.to_owned()), &bytes);
    load(&[input], &LoadOptions::default(), &Known::default())
}

fn shown(loaded: &Loaded) -> String {
    render(&loaded.diagnostics, &loaded.sources, Format::Human { colour: false })
}

#[test]
fn every_broken_file_is_explained() {
    let bless = std::env::var_os("PODKIN_BLESS").is_some();
    let mut differences = String::new();
    for path in files("yaml") {
        let text = shown(&play(&path));
        let expected = path.with_extension("txt");
        if bless {
            std::fs::write(&expected, &text).expect("is writable");
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != text {
            let _ = writeln!(differences, "=== {}\n{text}", expected.display());
        }
    }
    assert!(differences.is_empty(), "not as expected (PODKIN_BLESS=1 accepts):\n{differences}");
}

#[test]
fn the_corpus_is_complete() {
    let (inputs, outputs) = (files("yaml"), files("txt"));
    assert!(inputs.len() >= 100, "{} files", inputs.len());
    let stems = |paths: &[PathBuf]| paths.iter().map(|p| p.with_extension("")).collect::<BTreeSet<_>>();
    assert_eq!(stems(&inputs), stems(&outputs));
}

#[test]
fn findings_have_a_place_and_an_explanation() {
    let mut seen = BTreeSet::new();
    for path in files("yaml") {
        let Loaded { application, diagnostics, sources: _ } = play(&path);
        let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        assert!(!diagnostics.is_empty(), "{} is accepted", path.display());
        assert_eq!(application.is_none(), errors > 0, "{}", path.display());
        for Diagnostic { code, primary, message, .. } in diagnostics {
            assert!(primary.is_some(), "{}: {message} has no place", path.display());
            assert!(explain(code).is_some(), "{code} is not explained");
            seen.insert(code);
        }
    }
    // Budgets of 8 MiB are for the unit tests, options of the command are in no file.
    let unseen: Vec<_> = codes().filter(|code| !seen.contains(code) && !matches!(*code, "K010" | "K120")).collect();
    assert!(unseen.is_empty(), "no file shows {unseen:?}");
}

#[test]
fn secrets_are_never_shown() {
    for path in files("yaml") {
        let Loaded { application: _, diagnostics, sources } = play(&path);
        for format in [Format::Human { colour: false }, Format::Concise, Format::Json] {
            let text = render(&diagnostics, &sources, format);
            for secret in ["hunter2", "aHVudGVyMg", "271828"] {
                assert!(!text.contains(secret), "{}:\n{text}", path.display());
            }
        }
        assert!(!format!("{diagnostics:?}").contains("hunter2"), "{}", path.display());
    }
}

#[test]
fn problems_are_reported_in_the_order_of_the_file() {
    for path in files("yaml") {
        let loaded = play(&path);
        let places: Vec<_> =
            loaded.diagnostics.iter().map(|d| d.primary.as_ref().map(|(span, _)| span.start)).collect();
        assert!(places.is_sorted(), "{}: {places:?}", path.display());
    }
}
