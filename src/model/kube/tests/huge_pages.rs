//! Huge pages on a machine that has some.

use super::*;
use crate::model::kube::{Machine, huge_pages::resource};
use crate::model::{EmptyDirMedium, ResourceName, VolumeSource};

const MIB: u64 = 1 << 20;

/// A machine with 16 MiB in pages of 2 MiB, and with none of 1 GiB.
fn load(limits: &str, rest: &str, medium: &str) -> Loaded {
    let huge_pages = [(2 * MIB, 16 * MIB), (1024 * MIB, 0)].into();
    let able = LoadOptions { machine: Machine { huge_pages, ..Machine::default() }, ..LoadOptions::default() };
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  volumes: [{{name: v, emptyDir: {{medium: {medium}}}}}]\n  \
         containers:\n  - {{name: c, image: i, resources: {{limits: {{{limits}}}{rest}}}}}\n"
    );
    load_text(&text, &able)
}

#[test]
fn pages_are_given_where_they_are_reserved() {
    for medium in ["HugePages", "HugePages-2Mi"] {
        let loaded = load("memory: 64Mi, hugepages-2Mi: 8Mi", ", requests: {hugepages-2Mi: 8Mi}", medium);
        assert_eq!(shown(&loaded), Vec::<String>::new());
        let pod = loaded.application.expect("it loads").pods.remove(0);
        assert_eq!(pod.containers[0].huge_pages, [(2 * MIB, 8 * MIB)].into());
        let VolumeSource::EmptyDir { medium, .. } = pod.volumes[0].source else { panic!("an emptyDir") };
        assert_eq!(medium, EmptyDirMedium::HugePages(2 * MIB));
    }
}

#[test]
fn what_cannot_be_had_is_refused_with_the_reason() {
    let table = [
        ("memory: 64Mi, hugepages-2Mi: 32Mi", "", "HugePages", "has reserved 16Mi in pages of 2Mi"),
        ("memory: 64Mi, hugepages-1Gi: 1Gi", "", "HugePages", "has reserved no pages of 1Gi"),
        (
            "memory: 64Mi, hugepages-1Gi: 1Gi",
            "",
            "HugePages",
            "echo 1 >/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_",
        ),
        ("memory: 64Mi, hugepages-4Mi: 4Mi", "", "''", "no pages of `4Mi` | it has: 2Mi, 1Gi"),
        ("memory: 64Mi, hugepages-2Mi: 3Mi", "", "''", "no multiple of the size of a page"),
        (
            "memory: 64Mi, hugepages-2Mi: 4Mi",
            ", requests: {hugepages-2Mi: 2Mi}",
            "''",
            "request and limit of `hugepages-2Mi` differ",
        ),
        ("memory: 64Mi", ", requests: {hugepages-2Mi: 2Mi}", "''", "request and limit of `hugepages-2Mi` differ"),
        ("hugepages-2Mi: 2Mi", "", "''", "huge pages need CPU or memory beside them"),
        ("memory: 64Mi", "", "HugePages-2Mi", "no container of the pod asks for pages of 2Mi"),
        ("memory: 64Mi", "", "HugePages-3Mi", "no pages of `3Mi`"),
    ];
    for (limits, rest, medium, words) in table {
        let found = shown(&load(limits, rest, medium));
        assert!(found.len() == 1 && found[0].contains(words), "{limits} {rest} {medium}: {words}\n{found:#?}");
    }
}

#[test]
fn variables_may_have_them() {
    assert_eq!(resource("limits.hugepages-2Mi"), Some((ResourceName::HugePages(2 * MIB), true)));
    assert_eq!(resource("requests.hugepages-1Gi"), Some((ResourceName::HugePages(1024 * MIB), false)));
    for text in ["limits.hugepages-", "hugepages-2Mi", "limit.hugepages-2Mi", "limits.memory"] {
        assert_eq!(resource(text), None, "{text}");
    }
}
