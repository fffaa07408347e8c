//! The examples load without a word.

use podkin::model::diagnostic::{Format, render};
use podkin::model::kube::{Input, Known, LoadOptions, load};

#[test]
fn every_example_loads_without_a_finding() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(&directory).expect("examples/ is there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).expect("text");
        let input = Input { name: name.clone(), path: Some(path), text };
        let loaded = load(&[input], &LoadOptions::default(), &Known::default());
        assert!(
            loaded.diagnostics.is_empty(),
            "{}",
            render(&loaded.diagnostics, &loaded.sources, Format::Human { colour: false })
        );
        assert!(!loaded.application.expect("no findings").pods.is_empty(), "{name} has no pod");
        seen += 1;
    }
    assert!(seen >= 3, "only {seen} examples");
}
