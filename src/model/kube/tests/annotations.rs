//! Podman's annotations: what they make of a pod, and where the machine has a say.

use super::*;
use crate::model::UserIds;
use crate::model::kube::Machine;

/// A pod with one container `c` and these annotations, in flow style.
fn with(annotations: &str) -> String {
    with_spec("").replace("{name: p}", &format!("{{name: p, annotations: {{{annotations}}}}}"))
}

#[test]
fn processors_and_memory_nodes_must_be_there() {
    let machine =
        Machine { cpus: Some("0-3".parse().unwrap()), memory_nodes: Some("0".parse().unwrap()), ..Machine::default() };
    let options = LoadOptions { machine, ..LoadOptions::default() };
    let load = |annotation: &str| load_text(&with(&format!("io.podman.annotations.{annotation}")), &options);
    let cpu_set = |annotation: &str| {
        load(annotation).application.expect("it is valid").pods.remove(0).containers.remove(0).cpu_set
    };
    assert_eq!(cpu_set("cpuset/c: '3,0-1'").cpus.unwrap().to_string(), "0-1,3");
    assert_eq!(cpu_set("memory-nodes/c: '0'").memory_nodes.unwrap().to_string(), "0");
    let found = shown(&load("cpuset/c: 2-4")).join("\n");
    assert!(found.contains("error[K115] 3:") && found.contains("no CPU 4 | possible: 0-3"), "{found}");
    let found = shown(&load("memory-nodes/c: '1'")).join("\n");
    assert!(found.contains("error[K115]") && found.contains("no memory node 1"), "{found}");
}

#[test]
fn an_init_process_is_its_containers_alone() {
    let text =
        with("io.podman.annotations.init/c: 'TRUE'").replace("containers: [", "containers: [{name: d, image: i}, ");
    let init: Vec<_> = application(&text).pods[0].containers.iter().map(|c| (c.name.clone(), c.init_process)).collect();
    assert_eq!(init, [("d".to_owned(), false), ("c".to_owned(), true)]);
}

#[test]
fn a_user_namespace_has_the_ids_that_were_asked_for() {
    let of = |fields: &str, option: Option<&str>| {
        let options = LoadOptions { user_namespace: option.map(str::to_owned), ..LoadOptions::default() };
        let pod = load_text(fields, &options).application.expect("it is valid").pods.remove(0);
        pod.user_namespace.then_some(pod.user_ids)
    };
    let annotated = |mode: &str| with(&format!("io.podman.annotations.userns: '{mode}'"));
    let (usual, own) = (Some(UserIds::default()), |count| Some(UserIds::Own { count }));
    for (mode, ids) in [
        ("host", None),
        ("auto", usual),
        ("auto:", usual),
        ("auto:size=1024", own(1024)),
        ("private", usual),
        ("keep-id", Some(UserIds::Machine)),
    ] {
        assert_eq!(of(&annotated(mode), None), ids, "{mode}");
    }
    assert_eq!(of(&with("io.podman.annotations.userns/p: 'auto:size=7'"), None), own(7));
    // The option before the annotation, the annotation before the field.
    assert_eq!(of(&annotated("auto"), Some("host")), None);
    assert_eq!(of(&annotated("host"), Some("auto:size=70000")), own(70_000));
    let both = annotated("auto:size=9") + "  hostUsers: false\n";
    assert_eq!(of(&both, None), own(9));
    assert_eq!(of(&with_spec("hostUsers: false"), Some("host")), None);
}

#[test]
fn what_does_not_go_with_a_user_namespace_is_told_wherever_that_is_asked_for() {
    let small = |fields: &str| with("io.podman.annotations.userns: 'auto:size=1000'") + &indent(fields, 2);
    finds(
        &small("securityContext: {runAsUser: 1000}"),
        &["K115", " 6:32 ", "securityContext.runAsUser", "ids end at 999"],
    );
    finds(&small("hostNetwork: true"), &["K118", "hostNetwork", "exclude each other"]);
    let unmasked = with("io.podman.annotations.userns: auto")
        .replace("image: i}", "image: i, securityContext: {procMount: Unmasked}}");
    assert!(shown(&load_text(&unmasked, &LoadOptions::default())).is_empty());
    let options = LoadOptions { user_namespace: Some("auto:size=5".into()), ..LoadOptions::default() };
    let found = shown(&load_text(&with_spec("securityContext: {fsGroup: 5}"), &options));
    assert!(found.len() == 1 && found[0].contains("--userns") && found[0].contains("ids end at 4"), "{found:?}");
}

#[test]
fn images_whose_volumes_are_mounted_are_volumes_of_the_pod() {
    let text = with(
        "io.podman.annotations.kube.image.volumes.mount/c: 'a;localhost/b:1; a', \
         io.podman.annotations.kube.image.automount/d: a",
    );
    let text =
        text.replace("containers: [", "containers: [{name: d, image: i}, ") + "  volumes: [{name: image-volumes-0}]\n";
    let pod = application(&text).pods.remove(0);
    let images: Vec<_> = pod.image_volumes().map(|(name, reference, _)| (name, reference)).collect();
    assert_eq!(images, [("image-volumes-1", "a"), ("image-volumes-2", "localhost/b:1")]);
    assert_eq!(pod.containers[0].image_mounts, ["image-volumes-1"]);
    assert_eq!(pod.containers[1].image_mounts, ["image-volumes-1", "image-volumes-2"]);
    finds(&with("io.podman.annotations.kube.image.automount/c: 'a;A B'"), &["K114"]);
}
