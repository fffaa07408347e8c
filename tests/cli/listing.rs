//! Listings: columns, templates, JSON, filters.

use crate::common::TestEnv;
use crate::with_sleeper;

#[test]
fn ps_has_podmans_columns() {
    let env = with_sleeper("listing-ps");
    let text = env.ok(["ps"]);
    let header = "CONTAINER ID  IMAGE                         COMMAND               CREATED";
    assert!(text.starts_with(header), "{text}");
    let line = text.lines().nth(1).unwrap();
    assert!(line.contains("/podkin-demo slee...  ") && line.ends_with("web-app") && line.contains("  Up "), "{text}");
    assert_eq!(env.ok(["ps", "--noheading"]).lines().count(), 1);
    assert!(env.ok(["ps", "--pod"]).lines().next().unwrap().ends_with("POD ID        PODNAME"));
    assert!(env.ok(["ps", "--ns"]).starts_with("CONTAINER ID  NAMES       PID"));
    assert_eq!(env.ok(["ps", "--format", r"table {{.Names}}\t{{.State}}"]), "NAMES       STATE\nweb-app     running\n");
}

#[test]
fn ids_are_short_unless_asked() {
    let env = with_sleeper("listing-ids");
    assert_eq!(env.ok(["ps", "-q"]).trim().len(), 12);
    assert_eq!(env.ok(["ps", "-q", "--no-trunc"]).trim().len(), 64);
    assert_eq!(env.ok(["pod", "ps", "-q"]).trim().len(), 12);
}

#[test]
fn json_has_podmans_fields() {
    let env = with_sleeper("listing-json");
    let ps: serde_json::Value = serde_json::from_str(&env.ok(["ps", "--format", "json"])).unwrap();
    let container = &ps[0];
    assert_eq!(container["Names"][0], "web-app");
    assert_eq!(container["State"], "running");
    assert_eq!(container["PodName"], "web");
    assert_eq!(container["Labels"]["app"], "site");
    for field in
        ["Id", "Image", "ImageID", "Command", "Created", "StartedAt", "Pid", "Ports", "Mounts", "Status", "ExitCode"]
    {
        assert!(!container[field].is_null(), "{field} is missing: {container}");
    }
    let pods: serde_json::Value = serde_json::from_str(&env.ok(["pod", "ps", "--format", "json"])).unwrap();
    assert_eq!(pods[0]["Containers"][0]["Names"], "web-app");
    let images: serde_json::Value = serde_json::from_str(&env.ok(["images", "--format", "json"])).unwrap();
    assert_eq!(images[0]["Names"][0], "localhost/podkin-demo:latest");
}

#[test]
fn filters_choose() {
    let env = with_sleeper("listing-filters");
    let names = |filters: &[&str]| {
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        let arguments = ["ps", "-a", "--format", "{{.Names}}"].into_iter().chain(filters);
        env.ok(arguments)
    };
    for wanted in ["name=web", "label=app", "label=app=site", "status=running", "pod=web", "ancestor=podkin-demo"] {
        assert_eq!(names(&[wanted]), "web-app\n", "{wanted}");
    }
    for other in ["name=x", "label=app=other", "status=exited", "pod=other", "ancestor=nginx", "health=unhealthy"] {
        assert_eq!(names(&[other]), "", "{other}");
    }
    assert_eq!(names(&["status=exited", "status=running"]), "web-app\n");
    assert_eq!(names(&["status=running", "name=x"]), "");
}

#[test]
fn unknown_fields_and_functions_are_named() {
    let env = with_sleeper("listing-template");
    let said = env.fails(2, ["ps", "--format", "{{.Name_}}"]);
    assert!(said.contains("there is no field `.Name_`") && said.contains("hint: did you mean `.Name"), "{said}");
    let said = env.fails(2, ["ps", "--format", "{{frobnicate .ID}}"]);
    assert!(said.contains("template function `frobnicate` does not exist"), "{said}");
    assert_eq!(env.ok(["inspect", "--format", "{{.State.Status}}", "web-app"]), "running\n");
    assert_eq!(env.ok(["pod", "inspect", "--format", "{{len .Containers}}", "web"]), "1\n");
}

#[test]
fn volumes_are_listed_and_removed() {
    let env = TestEnv::new("listing-volumes");
    assert_eq!(env.ok(["volume", "create", "--label", "a=b", "one"]), "one\n");
    assert_eq!(env.ok(["volume", "create"]).trim().len(), 64);
    env.fails(125, ["volume", "create", "one"]);
    assert_eq!(env.ok(["volume", "ls", "--filter", "label=a"]), "DRIVER      VOLUME NAME\nlocal       one\n");
    assert_eq!(env.ok(["volume", "inspect", "--format", "{{.Name}} {{.Labels.a}}", "one"]), "one b\n");
    assert_eq!(env.ok(["volume", "rm", "one"]), "one\n");
    assert_eq!(env.ok(["volume", "prune", "--force"]).lines().count(), 1);
    assert_eq!(env.ok(["volume", "ls"]), "DRIVER      VOLUME NAME\n");
}
