use super::verdict::Fit;
use super::*;
use std::path::Path;

/// Every path of every kind, by `Type.field`.
fn places() -> BTreeMap<String, Vec<(Kind, Vec<&'static str>)>> {
    let mut places: BTreeMap<String, Vec<(Kind, Vec<&'static str>)>> = BTreeMap::new();
    for kind in Kind::all() {
        for level in Tree::of(kind).levels {
            for name in level.fields {
                let path = [level.path.as_slice(), &[*name]].concat();
                places.entry(format!("{}.{name}", level.name)).or_default().push((kind, path));
            }
        }
    }
    places
}

#[test]
fn every_field_has_a_sample_that_the_loader_takes() {
    let trees: Vec<Tree> = Kind::all().map(Tree::of).collect();
    let tree = |kind: Kind| trees.iter().find(|tree| tree.kind == kind).expect("is there");
    let mut misfits = Vec::new();
    for (id, places) in places() {
        let all: Vec<Fit> = places.iter().map(|(kind, path)| verdict::fit(tree(*kind), path)).collect();
        // In an init container, say, a field may be wrong that is right elsewhere.
        let misfit = all.iter().find_map(|fit| if let Fit::Misfit(why) = fit { Some(why) } else { None });
        misfits.extend(misfit.filter(|_| !all.contains(&Fit::Fits)).map(|why| format!("{id}: {why}")));
    }
    assert!(misfits.is_empty(), "{} fields need a value in `values.rs`:\n{}", misfits.len(), misfits.join("\n"));
}

/// What is proven or will be: the claims of all cases.
fn claimed() -> Proven {
    let mut claimed = Proven::built_in();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/kube");
    for entry in std::fs::read_dir(cases).expect("there are cases") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let case: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        for claim in case.get("proves").and_then(|claims| claims.as_sequence()).into_iter().flatten() {
            let field = claim.get("field").and_then(|field| field.as_str()).expect("a field");
            claimed.0.entry(field.to_owned()).or_default().insert(name.clone());
        }
    }
    claimed
}

/// Fields that are obeyed though no case shows it yet. This number may only become smaller.
const UNPROVEN_MOST: usize = 6;

#[test]
fn every_field_is_in_one_group() {
    let table = table(&claimed());
    let is_unproven = |row: &&Row| matches!(&row.field.support, Support::Works { cases } if cases.is_empty());
    let unproven: Vec<String> = table.iter().filter(is_unproven).map(|row| row.field.id()).collect();
    assert!(unproven.len() <= UNPROVEN_MOST, "{} fields are obeyed without a case: {unproven:#?}", unproven.len());
}

#[test]
fn no_field_is_in_two_groups() {
    let claimed = claimed();
    let table = table(&claimed);
    let works = |id: &str| table.iter().find(|row| row.field.id() == id).map(|row| &row.field.support);
    for id in claimed.0.keys().filter(|id| is_field(id)) {
        let support = works(id);
        assert!(matches!(support, Some(Support::Works { .. })), "a case claims {id}, and the loader says {support:?}");
    }
}

/// Claims also name commands and options.
fn is_field(claim: &str) -> bool {
    claim.starts_with(|c: char| c.is_ascii_uppercase()) && !claim.contains(' ') && claim != "List.items"
}

#[test]
fn what_the_loader_says_is_what_is_explained() {
    let explained = |path: &str| explain(path, false, &Proven::built_in()).expect("is a field");
    let support = |path: &str| explained(path).field.expect("a field").support;
    assert!(matches!(support("pod.spec.containers.image"), Support::Works { cases } if !cases.is_empty()));
    assert!(matches!(support("pods.spec.containers"), Support::Works { cases } if !cases.is_empty()));
    assert_eq!(support("po.spec.tolerations"), Support::NoEffect { reason: "there is one machine".into() });
    assert_eq!(support("deploy.spec.template.spec.tolerations.key"), support("pod.spec.tolerations"));
    let Support::Refused { reason, hint } = support("pod.spec.volumes.cinder") else { panic!("is refused") };
    assert_eq!(reason, "network storage is not mounted");
    assert!(hint.is_some_and(|hint| hint.contains("hostPath")));
    let os = explained("Pod.spec.os.name").field.expect("a field");
    assert_eq!(os.exceptions.iter().map(|e| e.value.as_str()).collect::<Vec<_>>(), ["windows"]);
    assert!(matches!(os.support, Support::Works { .. }));
}

#[test]
fn names_that_are_wrong_are_put_right() {
    let hint = |path: &str| explain(path, false, &Proven::default()).expect_err("is wrong").to_string_and_hint();
    assert_eq!(hint("deploymnt"), "there is no kind `deploymnt`; did you mean `deployment`?");
    assert_eq!(hint("pod.spec.container"), "`pod.spec` has no field `container`; did you mean `containers`?");
    assert_eq!(hint("pod.spec.dnspolicy"), "`pod.spec` has no field `dnspolicy`; did you mean `dnsPolicy`?");
    let elsewhere = hint("pod.spec.image");
    assert!(elsewhere.contains("did you mean `pod.spec.containers.image`?"), "{elsewhere}");
    assert!(hint("services.spec").starts_with("kind `Service` is not played; publish ports"));
    assert!(hint("pod.spec.hostname.x").ends_with("it has no fields"));
}

impl ExplainError {
    fn to_string_and_hint(&self) -> String {
        format!("{self}; {}", self.hint())
    }
}

#[test]
fn all_levels_come_when_asked_for() {
    let all = explain("pod.spec.containers.livenessProbe", true, &Proven::default()).expect("is a field");
    let http = all.fields.iter().find(|part| part.field.name() == "httpGet").expect("is there");
    let headers = http.fields.iter().find(|part| part.field.name() == "httpHeaders").expect("is there");
    assert_eq!(headers.fields.iter().map(|part| part.field.name()).collect::<Vec<_>>(), ["name", "value"]);
    assert_eq!(headers.field.shape.to_string(), "[]HTTPHeader");
}
