use super::*;
use proptest::prelude::*;
use serde_json::json;

fn pods() -> Value {
    json!({
        "kind": "List",
        "items": [
            {"metadata": {"name": "one", "labels": {"app.kubernetes.io/name": "x"}}, "status": {"restarts": 2, "ready": true},
             "spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "i:2"}]}},
            {"metadata": {"name": "two"}, "status": {"restarts": 10, "ready": false},
             "spec": {"containers": [{"name": "a", "image": "i:3"}]}},
        ],
    })
}

fn render(template: &str) -> Result<String, String> {
    let path = JsonPath::parse(template).map_err(|e| e.to_string())?;
    path.render(&pods()).map_err(|e| e.to_string())
}

#[test]
fn templates_give_what_kubectl_gives() {
    for (template, expected) in [
        ("{.kind}", "List"),
        ("plain {.kind}!", "plain List!"),
        ("{.items[*].metadata.name}", "one two"),
        ("{.items[0].metadata.name}", "one"),
        ("{.items[-1].metadata.name}", "two"),
        ("{.items[0:1].metadata.name}", "one"),
        ("{.items[:].metadata.name}", "one two"),
        ("{.items[1:].metadata.name}", "two"),
        ("{.items[::2].metadata.name}", "one"),
        ("{.items[0,1].metadata.name}", "one two"),
        ("{.items[0]['metadata','status']['name','ready']}", "one true"),
        ("{.items[*]['metadata.name']}", ""),
        (r"{.items[0].metadata.labels.app\.kubernetes\.io/name}", "x"),
        ("{.items[0].metadata.labels['app.kubernetes.io/name']}", "x"),
        ("{.items[0].metadata.labels}", r#"{"app.kubernetes.io/name":"x"}"#),
        ("{..image}", "i:1 i:2 i:3"),
        ("{.items..name}", "one a b two a"),
        ("{$.kind}{@.kind}", "ListList"),
        (r#"{range .items[*]}{.metadata.name}{"\t"}{.status.restarts}{"\n"}{end}"#, "one\t2\ntwo\t10\n"),
        ("{range .items[*]}{range .spec.containers[*]}{.name}{','}{end}{$.kind};{end}", "a,b,List;a,List;"),
        (r#"{.items[?(@.metadata.name=="two")].status.restarts}"#, "10"),
        ("{.items[?(@.status.restarts > 2)].metadata.name}", "two"),
        ("{.items[?(@.status.restarts<=2)].metadata.name}", "one"),
        ("{.items[?(@.status.ready==true)].metadata.name}", "one"),
        ("{.items[?(@.status.ready!=true)].metadata.name}", "two"),
        ("{.items[?(@.metadata.labels)].metadata.name}", "one"),
        (r#"{.items[0].spec.containers[?(@.name=='b')].image}"#, "i:2"),
        ("{.nothing.here}", ""),
        ("{.kind.below}", ""),
        ("{.items[0].status.*}", "2 true"),
        ("", ""),
    ] {
        assert_eq!(render(template).as_deref(), Ok(expected), "{template}");
    }
    assert_eq!(render("{.}").unwrap(), pods().to_string());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (template, expected) in [
        ("{.a", "`}` is missing at character 4"),
        ("{.a[}", "an index, a name in quotes, `*` or `?(` is missing at character 5"),
        ("{range .items[*]}{.a}", "a `range` without `end` at character 22"),
        ("{end}", "an `end` without `range` at character 6"),
        (r#"{"x}"#, "a quote is not closed at character 2"),
        ("{.a[?(@.b==)]}", "a path, a number, `true`, `false` or text in quotes is missing at character 12"),
        ("{name}", "a path starts with `.`, `[`, `@` or `$`, and there is none at character 2"),
        ("{.a[99999999999999999999]}", "`99999999999999999999` is no index at character 25"),
        ("{.a[0:1:0]}", "the step of a slice must be at least 1 at character 10"),
    ] {
        let error = render(template).unwrap_err();
        assert_eq!(error, format!("invalid JSONPath template: {expected}"), "{template}");
    }
    assert_eq!(render("{.items[2]}").unwrap_err(), "the list has 2 elements, and none at 2");
}

#[test]
fn braces_and_the_first_dot_may_be_left_out_of_one_path() {
    for text in ["kind", ".kind", "{kind}", "{.kind}", "['kind']"] {
        let path = JsonPath::parse_relaxed(text).unwrap();
        assert_eq!(path.find(&pods()).unwrap(), [&json!("List")], "{text}");
    }
}

/// Values with names that need no escape.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A path to everything in a value, and what is there.
fn walk(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    found.push((path.to_owned(), value.clone()));
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| walk(item, &format!("{path}[{i}]"), found));
        }
        Value::Object(map) => map.iter().for_each(|(key, item)| {
            walk(item, &format!("{path}.{key}"), found);
            walk(item, &format!("{path}['{key}']"), found);
        }),
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}", value in values()) {
        if let Ok(path) = JsonPath::parse(&text) {
            let _ = path.render(&value);
        }
    }

    #[test]
    fn no_pieces_of_the_grammar_make_it_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec!["{", "}", ".", "..", "[", "]", "*", "?(", ")", "@", "$", "a", "range ", "end", "==", "0", "-1", ":", ",", "'", "\"", "\\", " "]),
            0..24,
        ),
        value in values(),
    ) {
        if let Ok(path) = JsonPath::parse(&parts.concat()) {
            let _ = path.render(&value);
        }
    }

    #[test]
    fn every_value_is_found_by_its_path(value in values()) {
        let mut all = Vec::new();
        walk(&value, "$", &mut all);
        for (path, expected) in all {
            let found = JsonPath::parse(&format!("{{{path}}}")).unwrap();
            prop_assert_eq!(found.find(&value).unwrap(), [&expected], "{}", path);
        }
    }

    #[test]
    fn text_without_braces_stands_for_itself(text in "[^{}]{0,30}") {
        prop_assert_eq!(JsonPath::parse(&text).unwrap().render(&Value::Null).unwrap(), text);
    }
}
