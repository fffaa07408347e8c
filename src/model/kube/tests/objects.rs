//! Documents, objects other than pods, references and options.

use super::*;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {mode: fast, port: '80'}\n";

#[test]
fn headers() {
    let table = [
        ("kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}", &["K110", "no `apiVersion`"][..]),
        ("apiVersion: v1\nmetadata: {name: p}", &["K110", "no `kind`"]),
        ("apiVersion: v1\nKind: Pod\nmetadata: {name: p}", &["K110", "2:1", "did you mean `kind`?"]),
        ("apiVersion: v1\nkind: [Pod]", &["K110", "must be a string"]),
        ("- a\n- b", &["K110", "mapping, not a list"]),
        ("services:\n  web: {image: a}\napiVersion: v1", &["K110", "compose"]),
        ("apiVersion: v1\nkind: Podd\nmetadata: {name: p}", &["error[K111]", "2:7", "did you mean `Pod`?", "Podd/p"]),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: s}",
            &["K111", "kind `Service` is not supported yet", "hostPort"],
        ),
        ("apiVersion: v1\nkind: List", &["K113", "`items`"]),
        ("apiVersion: v1\nkind: List\nitems: {}", &["K110", "must be a list"]),
        ("apiVersion: v1\nkind: List\nitems: []\nitemss: []", &["K101", "4:1", "did you mean `items`?"]),
        ("apiVersion: v1\nkind: PodList\nitems: []", &["K111", "`List`"]),
        ("apiVersion: example.com/v1\nkind: Widget", &["K111", "played kinds"]),
        ("apiVersion: apps/v1\nkind: ConfigMap\nmetadata: {name: m}", &["K112", "1:13", "`apiVersion: v1`"]),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {}", &["K113", "`name`"]),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}", &["generateName", "K302"]),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: M}", &["K114", "lower-case"]),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: other}", &["info[K301]"]),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, uid: a}", &["info[K301]", "cluster"]),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, labels: {a: 'b c'}}", &["K114", "label value"]),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, labels: {-a: b}}", &["K114", "label key"]),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}", &["K113", "`spec`"]),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {}", &["K113", "`containers`"]),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}", &["K113", "`containers`"]),
    ];
    finds_each(table.map(|(text, parts)| (text.to_owned(), parts)));
    finds("# nothing\n", &["K110", "nothing to play"]);
}

#[test]
fn old_versions_of_deployments() {
    let text = "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: d}\nspec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}";
    let found = shown(&load_text(text, &LoadOptions::default()));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("K112") && found[0].contains("1.16"), "{found:#?}");
    assert!(found[1].contains("K113") && found[1].contains("selector"), "{found:#?}");
}

#[test]
fn validation_levels() {
    let text = format!(
        "{MAP}---\napiVersion: v1\nkind: Service\nmetadata: {{name: s}}\n---\n{}",
        with_spec("hostUsers: true\nschedulingGates: []\ntypo: 1")
    );
    let with = |validate| {
        let loaded = load_text(&text, &LoadOptions { validate, ..LoadOptions::default() });
        let severities: Vec<_> = loaded.diagnostics.iter().map(|d| d.severity).collect();
        (severities, loaded.application.is_some())
    };
    use Severity::{Error, Info, Warning};
    assert_eq!(with(Validation::Strict), (vec![Error, Error, Error], false));
    assert_eq!(with(Validation::Warn), (vec![Warning, Warning, Warning], true));
    assert_eq!(with(Validation::Ignore), (vec![Info], true));
}

#[test]
fn lists_are_flattened_and_keep_their_places() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: B}\n";
    finds(text, &["K114", "9:20", "ConfigMap/B · metadata.name"]);
    let app = application(&text.replace("name: B", "name: b"));
    let documents = &app.sources[0].documents;
    assert_eq!(documents.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let second = &app.sources[0].text[documents[1].start..documents[1].end];
    assert!(second.starts_with("apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: "), "{second}");
}

#[test]
fn config_maps() {
    let app = application(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: x}\nbinaryData: {b: AAE=}\nimmutable: true",
    );
    let map = &app.config_maps[0];
    assert_eq!((map.data["a"].as_slice(), map.data["b"].as_slice()), (&b"x"[..], &[0, 1][..]));
    assert_eq!((map.binary_keys.as_slice(), map.immutable), (&["b".to_owned()][..], true));
    assert_eq!(app.name, "m");
    let table = [
        ("data: {a/b: x}", &["K114", "not a valid key"][..]),
        ("data: {..a: x}", &["K114"]),
        ("data: {a: x}\nbinaryData: {a: AAE=}", &["K116", "in `data` and in `binaryData`"]),
        ("data: {a: 1}", &["error", "a"]),
    ];
    finds_each(
        table.map(|(data, parts)| (format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\n{data}"), parts)),
    );
}

#[test]
fn secrets_are_decoded_and_never_shown() {
    let text =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: Y2FuYXJ5, b: eA==}\nstringData: {b: canary2}\n";
    let loaded = load_text(text, &LoadOptions::default());
    let app = loaded.application.clone().expect("no errors");
    assert_eq!(app.secrets[0].data["a"], b"canary");
    assert_eq!(app.secrets[0].data["b"], b"canary2");
    assert_eq!(app.secrets[0].secret_type, "Opaque");
    assert_eq!(app.sources[0].text, text);
    let is_shown = |loaded: &Loaded| ["canary", "4711", "Y2FuYXJ5"].iter().any(|s| format!("{loaded:?}").contains(s));
    assert!(!is_shown(&loaded), "{loaded:?}");
    let table = [
        ("data: {k: canary!}", &["error", "base64"][..]),
        ("stringData: {k: 4711canary, l: 4711}", &["error", "l"]),
        ("type: kubernetes.io/tls\ndata: {tls.crt: ''}", &["K113", "tls.key"]),
        ("data: {k k: Y2FuYXJ5}", &["K114"]),
    ];
    let with = |data: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n{data}");
    for (data, _) in table {
        let loaded = load_text(&with(data), &LoadOptions::default());
        assert!(!is_shown(&loaded), "{loaded:?}");
    }
    finds_each(table.map(|(data, parts)| (with(data), parts)));
}

#[test]
fn claims() {
    let with =
        |spec: &str| format!("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: c}}\nspec: {{{spec}}}");
    let text = with("accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}");
    let claim = application(&text).claims.remove(0);
    assert_eq!((claim.name.as_str(), claim.storage_request), ("c", Some(1 << 30)));
    let table = [
        ("accessModes: [ReadWrite]", &["K115", "accessModes[0]"][..]),
        ("storageClassName: fast", &["info[K301]"]),
        ("volumeMode: Block", &["K302", "needs a PersistentVolume"]),
        ("dataSource: {kind: a, name: b}", &["K302"]),
    ];
    finds_each(table.map(|(spec, parts)| (with(spec), parts)));
}

#[test]
fn references() {
    let with =
        |env: &str| format!("{MAP}---\n{}", with_container(&format!("env: [{{name: A, valueFrom: {{{env}}}}}]")));
    let table = [
        ("configMapKeyRef: {name: M, key: mode}", &["K201", "did you mean `m`?"][..]),
        ("configMapKeyRef: {name: m, key: mod}", &["K202", "did you mean `mode`?", "its keys: `mode`, `port`"]),
        ("secretKeyRef: {name: m, key: mode}", &["K201", "Secret `m` does not exist"]),
        ("configMapKeyRef: {key: mode}", &["K113", "name"]),
    ];
    finds_each(table.map(|(env, parts)| (with(env), parts)));
    let fine = |text: &str| assert_eq!(application(text).pods.len(), 1);
    fine(&with("configMapKeyRef: {name: m, key: mode}"));
    fine(&with("configMapKeyRef: {name: m, key: none, optional: true}"));
    fine(&with("secretKeyRef: {name: none, key: none, optional: true}"));
    // What a file refers to may come later in it, or have been played before.
    fine(&format!("{}---\n{MAP}", with_container("envFrom: [{configMapRef: {name: m}}]")));
    let known = Known { config_maps: [("old".into(), ["a".into()].into())].into(), ..Known::default() };
    let text = with_container("envFrom: [{configMapRef: {name: old}, prefix: P_}]\nenv: [{name: B, value: $(P_a)}]");
    let loaded = load(&[input(&text)], &LoadOptions::default(), &known);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", shown(&loaded));
    let items = "volumes: [{name: v, configMap: {name: m, items: [{key: prt, path: p}]}}]";
    finds(&format!("{MAP}---\n{}", with_spec(items)), &["K202", "did you mean `port`?", "items[0].key"]);
}

#[test]
fn an_object_that_is_broken_is_not_reported_missing_too() {
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: [a]\n---\n{}",
        with_container("envFrom: [{configMapRef: {name: m}}]")
    );
    finds(&text, &["ConfigMap/m"]);
}

#[test]
fn names_that_clash() {
    let pod = |name: &str, container: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: {container}, image: i}}]}}\n"
        )
    };
    finds(&format!("{}---\n{}", pod("a", "x"), pod("a", "z")), &["K205", "Pod `a` is there twice", "8:18"]);
    finds(&format!("{}---\n{}", pod("a-b", "c"), pod("a", "b-c")), &["K205", "`a-b-c`"]);
    finds(&format!("{MAP}---\n{MAP}"), &["K205", "ConfigMap `m`"]);
    let both = format!("{}---\n{}", pod("a", "x"), pod("b", "x"));
    assert_eq!(application(&both).pods.len(), 2);
    let options = LoadOptions { no_pod_prefix: true, ..LoadOptions::default() };
    let found = shown(&load_text(&both, &options));
    assert!(found.len() == 1 && found[0].contains("--no-pod-prefix"), "{found:#?}");
}

#[test]
fn extra_config_maps() {
    let extra = |text: &str| {
        let file = Input { name: "extra.yaml".into(), path: None, text: text.into() };
        LoadOptions { config_maps: vec![file], ..LoadOptions::default() }
    };
    let text = with_container("envFrom: [{configMapRef: {name: m}}]");
    let app = load_text(&text, &extra(MAP)).application.expect("resolves");
    assert_eq!((app.config_maps.len(), app.sources.len(), app.name.as_str()), (1, 1, "p"));
    let found = shown(&load_text(&format!("{MAP}---\n{text}"), &extra(MAP)));
    assert!(found.len() == 1 && found[0].contains("K205"), "{found:#?}");
    let found = shown(&load_text(&text, &extra(&with_spec(""))));
    assert!(found.iter().any(|f| f.contains("K120") && f.contains("Pod/p")), "{found:#?}");
}

#[test]
fn annotations_of_the_command_line() {
    let options = |key: &str| LoadOptions { annotations: vec![(key.into(), "v".into())], ..LoadOptions::default() };
    let app = load_text(&with_spec(""), &options("a")).application.expect("no errors");
    assert_eq!(app.pods[0].annotations["a"], "v");
    let found = shown(&load_text(&with_spec(""), &options("a/b/c")));
    assert!(found.len() == 1 && found[0].contains("K120 ") | found[0].contains("K120]"), "{found:#?}");
}
