//! What holds for any input: nothing panics, places lie in the text, and what is written is read again.

use super::*;
use crate::model::diagnostic::{Diagnostic, Format, SourceId, Sources, Span, render};
use proptest::prelude::*;
use serde_json::Value as Json;

fn check_node(node: &Node, text: &str) {
    check_span(node.span, text);
    check_span(node.head_span(), text);
    node.items().iter().for_each(|item| check_node(item, text));
    for entry in node.entries() {
        check_span(entry.key.span, text);
        check_node(&entry.value, text);
    }
    if node.style == Style::Plain && !matches!(node.value, Value::Sequence(_) | Value::Mapping(_)) {
        let written = &text[node.span.start..node.span.end];
        let one_line = !written.contains(['\n', '\r']);
        if let Value::String(s) = &node.value
            && one_line
        {
            assert_eq!(written, &**s, "a plain string is what is written");
        }
    }
}

fn check_span(span: Span, text: &str) {
    assert!(span.start <= span.end, "{span:?}");
    assert!(text.get(span.start..span.end).is_some(), "{span:?} in {text:?}");
}

fn check_diagnostic(diagnostic: &Diagnostic, text: &str) {
    let places = diagnostic.primary.iter().chain(&diagnostic.secondary);
    places.for_each(|(span, _)| check_span(*span, text));
    assert!(crate::model::diagnostic::explain(diagnostic.code).is_some(), "{} is not explained", diagnostic.code);
}

fn survive(bytes: &[u8]) {
    let mut sources = Sources::default();
    let id = sources.add("f", decode(bytes));
    let text = sources.text(id);
    for dialect in [Dialect::Kubernetes, Dialect::Compose] {
        let (documents, diagnostics) = parse(id, text, dialect, &Budgets::default());
        for document in &documents {
            check_span(document.range, text);
            check_node(&document.root, text);
            let options = TypedOptions { object: "Pod/x", unknown_fields: None, secret: false };
            let (_, found) = typed::<k8s_openapi::api::core::v1::Pod>(&document.root, options);
            found.iter().for_each(|d| check_diagnostic(d, text));
        }
        diagnostics.iter().for_each(|d| check_diagnostic(d, text));
        for format in [Format::Human { colour: false }, Format::Concise, Format::Json] {
            render(&diagnostics, &sources, format);
        }
    }
}

fn json() -> impl Strategy<Value = Json> {
    let text =
        prop_oneof!["\\PC{0,12}", "[-+0-9._eExobyYnN~:# ]{0,6}", Just("yes".to_owned()), Just("0644".to_owned())];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        text.prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map("[a-z0-9.=/~ -]{1,8}", inner, 0..5)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn words_that_look_like_something_else_stay_strings() {
    const WORDS: &[&str] = &[
        "y",
        "n",
        "Y",
        "yes",
        "no",
        "on",
        "off",
        "On",
        "0644",
        "0o17",
        "1_000",
        "0b11",
        "0x1f",
        "1e3",
        "08",
        "190:20",
        ".5",
        "+1",
        "null",
        "~",
        "",
        "- a",
        "a: b",
        "#x",
        "é\u{85}",
        "a\tb",
        "\u{feff}",
        " a",
        "a ",
        "<<",
        "=",
        "2001-01-01",
        "a\nb",
        "a\n",
        "\na",
        "  a\nb",
        "a\n \n",
        "a\n\tb",
        "1.",
        ".inf",
        "-.INF",
        "_1",
        "0_8",
        "%",
        "@x",
        "`",
        "!x",
        "&a",
        "*a",
        "?",
        "? x",
        "-",
        "---",
        "...",
        "{",
        "}",
        "[a",
        "]",
        ",",
        "'",
        "\"",
        "|",
        ">",
        "a\r\nb",
        "\u{2028}",
        "a:",
        "a #b",
        "é",
    ];
    for word in WORDS {
        read_again(&serde_json::json!({ "k": word, *word: [word] })).unwrap();
    }
}

/// Writes a value and reads it again.
fn read_again(value: &Json) -> Result<(), TestCaseError> {
    let text = write(value);
    for dialect in [Dialect::Kubernetes, Dialect::Compose] {
        let (documents, diagnostics) = parse(SourceId(0), &text, dialect, &Budgets::default());
        prop_assert!(diagnostics.is_empty(), "{diagnostics:?}\n{text}");
        let read = documents.first().map(|d| d.root.to_json()).unwrap_or(Json::Null);
        prop_assert_eq!(&read, value, "{}", text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&bytes);
    }

    #[test]
    fn any_text_of_yaml_characters_is_survived(text in "[-a:{}\\[\\],&*!|>'\"%@`#?\\\\ é\t\r\n0<~=]{0,60}") {
        survive(text.as_bytes());
    }

    #[test]
    fn any_damaged_pod_is_survived(cut in 0..POD.len(), put in "[-:{}\\[\\],&*!|>'\"#?\t\n ]{0,3}", gap in 0..6usize) {
        let mut bytes = POD.as_bytes()[..cut].to_vec();
        bytes.extend_from_slice(put.as_bytes());
        bytes.extend_from_slice(&POD.as_bytes()[(cut + gap).min(POD.len())..]);
        survive(&bytes);
    }

    #[test]
    fn what_is_written_is_read_again(value in json()) {
        read_again(&value)?;
    }

    #[test]
    fn what_is_written_as_json_is_read(value in json()) {
        let text = serde_json::to_string_pretty(&value).expect("is writable");
        let (documents, diagnostics) = parse(SourceId(0), &text, Dialect::Kubernetes, &Budgets::default());
        prop_assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let read = documents.first().map(|d| d.root.to_json()).unwrap_or(Json::Null);
        prop_assert_eq!(read, value);
    }
}

const POD: &str = r#"apiVersion: v1
kind: Pod
metadata: {name: web, labels: {a: "b"}}
spec:
  containers:
  - name: web
    image: 'nginx:1'
    args: [a, "b", c]
    env:
    - name: A
      value: |
        text
        more
    ports:
    - containerPort: 80
      hostPort: 8080 # comment
"#;
