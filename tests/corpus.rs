//! Files that people really write: each loads, or is told what is wrong with it, with a place for everything that is said.
//!
//! What is said of `NAME.yaml`, as `kube play --dry-run` says it before it asks for images, must be `corpus/NAME.txt`, followed
//! by what would be played. `PODKIN_BLESS=1 cargo test --test corpus` writes the texts anew: read the difference before
//! committing it.

use podkin::model::diagnostic::{Format, Severity, render};
use podkin::model::kube::{Input, Known, LoadOptions, Loaded, load};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where the corpus may lie; it is no part of the repository.
fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("PODKIN_CORPUS").map(PathBuf::from);
    named.into_iter().chain(["corpus".into(), "../shared/corpus".into()]).map(|p| p.join("kube")).find(|p| p.is_dir())
}

fn files(directory: &Path) -> Vec<Input> {
    let entries = std::fs::read_dir(directory).expect("the corpus is readable");
    let mut paths: Vec<_> =
        entries.map(|e| e.expect("an entry").path()).filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("text");
        Input { name: path.file_name().expect("a name").to_string_lossy().into_owned(), path: Some(path), text }
    };
    paths.into_iter().map(read).collect()
}

fn load_one(input: &Input) -> Loaded {
    load(std::slice::from_ref(input), &LoadOptions::default(), &Known::default())
}

/// The files of the corpus; when there is none, says so.
fn inputs() -> Option<Vec<Input>> {
    let Some(directory) = corpus() else {
        // Not by a macro, whose output the test runner keeps to itself when a test passes.
        let said =
            b"not checked with real files: there is no corpus; set PODKIN_CORPUS to the directory that holds `kube/`\n";
        std::io::Write::write_all(&mut std::io::stderr(), said).expect("someone listens");
        return None;
    };
    let inputs = files(&directory);
    assert!(inputs.len() >= 40, "the corpus has only {} files", inputs.len());
    Some(inputs)
}

/// What is said of a file, and what would be played.
fn outcome(loaded: &Loaded) -> String {
    let mut text = render(&loaded.diagnostics, &loaded.sources, Format::Human { colour: false });
    for pod in loaded.application.iter().flat_map(|application| &application.pods) {
        let containers: Vec<_> = pod.all_containers().map(|c| format!("{} ({})", c.name, c.image)).collect();
        let _ = writeln!(text, "pod {}: {}", pod.name, containers.join(", "));
    }
    text
}

#[test]
fn what_is_said_of_each_file_is_as_recorded() {
    let Some(inputs) = inputs() else { return };
    let bless = std::env::var_os("PODKIN_BLESS").is_some();
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    std::fs::create_dir_all(&snapshots).expect("is writable");
    let (mut wanted, mut differences) = (BTreeSet::new(), String::new());
    for input in &inputs {
        let path = snapshots.join(Path::new(&input.name).with_extension("txt"));
        let text = outcome(&load_one(input));
        if bless {
            std::fs::write(&path, &text).expect("is writable");
        } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
            let _ = writeln!(differences, "=== {}\n{text}", path.display());
        }
        wanted.insert(path);
    }
    for entry in std::fs::read_dir(&snapshots).expect("is readable") {
        let path = entry.expect("an entry").path();
        match (wanted.contains(&path), bless) {
            (true, _) => {}
            (false, true) => std::fs::remove_file(&path).expect("is writable"),
            (false, false) => differences += &format!("{} belongs to no file\n", path.display()),
        }
    }
    assert!(differences.is_empty(), "not as recorded (PODKIN_BLESS=1 accepts):\n{differences}");
}

#[test]
fn every_file_loads_or_is_told_why_not() {
    let Some(inputs) = inputs() else { return };
    let mut loaded_files = 0;
    for input in &inputs {
        let loaded = load_one(input);
        let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        assert_eq!(loaded.application.is_none(), errors > 0, "{}", input.name);
        loaded_files += usize::from(errors == 0);
        for diagnostic in &loaded.diagnostics {
            let name = format!("{}: {diagnostic:?}", input.name);
            let (span, _) = diagnostic.primary.as_ref().unwrap_or_else(|| panic!("no place: {name}"));
            assert!(loaded.sources.text(span.source).get(span.start..span.end).is_some(), "wrong place: {name}");
            assert!(!diagnostic.message.is_empty() && !diagnostic.message.ends_with('.'), "{name}");
            let at_start = diagnostic.code == "K110" || span.start > 0;
            assert!(at_start, "the place says nothing: {name}");
        }
        for kind in unsupported_kinds(&input.text) {
            let named = loaded.diagnostics.iter().any(|d| d.code == "K111" && d.message.contains(&format!("`{kind}`")));
            assert!(named, "{}: kind {kind} is not named", input.name);
        }
    }
    assert!(loaded_files > 0, "not one file loads");
}

/// Kinds of the documents that are not played, by a look at the lines.
fn unsupported_kinds(text: &str) -> Vec<String> {
    let played: BTreeSet<&str> = podkin::model::kube::fields::kinds().map(|kind| kind.name).chain(["List"]).collect();
    let kinds =
        text.lines().filter_map(|line| line.strip_prefix("kind:")).map(|k| k.trim().trim_matches('"').to_owned());
    kinds.filter(|kind| !played.contains(kind.as_str())).collect()
}
