//! Plans as text, from states in the model's own terms.

use super::state::{Amendment, Desired, DesiredImage, DesiredPod, Observed, ObservedPod, ObservedState};
use super::{Format, Plan, StepKind, build};
use crate::model::pod::spec_hash;
use crate::model::*;

fn container(name: &str) -> Container {
    Container { name: name.into(), image: "localhost/app".into(), ..Container::default() }
}

fn web() -> Pod {
    let volume = |name: &str, source| Volume { name: name.into(), source };
    let config = VolumeSource::ConfigMap {
        name: "conf".into(),
        items: vec![],
        default_mode: 0o644,
        default_user: None,
        optional: false,
    };
    Pod {
        name: "web".into(),
        init_containers: vec![container("setup"), Container { sidecar: true, ..container("proxy") }],
        containers: vec![container("app"), container("log")],
        volumes: vec![volume("c", config), volume("d", VolumeSource::Claim { name: "data".into(), read_only: false })],
        ..Pod::default()
    }
}

fn api() -> Pod {
    Pod { name: "api".into(), containers: vec![container("app")], ..Pod::default() }
}

fn application() -> Application {
    Application {
        name: "web".into(),
        pods: vec![web(), api()],
        config_maps: vec![ConfigMap { name: "conf".into(), ..ConfigMap::default() }],
        claims: vec![ClaimTemplate { name: "data".into(), ..ClaimTemplate::default() }],
        ..Application::default()
    }
}

fn desired(application: &Application, replace: bool) -> Desired<'_> {
    let pod = |pod| DesiredPod {
        pod,
        spec_hash: spec_hash(pod),
        amendment: Amendment::None,
        environment_hash: String::new(),
        images: pod.all_containers().map(|_| DesiredImage::Here("i1".to_owned())).collect(),
        networks: vec!["podkin".to_owned()],
    };
    Desired { application, pods: application.pods.iter().map(pod).collect(), replace, whole: true, start: true }
}

/// The state after `application` was played.
fn played(application: &Application) -> Observed {
    let pod = |pod: &Pod| ObservedPod {
        pod: pod.clone(),
        spec_hash: spec_hash(pod),
        environment_hash: String::new(),
        images: pod.all_containers().map(|_| "i1".to_owned()).collect(),
        state: ObservedState::Running,
    };
    Observed {
        pods: application.pods.iter().map(pod).collect(),
        config_maps: application.config_maps.iter().map(|o| (o.name.clone(), o.clone())).collect(),
        secrets: Default::default(),
        volumes: application.claims.iter().map(|c| c.name.clone()).collect(),
        networks: ["podkin".to_owned()].into(),
    }
}

#[track_caller]
fn check(plan: Plan, expected: &str) {
    let expected: Vec<_> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let text = plan.render(Format::Text);
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    assert_eq!(lines, expected, "\n{text}");
}

#[test]
fn from_nothing() {
    let application = application();
    let mut desired = desired(&application, false);
    desired.pods[1].images = vec![DesiredImage::Embedded];
    check(
        build(&desired, &Observed::default()).unwrap(),
        "1. create network `podkin` (missing)
         2. load image `localhost/app` (missing)
         3. store `ConfigMap/conf` (missing)
         4. create volume `data` (missing)
         5. create pod `web` (missing), after 1, 3, 4
         6. make sandbox of pod `web` (missing), after 5
         7. run init container `web/setup` (missing), after 6
         8. start sidecar `web/proxy` (missing), after 7
         9. start container `web/app` (missing), after 8
        10. start container `web/log` (missing), after 8
        11. create pod `api` (missing), after 1, 2
        12. make sandbox of pod `api` (missing), after 11
        13. start container `api/app` (missing), after 12",
    );
}

#[test]
fn a_second_play_does_nothing() {
    let application = application();
    let plan = build(&desired(&application, true), &played(&application)).unwrap();
    assert!(plan.is_empty());
    check(plan, "pod `web` is unchanged\n pod `api` is unchanged");
}

#[test]
fn a_stopped_pod_is_started_and_a_completed_one_is_not() {
    let application = application();
    let mut observed = played(&application);
    observed.pods[0].state = ObservedState::Completed;
    observed.pods[1].state = ObservedState::Stopped;
    check(
        build(&desired(&application, false), &observed).unwrap(),
        "1. make sandbox of pod `api` (not running)
         2. start container `api/app` (not running), after 1
            pod `web` is unchanged",
    );
    let mut only_create = desired(&application, false);
    only_create.start = false;
    assert!(build(&only_create, &observed).unwrap().is_empty());
}

#[test]
fn a_changed_pod_is_refused_with_its_fields() {
    let before = application();
    let mut after = application();
    after.pods[1].containers[0].args = vec!["--fast".into()];
    after.pods[1].containers[0].ports.push(Port {
        name: None,
        container_port: 80,
        host_port: None,
        host_ip: None,
        protocol: Protocol::Tcp,
    });
    let refusal = build(&desired(&after, false), &played(&before)).unwrap_err();
    let fields = ["containers[app].args".to_owned(), "containers[app].ports".to_owned()];
    assert_eq!(refusal.pods, [("api".to_owned(), fields.to_vec())]);
}

#[test]
fn replace_recreates_the_changed_pod_alone() {
    let before = application();
    let mut after = application();
    after.pods[1].hostname = Some("other".into());
    check(
        build(&desired(&after, true), &played(&before)).unwrap(),
        "1. stop pod `api` (changed: hostname)
         2. remove pod `api` (changed: hostname), after 1
         3. create pod `api` (changed: hostname), after 2
         4. make sandbox of pod `api` (changed: hostname), after 3
         5. start container `api/app` (changed: hostname), after 4
            pod `web` is unchanged",
    );
}

#[test]
fn replace_removes_what_the_file_lost() {
    let before = application();
    let mut after = application();
    after.pods.remove(1);
    after.config_maps.clear();
    let mut observed = played(&before);
    let unused = ConfigMap { name: "unused".into(), ..ConfigMap::default() };
    observed.config_maps.insert("unused".into(), unused);
    observed.pods[1].state = ObservedState::Stopped;
    assert!(build(&desired(&after, false), &observed).unwrap().is_empty(), "only with --replace");
    check(
        build(&desired(&after, true), &observed).unwrap(),
        "1. remove `ConfigMap/unused` (no longer in the file)
         2. remove pod `api` (no longer in the file)
            pod `web` is unchanged",
    );
}

#[test]
fn a_changed_config_map_refreshes_the_pods_that_mount_it() {
    let before = application();
    let mut after = application();
    after.config_maps[0].data.insert("k".into(), b"v".to_vec());
    check(
        build(&desired(&after, false), &played(&before)).unwrap(),
        "1. store `ConfigMap/conf` (changed)
         2. refresh objects of pod `web` (its ConfigMaps or Secrets changed), after 1
            pod `api` is unchanged",
    );
}

#[test]
fn an_object_that_only_optional_volumes_refer_to_goes_from_them() {
    let application = |maps: &[&str]| {
        let optional = |optional| VolumeSource::ConfigMap {
            name: if optional { "maybe".into() } else { "conf".into() },
            items: vec![],
            default_mode: 0o644,
            default_user: None,
            optional,
        };
        let mut application = application();
        application.pods[1].volumes = vec![Volume { name: "v".into(), source: optional(true) }];
        application.pods[0].volumes[0].source = optional(false);
        application.config_maps =
            maps.iter().map(|name| ConfigMap { name: (*name).into(), ..ConfigMap::default() }).collect();
        application
    };
    let (before, after) = (application(&["conf", "maybe"]), application(&[]));
    assert!(build(&desired(&after, false), &played(&before)).unwrap().is_empty(), "only with --replace");
    check(
        build(&desired(&after, true), &played(&before)).unwrap(),
        "1. remove `ConfigMap/maybe` (no longer in the file)
         2. refresh objects of pod `api` (its ConfigMaps or Secrets changed), after 1
            pod `web` is unchanged",
    );
}

#[test]
fn other_labels_are_recorded_and_shown_and_no_process_is_touched() {
    let before = application();
    let mut after = application();
    after.pods[0].labels.insert("tier".into(), "front".into());
    after.pods[1].annotations.insert("note".into(), "x".into());
    let mut observed = played(&before);
    observed.pods[1].state = ObservedState::Stopped;
    let mut desired = desired(&after, false);
    desired.pods.iter_mut().for_each(|pod| pod.amendment = Amendment::Possible);
    check(
        build(&desired, &observed).unwrap(),
        "1. update pod `web` (changed: labels.tier)
         2. refresh objects of pod `web` (changed: labels.tier), after 1
         3. update pod `api` (changed: annotations.note)
         4. make sandbox of pod `api` (not running), after 3
         5. start container `api/app` (not running), after 4",
    );
}

#[test]
fn other_resources_are_given_to_what_runs() {
    let mut before = application();
    before.pods[0].containers[0].resize_policy.restart_for_memory = true;
    before.pods[0].containers[0].resources.memory_request = Some(1);
    let mut after = before.clone();
    after.pods[0].containers[0].resources.memory_request = Some(2);
    let mut desired = desired(&after, false);
    desired.pods[0].amendment = Amendment::Possible;
    check(
        build(&desired, &played(&before)).unwrap(),
        "1. update pod `web` (changed: containers[app].resources.requests.memory)
         2. refresh objects of pod `web` (changed: containers[app].resources.requests.memory), after 1
         3. resize pod `web` (changed: containers[app].resources.requests.memory), after 1
         4. restart container `web/app` (its resizePolicy), after 3
         pod `api` is unchanged",
    );
    let mut starting = played(&before);
    starting.pods[0].state = ObservedState::Starting;
    let plan = build(&desired, &starting).unwrap();
    assert!(plan.find(&StepKind::ResizePod { pod: "web".into() }).is_some(), "what runs of it already is resized");
    desired.pods[0].amendment = Amendment::Refused("no".into());
    let refusal = build(&desired, &played(&before)).unwrap_err();
    assert_eq!((refusal.resizes, refusal.pods), (vec![("web".to_owned(), "no".to_owned())], vec![]));
    desired.replace = true;
    assert!(build(&desired, &played(&before)).is_ok());
}

#[test]
fn immutable_objects_keep_their_data() {
    let mut before = application();
    before.config_maps[0].immutable = true;
    let mut after = before.clone();
    after.config_maps[0].labels.insert("tier".into(), "front".into());
    assert!(build(&desired(&after, false), &played(&before)).is_ok(), "labels may change");
    let refused = [(ObjectKind::ConfigMap, "conf".to_owned())];
    after.config_maps[0].immutable = false;
    assert_eq!(build(&desired(&after, true), &played(&before)).unwrap_err().objects, refused);
    after.config_maps[0].immutable = true;
    after.config_maps[0].data.insert("k".into(), b"v".to_vec());
    assert_eq!(build(&desired(&after, true), &played(&before)).unwrap_err().objects, refused);
    before.config_maps[0].immutable = false;
    assert!(build(&desired(&after, false), &played(&before)).is_ok(), "it becomes immutable with this");
}

#[test]
fn another_image_behind_the_name_is_a_change() {
    let application = application();
    let mut observed = played(&application);
    observed.pods[1].images[0] = "old".into();
    let refusal = build(&desired(&application, false), &observed).unwrap_err();
    assert_eq!(refusal.pods[0].1, ["the image `localhost/app` now names another one"]);
}

#[test]
fn every_format_tells_the_same_steps() {
    let application = application();
    let plan = build(&desired(&application, false), &Observed::default()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&plan.render(Format::Json)).unwrap();
    assert_eq!(json["steps"].as_array().unwrap().len(), plan.len());
    assert_eq!(json["steps"][3]["step"], "create-pod");
    assert_eq!(json["steps"][3]["after"][0]["id"], 1);
    let dot = plan.render(Format::Dot);
    assert!(dot.starts_with("digraph plan {") && dot.contains("s4 -> s5 [label=\"it is recorded\"];"), "{dot}");
    let mermaid = plan.render(Format::Mermaid);
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("s4 -->|it is recorded| s5"), "{mermaid}");
    assert_eq!(
        plan.render(Format::Dot),
        build(&desired(&application, false), &Observed::default()).unwrap().render(Format::Dot)
    );
}
