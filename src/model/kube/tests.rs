use super::*;
use crate::model::diagnostic::{Diagnostic, Sources};

mod accounts;
mod annotations;
mod device;
mod huge_pages;
mod objects;
mod persistent;
mod pods;
mod robust;
mod rules;
mod security;

/// Loads one text as `a.yaml` in `/dir`.
fn load_text(text: &str, options: &LoadOptions) -> Loaded {
    load(&[input(text)], options, &Known::default())
}

fn input(text: &str) -> Input {
    Input { name: "a.yaml".into(), path: Some("/dir/a.yaml".into()), text: text.into() }
}

/// The application of a text that has no errors.
fn application(text: &str) -> Application {
    let loaded = load_text(text, &LoadOptions::default());
    let shown = shown(&loaded);
    loaded.application.unwrap_or_else(|| panic!("{shown:#?}"))
}

/// `error[K113] 4:5 Pod/a · spec: message | label | hint` for each finding.
fn shown(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(|d| one(&loaded.sources, d)).collect()
}

fn one(sources: &Sources, d: &Diagnostic) -> String {
    let (span, label) = d.primary.clone().expect("every finding has a place");
    let before = &sources.text(span.source)[..span.start];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let severity = format!("{:?}", d.severity).to_lowercase();
    let path = d.path.as_deref().unwrap_or("-");
    let mut text = format!("{severity}[{}] {line}:{column} {path}: {}", d.code, d.message);
    for part in [Some(label.as_str()), d.hint.as_deref()].into_iter().flatten().filter(|p| !p.is_empty()) {
        text += &format!(" | {part}");
    }
    text
}

/// A pod with one container, to which `fields` of the container (indented by six) are added.
fn with_container(fields: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n    - name: c\n      image: i\n{}",
        indent(fields, 6)
    )
}

/// A pod with one container, and `fields` of its spec.
fn with_spec(fields: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers: [{{name: c, image: i}}]\n{}",
        indent(fields, 2)
    )
}

fn indent(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
}

/// Asserts that loading `text` finds exactly one thing, which contains each of `parts`.
#[track_caller]
fn finds(text: &str, parts: &[&str]) {
    finds_each([(text.to_owned(), parts)]);
}

/// Like [`finds`] for many texts; tells of all that are not as expected.
#[track_caller]
fn finds_each<'a>(table: impl IntoIterator<Item = (String, &'a [&'a str])>) {
    let mut wrong = String::new();
    for (text, parts) in table {
        let found = shown(&load_text(&text, &LoadOptions::default()));
        let absent: Vec<_> = parts.iter().filter(|part| !found.iter().any(|f| f.contains(**part))).collect();
        if found.len() != 1 || !absent.is_empty() {
            wrong += &format!("{text}\nfound {found:#?}\nwithout {absent:?}\n\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
