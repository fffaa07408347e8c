//! Podman's annotations: what they make of a pod, and where the machine has a say.

use super::*;
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
