//! Whatever the text is, loading ends, and what it says has a place.

use super::*;
use proptest::prelude::*;

const TEXTS: [&str; 3] = [
    include_str!("../../../../examples/hello.yaml"),
    include_str!("../../../../examples/replicas.yaml"),
    include_str!("../../../../examples/debian.yaml"),
];

/// What takes the place of a line's value.
const VALUES: [&str; 14] =
    ["", "null", "-1", "0", "99999999999", "1e400", "''", "'a'", "[]", "{}", "[{}]", "true", "~", "&a [*a]"];

/// A file with some lines taken out, doubled, moved or given other values.
fn broken() -> impl Strategy<Value = String> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..5_u8, 0..VALUES.len()), 1..6);
    (0..TEXTS.len(), edits).prop_map(|(text, edits)| {
        let lines = TEXTS[text].lines().filter(|l| !l.trim_start().starts_with('#'));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        for (index, edit, value) in edits {
            let at = index.index(lines.len());
            match edit {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[at].clone()),
                2 => lines[at].insert_str(0, "  "),
                _ => {
                    if let Some((key, _)) = lines[at].clone().split_once(": ") {
                        lines[at] = format!("{key}: {}", VALUES[value]);
                    }
                }
            }
        }
        lines.join("\n")
    })
}

proptest! {
    #[test]
    fn broken_files_are_explained(text in broken(), level in 0..3_u8) {
        let validate = [Validation::Strict, Validation::Warn, Validation::Ignore][usize::from(level)];
        let options = LoadOptions { validate, publish: vec!["8090:8080".into()], ..LoadOptions::default() };
        let loaded = load_text(&text, &options);
        let errors = loaded.diagnostics.iter().any(|d| d.severity == Severity::Error);
        prop_assert_eq!(loaded.application.is_none(), errors);
        for finding in &loaded.diagnostics {
            let (span, _) = finding.primary.as_ref().expect("a place");
            prop_assert!(loaded.sources.text(span.source).get(span.start..span.end).is_some());
        }
        if let Some(application) = loaded.application {
            for pod in &application.pods {
                prop_assert!(!pod.containers.is_empty() && pod.containers.iter().all(|c| !c.image.is_empty()));
                let mut mounts = pod.all_containers().flat_map(|c| &c.mounts);
                prop_assert!(mounts.all(|m| pod.volume(&m.volume).is_some()), "a mount of nothing");
            }
            let stored = serde_json::to_string(&application).expect("serializes");
            let again: Application = serde_json::from_str(&stored).expect("reads back");
            prop_assert_eq!(again, application);
        }
    }
}
