use super::*;
use crate::model::yaml::Path;

fn read(text: &str) -> (Vec<Document>, Vec<Diagnostic>) {
    parse(SourceId(0), text, Dialect::Kubernetes, &Budgets::default())
}

/// The JSON of each document; panics when anything was reported.
fn json(text: &str) -> Vec<String> {
    let (documents, diagnostics) = read(text);
    assert_eq!(diagnostics, [], "{text}");
    documents.iter().map(|d| d.root.to_json().to_string()).collect()
}

fn codes(text: &str) -> Vec<&'static str> {
    read(text).1.iter().map(|d| d.code).collect()
}

#[test]
fn documents_become_trees() {
    let table: &[(&str, &[&str])] = &[
        ("", &[]),
        ("# only a comment\n", &[]),
        ("---\n---\n...\n", &[]),
        ("~", &["null"]),
        ("a: 1", &[r#"{"a":1}"#]),
        ("\u{feff}a: 1", &[r#"{"a":1}"#]),
        ("a: 1\r\nb:\r\n- x\r\n- |\r\n  l1\r\n  l2\r\n", &[r#"{"a":1,"b":["x","l1\nl2\n"]}"#]),
        ("a: 1\n---\nb: 2\n--- \nc: 3\n...\n", &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]),
        ("--- {a: [1, 'x', \"\\u00e9\", yes]}", &[r#"{"a":[1,"x","é",true]}"#]),
        ("a:\n- b\n-\n- - c\n  - d: >-\n     x\n     y\n", &[r#"{"a":["b",null,["c",{"d":"x y"}]]}"#]),
        ("a: &x {p: 1}\nb: *x\nc: &x 2\nd: *x", &[r#"{"a":{"p":1},"b":{"p":1},"c":2,"d":2}"#]),
        ("base: &b {x: 1, w: 2}\nz: {<<: *b, w: 3}", &[r#"{"base":{"x":1,"w":2},"z":{"w":3,"x":1}}"#]),
        ("z: {v: 3, <<: [{x: 1, v: 2}, {x: 9, w: 8}]}", &[r#"{"z":{"v":3,"x":1,"w":8}}"#]),
        ("'<<': 1", &[r#"{"<<":1}"#]),
        ("? a\n: b", &[r#"{"a":"b"}"#]),
        ("a: !!str 12\nb: !!int '12'\nc: !!map {}", &[r#"{"a":"12","b":12,"c":{}}"#]),
    ];
    for (text, documents) in table {
        assert_eq!(json(text), *documents, "{text:?}");
    }
}

#[test]
fn keys_that_are_no_strings_become_text_or_are_refused() {
    let (documents, diagnostics) = read("80: a\non: b\n0x10: c\n");
    assert_eq!(documents[0].root.to_json().to_string(), r#"{"80":"a","true":"b","16":"c"}"#);
    assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["K013", "K013"]);
    assert_eq!(codes("? [a]\n: b"), ["K014"]);
    assert_eq!(codes("{a: {{x}}}"), ["K014"]);
    assert_eq!(codes("~: b"), ["K014"]);
}

#[test]
fn places_are_those_of_the_text() {
    let text = "# c\nspec:\n  ports:\n  - name: 'web'  # x\n    port: 0x50\n  cmd: |\n    a\n    b\n  none:\n";
    let (documents, _) = read(text);
    let root = &documents[0].root;
    let at = |path: &str| root.at(&Path::parse(path)).map(|p| &text[p.node.span.start..p.node.span.end]);
    assert_eq!(at("spec.ports[0].name"), Some("'web'"));
    assert_eq!(at("spec.ports[0].port"), Some("0x50"));
    assert_eq!(at("spec.ports[0]"), Some("name: 'web'  # x\n    port: 0x50"));
    assert_eq!(at("spec.cmd").map(str::trim), Some("a\n    b"));
    assert_eq!(at("spec.none"), Some(""));
    assert_eq!(at("spec.ports[1]"), None);
    let place = root.at(&Path::parse("spec.ports")).expect("is there");
    assert_eq!(&text[place.key_span().start..place.key_span().end], "ports");
    let (near, depth) = root.nearest(&Path::parse("spec.ports[0].protocol.x"));
    assert_eq!((depth, &text[near.key_span().start..near.key_span().end]), (3, "name"));
}

#[test]
fn documents_know_their_range() {
    let text = "# head\na: 1\n# tail\n---\n# two\nb: 2\n\n--- # c\nc: 3\n...\n# end\n---\nd: 4\n";
    let ranges: Vec<&str> = read(text).0.iter().map(|d| &text[d.range.start..d.range.end]).collect();
    assert_eq!(ranges, ["# head\na: 1\n# tail\n", "# two\nb: 2\n\n", " # c\nc: 3\n", "d: 4\n"]);
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let (documents, diagnostics) = read("a: 1\n---\nb: [1, 2\n---\nc: 3\n---\nd: \"x\n---\ne: 5\n");
    assert_eq!(documents.len(), 3, "{diagnostics:?}");
    assert_eq!(diagnostics.len(), 2);
}

#[test]
fn duplicate_keys_name_both_places() {
    let (_, diagnostics) = read("a: 1\nb: 2\na: 3\n");
    assert_eq!(diagnostics[0].code, "K006");
    assert_eq!(diagnostics[0].primary.as_ref().map(|(s, _)| s.start), Some(10));
    assert_eq!(diagnostics[0].secondary[0].0.start, 0);
}

#[test]
fn budgets_end_in_an_error() {
    let started = std::time::Instant::now();
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (new, old) in ('b'..='z').zip('a'..) {
        bomb += &format!("{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n");
    }
    assert_eq!(codes(&bomb), ["K008"]);
    assert_eq!(codes("a: &a [*a]"), ["K007"]);
    assert_eq!(codes("a: *b"), ["K007"]);
    assert_eq!(codes(&"[".repeat(1 << 20)), ["K009"]);
    assert_eq!(codes(&"{a: ".repeat(1 << 18)), ["K009"]);
    assert_eq!(codes(&"- ".repeat(1 << 19)), ["K009"]);
    assert_eq!(codes(&"? ".repeat(1 << 19)), ["K009"]);
    assert_eq!(codes(&"- x\n".repeat(300_000)), ["K010"]);
    assert_eq!(codes(&"x".repeat(9 << 20)), ["K010"]);
    assert_eq!(codes("a: b\0c"), ["K012"]);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
