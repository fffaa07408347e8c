//! `kube explain`: its texts, its JSON, and names that are wrong.

use crate::common::TestEnv;

#[test]
fn a_field_is_explained() {
    let env = TestEnv::new("explain-field");
    let text = env.ok(["kube", "explain", "pod.spec.os"]);
    let expected = "KIND:     Pod\nVERSION:  v1\n\nFIELD:    os <PodOS>\nSUPPORT:  works";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains("\n\nDESCRIPTION:\n    ") && text.contains("\n\nFIELDS:\n  name <string>  works\n"),
        "{text}"
    );
    let text = env.ok(["kube", "explain", "po.spec.tolerations"]);
    assert!(text.contains("SUPPORT:  no effect: there is one machine\n"), "{text}");
    let text = env.ok(["kube", "explain", "deployments.spec.template.spec.containers", "--recursive"]);
    assert!(text.contains("\n    httpGet <HTTPGetAction>  works\n      host <string>  works\n"), "{text}");
}

#[test]
fn kinds_are_listed() {
    let env = TestEnv::new("explain-kinds");
    let text = env.ok(["kube", "explain"]);
    assert!(text.starts_with("Pod                    v1       po\n"), "{text}");
    let all: serde_json::Value = serde_json::from_str(&env.ok(["kube", "explain", "-o", "json"])).expect("JSON");
    assert_eq!(all[1]["kind"], "Deployment");
}

#[test]
fn json_has_group_reason_and_cases() {
    let env = TestEnv::new("explain-json");
    let json = |field: &str| -> serde_json::Value {
        serde_json::from_str(&env.ok(["kube", "explain", field, "-o", "json"])).expect("JSON")
    };
    let image = json("pod.spec.containers.image");
    assert_eq!((&image["kind"], &image["field"]["group"]), (&"Pod".into(), &"works".into()));
    assert!(image["field"]["cases"].as_array().is_some_and(|cases| !cases.is_empty()));
    let volumes = json("pod.spec.volumes");
    let cinder =
        volumes["fields"].as_array().expect("fields").iter().find(|f| f["name"] == "cinder").expect("is there");
    assert_eq!((&cinder["group"], &cinder["reason"]), (&"refused".into(), &"network storage is not mounted".into()));
}

#[test]
fn a_wrong_name_is_put_right() {
    let env = TestEnv::new("explain-wrong");
    let said = env.fails(2, ["kube", "explain", "pod.spec.container"]);
    assert_eq!(said, "error: `pod.spec` has no field `container`\nhint: did you mean `containers`?\n");
}
