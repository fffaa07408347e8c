use super::*;
use crate::model::diagnostic::SourceId;
use crate::model::yaml::{Budgets, Dialect, parse};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

const OPTIONS: TypedOptions<'_> =
    TypedOptions { object: "Pod/web", unknown_fields: Some(Severity::Error), secret: false };

fn read<T: DeserializeOwned>(text: &str, options: TypedOptions<'_>) -> (T, Vec<Diagnostic>) {
    let (documents, diagnostics) = parse(SourceId(0), text, Dialect::Kubernetes, &Budgets::default());
    assert_eq!(diagnostics, []);
    let (object, diagnostics) = typed(&documents[0].root, options);
    (object.expect("is read"), diagnostics)
}

/// What is said about a container with these lines: code, marked text, message, label or hint.
fn said(lines: &str) -> Vec<(&'static str, String, String, String)> {
    let text = format!("kind: Pod\nspec:\n  containers:\n  - name: web\n    {}\n", lines.replace('\n', "\n    "));
    let (_, diagnostics) = read::<Pod>(&text, OPTIONS);
    let one = |d: Diagnostic| {
        let (span, label) = d.primary.expect("has a place");
        (d.code, text[span.start..span.end].to_owned(), d.message, d.hint.unwrap_or(label))
    };
    diagnostics.into_iter().map(one).collect()
}

#[track_caller]
fn assert_said(lines: &str, code: &str, marked: &str, message: &str, advice: &str) {
    let all = said(lines);
    let expected = (code.to_owned(), marked.to_owned(), message.to_owned(), advice.to_owned());
    let strings = |(a, b, c, d): &(&str, String, String, String)| (a.to_string(), b.clone(), c.clone(), d.clone());
    assert_eq!(all.iter().map(strings).collect::<Vec<_>>(), [expected], "{lines}");
}

#[test]
fn a_right_object_is_read_without_a_word() {
    let (pod, diagnostics) = read::<Pod>(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {a: "1"}, annotations:, creationTimestamp: 2026-01-01T00:00:00Z}
spec:
  containers:
  - name: c
    image: i
    command: [a, "1"]
    ports: [{containerPort: 0x50}]
    tty: yes
    resources: {limits: {cpu: 0.5, memory: 1Gi}, requests: {cpu: 1}}
    livenessProbe: {httpGet: {port: http}, periodSeconds: 3}
    readinessProbe: {tcpSocket: {port: 80}}
  volumes: [{name: v, configMap: {name: m, defaultMode: 0644}}]
status:
"#,
        OPTIONS,
    );
    assert_eq!(diagnostics, []);
    let spec = pod.spec.expect("has a spec");
    let container = &spec.containers[0];
    assert_eq!(container.ports.as_ref().map(|p| p[0].container_port), Some(80));
    assert_eq!(container.tty, Some(true));
    let limits = container.resources.as_ref().and_then(|r| r.limits.clone()).expect("has limits");
    assert_eq!((limits["cpu"].0.as_str(), limits["memory"].0.as_str()), ("0.5", "1Gi"));
    let port = container.liveness_probe.as_ref().and_then(|p| p.http_get.as_ref()).map(|h| h.port.clone());
    assert_eq!(port, Some(IntOrString::String("http".into())));
    let volume = spec.volumes.as_ref().and_then(|v| v[0].config_map.clone()).expect("has a volume");
    assert_eq!(volume.default_mode, Some(420));
}

#[test]
fn wrong_kinds_of_values_are_reported_with_a_remedy() {
    assert_said(
        "ports: [{containerPort: \"80\"}]",
        "K102",
        "\"80\"",
        "`containerPort` must be an integer, and this is a quoted string",
        "take the quotes away: 80",
    );
    assert_said(
        "tty: \"true\"",
        "K102",
        "\"true\"",
        "`tty` must be a boolean, and this is a string",
        "take the quotes away: true",
    );
    assert_said("image: 12", "K103", "12", "`image` must be a string, and this is an integer", "quote it: \"12\"");
    assert_said(
        "env: [{name: A, value: no}]",
        "K103",
        "no",
        "`value` must be a string, and this is a boolean: YAML reads `no` as false",
        "quote it: \"no\"",
    );
    assert_said(
        "args: sleep 1",
        "K102",
        "sleep 1",
        "`args` must be a list, and this is a string",
        "write a list: [\"sleep\", \"1\"]",
    );
    assert_said("args: [a, 1]", "K103", "1", "`args[1]` must be a string, and this is an integer", "quote it: \"1\"");
    assert_said(
        "env:\n  A: b",
        "K102",
        "env",
        "`env` must be a list, and this is a mapping",
        "each variable is an element: `- name: ...` and below it `value: ...`",
    );
    assert_said(
        "securityContext:\n- privileged: true",
        "K102",
        "securityContext",
        "`securityContext` must be a mapping, and this is a list",
        "write `key: value` lines without `- `",
    );
    assert_said(
        "securityContext: {runAsUser: -1e30}",
        "K102",
        "-1e30",
        "`runAsUser` must be an integer, and this is a number",
        "expected an integer",
    );
    assert_said(
        "ports: [{containerPort: 3000000000}]",
        "K104",
        "3000000000",
        "`containerPort` is out of range: it must be from -2147483648 to 2147483647",
        "",
    );
    assert_said(
        "livenessProbe: {httpGet: {port: yes}}",
        "K102",
        "yes",
        "`port` must be an integer or a string, and this is a boolean: YAML reads `yes` as true",
        "expected an integer or a string",
    );
    assert_said(
        "resources: {limits: {memory: 512MB}}",
        "K107",
        "512MB",
        "`memory` is not a quantity: the suffix must be one of n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent such as e3",
        "did you mean 512M?",
    );
    assert_said(
        "ports: [{containerPort: 80.0}]",
        "K105",
        "80.0",
        "`containerPort` is written as a decimal number and read as 80",
        "write 80",
    );
    assert_said(
        "args:\n- a\n-",
        "K108",
        "",
        "`args[1]` is empty",
        "take the `-` away, or write what belongs there, \"\" for an empty text",
    );
}

#[test]
fn unknown_fields_are_explained() {
    assert_said(
        "imagePullPolicyy: Never",
        "K101",
        "imagePullPolicyy",
        "unknown field `imagePullPolicyy` in container `web`",
        "did you mean `imagePullPolicy`?",
    );
    assert_said(
        "working_dir: /",
        "K101",
        "working_dir",
        "unknown field `working_dir` in container `web`",
        "did you mean `workingDir`?",
    );
    assert_said(
        "workdir: /",
        "K101",
        "workdir",
        "unknown field `workdir` in container `web`",
        "did you mean `workingDir`?",
    );
    assert_said("port: []", "K101", "port", "unknown field `port` in container `web`", "did you mean `ports`?");
    assert_said(
        "hostNetwork: true",
        "K101",
        "hostNetwork",
        "unknown field `hostNetwork` in container `web`",
        "`spec` has this field: move it there",
    );
    assert_said(
        "privileged: true",
        "K101",
        "privileged",
        "unknown field `privileged` in container `web`",
        "`spec.containers.securityContext` has this field: move it there",
    );
    assert_said(
        "environment: []",
        "K101",
        "environment",
        "unknown field `environment` in container `web`",
        "Kubernetes calls this `env`, a list of `name` and `value`",
    );
    assert_said(
        "livenessProbe: {http: {}}",
        "K101",
        "http",
        "unknown field `http` in `livenessProbe`",
        "did you mean `httpGet`?",
    );
    assert_said("securityContext: {zzz: 1}", "K101", "zzz", "unknown field `zzz` in `securityContext`", "");
}

#[test]
fn every_problem_is_found_and_faulty_fields_are_absent() {
    let (pod, diagnostics) = read::<Pod>(
        "kind: Pod\nspec:\n  hostname: 1\n  restartPolicyy: x\n  containers:\n  - name: a\n    tty: 3\n    ports:\n    - hostPort: x\n      containerPort: 1\n  - name: 7\n    args: {}\n",
        OPTIONS,
    );
    let mut codes: Vec<_> = diagnostics.iter().map(|d| d.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["K101", "K102", "K102", "K102", "K103", "K103"]);
    let paths: Vec<_> = diagnostics.iter().filter_map(|d| d.path.as_deref()).collect();
    assert!(paths.contains(&"Pod/web · spec.containers[0].ports[0].hostPort"), "{paths:?}");
    let spec = pod.spec.expect("has a spec");
    assert_eq!((spec.hostname, spec.containers.len()), (None, 2));
    assert_eq!(spec.containers[0].tty, None);
    assert_eq!(spec.containers[0].ports.as_ref().map(|p| (p[0].host_port, p[0].container_port)), Some((None, 1)));
}

#[test]
fn problems_have_a_limit() {
    let many = "  - {name: 1, image: 2}\n".repeat(200);
    let (_, diagnostics) = read::<Pod>(&format!("spec:\n  containers:\n{many}"), OPTIONS);
    assert_eq!(diagnostics.len(), MOST_PROBLEMS);
}

#[test]
fn times_are_checked() {
    let (pod, diagnostics) =
        read::<Pod>("metadata:\n  name: a\n  creationTimestamp: soon\nspec: {hostname: 1}\n", OPTIONS);
    assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["K109", "K103"]);
    assert_eq!(pod.metadata.creation_timestamp, None);
    assert_eq!(pod.metadata.name.as_deref(), Some("a"));
}

#[test]
fn unknown_fields_may_be_warnings_or_nothing() {
    let text = "spec: {containerz: []}";
    let with = |unknown_fields| read::<Pod>(text, TypedOptions { unknown_fields, ..OPTIONS }).1;
    assert_eq!(with(Some(Severity::Warning)).iter().map(|d| d.severity).collect::<Vec<_>>(), [Severity::Warning]);
    assert_eq!(with(None), []);
}

#[test]
fn nulls_are_absent() {
    let (map, diagnostics) = read::<ConfigMap>("data:\n  A:\n  b: x\nimmutable:\nkind: ConfigMap\n", OPTIONS);
    assert_eq!((diagnostics, map.immutable), (vec![], None));
    assert_eq!(map.data.map(|d| d["A"].clone()).as_deref(), Some(""));
}

#[test]
fn base64_is_decoded_and_secrets_are_not_shown() {
    let options = TypedOptions { secret: true, object: "Secret/s", ..OPTIONS };
    let text = "data:\n  good: |\n    aGVs\n    bG8=\n  bad: hunter2!\n  number: 314159\nstringData:\n  x: 271828\n";
    let (secret, diagnostics) = read::<Secret>(text, options);
    assert_eq!(secret.data.map(|d| d["good"].0.clone()).as_deref(), Some(&b"hello"[..]));
    assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["K106", "K103", "K103"]);
    let words = diagnostics.iter().map(|d| format!("{} {:?} {:?}", d.message, d.hint, d.notes)).collect::<String>();
    for value in ["hunter2", "314159", "271828"] {
        assert!(!words.contains(value), "{words}");
    }
}
